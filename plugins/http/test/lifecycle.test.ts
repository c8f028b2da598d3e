// Starting, serving others, telling its health, and stopping without cutting anybody off.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { Answer, PlugboardError, z } from 'plugboard';
import plugin from '../src/index.ts';
import { options } from '../src/options.ts';
import { FakeBoard, grantNamed, serverStatus, until } from '@plugboard/test-kit/stand';
import { OldClient, rawPost, send, sendNew, start } from './harness.ts';

test('endpoints: all servers, one server, nothing else', async (t) => {
  const { port, service, board } = await start(t);
  t.deepEqual(service.address(), { host: '127.0.0.1', port, url: `http://127.0.0.1:${port}/mcp` });
  const statusOf = async (path: string): Promise<number> => (await sendNew(port, 1, 'test/echo', {}, {}, path)).status;
  for (const path of ['/mcp', '/mcp?x=1', '/mcp/alpha', '/mcp/beta?y']) t.is(await statusOf(path), 200, path);
  for (const path of [
    '/',
    '/mcp/',
    '/mcp/gamma',
    '/mcp/alpha/',
    '/mcp/alpha/x',
    '/mcpx',
    '/MCP',
    '/mcp/..%2f',
    '//mcp',
    '/mcp/%61lpha',
    '*',
  ]) {
    const reply = await sendNew(port, 1, 'test/echo', {}, {}, path);
    t.is(reply.status, 404, path);
    t.like(await reply.json(), { id: null, error: { code: -32600 } }, path);
  }
  board.serverList = [];
  t.is(await statusOf('/mcp/alpha'), 404);

  const other = await start(t, { path: '/deep/er' });
  t.is((await sendNew(other.port, 1, 'test/echo', {}, {}, '/deep/er/alpha')).status, 200);
  t.is((await sendNew(other.port, 1, 'test/echo')).status, 404);
});

test('options are checked', (t) => {
  const bad = [
    { prot: 1 },
    { port: 70_000 },
    { port: '1' },
    { path: 'mcp' },
    { path: '/mcp/' },
    { idleTimeout: 0 },
    { allowedOrigins: ['app.example'] },
  ];
  for (const options of bad) t.throws(() => plugin.options?.parse(options), undefined, JSON.stringify(options));
  t.like(plugin.options?.parse({}), { host: '127.0.0.1', port: 8807, path: '/mcp', maxBodyBytes: 4_194_304 });
});

test('a port in use is told with what to do', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const error = await t.throwsAsync(start(t, { port }), { instanceOf: PlugboardError });
  t.regex(error?.message ?? '', new RegExp(`127\\.0\\.0\\.1:${port}: another process listens there$`));
  t.regex(error?.hint ?? '', /--port/);
});

test('health: the process lives, and readiness tells the truth', async (t) => {
  const { port, board } = await start(t);
  const get = (path: string, headers = {}) => send(port, { method: 'GET', path, headers });
  t.deepEqual(await (await get('/healthz')).json(), { status: 'ok' });
  const ready = await get('/readyz');
  t.is(ready.status, 200);
  t.like(await ready.json(), { ready: true, servers: [{ name: 'alpha', state: 'ready', tools: 2 }, { name: 'beta' }] });
  for (const [state, status] of [
    ['starting', 503],
    ['failed', 503],
    ['stopped', 200],
  ] as const) {
    board.serverList = [serverStatus('alpha', 'ready'), serverStatus('beta', state, `because ${state}`)];
    const reply = await get('/readyz');
    t.is(reply.status, status, state);
    const body = await reply.json();
    t.is(body['ready'], status === 200);
    t.like((body['servers'] as object[])[1], { name: 'beta', state, reason: `because ${state}` });
  }
  board.serverList = [];
  t.is((await get('/readyz')).status, 200);
  t.is((await send(port, { method: 'HEAD', path: '/healthz' })).status, 200);
  t.is((await send(port, { path: '/healthz', body: {} })).status, 405);

  // Where callers need a credential, names are for those who have one.
  board.protected = true;
  board.serverList = [serverStatus('alpha', 'failed', 'a path')];
  board.tokens.set('good', grantNamed('grant:good'));
  const anonymous = await get('/readyz');
  t.is(anonymous.status, 503);
  t.deepEqual(await anonymous.json(), { ready: false, counts: { starting: 0, ready: 0, failed: 1, stopped: 0 } });
  t.notRegex(await (await get('/readyz', { authorization: 'Bearer wrong' })).text(), /alpha|path/);
  t.like(await (await get('/readyz', { authorization: 'Bearer good' })).json(), {
    servers: [{ name: 'alpha', reason: 'a path' }],
  });
});

