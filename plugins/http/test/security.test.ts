// What keeps strangers and accidents out: Host, Origin, credentials, binding, media types, sizes, slow clients.
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { Answer, Denied, PlugboardError } from 'plugboard';
import { FakeBoard, grantNamed, until } from '@plugboard/test-kit/stand';
import { connectionsOf, envelope, OldClient, rawPost, send, sendNew, sendRaw, start } from './harness.ts';

const echo = { jsonrpc: '2.0', id: 1, method: 'test/echo', params: { _meta: envelope() } };
const standard = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'test/echo' };

test('Host must name this machine', async (t) => {
  const { port, board } = await start(t, { allowedHosts: ['mcp.example', 'exact.example:8443'] });
  const statusOf = async (host: string): Promise<number> =>
    (await send(port, { body: echo, headers: { ...standard, host } })).status;
  for (const host of [
    'localhost',
    `localhost:${port}`,
    `127.0.0.1:${port}`,
    '[::1]:1',
    'LOCALHOST',
    'mcp.example:99',
    'exact.example:8443',
  ]) {
    t.is(await statusOf(host), 200, host);
  }
  const evil = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:localhost',
    'exact.example',
    '127.0.0.2',
    'x@localhost',
  ];
  const before = board.seen.length;
  for (const host of evil) t.is(await statusOf(host), 403, host);
  t.is(board.seen.length, before);
  const refused = await send(port, { path: '/readyz', method: 'GET', headers: { host: 'evil.example' } });
  t.is(refused.status, 403);
  t.like(await refused.json(), { jsonrpc: '2.0', id: null, error: { code: -32600 } });
  t.regex(await sendRaw(port, 'POST /mcp HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}'), /^HTTP\/1\.1 403/);
  t.regex(await sendRaw(port, 'POST /mcp HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}'), /^HTTP\/1\.1 400/);
});

test('Origin must be this machine or a configured one, and only that one may read', async (t) => {
  const { port } = await start(t, { allowedOrigins: ['https://app.example'] });
  const ask = (origin: string, more: object = {}) =>
    send(port, { body: echo, headers: { ...standard, origin }, ...more });
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'https://[::1]:5', 'https://app.example']) {
    t.is((await ask(origin)).status, 200, origin);
  }
  const evil = [
    'http://evil.example',
    'null',
    'https://app.example.evil.example',
    'http://localhost.evil.example',
    'https://app.example:8443',
    'file://',
    '',
  ];
  for (const origin of evil) t.is((await ask(origin)).status, 403, origin);
  const read = await ask('https://app.example');
  t.is(read.headers['access-control-allow-origin'], 'https://app.example');
  t.is(read.headers.vary, 'Origin');
  t.like(await read.json(), { id: 1, result: { params: echo.params } });
  t.is((await ask('http://localhost:3000')).headers['access-control-allow-origin'], undefined);

  const preflight = { method: 'OPTIONS', body: undefined };
  const asked = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type, mcp-method',
  };
  const allowed = await send(port, { ...preflight, headers: asked });
  t.is(allowed.status, 204);
  t.like(allowed.headers, {
    'access-control-allow-origin': asked.origin,
    'access-control-allow-headers': 'content-type, mcp-method',
  });
  const local = await send(port, { ...preflight, headers: { ...asked, origin: 'http://localhost:3000' } });
  t.is(local.status, 405);
  t.is(local.headers['access-control-allow-origin'], undefined);
});

test('credentials: refused, denied, broken, slow; the token is never repeated', async (t) => {
  for (const slow of [false, true]) {
    const board = new FakeBoard();
    board.protected = true;
    board.slow = slow;
    board.tokens.set('good', grantNamed('grant:good'));
    const { port, log } = await start(t, {}, board);
    const ask = (authorization?: string) => send(port, { body: echo, headers: { ...standard, authorization } });
    t.is((await ask('Bearer good')).status, 200);
    t.is((await ask('bearer  good')).status, 200);
    t.like(board.seen[0], { credential: { kind: 'bearer', token: 'good' } });
    t.is(board.seen[0]?.context.transport, 'http');
    t.is(board.seen[0]?.context.remoteAddress, '127.0.0.1');
    for (const bad of [undefined, 'Bearer hunter2', 'Bearer', 'Basic aHVudGVyMjp4', 'hunter2', 'Bearer good hunter2']) {
      const reply = await ask(bad);
      t.is(reply.status, 401, bad);
      t.regex(String(reply.headers['www-authenticate']), /^Bearer/);
      const text = await reply.text();
      t.like(JSON.parse(text), { jsonrpc: '2.0', id: null, error: { code: -32600 } });
      t.notRegex(text, /hunter2|aHVudGVyMjp4/);
    }
    for (const method of ['GET', 'DELETE'])
      t.is((await send(port, { method, headers: { 'mcp-session-id': 'x' } })).status, 401);
    t.is((await send(port, { path: '/mcp/nobody', body: echo, headers: standard })).status, 401);
    board.refuseAuthentication = () => {
      throw new Denied('come back on Monday');
    };
    const denied = await ask('Bearer good');
    t.is(denied.status, 403);
    t.like(await denied.json(), { error: { message: 'come back on Monday' } });
    board.refuseAuthentication = () => {
      throw new Error('the secret store is down');
    };
    const broken = await ask('Bearer good');
    t.is(broken.status, 500);
    t.notRegex(await broken.text(), /secret store/);
    t.true(log.some((line) => line.level === 'error'));
    t.notRegex(JSON.stringify(log), /hunter2/);
  }
});

