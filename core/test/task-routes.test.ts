// Tasks (the extension): whose they are, and at which server.
import test from 'ava';
import { Answer } from '../src/index.ts';
import type { JsonObject } from '../src/index.ts';
import { HandServer, ready, startHost, TestClient } from './support.ts';

const grants = {
  alice: { token: 'alice-secret-token-1', tools: { allow: ['*'] } },
  bob: { token: 'bob-secret-token-001', tools: { allow: ['*'] } },
};

/** A server whose calls of `work` make tasks of the id that they name. */
function tasksAt(name: string, isolation: 'shared' | 'task', era: 'old' | 'new' = 'old'): HandServer {
  const lists = { 'tools/list': { tools: [{ name: 'work', inputSchema: { type: 'object' } }] } };
  const server = new HandServer({ name, isolation, era, lists });
  const ids: unknown[] = [];
  server.answer = ({ method, params }) => {
    const own = era === 'new' ? { resultType: 'complete' } : {};
    if (method === 'tasks/list') return Answer.result({ tasks: ids.map((taskId) => ({ taskId })), nextCursor: 'more' });
    if (method !== 'tools/call') return Answer.result({ ...own, at: name, taskId: params?.['taskId'] });
    const { taskId } = (params?.['arguments'] ?? {}) as JsonObject;
    ids.push(taskId);
    return Answer.result(era === 'new' ? { resultType: 'task', taskId } : { task: { taskId, status: 'working' } });
  };
  return server;
}

const make = (client: TestClient, name: string, taskId: string) =>
  client.request('tools/call', { name, arguments: { taskId }, task: {} });

test('a server that serves all grants on one connection answers each for its own tasks only', async (t) => {
  const { host, board } = await startHost([tasksAt('s', 'shared').plugin], { grants });
  t.teardown(() => host.stop());
  await ready(board);
  for (const endpoint of ['s', undefined]) {
    const [alice, bob] = [
      await TestClient.old(board, board.grants.get('alice'), {}, endpoint),
      await TestClient.old(board, board.grants.get('bob'), {}, endpoint),
    ];
    const [hers, his] = [`alice at ${endpoint}`, `bob at ${endpoint}`];
    await make(alice, endpoint === undefined ? 's_work' : 'work', hers);
    await make(bob, endpoint === undefined ? 's_work' : 'work', his);
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      t.like((await alice.request(method, { taskId: hers })).response.result, { at: 's', taskId: hers });
      t.is((await bob.request(method, { taskId: hers })).response.error?.code, -32602, method);
      t.is((await bob.request(method, { taskId: [his] })).response.error?.code, -32602, method);
    }
    if (endpoint === undefined) continue;
    const { result } = (await bob.request('tasks/list')).response;
    t.deepEqual(result, { tasks: [{ taskId: his }], nextCursor: 'more' });
  }
});

test('a new-era server has no sessions that a task could belong to: there, too, each finds its own', async (t) => {
  const { host, board } = await startHost([tasksAt('s', 'task', 'new').plugin], { grants });
  t.teardown(() => host.stop());
  await ready(board);
  const [alice, bob] = [
    await TestClient.new(board, board.grants.get('alice'), 's'),
    await TestClient.new(board, board.grants.get('bob'), 's'),
  ];
  for (const client of [alice, bob]) client.capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
  await make(alice, 'work', 'one');
  t.like((await alice.request('tasks/get', { taskId: 'one' })).response.result, { at: 's' });
  t.is((await bob.request('tasks/get', { taskId: 'one' })).response.error?.code, -32602);
});

test('one server’s endpoint asks that server, whoever else has given the same id', async (t) => {
  const { host, board } = await startHost([tasksAt('x', 'task').plugin, tasksAt('y', 'task').plugin], { grants });
  t.teardown(() => host.stop());
  await ready(board);
  const at = (endpoint?: string) => TestClient.old(board, board.grants.get('alice'), {}, endpoint);
  const [x, y, all] = [await at('x'), await at('y'), await at()];
  for (const client of [x, y]) await make(client, 'work', '1');
  await make(y, 'work', '2');
  const where = async (client: TestClient, taskId: string) =>
    (await client.request('tasks/get', { taskId })).response.result?.['at'];
  t.deepEqual([await where(x, '1'), await where(y, '1'), await where(all, '1')], ['x', 'y', 'y']);
  t.deepEqual([await where(x, '2'), await where(all, '2')], ['x', 'y'], 'a task of y was found at x');
  await make(x, 'work', '1');
  t.is(await where(all, '1'), 'x');
});
