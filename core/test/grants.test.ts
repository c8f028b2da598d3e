// What tasks are made of: grants that plugins bring, servers that only one grant has, bounds, live changes, and their end.
import test from 'ava';
import fc from 'fast-check';
import { definePlugin, localServer, localTool, Unauthorized, z } from '../src/index.ts';
import type { Grant, Plugin, PluginApi, Rules, ServerDefinition } from '../src/index.ts';
import { echoServer, startHost, TestClient, until } from './support.ts';

/** A server as a plugin would make it, for one grant or for all. */
function definitionOf(name: string, tools: readonly string[], owner?: string, label = name): ServerDefinition {
  const definition = localServer({
    name,
    version: '1.0.0',
    isolation: 'task',
    open: (key) => key,
    tools: tools.map((tool) =>
      localTool({
        name: tool,
        description: tool,
        input: z.looseObject({}),
        run: (_args, { state }: { state: { grant: string | undefined; workspace?: string | undefined } }) => ({
          content: [{ type: 'text', text: JSON.stringify({ label, tool, grant: state.grant, at: state.workspace }) }],
        }),
      }),
    ),
  });
  return { ...definition, owner };
}

/** A plugin that hands out its API, so that a test can act as the plugin while the proxy runs. */
function open(id: string, more: Partial<Plugin> = {}): { plugin: Plugin; api: () => PluginApi } {
  let api: PluginApi | undefined;
  const plugin = definePlugin({
    id,
    apiVersion: 1,
    apply(given) {
      api = given;
    },
    ...more,
  });
  return {
    plugin,
    api: () => {
      if (api === undefined) throw new Error('not applied');
      return api;
    },
  };
}

const grantOf = (id: string, allow: readonly string[], more: Partial<Grant> = {}): Grant => ({
  id,
  tools: { allow, deny: [] },
  ...more,
});

async function called(client: TestClient, name: string): Promise<{ label?: string; grant?: string; at?: string }> {
  const { response } = await client.request('tools/call', { name, arguments: {} });
  const content = (response.result as { content: { text: string }[] } | undefined)?.content;
  return JSON.parse(content?.[0]?.text ?? '{}') as { label?: string };
}

test('servers of one grant: seen by it alone, beside others of the same name, and before a common one', async (t) => {
  const { plugin, api } = open('tasks');
  const { host, board } = await startHost([plugin, echoServer('git', ['status'])]);
  t.teardown(() => host.stop());
  const [a, b, c] = ['a', 'b', 'c'].map((id) => grantOf(`task:${id}`, ['*']));
  if (a === undefined || b === undefined || c === undefined) return;
  const removeA = api().servers.register(definitionOf('jira', ['search'], a.id, 'jira of a'));
  api().servers.register(definitionOf('jira', ['create'], b.id, 'jira of b'));
  const shadow = api().servers.register(definitionOf('git', ['status', 'push'], b.id, 'git of b'));
  t.throws(() => api().servers.register(definitionOf('jira', ['again'], a.id)), { message: /jira.*registered/ });
  await until(() => board.servers(b).every(({ state }) => state === 'ready'));

  for (const open of [TestClient.old, TestClient.new]) {
    const [forA, forB, forC] = [
      await open.call(TestClient, board, a),
      await open.call(TestClient, board, b),
      await open.call(TestClient, board, c),
    ];
    t.deepEqual((await forA.toolNames()).sort(), ['git_status', 'jira_search']);
    t.deepEqual((await forB.toolNames()).sort(), ['git_push', 'git_status', 'jira_create']);
    t.deepEqual(await forC.toolNames(), ['git_status']);
    t.is((await called(forA, 'jira_search')).label, 'jira of a');
    t.is((await called(forB, 'git_status')).label, 'git of b');
    t.is((await called(forA, 'jira_create')).label, undefined, 'the other grant’s tool does not exist');
    t.false(board.hasServer(c, 'jira'));
  }
  t.deepEqual(
    board.servers().map(({ name }) => name),
    ['git'],
    'the common list names no server of a grant',
  );
  removeA();
  shadow();
  t.deepEqual((await (await TestClient.old(board, a)).toolNames()).sort(), ['git_status']);
  t.deepEqual((await (await TestClient.old(board, b)).toolNames()).sort(), ['git_status', 'jira_create']);
});

