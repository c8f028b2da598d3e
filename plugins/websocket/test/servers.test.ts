// Servers that are reached over WebSocket: era detection, calls, side messages, limits, and connections that break.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { CallFailure, metaKey, UpstreamCall } from 'plugboard';
import type {
  CallRelay,
  Connection,
  ConnectionEvents,
  JsonObject,
  LeaseKey,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from 'plugboard';
import { ScriptedServer } from './scripted-server.ts';
import { until } from '@plugboard/test-kit/stand';
import { start } from './stand.ts';
import type { Running } from './stand.ts';

class Told implements ConnectionEvents {
  readonly notifications: RpcNotification[] = [];
  readonly requests: RpcRequest[] = [];
  readonly ends: Error[] = [];

  notification(message: RpcNotification): void {
    this.notifications.push(message);
  }

  request(message: RpcRequest): Promise<RpcResponse> {
    this.requests.push(message);
    return Promise.resolve({ jsonrpc: '2.0', result: { roots: [] } });
  }

  closed(reason: Error): void {
    this.ends.push(reason);
  }

  methods(): string[] {
    return this.notifications.map(({ method }) => method);
  }
}

interface Opened {
  readonly connection: Connection;
  readonly told: Told;
}

const quick = { connectTimeout: 8000, probeTimeout: 500 };

/** The plugin with servers only. */
function withServers(t: ExecutionContext, servers: JsonObject, more: JsonObject = {}): Promise<Running> {
  return start(t, { serve: false, servers, ...quick, ...more });
}

async function open(
  t: ExecutionContext,
  running: Running,
  name: string,
  more: Partial<LeaseKey> = {},
): Promise<Opened> {
  const told = new Told();
  const key: LeaseKey = {
    kind: 'task',
    id: 'test',
    grant: 'default',
    capabilities: {},
    clientInfo: undefined,
    ...more,
  };
  const connection = await running.servers.get(name)?.open(key, told, new AbortController().signal);
  if (connection === undefined) throw new Error(`no server ${name}`);
  t.teardown(() => connection.close());
  return { connection, told };
}

function send(
  connection: Connection,
  method: string,
  params: JsonObject = {},
  relay?: CallRelay,
  timeout = 60_000,
): UpstreamCall {
  const { era } = connection;
  const protocolVersion = era === 'new' ? '2026-07-28' : '2025-11-25';
  const meta = { [metaKey.protocolVersion]: protocolVersion, [metaKey.clientCapabilities]: {} };
  const call = new UpstreamCall({
    method,
    params: era === 'new' ? { ...params, _meta: { ...meta, ...(params['_meta'] as JsonObject | undefined) } } : params,
    caller: { era, protocolVersion, capabilities: {}, clientInfo: undefined, logLevel: undefined },
    relay,
    timeout,
    maxTimeout: 60_000,
  });
  connection.send(call);
  return call;
}

async function tool(
  connection: Connection,
  name: string,
  args: JsonObject = {},
  relay?: CallRelay,
  meta?: JsonObject,
): Promise<string> {
  const params = { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) };
  const { result, error } = (await send(connection, 'tools/call', params, relay).answer).message;
  if (result === undefined) throw new Error(JSON.stringify(error));
  return (result['content'] as { text: string }[])[0]?.text ?? '';
}

