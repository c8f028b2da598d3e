// What keeps strangers and accidents out: tokens, Origin, Host, URLs, caps, binding, and frames that no honest client sends.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import test from 'ava';
import { Denied } from 'plugboard';
import { FakeBoard, grantNamed, until } from '@plugboard/test-kit/stand';
import { bareSocket, Client, closeCodeOf, envelope, frame, rejectionOf, start } from './stand.ts';

const bearer = (token: string) => `bearer.${Buffer.from(token).toString('base64url')}`;

test('tokens: by header or subprotocol, one and right; nothing of them is said or logged', async (t) => {
  for (const slow of [false, true]) {
    const board = new FakeBoard();
    board.protected = true;
    board.slow = slow;
    board.tokens.set('good/+ö', grantNamed('grant:good'));
    const { url, log } = await start(t, {}, board);
    const byProtocol = await Client.open(t, url, { protocols: ['mcp', bearer('good/+ö')] });
    t.is(byProtocol.ws.protocol, 'mcp');
    board.tokens.set('hunter2', grantNamed('grant:good'));
    const byHeader = await Client.open(t, url, { headers: { authorization: 'bearer  hunter2' } });
    t.like(await byHeader.askNew('echo', { a: 1 }), { result: { params: { a: 1 } } });
    t.like(board.seen.at(-1), {
      credential: { kind: 'bearer', token: 'hunter2' },
      context: { transport: 'websocket', remoteAddress: '127.0.0.1' },
    });
    board.tokens.delete('hunter2');
    const wrong = [
      {},
      { headers: { authorization: 'Bearer hunter2' } },
      { headers: { authorization: 'Bearer' } },
      { headers: { authorization: 'Basic aHVudGVyMg==' } },
      { protocols: ['mcp', bearer('hunter2')] },
      { protocols: ['mcp', 'bearer.'] },
      { protocols: ['mcp', 'bearer.aHVudGVyMg~~'] },
      { protocols: ['mcp', bearer('good/+ö'), bearer('hunter2')] },
      { protocols: ['mcp', bearer('good/+ö')], headers: { authorization: 'Bearer hunter2' } },
    ];
    for (const options of wrong) {
      const { status, headers, body } = await rejectionOf(t, url, options);
      t.is(status, 401, JSON.stringify(options));
      t.regex(String(headers['www-authenticate']), /^Bearer/);
      t.like(body, { jsonrpc: '2.0', id: null, error: { code: -32600 } });
      t.notRegex(JSON.stringify(body), /hunter2|aHVudGVyMg/);
    }
    // Never in the URL, however it is called there.
    for (const query of ['?token=good/%2B%C3%B6', '?access_token=x']) {
      const { status, body } = await rejectionOf(t, `${url}${query}`, { headers: { authorization: 'Bearer good' } });
      t.is(status, 400);
      t.regex(JSON.stringify(body), /takes no query/);
    }
    t.notRegex(JSON.stringify(log), /hunter2|good\/|aHVudGVyMg/);
    board.refuseAuthentication = () => {
      throw new Denied('come back on Monday');
    };
    t.like(await rejectionOf(t, url), { status: 403, body: { error: { message: 'come back on Monday' } } });
    board.refuseAuthentication = () => {
      throw new Error('the secret store is down');
    };
    const broken = await rejectionOf(t, url);
    t.is(broken.status, 500);
    t.notRegex(JSON.stringify(broken.body), /secret store/);
  }
});

test('the token of one task opens nothing of another', async (t) => {
  const board = new FakeBoard();
  board.protected = true;
  for (const id of ['7', '8']) board.tokens.set(`token-${id}`, grantNamed(`task:${id}`));
  const { url } = await start(t, {}, board);
  const seven = await Client.session(t, url, { headers: { authorization: 'Bearer token-7' } });
  const eight = await Client.session(t, url, { headers: { authorization: 'Bearer token-8' } });
  await seven.ask('echo');
  await eight.ask('echo');
  t.deepEqual(
    board.of('echo').map(({ session }) => session.grant.id),
    ['task:7', 'task:8'],
  );
  // The credential of a connection is what it was opened with, whatever its messages say.
  await eight.askNew('echo', { _meta: { ...envelope(), authorization: 'Bearer token-7' } });
  t.is(board.of('echo')[2]?.session.grant.id, 'task:8');
});

test('Origin: the very host that is asked and configured ones; other pages of this machine are strangers', async (t) => {
  const { url, port, board } = await start(t, { allowedOrigins: ['https://app.example'] });
  for (const origin of [`http://127.0.0.1:${port}`, 'https://app.example', 'HTTPS://APP.EXAMPLE'])
    t.is((await Client.open(t, url, { origin })).ws.readyState, 1, origin);
  const before = board.seen.length;
  const evil = [
    'http://localhost:3000',
    'http://127.0.0.1',
    `http://localhost:${port}`,
    'http://evil.example',
    'null',
    'https://app.example.evil.example',
    'https://app.example:8443',
    `http://127.0.0.1:${port}.evil.example`,
    'file://',
  ];
  for (const origin of evil) t.is((await rejectionOf(t, url, { origin })).status, 403, origin);
  t.is(board.seen.length, before);
});

