// Sessions of the old era over real sockets: opening, using, sharing, capping and ending them.
import test from 'ava';
import { Answer, RefusedRequest } from 'plugboard';
import { FakeBoard, grantNamed, until } from '@plugboard/test-kit/stand';
import { connectionsOf, OldClient, rawPost, send, start } from './harness.ts';

const initialize = {
  jsonrpc: '2.0',
  id: 'first',
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {} },
    clientInfo: { name: 'test', version: '1.0.0' },
  },
};

test('a session is opened, used and ended', async (t) => {
  const { port, board } = await start(t);
  const opened = await send(port, {
    body: initialize,
    headers: { 'mcp-method': 'initialize', 'mcp-protocol-version': '2025-11-25' },
  });
  t.is(opened.status, 200);
  const id = String(opened.headers['mcp-session-id']);
  t.regex(id, /^[\x21-\x7e]+$/);
  t.like(await opened.json(), { jsonrpc: '2.0', id: 'first', result: { protocolVersion: '2025-11-25' } });
  t.like(board.opened[0]?.request, { transport: 'http', server: undefined, params: initialize.params });

  const headers = { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' };
  const initialized = await send(port, { body: { jsonrpc: '2.0', method: 'notifications/initialized' }, headers });
  t.is(initialized.status, 202);
  t.is(await initialized.text(), '');
  t.is(board.notified[0]?.notification.method, 'notifications/initialized');

  for (const method of ['test/echo', 'test/soon']) {
    const reply = await send(port, { body: { jsonrpc: '2.0', id: 7, method, params: { a: [1, 'ü'] } }, headers });
    t.is(reply.headers['content-type'], 'application/json');
    t.deepEqual(await reply.json(), { jsonrpc: '2.0', id: 7, result: { params: { a: [1, 'ü'] } } });
  }

  const response = { jsonrpc: '2.0', id: 3, result: {} };
  t.is((await send(port, { body: response, headers })).status, 202);
  t.deepEqual(board.delivered[0]?.response, response as never);

  t.is((await send(port, { method: 'DELETE', headers })).status, 204);
  await until('the board closes the session', () => board.closed.length === 1);
  const after = await send(port, { body: { jsonrpc: '2.0', id: 8, method: 'ping' }, headers });
  t.is(after.status, 404);
  t.like(await after.json(), { id: 8, error: { code: -32600 } });
  t.is((await send(port, { method: 'GET', headers })).status, 404);
  t.is((await send(port, { method: 'DELETE', headers })).status, 404);
});

test('what is wrong with a request without a good session is told by its status', async (t) => {
  const { port } = await start(t);
  const client = await OldClient.open(port);
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const statusOf = async (headers: Record<string, string | undefined>): Promise<number> =>
    (await client.post(ping, headers)).status;
  t.is(await statusOf({}), 200);
  t.is(await statusOf({ 'mcp-session-id': undefined }), 400);
  for (const id of ['nobody', '__proto__', 'constructor', `${client.id}x`])
    t.is(await statusOf({ 'mcp-session-id': id }), 404, id);
  // Every known version is taken, whichever was agreed on; an unknown one is not.
  t.is(await statusOf({ 'mcp-protocol-version': '2025-03-26' }), 200);
  t.is(await statusOf({ 'mcp-protocol-version': undefined }), 200);
  t.is(await statusOf({ 'mcp-protocol-version': '1999-01-01' }), 400);
  t.is((await client.get()).status, 200);
  t.is((await send(port, { method: 'GET', headers: { accept: 'text/event-stream' } })).status, 405);
  t.is((await send(port, { method: 'GET', headers: client.headers({ accept: 'application/json' }) })).status, 406);
  const put = await send(port, { method: 'PUT', headers: client.headers(), body: ping });
  t.is(put.status, 405);
  t.is(put.headers.allow, 'GET, POST, DELETE');
});

test('a session exists only for its grant and its endpoint', async (t) => {
  const board = new FakeBoard();
  board.protected = true;
  for (const name of ['alice', 'bob']) board.tokens.set(`${name}-token`, grantNamed(`grant:${name}`));
  const { port } = await start(t, {}, board);
  const bearer = (name: string): Record<string, string> => ({ authorization: `Bearer ${name}-token` });
  const alice = await OldClient.open(port, { headers: bearer('alice') });
  const alpha = await OldClient.open(port, { headers: bearer('alice'), path: '/mcp/alpha' });
  t.is(board.opened[1]?.request.server, 'alpha');
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  t.is((await alice.post(ping)).status, 200);
  t.is((await alpha.post(ping)).status, 200);

  const missing = await (await alice.post(ping, { 'mcp-session-id': 'nobody' })).text();
  const foreign = await alice.post(ping, bearer('bob'));
  t.is(foreign.status, 404);
  t.is(await foreign.text(), missing);
  for (const method of ['GET', 'DELETE'])
    t.is((await send(port, { method, headers: alice.headers(bearer('bob')) })).status, 404);
  t.is((await send(port, { path: '/mcp/alpha', body: ping, headers: alice.headers() })).status, 404);
  t.is((await send(port, { path: '/mcp/beta', body: ping, headers: alpha.headers() })).status, 404);
  t.is((await alice.post(ping)).status, 200);
  t.is(board.closed.length, 0);
});

test('an answer that comes first is JSON; what comes before it makes a stream', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port);
  const [progress, call] = await Promise.all([
    client.request('p', 'tools/call', { name: 'x' }),
    board.take().then(async (taken) => {
      const asked = taken.session.ask('roots/list', undefined, taken.reply);
      taken.reply.notify({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: 't', progress: 1 },
      });
      return { taken, asked };
    }),
  ]);
  t.is(progress.status, 200);
  t.is(progress.headers['content-type'], 'text/event-stream');
  t.is(progress.headers['x-accel-buffering'], 'no');
  const asking = await progress.next();
  t.like(asking?.message, { method: 'roots/list', id: 1 });
  t.like((await progress.next())?.message, { method: 'notifications/progress' });
  t.is((await client.post({ jsonrpc: '2.0', id: 1, result: { roots: [] } })).status, 202);
  t.like(await call.asked, { id: 1, result: { roots: [] } });
  // Whitespace that JSON allows would break an event in two.
  const relayed = Buffer.from('{"jsonrpc":"2.0","id":1,\r"result":{"text":"line\\nline"}}');
  const idStart = relayed.indexOf('1,');
  const place = {
    id: 1,
    start: idStart,
    end: idStart + 1,
    resultStart: relayed.lastIndexOf('{'),
    resultEnd: relayed.length - 1,
  };
  call.taken.reply.answer(Answer.relayed(relayed, place));
  t.deepEqual((await progress.next())?.message as object, { jsonrpc: '2.0', id: 'p', result: { text: 'line\nline' } });
  t.is(await progress.next(), undefined);
  call.taken.reply.answer(Answer.result({ twice: true }));
  t.is((await client.request(2, 'test/echo')).status, 200);
});