for (const era of ['old', 'new'] as const) {
  test(`${era} era: handshake, calls at once, progress, questions, cancellation`, async (t) => {
    const server = await ScriptedServer.start(t, { eras: [era] });
    const running = await withServers(t, {
      it: { url: server.url, headers: { Authorization: 'Bearer abcdefgh', 'X-Team': 'blue' } },
    });
    const { connection, told } = await open(t, running, 'it', {
      capabilities: { elicitation: {} },
      clientInfo: { name: 'asker', version: '3' },
    });
    t.is(connection.era, era);
    t.is(connection.info.serverInfo.name, 'scripted');
    t.like(server.handshakes[0]?.headers, {
      authorization: 'Bearer abcdefgh',
      'x-team': 'blue',
      'sec-websocket-protocol': 'mcp',
    });
    t.is(server.handshakes[0]?.headers['sec-websocket-extensions'], undefined);
    // A polite refusal costs no second connection.
    t.is(server.handshakes.length, 1);
    if (era === 'old') {
      t.like(server.of('initialize')[0]?.message['params'], {
        capabilities: { elicitation: {} },
        clientInfo: { name: 'asker' },
      });
      await until('initialized', () => server.of('notifications/initialized').length === 1);
    }
    const texts = await Promise.all(
      Array.from({ length: 100 }, (_, n) => tool(connection, 'echo', { n, text: 'ä\n\u2028' })),
    );
    t.deepEqual(
      texts.map((text) => (JSON.parse(text) as { n: number }).n),
      Array.from({ length: 100 }, (_, n) => n),
    );
    const seen: RpcNotification[] = [];
    const relay = {
      notify: (message: RpcNotification) => void seen.push(message),
      ask: () => Promise.resolve({ jsonrpc: '2.0' as const, result: { action: 'accept' } }),
    };
    t.is(await tool(connection, 'progress', {}, relay, { progressToken: 'mine' }), 'done');
    t.deepEqual(
      seen.map(({ params }) => params?.['progressToken']),
      ['mine'],
    );
    if (era === 'old') t.is(await tool(connection, 'ask', {}, relay), '{"action":"accept"}');
    const call = send(connection, 'tools/call', { name: 'hang', arguments: {} });
    await until('the call at the server', () =>
      server.of('tools/call').some(({ message }) => message['id'] === call.id),
    );
    call.cancel({ kind: 'client', message: 'enough' });
    await t.throwsAsync(call.answer, { instanceOf: CallFailure });
    const cancelled = await until('the cancellation', () => server.of('notifications/cancelled')[0]);
    t.like(cancelled.message['params'], { requestId: call.id, reason: 'enough' });
    for (const socket of server.open.values()) {
      socket.send('{"jsonrpc":"2.0","id":"p","method":"ping"}');
      socket.send('rubbish Bearer abcdefgh');
      socket.send(Buffer.from('binary'));
      socket.send('{"jsonrpc":"2.0","id":"r","method":"roots/list"}');
    }
    await until('the answers', () =>
      ['p', 'r'].every((id) => server.heard.some(({ message }) => message['id'] === id && 'result' in message)),
    );
    t.is(told.requests[0]?.method, 'roots/list');
    t.true(running.log.some(({ message }) => message.includes('not JSON')));
    t.notRegex(JSON.stringify(running.log), /abcdefgh/);
    await connection.close();
    await until('the end at the server', () => server.open.size === 0);
    t.deepEqual(told.ends, []);
  });
}

test('old era: a question that the server takes back is taken back at whoever was asked, and not answered any more', async (t) => {
  const server = await ScriptedServer.start(t, { eras: ['old'] });
  const running = await withServers(t, { it: { url: server.url } });
  const { connection, told } = await open(t, running, 'it');
  const signals: (AbortSignal | undefined)[] = [];
  let answer: () => void = () => {};
  const relay: CallRelay = {
    notify: () => t.fail('the notice is for nobody else'),
    ask: (_message, withdrawn) => {
      signals.push(withdrawn);
      return new Promise((resolve) => (answer = () => resolve({ jsonrpc: '2.0', result: { action: 'accept' } })));
    },
  };
  const call = send(connection, 'tools/call', { name: 'ask', arguments: {} }, relay);
  await until('the question', () => signals.length === 1);
  const params = { requestId: `q-${call.id}`, reason: 'found it' };
  server.announce('notifications/cancelled', params);
  await until('the signal', () => signals[0]?.aborted === true);
  t.is(signals[0]?.reason, 'found it');
  answer();
  t.is(await tool(connection, 'echo', { after: true }), '{"after":true}');
  t.false(server.heard.some(({ message }) => message['id'] === params.requestId));
  t.deepEqual(told.notifications, []);
  call.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(call.answer);
});