test('it does not listen beyond loopback unless callers need a credential', async (t) => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'proxy.example', '::ffff:127.0.0.1']) {
    const error = await t.throwsAsync(start(t, { host }), { instanceOf: PlugboardError });
    t.is(error.code, 'REFUSED_BIND', host);
    t.true(error?.message.includes(host));
  }
  const board = new FakeBoard();
  board.protected = true;
  board.tokens.set('good', grantNamed('grant:good'));
  // Not recognised as loopback, although it is: stands for an address of the network.
  const { port, service } = await start(t, { host: '::ffff:127.0.0.1' }, board);
  t.is(service.address().host, '::ffff:127.0.0.1');
  const headers = { ...standard, authorization: 'Bearer good', host: 'anything.example' };
  t.is((await send(port, { body: echo, headers })).status, 200);
  t.is((await send(port, { body: echo, headers: { ...headers, origin: 'http://localhost' } })).status, 403);
  // A new configuration may take the protection away while the listener stays.
  board.protected = false;
  t.is((await send(port, { body: echo, headers })).status, 503);
  t.is((await send(port, { path: '/readyz', method: 'GET' })).status, 503);
});

test('media types are checked', async (t) => {
  const { port } = await start(t);
  const client = await OldClient.open(port);
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const statusOf = async (headers: Record<string, string | undefined>): Promise<number> =>
    (await client.post(ping, headers)).status;
  for (const type of [
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    ' application/json ;x',
  ]) {
    t.is(await statusOf({ 'content-type': type }), 200, type);
  }
  for (const type of [
    'text/plain',
    'application/jsonp',
    'application/x-www-form-urlencoded',
    'text/plain; application/json',
  ]) {
    t.is(await statusOf({ 'content-type': type }), 415, type);
  }
  t.is((await client.post(gzipSync(JSON.stringify(ping)), { 'content-encoding': 'gzip' })).status, 415);
  for (const accept of [
    '*/*',
    'text/event-stream, application/json',
    'application/*, text/*;q=0.5',
    'text/html, */*;q=0.1',
  ]) {
    t.is(await statusOf({ accept }), 200, accept);
  }
  for (const accept of ['application/json', 'text/event-stream', 'text/html', 'application/*']) {
    t.is(await statusOf({ accept }), 406, accept);
  }
  t.is((await sendNew(port, 1, 'test/echo', {}, { accept: 'application/json' })).status, 200);
});

test('bodies are bounded, and a connection survives a refused one', async (t) => {
  const { port, board, service } = await start(t, { maxBodyBytes: 1000 });
  let connections = 0;
  service.server.on('connection', () => void (connections += 1));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const ask = (body: unknown, headers: Record<string, string> = {}) =>
    send(port, { body, headers: { ...standard, ...headers }, agent });
  const padded = (length: number): string => {
    const body = JSON.stringify({ ...echo, id: 'x' });
    return body + ' '.repeat(length - body.length);
  };
  t.is((await (await ask(padded(1000))).json())['id'], 'x');
  for (const chunked of [false, true]) {
    const headers: Record<string, string> = chunked ? { 'transfer-encoding': 'chunked' } : {};
    const reply = await ask(padded(1001), headers);
    t.is(reply.status, 413);
    t.like(await reply.json(), { id: null, error: { code: -32600 } });
    const after = await ask(padded(900), headers);
    t.is(after.status, 200);
    await after.text();
  }
  t.is(connections, 1);
  const huge = await send(port, { body: padded(2_000_000), headers: standard }).catch(() => undefined);
  t.true(huge === undefined || (huge.status === 413 && huge.headers.connection === 'close'));
  const endless = await send(port, {
    body: padded(2_000_000),
    headers: { ...standard, 'transfer-encoding': 'chunked' },
  }).catch(() => undefined);
  t.true(endless === undefined || (endless.status === 413 && endless.headers.connection === 'close'));
  t.is((await ask(padded(900))).status, 200);

  // Whoever asks first is told before it sends.
  const head = `POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: test/echo\r\n`;
  t.regex(await sendRaw(port, `${head}content-length: 90000\r\n\r\n`), /^HTTP\/1\.1 413 .*\r\n[^]*connection: close/i);
  const small = padded(900);
  t.regex(
    await sendRaw(port, `${head}connection: close\r\ncontent-length: ${small.length}\r\n\r\n${small}`),
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/,
  );
  t.is(board.notified.length, 0);
});