test('errors of the board are answered with 200 in this era', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port);
  const pending = client.request(1, 'unknown/method');
  (await board.take()).reply.answer(Answer.error(-32601, 'Method not found', undefined, 404));
  const reply = await pending;
  t.is(reply.status, 200);
  t.like(await reply.json(), { id: 1, error: { code: -32601 } });
});

test('an id is used once at a time in a session, and by every session', async (t) => {
  const { port, board } = await start(t, { maxCallsPerSession: 3 });
  const [one, two] = [await OldClient.open(port), await OldClient.open(port)];
  const first = one.request(1, 'tools/call');
  const taken = await board.take();
  const again = await one.request(1, 'tools/call');
  t.is(again.status, 400);
  t.like(await again.json(), { id: 1, error: { code: -32600 } });
  // The string "1" and the number 1 are different ids, and so is 1 in another session.
  const others = [one.request('1', 'tools/call'), two.request(1, 'tools/call')];
  const calls = [await board.take(), await board.take()];
  const third = one.request(2, 'tools/call');
  calls.push(await board.take());
  const tooMany = await one.request(3, 'tools/call');
  t.is(tooMany.status, 429);
  t.truthy(tooMany.headers['retry-after']);
  for (const call of [taken, ...calls])
    call.reply.answer(Answer.result({ of: call.request.id, session: call.session.id }));
  const bodies = await Promise.all([first, ...others, third].map(async (each) => (await each).json()));
  t.deepEqual(
    bodies.map((body) => body['id']),
    [1, '1', 1, 2],
  );
  t.like(bodies[2], { result: { session: two.id } });
  t.is((await one.request(1, 'ping')).status, 200);
});