test('era detection: servers of both eras, impolite ones, the configured era; what was found out is remembered', async (t) => {
  const both = await ScriptedServer.start(t);
  const silent = await ScriptedServer.start(t, { eras: ['old'], unknown: 'silence' });
  const rude = await ScriptedServer.start(t, { eras: ['old'], unknown: 'hang up' });
  const running = await withServers(t, {
    both: { url: both.url },
    forced: { type: 'websocket', url: both.url, era: 'old', headers: { 'x-one': '1' } },
    silent: { url: silent.url },
    rude: { url: rude.url },
    wrong: { url: rude.url, era: 'new', headers: { 'x-two': '2' } },
    off: { url: 'ws://127.0.0.1:1', disabled: true },
  });
  t.deepEqual([...running.servers.keys()], ['both', 'forced', 'silent', 'rude', 'wrong']);
  const eraOf = async (name: string) => (await open(t, running, name)).connection.era;
  t.deepEqual(await Promise.all(['both', 'forced', 'silent', 'rude'].map(eraOf)), ['new', 'old', 'old', 'old']);
  const before = rude.of('server/discover').length;
  t.is(await eraOf('rude'), 'old');
  t.is(rude.of('server/discover').length, before);
  await t.throwsAsync(eraOf('wrong'), { message: /server "wrong" (does not speak 2026-07-28|closed the connection)/ });
  // It has become another server since.
  rude.eras = ['new'];
  rude.unknown = 'refuse';
  t.is(await eraOf('rude'), 'new');
});

test('servers that cannot be reached: each error says where and what to do, and names no secret', async (t) => {
  const server = await ScriptedServer.start(t);
  const plain = createServer(
    (_request, response) => void response.writeHead(302, { location: 'https://elsewhere.example/x?key=hidden' }).end(),
  );
  plain.on('upgrade', (_request, socket) =>
    socket.end(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n',
    ),
  );
  plain.listen(0, '127.0.0.1');
  await until('the listener', () => plain.listening);
  t.teardown(() => plain.close());
  const mute = createServer().listen(0, '127.0.0.1');
  mute.on('upgrade', () => {});
  await until('the listener', () => mute.listening);
  t.teardown(() => {
    mute.closeAllConnections();
    mute.close();
  });
  const at = (listener: typeof plain) => `ws://127.0.0.1:${(listener.address() as AddressInfo).port}/`;
  const running = await withServers(
    t,
    {
      nobody: { url: 'ws://user:hunter22@127.0.0.1:1/mcp?key=hunter22' },
      refused: { url: server.url, headers: { Authorization: 'Bearer hunter22' } },
      strange: { url: at(plain) },
      mute: { url: at(mute) },
      noTls: { url: server.url.replace('ws:', 'wss:') },
    },
    { connectTimeout: 1500 },
  );
  const failure = async (name: string) => (await t.throwsAsync(open(t, running, name))).message;
  const nobody = await failure('nobody');
  t.regex(nobody, /server "nobody" at ws:\/\/127\.0\.0\.1:1\/mcp cannot be reached: nobody listens there/);
  server.refuse = 401;
  t.regex(await failure('refused'), /HTTP 401\): correct its headers/);
  server.refuse = 503;
  t.regex(await failure('refused'), /HTTP 503/);
  t.regex(await failure('strange'), /cannot be reached/);
  t.regex(await failure('mute'), /server "mute"/);
  t.regex(await failure('noTls'), /cannot be reached/);
  t.notRegex(nobody + JSON.stringify(running.log), /hunter22/);
  for (const wrong of [
    { url: 'http://x/' },
    { url: 'x' },
    { url: 'ws://x/#y' },
    { url: 'ws://x/', header: {} },
    { url: 'ws://x/', headers: { Host: 'x' } },
    { url: 'ws://x/', headers: { 'Sec-WebSocket-Key': 'x' } },
    { url: 'ws://x/', headers: { 'x-a': 'a\r\nb' } },
    { url: 'ws://x/', timeout: 10, maxTimeout: 5 },
    {},
  ])
    t.throws(() => running.service.define('x', wrong), undefined, JSON.stringify(wrong));
  t.like(running.service.define('x', { type: 'websocket', url: server.url }, { owner: 'task:7' }), {
    name: 'x',
    kind: 'websocket',
    owner: 'task:7',
  });
});

