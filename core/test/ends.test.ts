// What ends, or is refused, leaves nothing behind: sessions, grants, calls, changes of the configuration.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Answer, definePlugin, RefusedRequest } from '../src/index.ts';
import type { BoardApi, Grant, ServerDefinition } from '../src/index.ts';
import { Puppet } from './puppet.ts';
import { echoServer, startHost, TestClient, until } from './support.ts';

const grantOf = (id: string): Grant => ({ id, tools: { allow: ['*'], deny: [] } });

async function hostWith(t: ExecutionContext, puppet: Puppet): Promise<BoardApi> {
  const { host, board } = await startHost([puppet.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  return board;
}

test('a change of the configuration that is refused for a server’s name has changed nothing', async (t) => {
  const fs = echoServer('fs', ['read']);
  const config = { tools: { allow: ['fs:read'] } };
  const { host, board, configure } = await startHost([fs], config);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  let stopped = 0;
  const rival = definePlugin({
    id: 'rival',
    apiVersion: 1,
    apply: ({ servers, hooks }) => {
      for (const name of ['fs', 'other']) servers.register(new Puppet(name).definition);
      hooks.on('onListTools', () => []);
      return () => void (stopped += 1);
    },
  });
  const wider = {
    tools: { allow: ['*'] },
    grants: { alice: { token: 'alice-secret-token-1', tools: { allow: ['*'] } } },
  };
  await t.throwsAsync(configure([fs, rival], wider), { message: /has registered that name already/ });
  t.is(stopped, 1, 'what was applied for it still runs');
  t.deepEqual(await client.toolNames(), ['fs_read']);
  t.is(board.grants.size, 0);
  t.deepEqual(
    board.servers().map(({ name }) => name),
    ['fs'],
  );
  await configure([fs, echoServer('more', ['x'])], { tools: { allow: ['*'] } });
  await until(async () => (await client.toolNames()).length === 2);
});

test('a grant that the configuration names no more loses its sessions, and its servers hear of it', async (t) => {
  const token = 'alice-secret-token-1';
  const fs = echoServer('fs', ['read']);
  const config = { grants: { alice: { token, tools: { allow: ['*'] } } } };
  const { host, board, configure } = await startHost([fs], config);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  const sign = async () => board.authenticate({ kind: 'bearer', token }, { transport: 'test' });
  const client = await TestClient.old(board, await sign());
  await client.echo('fs_read');
  t.is(board.servers()[0]?.leases, 1);
  await configure([fs], { grants: { bob: { token: 'bob-secret-token-123', tools: { allow: ['*'] } } } });
  t.true(client.session.ended.signal.aborted);
  t.is(board.servers()[0]?.leases, 0);
  await configure([fs], config);
  t.truthy(await (await TestClient.old(board, await sign())).echo('fs_read'), 'it may come back');
});

for (const isolation of ['task', 'session'] as const)
  test(`a session that ends while its connection is opened keeps none (isolation ${isolation})`, async (t) => {
    const puppet = new Puppet('slow', { isolation });
    const board = await hostWith(t, puppet);
    let open!: () => void;
    puppet.ready = new Promise((resolve) => (open = resolve));
    const client = await TestClient.old(board, grantOf('task:a'));
    void client.request('tools/call', { name: 'slow_one', arguments: {} });
    await until(() => board.servers()[0]?.leases === 1);
    await board.close(client.session, 'gone');
    open();
    await until(() => puppet.opened === 2);
    if (isolation === 'session') await until(() => board.servers()[0]?.leases === 0 && puppet.closed === 1);
    else {
      // The grant's connection stays for its next session, which may end it.
      await board.endGrant(client.session.grant, 'over');
      t.is(puppet.closed, 1);
    }
    t.is(puppet.calls.length, 0, 'a call that nobody waits for was made');
  });

test('a client of the new era has as many connections as there are ways to ask it, whatever it says of itself', async (t) => {
  const puppet = new Puppet('many');
  const board = await hostWith(t, puppet);
  const client = await TestClient.new(board, grantOf('task:a'));
  for (let turn = 0; turn < 20; turn += 1) {
    client.capabilities = { elicitation: { form: {}, [`x${turn}`]: {} }, experimental: { turn } };
    const pending = client.request('tools/call', { name: 'many_one', arguments: {} });
    await until(() => puppet.calls.length === turn + 1);
    puppet.calls[turn]?.resolve(Answer.result({ content: [] }));
    await pending;
  }
  t.is(board.servers()[0]?.leases, 1);
  t.deepEqual(puppet.keys.at(-1)?.capabilities, { elicitation: { form: {} } });
});

test('the calls of a grant that has ended are ended, in both eras, at a server that all share', async (t) => {
  const puppet = new Puppet('all', { isolation: 'shared' });
  const board = await hostWith(t, puppet);
  const [ending, staying] = [grantOf('task:a'), grantOf('task:b')];
  const clients = [
    await TestClient.old(board, ending),
    await TestClient.new(board, ending),
    await TestClient.new(board, staying),
  ];
  const calls = clients.map((client) => client.request('tools/call', { name: 'all_one', arguments: {} }));
  await until(() => puppet.calls.length === 3);
  await board.endGrant(ending, 'over');
  t.deepEqual(
    puppet.calls.map(({ done }) => done),
    [true, true, false],
  );
  t.truthy((await calls[1])?.response.error);
  puppet.calls[2]?.resolve(Answer.result({ content: [] }));
  t.like((await calls[2])?.response, { result: { content: [] } });
});

test('a call that was cancelled while its client was asked is not made again when the answer comes', async (t) => {
  const definition: Partial<ServerDefinition> = { isolation: 'session' };
  const puppet = new Puppet('new', definition);
  const { open } = puppet.definition;
  // The same server, of the new era.
  Object.assign(puppet.definition, {
    open: async (...args: Parameters<typeof open>) => ({ ...(await open(...args)), era: 'new' }),
  });
  const board = await hostWith(t, puppet);
  const client = await TestClient.old(board, grantOf('task:a'), { elicitation: {} });
  let asked = 0;
  const { session } = client;
  const messages: { id?: unknown }[] = [];
  const handle = board.handle(
    session,
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'new_one', arguments: {} } },
    {
      answer: () => t.fail('a cancelled call was answered'),
      notify: () => {},
      ask: (message) => void messages.push(message),
    },
  );
  await until(() => puppet.calls.length === 1);
  const inputRequests = { q: { method: 'elicitation/create', params: { message: 'Sure?', requestedSchema: {} } } };
  puppet.calls[0]?.resolve(Answer.result({ resultType: 'input_required', inputRequests }));
  await until(() => (asked = messages.length) === 1);
  handle.cancel('enough');
  board.deliver(session, { jsonrpc: '2.0', id: messages[0]?.id as number, result: { action: 'accept', content: {} } });
  await new Promise(setImmediate);
  const next = client.request('tools/call', { name: 'new_one', arguments: {} }, 1);
  await until(() => puppet.calls.length === 2);
  puppet.calls[1]?.resolve(Answer.result({ resultType: 'complete', content: [] }));
  t.like((await next).response, { id: 1, result: { content: [] } });
  t.is(asked, 1);
  t.is(puppet.calls.length, 2, 'only the call of the second request was made');
});

