// What clients say and are answered, in both eras, on one connection each; turns, order, back-pressure, time limits and the end.
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { Answer } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { grantNamed, until } from '@plugboard/test-kit/stand';
import { Client, envelope, rejectionOf, start } from './stand.ts';

// What is left is what is held.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const error = (message: JsonObject) => (message['error'] as JsonObject | undefined)?.['code'];

test('old era: a session, calls, questions, notifications, cancellation', async (t) => {
  const { board, url } = await start(t);
  const client = await Client.open(t, `${url}/alpha`);
  t.is(client.ws.protocol, 'mcp');
  t.is(error(await client.ask('echo')), -32600);
  t.deepEqual((await client.ask('ping'))['result'], {});
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  // What follows `initialize` at once waits for the session.
  client.send({ jsonrpc: '2.0', id: 'i', method: 'initialize', params });
  const early = client.ask('echo', { early: true });
  t.like(await client.answer('i'), { result: { protocolVersion: '2025-06-18' } });
  t.deepEqual((await early)['result'], { params: { early: true } });
  t.like(board.opened[0]?.request, { transport: 'websocket', server: 'alpha', grant: { id: 'default' } });
  t.is(error(await client.ask('initialize', params)), -32600);
  const asking = client.ask('ask');
  const question = await until('the question', () =>
    client.inbox.find(({ method }) => method === 'elicitation/create'),
  );
  client.send({ jsonrpc: '2.0', id: question['id'], result: { action: 'accept' } });
  t.deepEqual((await asking)['result'], { result: { action: 'accept' } });
  await client.ask('say');
  const told = client.inbox.slice(-2);
  t.is(told[0]?.['method'], 'notifications/progress');
  t.deepEqual(told[1]?.['result'], { said: true });
  board.opened[0]?.session.outlet?.({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  await until('the notice', () => client.inbox.some(({ method }) => method === 'notifications/tools/list_changed'));
  client.send({ jsonrpc: '2.0', id: 'h', method: 'hang' });
  t.is(error(await client.ask('echo', {}, 'h')), -32600);
  client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'h', reason: 'enough' } });
  await until('the cancellation', () => board.of('hang')[0]?.cancelled === 'enough');
  t.true(board.notified.some(({ notification }) => notification.method === 'notifications/cancelled'));
  // The id is free again.
  t.deepEqual((await client.ask('later', { again: 1 }, 'h'))['result'], { params: { again: 1 } });
  t.is(error(await client.ask('crash')), -32603);
  client.ws.close();
  await until('the end of the session', () => board.closed.length === 1);
});

test('new era: envelopes, many requests at once, streams, cancellation, the end', async (t) => {
  const { board, url } = await start(t);
  const client = await Client.open(t, url);
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, n) => client.askNew(n % 2 === 0 ? 'echo' : 'later', { n }, n)),
  );
  t.deepEqual(
    answers.map(({ result }) => ((result as JsonObject)['params'] as JsonObject)['n']),
    Array.from({ length: 300 }, (_, n) => n),
  );
  t.like(board.handled[0], { session: { era: 'new' }, envelope: { protocolVersion: '2026-07-28' } });
  t.is(board.sessions.size, 1);
  t.is(error(await client.ask('echo', { _meta: { 'io.modelcontextprotocol/protocolVersion': 5 } })), -32602);
  t.is(
    error(await client.ask('echo', { _meta: envelope({ 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }) })),
    -32022,
  );
  t.is(error(await client.ask('echo')), -32602);
  client.send({
    jsonrpc: '2.0',
    id: 'l',
    method: 'subscriptions/listen',
    params: { _meta: envelope(), notifications: {} },
  });
  const listen = await until('the stream', () => board.of('subscriptions/listen')[0]);
  listen.reply.notify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  await until('the notice', () => client.inbox.some(({ method }) => method === 'notifications/tools/list_changed'));
  client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'l' } });
  await until('the end of the stream', () => listen.cancelled);
  client.send({ jsonrpc: '2.0', id: 'h', method: 'hang', params: { _meta: envelope() } });
  const hanging = await until('the call', () => board.of('hang')[0]);
  client.ws.terminate();
  await until('the cancellation', () => hanging.cancelled);
  // It stands for all connections of the grant.
  t.is(board.sessions.size, 1);
});