test('a request that its client cancels ends without an answer', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port);
  const pending = client.request(5, 'tools/call');
  const call = await board.take();
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5, reason: 'enough' } };
  t.is((await client.post(cancel)).status, 202);
  t.deepEqual(board.notified.at(-1)?.notification, cancel as never);
  const reply = await pending;
  t.is(await reply.text(), '');
  call.reply.answer(Answer.result({ late: true }));

  // On a stream that was open already, whoever resumes it learns that no answer will come.
  const streaming = client.request(6, 'tools/call');
  const second = await board.take();
  second.reply.notify({ jsonrpc: '2.0', method: 'notifications/message', params: {} });
  const stream = await streaming;
  const event = await stream.next();
  await client.post({ ...cancel, params: { requestId: 6 } });
  t.is(await stream.next(), undefined);
  const resumed = await client.get(event?.id);
  t.like((await resumed.next())?.message, { id: 6, error: { code: -32600 } });
  t.is(await resumed.next(), undefined);
  for (const requestId of [99, null, {}, '__proto__'])
    t.is((await client.post({ ...cancel, params: { requestId } })).status, 202);
});

test('caps refuse a new session and say when to come back', async (t) => {
  const board = new FakeBoard();
  board.tokens.set('alice-token', grantNamed('grant:alice'));
  const { port } = await start(t, { maxSessions: 3, maxSessionsPerGrant: 2 }, board);
  const clients = [await OldClient.open(port), await OldClient.open(port)];
  const perGrant = await send(port, { body: initialize });
  t.is(perGrant.status, 429);
  t.truthy(perGrant.headers['retry-after']);
  t.like(await perGrant.json(), { id: 'first', error: { code: -32000 } });
  const headers = { authorization: 'Bearer alice-token' };
  const alice = await OldClient.open(port, { headers });
  t.is((await send(port, { body: initialize, headers })).status, 503);
  await alice.delete();
  await clients[0]?.delete();
  clients.push(await OldClient.open(port));
  // Opening takes time: sessions on their way count, and one that is refused gives its place back.
  await clients[1]?.delete();
  const rush = await Promise.all(Array.from({ length: 8 }, () => send(port, { body: initialize })));
  t.is(rush.filter((each) => each.status === 200).length, 1);
  await clients[2]?.delete();
  board.refuseOpen = () => {
    throw new RefusedRequest(Answer.error(-32000, 'not now', undefined, 503));
  };
  for (let n = 0; n < 5; n += 1) {
    const refused = await send(port, { body: initialize });
    t.is(refused.status, 503);
    t.like(await refused.json(), { id: 'first', error: { message: 'not now' } });
  }
  board.refuseOpen = () => {
    throw new Error('a secret detail');
  };
  const failed = await send(port, { body: initialize });
  t.is(failed.status, 500);
  t.notRegex(await failed.text(), /secret detail/);
  board.refuseOpen = undefined;
  t.is((await send(port, { body: initialize })).status, 200);
});