test('old era: a broken connection is opened again, subscriptions and log level with it; what may have changed is announced', async (t) => {
  const server = await ScriptedServer.start(t, { eras: ['old'] });
  const running = await withServers(t, { it: { url: server.url } });
  const { connection, told } = await open(t, running, 'it');
  await send(connection, 'resources/subscribe', { uri: 'test://one' }).answer;
  await send(connection, 'resources/subscribe', { uri: 'test://two' }).answer;
  await send(connection, 'resources/unsubscribe', { uri: 'test://two' }).answer;
  await send(connection, 'logging/setLevel', { level: 'warning' }).answer;
  const hanging = send(connection, 'tools/call', { name: 'hang', arguments: {} });
  await until('the call', () => server.of('tools/call').length === 1);
  await server.stop();
  const failure = await t.throwsAsync(hanging.answer, { instanceOf: CallFailure });
  t.regex(failure.message, /server "it" stopped while it was answering/);
  // Calls wait for the new connection; one that is cancelled, or whose time is over, is never sent.
  const waiting = tool(connection, 'echo', { waited: true });
  const cancelled = send(connection, 'tools/call', { name: 'echo', arguments: { cancelled: true } });
  cancelled.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(cancelled.answer);
  const overdue = send(connection, 'tools/call', { name: 'echo', arguments: { overdue: true } }, undefined, 200);
  await t.throwsAsync(overdue.answer, { message: /time limit/ });
  await server.listen();
  t.is(await waiting, '{"waited":true}');
  t.is(server.of('tools/call').length, 2);
  await until('the announcements', () => told.methods().includes('notifications/resources/updated'));
  t.deepEqual(told.methods().toSorted(), [
    'notifications/resources/list_changed',
    'notifications/resources/updated',
    'notifications/tools/list_changed',
  ]);
  const again = server.of('resources/subscribe').filter(({ connection: number }) => number > 1);
  t.deepEqual(
    again.map(({ message }) => message['params']),
    [{ uri: 'test://one' }],
  );
  t.like(server.of('logging/setLevel').at(-1), { message: { params: { level: 'warning' } } });
  server.announce('notifications/resources/updated', { uri: 'test://one' });
  await until(
    'a notice on the new connection',
    () => told.methods().filter((method) => method.endsWith('updated')).length === 2,
  );
  t.deepEqual(told.ends, []);
});