test('two connections have ids of their own, also in the new era where their session is one', async (t) => {
  const { board, url } = await start(t);
  const [one, two] = [await Client.open(t, url), await Client.open(t, url)];
  for (const client of [one, two])
    client.send({ jsonrpc: '2.0', id: 1, method: 'hang', params: { _meta: envelope() } });
  await until('both calls', () => board.of('hang').length === 2);
  t.is(board.of('hang')[0]?.session, board.of('hang')[1]?.session);
  two.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  await until('one cancellation', () => board.of('hang').some(({ cancelled }) => cancelled !== undefined));
  const left = board.of('hang').filter(({ cancelled }) => cancelled === undefined);
  t.is(left.length, 1);
  left[0]?.reply.answer(Answer.result({ mine: true }));
  t.deepEqual((await one.answer(1))['result'], { mine: true });
  t.deepEqual(two.inbox, []);
});

test('many connections that share a session are no leak that a user is warned of', async (t) => {
  const warnings: string[] = [];
  const keep = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
  process.on('warning', keep);
  t.teardown(() => process.off('warning', keep));
  const { board, url } = await start(t);
  const clients = await Promise.all(Array.from({ length: 12 }, () => Client.open(t, url)));
  await Promise.all(clients.map((client) => client.ask('echo', { _meta: envelope() })));
  t.is(new Set(board.of('echo').map(({ session }) => session)).size, 1);
  t.deepEqual(warnings, []);
});

test('garbage, wrong messages and batches are answered, and the connection goes on', async (t) => {
  const { url } = await start(t);
  const client = await Client.session(t, url);
  for (const text of [
    '',
    '{',
    'nonsense',
    '"text"',
    '5',
    'null',
    '{}',
    '{"jsonrpc":"1.0","id":1,"method":"echo"}',
    '[]',
    '[{"jsonrpc":"2.0","id":1,"method":"echo"}]',
  ])
    client.send(text);
  client.send(`{"jsonrpc":"2.0","id":${'9'.repeat(30)},"method":"echo"}`);
  client.send('{"jsonrpc":"2.0","id":{"a":1},"method":"echo"}');
  client.send('['.repeat(100_000));
  client.send(
    `{"jsonrpc":"2.0","id":"deep","method":"echo","params":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`,
  );
  t.like(await client.ask('echo', { alive: true }), { result: { params: { alive: true } } });
  const codes = client.inbox.slice(1, -1).map(error);
  t.deepEqual(
    codes,
    [-32700, -32700, -32700, -32600, -32600, -32600, -32600, -32600, -32600, -32600, -32600, -32600, -32700, -32600],
  );
  t.is(client.inbox.at(-2)?.['id'], 'deep');

  const older = await Client.session(t, url, { version: '2025-03-26' });
  const of = (id: number, method = 'later') => ({ jsonrpc: '2.0', id, method });
  older.send([of(1), { jsonrpc: '2.0', method: 'notifications/x' }, of(2, 'echo')]);
  const batch = await until('the batch', () => older.batches[0]);
  t.deepEqual(
    batch.map(({ id }) => id).toSorted((a, b) => Number(a) - Number(b)),
    [1, 2],
  );
  for (const wrong of [
    [],
    [of(1), of(1)],
    [of(1), 5],
    [of(1, 'initialize')],
    Array.from({ length: 101 }, (_, n) => of(n)),
    [{ ...of(1), params: { _meta: envelope() } }],
  ])
    older.send(wrong);
  await older.ask('nothing', undefined, 'n');
  t.deepEqual(older.inbox.slice(1).map(error), [-32600, -32600, -32600, -32600, -32600, -32600, -32601]);
});

