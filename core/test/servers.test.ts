// Servers that misbehave: slow, dead, dying, storming. The others and their clients must not notice.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js';
import test from 'ava';
import { Answer, CallFailure, definePlugin, gone, localServer, localTool, mcpServer, z } from '../src/index.ts';
import type { Connectable, UpstreamCall } from '../src/index.ts';
import { Puppet } from './puppet.ts';
import { echoServer, startHost, TestClient, until } from './support.ts';

/** A server of the SDK with a tool that asks its client. */
function askingServer(): Connectable {
  const server = new McpServer({ name: 'asking', version: '1' }, { capabilities: { tools: {} } });
  server.registerTool('ask', { description: 'asks' }, async (extra) => {
    const requestedSchema = { type: 'object' as const, properties: {} };
    const request = { method: 'elicitation/create' as const, params: { message: 'Who?', requestedSchema } };
    const { action } = await extra.sendRequest(request, ElicitResultSchema);
    return { content: [{ type: 'text', text: action }] };
  });
  return server;
}

test('a server that never starts holds up nobody and is announced when it comes', async (t) => {
  let start!: () => void;
  const gate = new Promise<void>((resolve) => (start = resolve));
  const slow = new Puppet('slow');
  const { open } = slow.definition;
  const late = definePlugin({
    id: 'late',
    apiVersion: 1,
    apply: ({ servers }) =>
      servers.register({ ...slow.definition, open: async (...args) => gate.then(() => open(...args)) }),
  });
  const { host, board } = await startHost([late, echoServer('fs', ['read'])]);
  t.teardown(() => host.stop());
  await until(() => board.servers().some(({ state }) => state === 'ready'));
  const client = await TestClient.old(board);
  t.deepEqual(await client.toolNames(), ['fs_read']);
  start();
  await until(() => client.heard.length > 0);
  t.deepEqual(
    await client.toolNames(),
    ['slow_one', 'fs_read'],
    'the order of servers is not that of the configuration',
  );
});

test('a server that fails to start is tried again; its status says why', async (t) => {
  const puppet = new Puppet('flaky');
  puppet.failing = 'no such command';
  const { host, board, lines } = await startHost([puppet.plugin, echoServer('fs', ['read'])]);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'failed');
  t.like(board.servers()[0], { state: 'failed', reason: 'no such command' });
  // Said once as long as it is the same, and once more when it is another.
  await until(() => (board.servers()[0]?.restarts ?? 0) >= 2);
  puppet.failing = 'server "flaky" has no licence';
  await until(() => board.servers()[0]?.reason === 'has no licence');
  const told = lines.filter((line) => line.startsWith('warn') && line.includes('is down'));
  t.is(told.length, 2, told.join('\n'));
  t.regex(
    told[0] ?? '',
    /server "flaky" is down: no such command; it is tried again in 0\.25 s, then less and less often$/,
  );
  t.regex(
    told[1] ?? '',
    /server "flaky" is down: has no licence; it is tried again in [12] s, then less and less often$/,
  );
  puppet.failing = undefined;
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  t.deepEqual(await client.toolNames(), ['flaky_one', 'fs_read']);
});