test('new era: subscriptions/listen is sent again, and what may have been missed is announced', async (t) => {
  const server = await ScriptedServer.start(t, { eras: ['new'] });
  const running = await withServers(t, { it: { url: server.url } });
  const { connection, told } = await open(t, running, 'it');
  connection.listen({ toolsListChanged: true, resourceSubscriptions: ['test://one'] });
  await until('the stream', () => server.of('subscriptions/listen').length === 1);
  server.announce('notifications/tools/list_changed');
  await until('a notice', () => told.notifications.length === 1);
  t.deepEqual(told.notifications[0], { jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  connection.listen({ toolsListChanged: true, resourceSubscriptions: ['test://one', 'test://two'] });
  await until('the end of the stream before', () => server.of('notifications/cancelled').length === 1);
  for (const socket of server.open.values()) socket.close(1012, 'restarting');
  await until('the stream on the new connection', () => server.of('subscriptions/listen').length === 3);
  t.like(server.of('subscriptions/listen')[2]?.message['params'], {
    notifications: { toolsListChanged: true, resourceSubscriptions: ['test://one', 'test://two'] },
  });
  await until('the announcements', () => told.methods().filter((method) => method.endsWith('updated')).length === 2);
  t.true(told.methods().includes('notifications/resources/list_changed'));
  server.announce('notifications/resources/updated', { uri: 'test://two' });
  await until(
    'a notice on the new stream',
    () => told.methods().filter((method) => method.endsWith('updated')).length === 3,
  );
});

test('a server that stays away, comes back as another, or refuses for good ends the connection', async (t) => {
  const server = await ScriptedServer.start(t, { eras: ['old'] });
  const running = await withServers(t, { it: { url: server.url } }, { reconnectFor: 1000 });
  const away = await open(t, running, 'it');
  await server.stop();
  const waiting = send(away.connection, 'tools/call', { name: 'echo', arguments: {} });
  await t.throwsAsync(waiting.answer, { instanceOf: CallFailure });
  const reason = await until('the end', () => away.told.ends[0]);
  t.regex(reason.message, /nobody listens there/);
  await t.throwsAsync(tool(away.connection, 'echo'), { instanceOf: CallFailure });
  await server.listen();
  const other = await open(t, running, 'it');
  server.capabilities = { prompts: {} };
  for (const socket of server.open.values()) socket.terminate();
  t.regex((await until('the end', () => other.told.ends[0])).message, /came back as another server/);
  const refused = await open(t, running, 'it');
  server.refuse = 403;
  for (const socket of server.open.values()) socket.terminate();
  t.regex((await until('the end', () => refused.told.ends[0])).message, /HTTP 403/);
  // Closed from our side while it is being connected again: nothing is told, nothing goes on.
  server.refuse = undefined;
  const closed = await open(t, running, 'it');
  const handshakes = server.handshakes.length;
  for (const socket of server.open.values()) socket.terminate();
  await closed.connection.close();
  await sleep(800);
  t.is(server.handshakes.length, handshakes);
  t.deepEqual(closed.told.ends, []);
});

test('servers that misbehave: too much, half-open, not reading; others are not touched', async (t) => {
  const greedy = await ScriptedServer.start(t, { eras: ['old'] });
  const mute = await ScriptedServer.start(t, { eras: ['old'] });
  const deaf = await ScriptedServer.start(t, { eras: ['old'] });
  const good = await ScriptedServer.start(t, { eras: ['new'] });
  const running = await withServers(
    t,
    { greedy: { url: greedy.url }, mute: { url: mute.url }, deaf: { url: deaf.url }, good: { url: good.url } },
    { maxServerMessageBytes: 100_000, maxQueuedBytes: 200_000, heartbeat: 400 },
  );
  const fine = await open(t, running, 'good');
  const large = await open(t, running, 'greedy');
  t.is((await tool(large.connection, 'big', { size: 90_000 })).length, 90_000);
  await t.throwsAsync(tool(large.connection, 'big', { size: 110_000 }), { message: /Max payload size exceeded/ });
  t.is(await tool(large.connection, 'echo', { again: 1 }), '{"again":1}');
  const half = await open(t, running, 'mute');
  for (const socket of mute.open.values()) socket.pause();
  await t.throwsAsync(tool(half.connection, 'hang'), { message: /no sign of life/ });
  t.is(await tool(half.connection, 'echo', { again: 2 }), '{"again":2}');
  const flooded = await open(t, running, 'deaf');
  for (const socket of deaf.open.values()) socket.pause();
  const text = 'x'.repeat(90_000);
  const calls = Array.from({ length: 300 }, () =>
    tool(flooded.connection, 'echo', { text }).catch((error: unknown) => String(error)),
  );
  const outcomes = await Promise.all(calls);
  t.true(outcomes.some((outcome) => /bytes unread|no sign of life/.test(outcome)));
  t.is(await tool(fine.connection, 'echo', { fine: 1 }), '{"fine":1}');
});