test('a connection has so many turns; what waits keeps its order, can be cancelled, and others are served meanwhile', async (t) => {
  const { board, url } = await start(t, { maxCalls: 2, maxWaiting: 3 });
  const client = await Client.session(t, url);
  const other = await Client.session(t, url);
  for (let id = 1; id <= 5; id += 1) client.send({ jsonrpc: '2.0', id, method: 'hang', params: { id } });
  const refused = await client.ask('echo', {}, 6);
  t.is(error(refused), -32000);
  t.is(board.of('hang').length, 2);
  t.like(await other.ask('echo', { mine: 1 }), { result: { params: { mine: 1 } } });
  client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } });
  // A ping waits for nobody.
  t.deepEqual((await client.ask('ping'))['result'], {});
  board.of('hang')[0]?.reply.answer(Answer.result({}));
  await until('the next turn', () => board.of('hang').length === 3);
  t.deepEqual(
    board.of('hang').map(({ request }) => request.id),
    [1, 2, 4],
  );
  // Streams stay open for ever: they take nobody's turn.
  const streams = await Client.open(t, url);
  for (let id = 1; id <= 4; id += 1)
    streams.send({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { _meta: envelope() } });
  t.like(await streams.askNew('echo', {}, 9), { id: 9 });
  // A thousand answers that come at once need no deep stack.
  const many = await start(t, { maxCalls: 1, maxWaiting: 20_000 });
  const eager = await Client.open(t, many.url);
  for (let id = 0; id < 5000; id += 1)
    eager.send({ jsonrpc: '2.0', id, method: 'echo', params: { _meta: envelope() } });
  await until('all answers', () => eager.inbox.length === 5000);
  t.true(eager.inbox.every(({ result }, index) => result !== undefined && eager.inbox[index]?.['id'] === index));
});

test('a client that sends without end does not keep others from their turn', async (t) => {
  const { board, url } = await start(t);
  const record = board.notify.bind(board);
  let turn = 0;
  let most = 0;
  board.notify = (session, notification) => {
    if (turn === 0) setImmediate(() => (turn = 0));
    turn += 1;
    most = Math.max(most, turn);
    record(session, notification);
  };
  const greedy = await Client.open(t, url);
  const modest = await Client.open(t, url);
  const text = JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/roots/list_changed',
    params: { _meta: envelope() },
  });
  for (let n = 0; n < 20_000; n += 1) greedy.send(text);
  greedy.send({ jsonrpc: '2.0', id: 'last', method: 'echo', params: { _meta: envelope() } });
  await until('the first of them', () => board.notified.length > 0);
  await modest.askNew('echo');
  const before = board.notified.length;
  t.true(before < 20_000, `answered only after all ${before}`);
  await greedy.answer('last');
  t.is(board.notified.length, 20_000);
  t.true(most <= 64, `${most} in one turn`);
});

test('a client that does not read is not worked for; nothing is lost when it reads again', async (t) => {
  const { board, url } = await start(t, { maxQueuedBytes: 64 * 1024 * 1024, maxCalls: 1000 });
  const client = await Client.open(t, url);
  client.ws.pause();
  const size = 256 * 1024;
  for (let id = 0; id < 200; id += 1)
    client.send({ jsonrpc: '2.0', id, method: 'big', params: { _meta: envelope(), size } });
  let before = -1;
  await until('the pause', async () => {
    const now = board.of('big').length;
    const steady = now > 0 && now === before;
    before = now;
    await sleep(300);
    return steady;
  });
  t.true(before < 150, `${before} of 200 were carried out`);
  client.ws.resume();
  await until('all answers', () => client.inbox.length === 200);
  t.deepEqual(
    client.inbox.map(({ id }) => id),
    Array.from({ length: 200 }, (_, n) => n),
  );
});