test('a grant’s own servers change nobody else’s names and selectors, and only its own sessions are told', async (t) => {
  const { plugin, api } = open('tasks');
  const { host, board } = await startHost([plugin, echoServer('my', ['server_tool'])]);
  t.teardown(() => host.stop());
  const a = grantOf('task:a', ['my_server_tool', 'my_server_other']);
  const b = grantOf('task:b', ['my_server_tool']);
  await until(() => board.servers().every(({ state }) => state === 'ready'));
  const [forA, forB] = [await TestClient.old(board, a), await TestClient.old(board, b)];
  t.deepEqual(await forA.toolNames(), ['my_server_tool']);
  t.deepEqual(await forB.toolNames(), ['my_server_tool']);
  // For the owner the longer name of a server wins: what it wrote now means the other server.
  api().servers.register(definitionOf('my_server', ['tool', 'other'], a.id, 'own'));
  await until(() => forA.heard.length > 0);
  t.deepEqual((await forA.toolNames()).sort(), ['my_server_other', 'my_server_tool']);
  t.is((await called(forA, 'my_server_tool')).label, 'own');
  t.deepEqual(await forB.toolNames(), ['my_server_tool']);
  t.deepEqual(forB.heard, []);
});

test('bounds: callable is what the rules and every bound let through, under random rules', async (t) => {
  const tools = ['read', 'write', 'delete_all'];
  const { host, board } = await startHost([echoServer('fs', tools), echoServer('git', tools)]);
  t.teardown(() => host.stop());
  await until(() => board.servers().every(({ state }) => state === 'ready'));
  const selectors = fc.subarray(['*', 'fs:*', 'git:read', '*:write', 'git:{read,delete_all}', 'fs_read', 'git']);
  const rules = fc.record({ allow: selectors, deny: selectors });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(rules, fc.array(rules, { maxLength: 2 }), async (own, within) => {
      count += 1;
      const names = async (each: Rules) =>
        (await board.tools({ id: `probe:${count}`, tools: each })).map(({ name }) => name);
      const expected = (await Promise.all([own, ...within].map(names))).reduce((kept, next) =>
        kept.filter((name) => next.includes(name)),
      );
      const grant = { id: `bounded:${count}`, tools: own, within };
      const client = await TestClient.old(board, grant);
      t.deepEqual((await client.toolNames()).sort(), [...expected].sort());
      for (const name of ['fs', 'git'].flatMap((server) => tools.map((tool) => `${server}_${tool}`)))
        t.is((await client.echo(name)) !== undefined, expected.includes(name), name);
    }),
    { numRuns: 60 },
  );
});

test('a live change is told to the grant’s sessions alone; its end closes them and refuses new ones', async (t) => {
  const { host, board } = await startHost([echoServer('fs', ['read', 'write'])]);
  t.teardown(() => host.stop());
  await until(() => board.servers().every(({ state }) => state === 'ready'));
  const a = { id: 'task:a', tools: { allow: ['fs:read'], deny: [] } as Rules };
  const b = grantOf('task:b', ['fs:read']);
  const [forA, forB] = [await TestClient.old(board, a), await TestClient.old(board, b)];
  t.deepEqual([await forA.toolNames(), await forB.toolNames()], [['fs_read'], ['fs_read']]);
  a.tools = { allow: ['fs:write'], deny: [] };
  board.grantChanged(a);
  await until(() => forA.heard.length > 0);
  t.deepEqual(await forA.toolNames(), ['fs_write']);
  t.truthy(await forA.echo('fs_write'));
  t.deepEqual(forB.heard, []);

  t.is(board.servers()[0]?.leases, 1);
  await board.endGrant(a, 'the task is gone');
  t.true(forA.session.ended.signal.aborted);
  t.is(board.servers()[0]?.leases, 0, 'its connection is closed');
  t.false(forB.session.ended.signal.aborted);
  await t.throwsAsync(TestClient.old(board, a), { instanceOf: Unauthorized });
});

