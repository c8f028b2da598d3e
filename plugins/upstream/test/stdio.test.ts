// Real servers over stdio, in both eras: handshake, era detection, calls, side messages, cancellation.
import test from 'ava';
import type { JsonObject, RpcNotification, RpcRequest } from 'plugboard';
import { CallFailure } from 'plugboard';
import { ask, child, Harness, installed, send, textOf, tool, until } from './support.ts';

const everything = {
  command: process.execPath,
  args: [installed('@modelcontextprotocol/server-everything/dist/index.js'), 'stdio'],
};
const faulty = (...flags: string[]) => ({ command: process.execPath, args: [child('faulty'), ...flags] });
const both = (...flags: string[]) => ({ command: process.execPath, args: [child('new-era'), ...flags] });

test('server-everything: handshake, lists, concurrent calls, progress', async (t) => {
  const harness = await Harness.start(t, { servers: { everything } });
  const { connection } = await harness.connect('everything');
  t.is(connection.era, 'old');
  t.is(connection.info.serverInfo.name, 'mcp-servers/everything');
  t.true('tools' in connection.info.capabilities);
  t.is(typeof connection.info.instructions, 'string');
  const { tools } = (await ask(connection, 'tools/list')) as { tools: { name: string }[] };
  t.true(tools.some(({ name }) => name === 'echo'));
  t.is(textOf(await tool(connection, 'echo', { message: 'hällo\u2028' })), 'Echo: hällo\u2028');
  const results = await Promise.all(Array.from({ length: 50 }, (_, a) => tool(connection, 'get-sum', { a, b: 1000 })));
  for (const [a, result] of results.entries()) t.regex(textOf(result), new RegExp(`\\b${a + 1000}\\b`));
  const seen: RpcNotification[] = [];
  const params = {
    name: 'trigger-long-running-operation',
    arguments: { duration: 1, steps: 3 },
    _meta: { progressToken: 'mine' },
  };
  const relay = {
    notify: (message: RpcNotification) => void seen.push(message),
    ask: () => Promise.reject(new Error('nobody')),
  };
  await ask(connection, 'tools/call', params, { relay });
  t.deepEqual(
    seen.map(({ params: told }) => [told?.['progressToken'], told?.['progress']]),
    [
      ['mine', 1],
      ['mine', 2],
      ['mine', 3],
    ],
  );
});