test('a client that leaves too much unread is disconnected; progress is left out before', async (t) => {
  const { board, url, log } = await start(t, { maxQueuedBytes: 1024 * 1024, maxCalls: 1000 });
  const client = await Client.session(t, url);
  client.send({ jsonrpc: '2.0', id: 'h', method: 'hang' });
  const { reply } = await until('the call', () => board.of('hang')[0]);
  client.ws.pause();
  const text = 'x'.repeat(64 * 1024);
  // 64 MiB: more than all buffers between the two hold.
  for (let n = 0; n < 1000; n += 1) {
    reply.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: n, text } });
    if (n % 50 === 0) await sleep(1);
  }
  t.is(client.end, undefined);
  t.is(board.closed.length, 0);
  for (let n = 0; n < 1000; n += 1) reply.ask({ jsonrpc: '2.0', id: n, method: 'ping', params: { text } });
  await until('the end', () => board.closed.length === 1 && board.of('hang')[0]?.cancelled);
  t.true(log.some(({ message }) => /left more than 1048576 bytes unread/.test(message)));
});

test('a reader that has stopped, and a peer that is gone without a word, are given up', async (t) => {
  const stalled = await start(t, { stallTimeout: 300, maxQueuedBytes: 64 * 1024 * 1024 });
  const client = await Client.open(t, stalled.url);
  client.ws.pause();
  for (let id = 0; id < 60; id += 1)
    client.send({ jsonrpc: '2.0', id, method: 'big', params: { _meta: envelope(), size: 500_000 } });
  await until('the end of the stalled one', () => stalled.service.connections === 0);
  t.true(stalled.log.some(({ message }) => /has read nothing for 300 ms/.test(message)));

  const { url, service, log, board } = await start(t, { heartbeat: 200 });
  const mute = await Client.session(t, url, { autoPong: false });
  const alive = await Client.session(t, url);
  await until('the end of the mute one', () => mute.end);
  t.true(log.some(({ message }) => /no sign of life for 400 ms/.test(message)));
  await sleep(900);
  t.is(alive.end, undefined);
  t.is(service.connections, 1);
  t.is(board.closed.length, 1);
});

test('idle connections are closed, those with a session, a call or a stream are not; idle sessions later', async (t) => {
  const { board, url } = await start(t, { idleTimeout: 300, sessionTimeout: 2000, heartbeat: 1000 });
  const idle = await Client.open(t, url);
  const session = await Client.session(t, url);
  const stream = await Client.open(t, url);
  stream.send({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { _meta: envelope() } });
  t.is((await idle.ended()).code, 1001);
  t.is(session.end, undefined);
  t.is((await session.ended()).code, 1001);
  t.is(board.closed.length, 1);
  t.is(stream.end, undefined);
});

test('a credential that is taken back ends the connection: by its session, at the next request, or by and by', async (t) => {
  const { board, url } = await start(t);
  const grant = grantNamed('task:7');
  board.tokens.set('seven', grant);
  const options = { headers: { authorization: 'Bearer seven' } };
  const session = await Client.session(t, url, options);
  const kept = await Client.session(t, url);
  session.send({ jsonrpc: '2.0', id: 'h', method: 'hang' });
  await until('the call', () => board.of('hang')[0]);
  board.tokens.delete('seven');
  await board.close(board.opened[0]?.session as never, 'the task is over');
  t.is((await session.ended()).code, 1008);
  t.is(error(await session.answer('h')), -32000);
  t.is(kept.end, undefined);
  // A session that ends while its credential is good: the client may connect again.
  await board.close(board.opened[1]?.session as never, 'somebody ended it');
  t.is((await kept.ended()).code, 1001);

  board.tokens.set('seven', grant);
  const later = await Client.open(t, url, options);
  await later.askNew('echo');
  board.tokens.set('seven', grantNamed('task:8'));
  t.is(error(await later.askNew('echo')), -32600);
  t.is((await later.ended()).code, 1008);

  const often = await start(t, { heartbeat: 200 });
  often.board.tokens.set('seven', grant);
  const silent = await Client.open(t, often.url, options);
  await sleep(600);
  t.is(silent.end, undefined);
  often.board.tokens.delete('seven');
  t.is((await silent.ended()).code, 1008);
});