test('Host must name this machine: a name that was bent towards it does not', async (t) => {
  const { url, port } = await start(t, { allowedHosts: ['mcp.example', 'exact.example:8443'] });
  for (const host of ['localhost', `LOCALHOST:${port}`, '[::1]:1', 'mcp.example:99', 'exact.example:8443'])
    t.is((await Client.open(t, url, { headers: { host } })).ws.readyState, 1, host);
  const evil = [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    'exact.example',
    '127.0.0.2',
    'x@localhost',
  ];
  for (const host of evil) {
    t.is((await rejectionOf(t, url, { headers: { host } })).status, 403, host);
    // Rebinding: both say the same foreign name.
    t.is((await rejectionOf(t, url, { headers: { host }, origin: `http://${host}` })).status, 403, host);
  }
});

test('other paths, other servers, other protocols and plain requests get an answer that says what to do', async (t) => {
  const { url, port } = await start(t);
  for (const path of ['/', '/mcp', '/ws/', '/ws/unknown', '/ws/alpha/more', '/wsx', '/ws/%61lpha'])
    t.is((await rejectionOf(t, `ws://127.0.0.1:${port}${path}`)).status, 404, path);
  t.is((await Client.open(t, `${url}/alpha`)).ws.readyState, 1);
  const none = await rejectionOf(t, url, { protocols: [] });
  t.is(none.status, 400);
  t.regex(JSON.stringify(none.body), /Sec-WebSocket-Protocol: mcp/);
  t.is((await rejectionOf(t, url, { protocols: ['graphql-ws'] })).status, 400);
  t.is((await fetch(`http://127.0.0.1:${port}/ws`)).status, 426);
  const raw = async (text: string) => {
    const socket = connect({ host: '127.0.0.1', port });
    t.teardown(() => socket.destroy());
    socket.write(text);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString('latin1').split('\r\n')[0];
  };
  const head = `Host: localhost\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mcp\r\n`;
  t.regex((await raw(`GET /ws HTTP/1.1\r\n${head}Upgrade: h2c\r\n\r\n`)) ?? '', / 426 /);
  t.regex((await raw(`GET /ws HTTP/1.1\r\n${head}Upgrade: websocket\r\n\r\n`)) ?? '', / 400 /);
  t.regex((await raw(`POST /ws HTTP/1.1\r\n${head}Upgrade: websocket\r\nContent-Length: 0\r\n\r\n`)) ?? '', / 405 /);
});

test('caps: so many connections in all and of one grant; a place is free again when its connection is gone', async (t) => {
  const { board, url } = await start(t, { maxConnections: 4, maxConnectionsPerGrant: 2 });
  for (const id of ['a', 'b', 'c']) board.tokens.set(id, grantNamed(`grant:${id}`));
  const as = (id: string) => ({ headers: { authorization: `Bearer ${id}` } });
  const first = await Client.open(t, url, as('a'));
  await Client.open(t, url, as('a'));
  const full = await rejectionOf(t, url, as('a'));
  t.is(full.status, 429);
  t.truthy(full.headers['retry-after']);
  await Client.open(t, url, as('b'));
  await Client.open(t, url, as('b'));
  t.is((await rejectionOf(t, url, as('c'))).status, 503);
  first.ws.terminate();
  const again = await until('a free place', () => Client.open(t, url, as('a')).catch(() => undefined));
  t.is(again.ws.readyState, 1);
  // Whoever is refused, or leaves while plugins are asked, gives the place back as well.
  const small = await start(t, { maxConnections: 1 });
  for (let n = 0; n < 5; n += 1) t.is((await rejectionOf(t, small.url, as('nobody'))).status, 401);
  let open = () => {};
  small.board.gate = new Promise((resolve) => (open = resolve));
  small.board.slow = true;
  const leaving = connect({ host: '127.0.0.1', port: small.port });
  leaving.write(
    `GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n`,
  );
  await until('the question', () => small.board.seen.length === 6);
  leaving.destroy();
  await sleep(50);
  open();
  small.board.slow = false;
  const last = await until('the only place', () => Client.open(t, small.url).catch(() => undefined));
  t.is(last.ws.readyState, 1);
});