test('inspection: each selector is ready, waiting, failed, denied or unmatched, with the nearest names', async (t) => {
  const { plugin, api } = open('more');
  const { host, board } = await startHost([plugin, echoServer('github', ['create_issue', 'list_issues'])]);
  t.teardown(() => host.stop());
  let fail: ((error: Error) => void) | undefined;
  api().servers.register({ ...definitionOf('late', []), open: () => new Promise((_, reject) => (fail = reject)) });
  await until(() => board.servers()[0]?.state === 'ready' || board.servers()[1]?.state === 'ready');
  const grant: Grant = {
    id: 'task:a',
    tools: {
      allow: ['github:list_*', 'github:create_isue', 'late:run', 'githup:x', 'github:create_issue', '*'],
      deny: ['github:create_issue'],
    },
  };
  const states = () => board.inspect(grant).map(({ selector, state }) => `${selector} ${state}`);
  t.deepEqual(states(), [
    'github:list_* ready',
    'github:create_isue unmatched',
    'late:run waiting',
    'githup:x unmatched',
    'github:create_issue denied',
    '* ready',
  ]);
  const [list, typo] = board.inspect(grant);
  t.deepEqual(list?.tools, ['github:list_issues']);
  t.deepEqual(typo?.nearest[0], 'github:create_issue');
  fail?.(new Error('no licence'));
  await until(() => board.servers().some(({ state }) => state === 'failed'));
  t.regex(board.inspect(grant)[2]?.reason ?? '', /server "late" is down: no licence/);
});

test('services that are wanted: given when there are any, in the right order, and anew when their provider changes', async (t) => {
  const seen: unknown[] = [];
  const user = definePlugin({
    id: 'user',
    apiVersion: 1,
    wants: ['colour'],
    apply: ({ services }) => {
      seen.push(services.find('colour'));
      t.throws(() => services.find('other'), { message: /not declared in wants/ });
    },
  });
  const painter = definePlugin({
    id: 'painter',
    apiVersion: 1,
    provides: ['colour'],
    options: z.strictObject({ colour: z.string() }),
    apply: ({ services }, { colour }) => services.provide('colour', colour),
  });
  const { host, configure } = await startHost([user]);
  t.teardown(() => host.stop());
  await configure([user, [painter, { colour: 'red' }]]);
  await configure([user, [painter, { colour: 'red' }]]);
  await configure([user, [painter, { colour: 'blue' }]]);
  await configure([user]);
  t.deepEqual(seen, [undefined, 'red', 'blue', undefined]);
});

test('a server takes the grant’s own folder; it can be stopped and started again', async (t) => {
  const { plugin, api } = open('files');
  const { host, board } = await startHost([plugin]);
  t.teardown(() => host.stop());
  api().servers.register(definitionOf('fs', ['where']));
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board, grantOf('task:a', ['*'], { workspace: '/folder/of/a' }));
  t.is((await called(client, 'fs_where')).at, '/folder/of/a');
  await board.stopServer('fs');
  t.is(board.servers()[0]?.state, 'stopped');
  t.is(await client.echo('fs_where'), undefined);
  board.startServer('fs');
  await until(() => board.servers()[0]?.state === 'ready');
  t.is((await called(client, 'fs_where')).at, '/folder/of/a');
  t.throws(() => board.startServer('nothing'), { message: /no server "nothing"/ });
});