test('stopping: nobody new, calls may finish, what is left gets an error, then 1001', async (t) => {
  const { board, url, stop, service } = await start(t, { drain: 60_000 });
  const client = await Client.session(t, url);
  client.send({ jsonrpc: '2.0', id: 'h', method: 'hang' });
  client.send({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { _meta: envelope() } });
  await until('the call', () => board.handled.length === 2);
  const stopped = stop();
  t.is(error(await client.ask('echo')), -32000);
  t.is((await rejectionOf(t, url)).status, 503);
  board.of('hang')[0]?.reply.answer(Answer.result({ done: true }));
  t.deepEqual((await client.answer('h'))['result'], { done: true });
  t.is((await client.ended()).code, 1001);
  await stopped;
  t.is(service.connections, 0);
  t.is(board.closed.length, 1);
  t.truthy(board.of('subscriptions/listen')[0]?.cancelled);

  const hasty = await start(t, { drain: 100 });
  const stuck = await Client.session(t, hasty.url);
  stuck.send({ jsonrpc: '2.0', id: 's', method: 'hang' });
  await until('the call', () => hasty.board.of('hang').length === 1);
  await hasty.stop();
  t.is(error(await stuck.answer('s')), -32000);
  t.is((await stuck.ended()).code, 1001);
  t.truthy(hasty.board.of('hang')[0]?.cancelled);
});

test('a shared listener: its other upgrades and requests are left alone; when its owner closes it, clients are told', async (t) => {
  const server = createServer((_request, response) => void response.end('plain'));
  server.listen(0, '127.0.0.1');
  await until('the listener', () => server.listening);
  const { port } = server.address() as AddressInfo;
  const http = { server, address: () => ({ host: '127.0.0.1', port }) };
  const { url, service, stop } = await start(t, { heartbeat: 400 }, undefined, http);
  t.is(service.address()?.url, `ws://127.0.0.1:${port}/ws`);
  const client = await Client.session(t, url);
  t.is(await (await fetch(`http://127.0.0.1:${port}/ws`)).text(), 'plain');
  const upgrades: string[] = [];
  const other = (request: IncomingMessage, socket: Duplex) => {
    if (request.url === '/ws') return;
    upgrades.push(String(request.url));
    socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\n{}');
  };
  server.on('upgrade', other);
  t.is((await rejectionOf(t, `ws://127.0.0.1:${port}/theirs`)).status, 418);
  t.deepEqual(upgrades, ['/theirs']);
  server.off('upgrade', other);
  t.is((await rejectionOf(t, `ws://127.0.0.1:${port}/theirs`)).status, 404);
  // It waits for all of its connections, and does not know of those that were upgraded.
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  t.is((await client.ended()).code, 1001);
  await closed;
  await stop();
  t.is(server.listenerCount('upgrade'), 0);
});

test.serial('a thousand clients that come and go, some by force, leave nothing behind', async (t) => {
  const { board, url, service } = await start(t, { maxConnectionsPerGrant: 50 });
  const life = async (n: number) => {
    const client = n % 2 === 0 ? await Client.session(t, url) : await Client.open(t, url);
    if (n % 2 === 1) await client.askNew('echo');
    client.send({ jsonrpc: '2.0', id: 'h', method: 'hang', params: n % 2 === 0 ? {} : { _meta: envelope() } });
    if (n % 3 === 0) client.ws.close();
    else client.ws.terminate();
    await client.ended();
    client.inbox.length = 0;
  };
  const handles = () => process.getActiveResourcesInfo().filter((name) => /TCP/.test(name)).length;
  const round = async () => {
    for (let n = 0; n < 250; n += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => life(n + k)));
    await until('their end', () => service.connections === 0);
    board.forget();
  };
  await round();
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = { heap: heap(), handles: handles() };
  for (let rounds = 0; rounds < 3; rounds += 1) await round();
  t.true(handles() <= before.handles + 2, `${handles()} sockets, before ${before.handles}`);
  const grown = heap() - before.heap;
  t.true(grown < 4 * 1024 * 1024, `${grown} bytes more`);
  // One, that of the new era; nobody listens on it any more.
  t.is(board.sessions.size, 1);
});