test('a server of both eras is opened in the new one, in its first process, and listens', async (t) => {
  const harness = await Harness.start(t, { servers: { both: both() } });
  const { connection, told } = await harness.connect('both');
  t.is(connection.era, 'new');
  t.is(connection.info.protocolVersion, '2026-07-28');
  t.like(connection.info.serverInfo, { name: 'both-eras', version: '1.2.3' });
  t.is(textOf(await tool(connection, 'echo', { text: 'new' })), 'new');
  connection.listen({ toolsListChanged: true });
  await tool(connection, 'grow');
  await until('the change notice', () => told.notifications.length > 0);
  t.deepEqual(told.notifications, [
    { jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
  ] as unknown as RpcNotification[]);
  const call = send(connection, 'tools/call', { name: 'wait', arguments: {} });
  await tool(connection, 'echo', { text: 'while it waits' });
  call.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(call.answer, { instanceOf: CallFailure, message: 'enough' });
  await until('the cancellation at the server', () =>
    harness.messages().some((line) => line.includes('wait was cancelled')),
  );
});

test('era detection: polite, exiting, silent, spoilt and new-only servers; the configured era wins', async (t) => {
  const harness = await Harness.start(t, {
    probeTimeout: 600,
    connectTimeout: 12_000,
    servers: {
      polite: faulty(),
      exiting: faulty('--exit-on-unknown'),
      silent: faulty('--silent-on-unknown'),
      spoilt: faulty('--silent-on-unknown', '--spoilt-by-probe'),
      slow: both('--slow'),
      newOnly: both('--new-only'),
      forcedOld: { ...both(), era: 'old' },
      forcedNew: { ...faulty(), era: 'new' },
    },
  });
  const eras = async (names: string[]) => {
    const opened = await Promise.all(names.map((name) => harness.connect(name)));
    return opened.map(({ connection }) => connection.era);
  };
  t.deepEqual(await eras(['polite', 'exiting', 'silent']), ['old', 'old', 'old']);
  t.deepEqual(await eras(['spoilt', 'slow']), ['old', 'new']);
  t.deepEqual(await eras(['newOnly', 'forcedOld']), ['new', 'old']);
  // What was found out is remembered: these need no probe, so a probe cannot harm them.
  t.deepEqual(await eras(['exiting', 'silent', 'newOnly']), ['old', 'old', 'new']);
  await t.throwsAsync(harness.connect('forcedNew'), { message: /server "forcedNew" does not speak 2026-07-28/ });
});

test('the handshake tells the client of a lease, and the environment is only what is configured', async (t) => {
  process.env['PLUGBOARD_TEST_SECRET'] = 'not for children';
  const server = { ...faulty(), env: { GREETING: 'hello', NUMBER: 5 } };
  const harness = await Harness.start(t, { servers: { server, everything } });
  const { connection } = await harness.connect('server');
  const environment = JSON.parse(textOf(await tool(connection, 'environment'))) as JsonObject;
  const expected = ['GREETING', 'HOME', 'NUMBER', 'PATH'];
  t.deepEqual(
    Object.keys(environment)
      .filter((name) => !name.startsWith('__'))
      .sort(),
    expected,
  );
  t.is(environment['NUMBER'], '5');
  // server-everything offers this tool only to clients that said they can be asked.
  const asking = await harness.connect('everything', {
    capabilities: { elicitation: {} },
    clientInfo: { name: 'asker', version: '3' },
  });
  const names = ((await ask(asking.connection, 'tools/list')) as { tools: { name: string }[] }).tools.map(
    ({ name }) => name,
  );
  t.true(names.includes('trigger-elicitation-request'));
});

test('requests of the server go to the client of the call, those that belong to none to the connection', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty(), everything } });
  const { connection } = await harness.connect('faulty');
  const asked: RpcRequest[] = [];
  const relay = {
    notify: () => {},
    ask: (request: RpcRequest) => {
      asked.push(request);
      return Promise.resolve({ jsonrpc: '2.0' as const, result: { action: 'accept', content: { name: 'Ada' } } });
    },
  };
  t.deepEqual(JSON.parse(textOf(await tool(connection, 'elicit', {}, { relay }))), {
    action: 'accept',
    content: { name: 'Ada' },
  });
  t.is(asked[0]?.method, 'elicitation/create');
  const roots = await harness.connect('everything', { capabilities: { roots: { listChanged: true } } });
  roots.told.answer = () =>
    Promise.resolve({ jsonrpc: '2.0', result: { roots: [{ uri: 'file:///here', name: 'here' }] } });
  await until('roots/list', () => roots.told.requests.some(({ method }) => method === 'roots/list'));
});

test('a cancelled call is told to the server; its late answer is dropped and the connection goes on', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty('--late') } });
  const { connection } = await harness.connect('faulty');
  const call = send(connection, 'tools/call', { name: 'hang', arguments: {} });
  await until('the call at the server', () => harness.messages().some((line) => line.includes(`hanging ${call.id}`)));
  call.cancel({ kind: 'client', message: 'changed my mind' });
  const failure = await t.throwsAsync(call.answer, { instanceOf: CallFailure });
  t.is(failure.kind, 'cancelled');
  await until('the cancellation', () => harness.messages().some((line) => line.includes(`cancelled ${call.id}`)));
  t.is(textOf(await tool(connection, 'echo', { still: 'here' })), '{"still":"here"}');
  const overdue = send(connection, 'tools/call', { name: 'hang', arguments: {} }, { timeout: 200 });
  t.is((await t.throwsAsync(overdue.answer, { instanceOf: CallFailure })).kind, 'timeout');
  await until('the cancellation after the time limit', () =>
    harness.messages().some((line) => line.includes(`cancelled ${overdue.id}`)),
  );
});