test('other plugins mount paths on the same listener', async (t) => {
  const { port, service, log } = await start(t);
  const get = (path: string, headers = {}) => send(port, { method: 'GET', path, headers });
  const unmount = service.mount('/api', (request, response) => void response.end(`api ${request.url}`));
  service.mount('/api/v2', (_request, response) => void response.end('v2'));
  service.mount('/broken', () => {
    throw new Error('oops');
  });
  service.mount('/late', async () => {
    await Promise.resolve();
    throw new Error('oops');
  });
  t.is(await (await get('/api')).text(), 'api /api');
  t.is(await (await get('/api/things?x=1')).text(), 'api /api/things?x=1');
  t.is(await (await get('/api/v2/x')).text(), 'v2');
  t.is((await get('/apix')).status, 404);
  t.is((await get('/api', { host: 'evil.example' })).status, 403);
  t.is((await get('/api', { origin: 'http://evil.example' })).status, 403);
  for (const path of ['/broken', '/late']) t.is((await get(path)).status, 500);
  t.is(log.filter((line) => line.level === 'error').length, 2);
  for (const path of ['/mcp', '/healthz', '/api', 'api', '/', '/a/', '/a b'])
    t.throws(() => service.mount(path, () => undefined), undefined, path);
  unmount();
  t.is((await get('/api')).status, 404);
  t.is(await (await get('/api/v2')).text(), 'v2');
});

test('stopping lets calls under way finish, ends the streams and closes the sessions', async (t) => {
  const { port, board, stop } = await start(t, { drain: 20_000 });
  const client = await OldClient.open(port);
  const standing = await client.get();
  const old = client.request(1, 'tools/call');
  const oldCall = await board.take();
  const fresh = sendNew(port, 2, 'tools/list');
  const newCall = await board.take();
  const listening = sendNew(port, 3, 'subscriptions/listen');
  const listen = await board.take();
  listen.reply.notify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged' });
  const stream = await listening;
  const stopped = stop();
  t.is(await standing.next(), undefined);
  t.like((await stream.next())?.message, { method: 'notifications/subscriptions/acknowledged' });
  t.is(await stream.next(), undefined);
  t.truthy(listen.cancelled);
  await t.throwsAsync(send(port, { body: {} }), { code: 'ECONNREFUSED' });
  t.is(board.closed.length, 0);
  // An answer larger than what a socket takes at once arrives whole.
  const text = 'x'.repeat(30_000_000);
  newCall.reply.answer(Answer.result({ text }));
  oldCall.reply.answer(Answer.result({ done: true }));
  t.like(await (await old).json(), { id: 1, result: { done: true } });
  const large = await (await fresh).json();
  t.is((large['result'] as { text: string }).text.length, text.length);
  await stopped;
  t.is(board.closed[0]?.session.id, client.id);
  t.is(newCall.cancelled, undefined);
});

test('stopping ends after its time, whoever still waits or reads nothing', async (t) => {
  const { port, board, stop } = await start(t, { drain: 100 });
  const client = await OldClient.open(port);
  const old = client.request(1, 'tools/call');
  await board.take();
  const fresh = sendNew(port, 2, 'tools/list');
  const call = await board.take();
  const idle = rawPost(port, { jsonrpc: '2.0', id: 9, method: 'tools/call' }, client.headers());
  idle.pause();
  (await board.take()).reply.answer(Answer.result({ text: 'x'.repeat(30_000_000) }));
  await stop();
  t.like(await (await old).json(), { id: 1, error: { code: -32000 } });
  const reply = await fresh;
  t.is(reply.status, 503);
  t.like(await reply.json(), { id: 2, error: { code: -32000 } });
  t.truthy(call.cancelled);
  t.is(board.closed.length, 1);
  idle.destroy();
});

test('a request on an open connection while stopping is refused', async (t) => {
  const board = new FakeBoard();
  const { port, stop } = await start(t, { drain: 20_000 }, board);
  const call = sendNew(port, 1, 'tools/list');
  const taken = await board.take();
  const socket = rawPost(port, { jsonrpc: '2.0', method: 'notifications/x' }, { 'mcp-protocol-version': '2026-07-28' });
  let got = '';
  socket.on('data', (chunk) => (got += chunk.toString()));
  await until('the first answer', () => got.includes('202'));
  const stopped = stop();
  socket.write('POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n');
  await until('the second answer', () => got.includes('HTTP/1.1 503'));
  t.regex(got, /connection: close/i);
  taken.reply.answer(Answer.result({}));
  t.is((await call).status, 200);
  await stopped;
});

test('the README lists every option with its default and meaning', (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const schema = z.toJSONSchema(options) as { properties: Record<string, { default: unknown; description: string }> };
  const rows = Object.entries(schema.properties).map(([name, { default: initial, description }]) => {
    const shown = typeof initial === 'string' ? initial : JSON.stringify(initial);
    return `| \`${name}\` | \`${shown}\` | ${description} |`;
  });
  t.deepEqual(
    readme.split('\n').filter((line) => /^\| `[a-z][A-Za-z]+` \| `/.test(line)),
    rows,
  );
});