test('a call whose server dies gets a clear error; the lists stay; the next call reaches the new connection', async (t) => {
  const puppet = new Puppet('mortal');
  const { host, board } = await startHost([puppet.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  const pending = client.request('tools/call', { name: 'mortal_one', arguments: {} });
  await until(() => puppet.calls.length === 1);
  puppet.calls[0]?.fail(gone('mortal', 'killed'));
  for (const events of puppet.events.splice(0)) events.closed(new Error('killed'));
  const { response } = await pending;
  t.is(response.error?.code, -32000);
  t.regex(
    response.error?.message ?? '',
    /server "mortal" stopped while it was answering \(killed\); it is restarted, try again/,
  );
  t.deepEqual(await client.toolNames(), ['mortal_one']);
  await until(() => board.servers()[0]?.state === 'ready' && board.servers()[0]?.restarts === 1);
  const next = client.request('tools/call', { name: 'mortal_one', arguments: {} });
  await until(() => puppet.calls.length === 2);
  puppet.calls[1]?.resolve(Answer.result({ content: [] }));
  t.deepEqual((await next).response.result, { content: [] });
});

test('a hanging call ends at the limit, its server is told, and a late answer goes to nobody', async (t) => {
  const puppet = new Puppet('hanging', { timeout: 300, maxTimeout: 1000 });
  const { host, board } = await startHost([puppet.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  const hanging = client.request('tools/call', { name: 'hanging_one', arguments: {} });
  await until(() => puppet.calls.length === 1);
  let told = '';
  const [first] = puppet.calls;
  if (first !== undefined) first.onCancel = (reason) => (told = reason.kind);
  t.is((await hanging).response.error?.code, -32001);
  t.is(told, 'timeout');
  const next = client.request('tools/call', { name: 'hanging_one', arguments: {} });
  await until(() => puppet.calls.length === 2);
  first?.resolve(Answer.result({ content: [{ type: 'text', text: 'late' }] }));
  puppet.calls[1]?.resolve(Answer.result({ content: [{ type: 'text', text: 'own' }] }));
  t.like((await next).response.result, { content: [{ text: 'own' }] });
});

test('a client that cancels is not answered, and its server is told', async (t) => {
  const puppet = new Puppet('patient');
  const { host, board } = await startHost([puppet.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  let answered = false;
  void client.request('tools/call', { name: 'patient_one', arguments: {} }, 'mine').then(() => (answered = true));
  await until(() => puppet.calls.length === 1);
  const call = puppet.calls[0] as UpstreamCall;
  let told = '';
  call.onCancel = (reason) => (told = `${reason.kind} ${reason.message}`);
  board.notify(client.session, {
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: 'mine', reason: 'changed my mind' },
  });
  t.is(told, 'client changed my mind');
  await t.throwsAsync(call.answer, { instanceOf: CallFailure });
  await client.request('ping');
  t.false(answered);
});

test('what one session has subscribed to ends with it, and with the last of those who have', async (t) => {
  const shared = new Puppet('shared', { isolation: 'shared' });
  shared.capabilities = { resources: { subscribe: true } };
  const { host, board } = await startHost([shared.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers().some(({ state }) => state === 'ready'));
  const [one, two] = [await TestClient.old(board), await TestClient.old(board)];
  const told = () => shared.calls.map(({ method, params }) => `${method} ${String(params?.['uri'])}`);
  for (const [client, uri] of [
    [one, 'x://both'],
    [one, 'x://one'],
    [two, 'x://both'],
  ] as const)
    t.like((await client.request('resources/subscribe', { uri })).response, { result: {} });
  const subscribed = ['resources/subscribe x://both', 'resources/subscribe x://one'];
  t.deepEqual(told(), subscribed);
  await board.close(one.session, 'it has gone');
  t.deepEqual(told(), [...subscribed, 'resources/unsubscribe x://one']);
  await board.close(two.session, 'it has gone');
  t.is(told().at(-1), 'resources/unsubscribe x://both');
});

test('a server’s cancel is not passed on to clients; a connection that throws fails the call', async (t) => {
  const puppet = new Puppet('p');
  const { host, board } = await startHost([puppet.plugin]);
  t.teardown(() => host.stop());
  await until(() => board.servers().some(({ state }) => state === 'ready'));
  const client = await TestClient.old(board);
  const call = client.request('tools/call', { name: 'p_one', arguments: {} });
  await until(() => puppet.calls.length === 1);
  const say = (method: string) =>
    puppet.events.at(-1)?.notification({ jsonrpc: '2.0', method, params: { requestId: 1 } });
  say('notifications/cancelled');
  say('notifications/other');
  t.like(client.heard, [{ method: 'notifications/other' }]);
  puppet.calls[0]?.resolve(Answer.result({ content: [] }));
  await call;
  puppet.throwing = true;
  const { response } = await client.request('tools/call', { name: 'p_one', arguments: {} });
  t.regex(response.error?.message ?? '', /tools\/call cannot be sent \(too deep\)/);
});

test('an SDK server in this process says whose call it asks for: its client is asked, also where several share it', async (t) => {
  const server = definePlugin({
    id: 'asking',
    apiVersion: 1,
    apply: ({ servers }) => servers.register(mcpServer({ name: 'asking', isolation: 'shared', create: askingServer })),
  });
  const { host, board } = await startHost([server]);
  t.teardown(() => host.stop());
  await until(() => board.servers().some(({ state }) => state === 'ready'));
  const client = await TestClient.old(board, board.defaultGrant, { elicitation: {} });
  client.onAsked = () => ({ action: 'accept', content: { who: 'me' } });
  const { response } = await client.request('tools/call', { name: 'asking_ask', arguments: {} });
  t.like(response, { result: { content: [{ type: 'text', text: 'accept' }] } });
});

test('a storm of list changes makes few lists and tells only those who see a difference', async (t) => {
  const puppet = new Puppet('storm');
  const grants = {
    near: { token: 'near-secret-token-1', tools: { allow: ['storm:*'] } },
    far: { token: 'far-secret-token-01', tools: { allow: ['fs:*'] } },
  };
  const { host, board } = await startHost([puppet.plugin, echoServer('fs', ['read'])], { grants });
  t.teardown(() => host.stop());
  await until(() => board.servers().every(({ state }) => state === 'ready'));
  const near = await TestClient.old(board, board.grants.get('near'));
  const far = await TestClient.old(board, board.grants.get('far'));
  t.deepEqual([await near.toolNames(), await far.toolNames()], [['storm_one'], ['fs_read']]);
  const before = puppet.lists;
  puppet.tools = ['one', 'two'];
  for (let count = 0; count < 500; count += 1)
    puppet.events[0]?.notification({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  await until(() => near.heard.length > 0);
  t.deepEqual(await near.toolNames(), ['storm_one', 'storm_two']);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.true(puppet.lists - before <= 3, `${puppet.lists - before} lists were fetched`);
  t.is(near.heard.length, 1);
  t.is(far.heard.length, 0);
});

test('connections end with the sessions and servers that own them', async (t) => {
  const puppet = new Puppet('owned', { isolation: 'session' });
  const { host, board } = await startHost([puppet.plugin]);
  await until(() => board.servers()[0]?.state === 'ready');
  const client = await TestClient.old(board);
  const call = client.request('tools/call', { name: 'owned_one', arguments: {} });
  await until(() => puppet.calls.length === 1);
  puppet.calls[0]?.resolve(Answer.result({ content: [] }));
  await call;
  t.is(puppet.opened, 2);
  await board.close(client.session, 'done');
  await until(() => puppet.closed === 1);
  t.is(board.servers()[0]?.leases, 0);
  await host.stop();
  t.is(puppet.closed, 2);
});

test('arguments that are missing or unknown are told in words, one by one', async (t) => {
  const tool = localTool({
    name: 'put',
    description: 'Puts it there.',
    input: z.strictObject({ path: z.string(), count: z.int() }),
    run: () => ({ content: [] }),
  });
  const server = localServer({ name: 'files', version: '1', isolation: 'shared', tools: [tool], open: () => ({}) });
  const plugin = definePlugin({ id: 'files', apiVersion: 1, apply: ({ servers }) => servers.register(server) });
  const { host, board } = await startHost([plugin]);
  t.teardown(() => host.stop());
  const client = await TestClient.old(board);
  await until(async () => (await client.toolNames()).length > 0);
  const { response } = await client.request('tools/call', { name: 'files_put', arguments: { count: 'x' } });
  t.regex(
    JSON.stringify(response.result),
    /Invalid arguments for tool put: path: is missing \(expected string\); count: expected number, received string/,
  );
});