test('it does not listen beyond loopback while nobody needs a credential', async (t) => {
  await t.throwsAsync(start(t, { host: '0.0.0.0' }), { code: 'REFUSED_BIND' });
  const board = new FakeBoard();
  board.protected = true;
  const { url } = await start(t, { host: '0.0.0.0' }, board);
  t.is((await rejectionOf(t, url)).status, 401);
  board.protected = false;
  t.is((await rejectionOf(t, url)).status, 503);
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await t.throwsAsync(start(t, { port }), { code: 'CANNOT_LISTEN', message: /another process listens there/ });
});

test('frames: too large, too many parts, not text, not UTF-8, compressed, unmasked, malformed', async (t) => {
  const { url, port, board, service } = await start(t, { maxMessageBytes: 64 * 1024 });
  const bystander = await Client.session(t, url);
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo', params: { _meta: envelope() } });
  const ends: [string, Buffer, number][] = [
    ['a frame that claims terabytes', frame(0x81, '', 2 ** 40), 1009],
    ['a frame over the limit', frame(0x81, 'x'.repeat(64 * 1024 + 1)), 1009],
    [
      'parts over the limit together',
      Buffer.concat([frame(0x01, 'x'.repeat(60_000)), frame(0x00, 'x'.repeat(60_000))]),
      1009,
    ],
    [
      'empty parts without end',
      Buffer.concat([frame(0x01, ''), ...Array.from({ length: 3000 }, () => frame(0x00, ''))]),
      1008,
    ],
    ['binary', frame(0x82, text), 1003],
    ['invalid UTF-8', frame(0x81, Buffer.from([0x22, 0xc3, 0x28, 0x22])), 1007],
    // 64 MiB of zeros in 64 KiB: not agreed on, so not inflated.
    ['a compression bomb', frame(0xc1, deflateRawSync(Buffer.alloc(60 * 1024 * 1024)).subarray(0, 60_000)), 1002],
    ['an unmasked frame', Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]), 1002],
    ['a part of nothing', frame(0x80, 'x'), 1002],
    ['an unknown opcode', frame(0x83, 'x'), 1002],
    ['a ping in parts', frame(0x09, 'x'), 1002],
    ['a close with a forbidden code', frame(0x88, Buffer.from([0x03, 0xed])), 1002],
  ];
  for (const [what, bytes, code] of ends) {
    const socket = await bareSocket(t, port, ['Sec-WebSocket-Extensions: permessage-deflate']);
    socket.write(bytes);
    t.is(await closeCodeOf(socket), code, what);
  }
  t.is(board.of('echo').length, 0);
  const long = await Client.open(t, url);
  long.send('x'.repeat(64 * 1024 + 1));
  t.deepEqual(await long.ended(), {
    code: 1009,
    reason: 'the message is longer than 65536 bytes (option maxMessageBytes)',
  });
  // Cut up but right: each byte a part, with pings between them.
  const socket = await bareSocket(t, port);
  const last = text.length - 1;
  for (const [index, letter] of [...text].entries())
    socket.write(Buffer.concat([frame(index === last ? 0x80 : index === 0 ? 0x01 : 0x00, letter), frame(0x89, 'p')]));
  await until('the whole message', () => board.of('echo').length === 1);
  t.like(await bystander.ask('echo', { alive: 1 }), { result: { params: { alive: 1 } } });
  const deflating = await Client.open(t, url, { perMessageDeflate: true });
  t.is(deflating.ws.extensions, '');
  socket.destroy();
  deflating.ws.terminate();
  await until('the end of all others', () => service.connections === 1);
});

test('floods: pings, useless messages, half-open connections', async (t) => {
  const { url, port, service } = await start(t, { heartbeat: 300 });
  const bystander = await Client.session(t, url);
  const patient = await start(t);
  const pings = await bareSocket(t, patient.port);
  // Few enough at a time for all of them to be answered.
  const some = Buffer.concat(Array.from({ length: 20 }, () => frame(0x89, 'p')));
  const flood = setInterval(() => !pings.destroyed && pings.write(some), 5);
  t.teardown(() => clearInterval(flood));
  t.is(await closeCodeOf(pings), 1008);
  clearInterval(flood);
  const burst = await bareSocket(t, port);
  burst.write(Buffer.concat(Array.from({ length: 10_000 }, () => frame(0x89, 'p'))));
  burst.resume();
  await until('the end of the burst', () => burst.destroyed);
  const rubbish = await Client.open(t, url);
  for (let n = 0; n < 200; n += 1) rubbish.send('rubbish');
  t.is((await rubbish.ended()).code, 1008);
  t.true(rubbish.inbox.length < 200);
  // Neither a message nor an end ever comes, and no ping is answered.
  const half = await bareSocket(t, port);
  half.write(frame(0x01, 'never ended').subarray(0, 9));
  half.pause();
  await until('the end of the half-open one', () => service.connections === 1);
  t.like(await bystander.ask('echo', { alive: 1 }), { result: { params: { alive: 1 } } });
});