test('bodies that are no JSON, too deep or in another encoding are refused', async (t) => {
  const { port } = await start(t);
  const nested = (depth: number): string =>
    `{"jsonrpc":"2.0","id":1,"method":"test/echo","params":{"_meta":${JSON.stringify(envelope())},"a":${'['.repeat(depth)}"]\\"}"${']'.repeat(depth)}}}`;
  const cases: [name: string, body: string | Buffer, status: number, code: number | undefined][] = [
    ['empty', '', 400, -32700],
    ['cut', '{"jsonrpc":', 400, -32700],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22]), 400, -32700],
    ['byte order mark', `\ufeff${JSON.stringify(echo)}`, 400, -32700],
    ['deep enough', nested(250), 200, undefined],
    ['too deep', nested(260), 400, -32700],
    ['far too deep', '['.repeat(3_000_000), 400, -32700],
    [
      'brackets in a string',
      JSON.stringify({ ...echo, params: { ...echo.params, a: '[{'.repeat(1000) } }),
      200,
      undefined,
    ],
    [
      'brackets after a quote in a string',
      JSON.stringify({ ...echo, params: { ...echo.params, a: `\\"${'['.repeat(400)}` } }),
      200,
      undefined,
    ],
    ['null', 'null', 400, -32600],
    ['a string', '"x"', 400, -32600],
    ['no jsonrpc', '{"id":1,"method":"test/echo"}', 400, -32600],
    ['jsonrpc 1', '{"jsonrpc":"1.0","id":1,"method":"test/echo"}', 400, -32600],
    ['id null', '{"jsonrpc":"2.0","id":null,"method":"test/echo"}', 400, -32600],
    ['id an object', '{"jsonrpc":"2.0","id":{},"method":"test/echo"}', 400, -32600],
    ['id too large', '{"jsonrpc":"2.0","id":9007199254740993,"method":"test/echo"}', 400, -32600],
    ['id infinite', '{"jsonrpc":"2.0","id":1e999,"method":"test/echo"}', 400, -32600],
    ['params an array', '{"jsonrpc":"2.0","id":1,"method":"test/echo","params":[]}', 400, -32600],
    ['method a number', '{"jsonrpc":"2.0","id":1,"method":5}', 400, -32600],
    ['result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 400, -32600],
    ['response without id', '{"jsonrpc":"2.0","result":{}}', 400, -32600],
  ];
  for (const [name, body, status, code] of cases) {
    const reply = await send(port, { body, headers: standard });
    t.is(reply.status, status, name);
    t.is(((await reply.json())['error'] as { code: number } | undefined)?.code, code, name);
  }
});

test('names of the prototype are names like others', async (t) => {
  const { port } = await start(t);
  const body = `{"jsonrpc":"2.0","id":1,"method":"test/echo","__proto__":{"polluted":1},"params":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"_meta":${JSON.stringify(envelope())}}}`;
  const reply = await send(port, { body, headers: standard });
  t.regex(await reply.text(), /"__proto__":\{"polluted":1\}/);
  t.is(({} as { polluted?: number }).polluted, undefined);
  for (const path of ['/mcp/__proto__', '/__proto__', '/mcp/constructor', '/constructor'])
    t.is((await send(port, { path, body: echo, headers: standard })).status, 404);
});

test('slow, greedy and endless clients are cut off', async (t) => {
  const { port } = await start(t, { headersTimeout: 200, requestTimeout: 400 });
  t.regex(await sendRaw(port, 'POST /mcp HTTP/1.1\r\nhost: localhost\r\nx: '), /^HTTP\/1\.1 408/);
  t.regex(
    await sendRaw(
      port,
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ),
    /^HTTP\/1\.1 408/,
  );
  t.regex(
    await sendRaw(port, `GET /mcp HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431/,
  );
});

test('a client that does not read its answer is cut off', async (t) => {
  const { port, board, service } = await start(t, { stallTimeout: 100, streamAfter: 600_000 });
  const client = await OldClient.open(port);
  const socket = rawPost(port, { jsonrpc: '2.0', id: 1, method: 'tools/call' }, client.headers());
  socket.pause();
  (await board.take()).reply.answer(Answer.result({ text: 'x'.repeat(30_000_000) }));
  await until('the connection is closed', async () => (await connectionsOf(service.server)) === 0);
  t.pass();
});

test('the number of connections is bounded', async (t) => {
  const { port, service } = await start(t, { maxConnections: 3 });
  const sockets = [1, 2, 3].map(() => connect({ host: '127.0.0.1', port }));
  await until('three connections', async () => (await connectionsOf(service.server)) === 3);
  t.is(await sendRaw(port, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'), '');
  for (const socket of sockets) {
    t.false(socket.destroyed);
    socket.destroy();
  }
});