test('calls that wait for clients of one grant do not use up the places of another', async (t) => {
  const puppet = new Puppet('asks', { isolation: 'task' });
  const board = await hostWith(t, puppet);
  const call = async (grant: Grant) => {
    const client = await TestClient.new(board, grant);
    client.capabilities = { elicitation: {} };
    const before = puppet.calls.length;
    const pending = client.request('tools/call', { name: 'asks_one', arguments: {} });
    await until(() => puppet.calls.length === before + 1);
    void puppet.calls[before]
      ?.ask({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'Sure?' } })
      .catch(() => {});
    return (await pending).response;
  };
  const greedy = grantOf('task:greedy');
  for (let turn = 0; turn < 100; turn += 1) t.like(await call(greedy), { result: { resultType: 'input_required' } });
  t.truthy((await call(greedy)).error, 'the places of one grant are not limited');
  t.like(await call(grantOf('task:b')), { result: { resultType: 'input_required' } });
});

test('what a client says of itself is limited, for it is kept', async (t) => {
  const board = await hostWith(t, new Puppet('any'));
  const long = { experimental: { x: 'x'.repeat(40_000) } };
  await t.throwsAsync(TestClient.old(board, grantOf('task:a'), long), { instanceOf: RefusedRequest });
  t.is(board.sessions.size, 0);
});