test('an idle session is ended; one with a stream or a call is not', async (t) => {
  // Long enough for a busy machine to use a session in time.
  const { port, board } = await start(t, { idleTimeout: 1500 });
  const listening = await OldClient.open(port);
  const stream = await listening.get();
  const calling = await OldClient.open(port);
  const pending = calling.request(1, 'tools/call');
  const call = await board.take();
  // Twice the limit, measured by the same clock.
  for (let n = 0; n < 2; n += 1) {
    const idle = await OldClient.open(port);
    await until('an idle session ends', () => board.closed.length > n);
    t.is(board.closed[n]?.session.id, idle.id);
    t.is((await idle.request(1, 'ping')).status, 404);
  }
  call.reply.answer(Answer.result({}));
  t.is((await pending).status, 200);
  stream.drop();
  await until('both end when they are idle', () => board.closed.length === 4);
});

test('a session that the board ends is gone, with its streams and calls', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port);
  const stream = await client.get();
  const pending = client.request(1, 'tools/call');
  const call = await board.take();
  await board.close(call.session, 'configuration');
  t.like(await (await pending).json(), { id: 1, error: { code: -32000 } });
  t.is(await stream.next(), undefined);
  t.is((await client.request(2, 'ping')).status, 404);
});

test('batches belong to 2025-03-26 alone', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port, { version: '2025-03-26' });
  const request = (id: string | number, method: string): object => ({ jsonrpc: '2.0', id, method, params: { id } });
  const notification = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' };

  const plain = await client.post([request(1, 'test/echo'), notification, request('b', 'test/soon')]);
  t.is(plain.headers['content-type'], 'application/json');
  const answers = JSON.parse(await plain.text()) as { id: unknown; result: { params: { id: unknown } } }[];
  t.deepEqual(
    answers.map((each) => [each.id, each.result.params.id]),
    [
      [1, 1],
      ['b', 'b'],
    ],
  );
  t.is(board.notified.length, 1);
  t.is((await client.post([notification, { jsonrpc: '2.0', id: 4, result: {} }])).status, 202);
  t.is(board.delivered.length, 1);

  const streaming = client.post([request(1, 'test/echo'), request(2, 'tools/call'), request(3, 'tools/call')]);
  const calls = [await board.take(), await board.take()];
  calls[1]?.reply.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: {} });
  const stream = await streaming;
  t.is(stream.headers['content-type'], 'text/event-stream');
  calls[1]?.reply.answer(Answer.result({}));
  calls[0]?.reply.answer(Answer.result({}));
  const events: unknown[] = [];
  for (let event = await stream.next(); event !== undefined; event = await stream.next())
    events.push(event.message.id ?? event.message['method']);
  t.deepEqual(events, [1, 'notifications/progress', 3, 2]);

  const newer = await OldClient.open(port);
  t.is((await newer.post([request(1, 'test/echo')])).status, 400);
  const bad: [string, unknown[]][] = [
    ['empty', []],
    ['too long', Array.from({ length: 101 }, (_, id) => request(id, 'ping'))],
    ['an id twice', [request(1, 'ping'), request(1, 'ping')]],
    ['initialize', [initialize]],
    ['not a message', [request(1, 'ping'), 3]],
    ['nested', [[request(1, 'ping')]]],
    [
      'new era',
      [{ ...request(1, 'ping'), params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } }],
    ],
  ];
  for (const [name, batch] of bad) {
    const reply = await client.post(batch);
    t.is(reply.status, 400, name);
    t.like(await reply.json(), { id: null, error: { code: -32600 } }, name);
  }
  t.is(board.notified.length, 2);
});

test('a client that leaves while its session is opened leaves no session behind', async (t) => {
  const { port, board, service } = await start(t);
  let release: (() => void) | undefined;
  const open = board.open.bind(board);
  board.open = async (request) => {
    await new Promise<void>((resolve) => (release = resolve));
    return open(request);
  };
  const leaving = rawPost(port, initialize);
  await until('the board is opening a session', () => release !== undefined);
  leaving.destroy();
  await until('the connection is gone', async () => (await connectionsOf(service.server)) === 0);
  release?.();
  await until('the session is closed', () => board.closed.length === 1);
  t.is(board.sessions.size, 0);
});
