// Who gets into the management API, and what hostile clients get: credentials, roles, addresses, garbage.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { memoryStores, until } from '@plugboard/test-kit';
import test from 'ava';
import type { LogLine, Stores } from 'plugboard';
import { Failures } from '../src/failures.ts';
import { isLocalPeer } from '../src/origin-check.ts';
import { administrator, operator, send, stand, viewer } from './harness.ts';
import { isProblem, withThings } from './things.ts';

test('roles: each may do what the ones before it may, and nothing more; without a credential nothing is told', async (t) => {
  const { api, things } = await withThings(t, { beside: () => {}, file: true });
  const expected: [method: string, route: string, statuses: readonly [number, number, number]][] = [
    ['GET', '/servers', [200, 200, 200]],
    ['GET', '/configuration', [200, 200, 200]],
    ['PUT', '/things/x', [403, 204, 204]],
    ['POST', '/servers/none/restart', [403, 404, 404]],
    ['DELETE', '/sessions/none', [403, 404, 404]],
    ['POST', '/plugins/none/disable', [403, 403, 404]],
    ['PUT', '/configuration', [403, 403, 422]],
    ['POST', '/configuration/validate', [403, 403, 422]],
  ];
  for (const [method, place, statuses] of expected) {
    for (const [index, token] of [viewer, operator, administrator].entries()) {
      const reply = await api.ask(method, place, { token });
      const want = statuses[index] ?? 0;
      t.is(reply.status, want, `${method} ${place} ${token}: ${reply.text}`);
      if (want === 403) isProblem(t, reply, 403, 'role');
    }
    const nobody = await api.ask(method, place, { token: undefined });
    isProblem(t, nobody, 401, 'unauthorized');
    t.is(nobody.headers['www-authenticate'], 'Bearer realm="plugboard"');
  }
  t.is(things.made, 2);
  for (const place of ['/nowhere', '/servers'])
    t.is((await api.ask('PATCH', place, { token: undefined })).status, 401, 'what there is, is not told to strangers');
});

test('credentials: wrong tokens lead to 429 for that address, right ones and the local one go on; nothing of a token is logged', async (t) => {
  const api = await stand(t, { admin: { failures: 3 } });
  const wrong = { token: `${viewer}x` };
  for (let count = 0; count < 3; count += 1) {
    const reply = await api.ask('GET', '/servers', wrong);
    isProblem(t, reply, 401, 'unauthorized');
    t.is(reply.headers['www-authenticate'], 'Bearer realm="plugboard", error="invalid_token"');
  }
  for (const token of [wrong.token, administrator]) {
    const waiting = await api.ask('GET', '/servers', { token });
    isProblem(t, waiting, 429, 'too-many-failures');
    const seconds = Number(waiting.headers['retry-after']);
    t.true(seconds > 0 && seconds <= 60, `${seconds}`);
  }
  const { token, pid, url } = JSON.parse(await readFile(api.credentialFile, 'utf8')) as Record<string, string>;
  t.is((await api.ask('GET', '/servers', { token })).status, 200, 'nobody locks out the owner of this machine');
  t.like({ pid, url }, { pid: process.pid, url: api.url });
  t.true(String(token).length >= 40);
  t.is((await stat(api.credentialFile)).mode & 0o777, 0o600);
  t.is((await stat(path.dirname(api.credentialFile))).mode & 0o777, 0o700);
  const logged = JSON.stringify(api.log);
  for (const secret of [viewer, administrator, String(token)]) t.false(logged.includes(secret));
  t.true(logged.includes('too many wrong tokens'));
  const forms = ['', 'Basic YTpi', 'Bearer', `Bearer ${viewer} ${viewer}`, `bearer\t${viewer}`];
  for (const authorization of forms) {
    const reply = await send(api.url, 'GET', '/servers', { token: undefined, headers: { authorization } });
    t.is(reply.status, 401, authorization);
  }
  await api.stop();
  await t.throwsAsync(stat(api.credentialFile), { code: 'ENOENT' });
});

test('failures: a minute after the first one an address may try again; the table is bounded; an IPv6 network is one address', (t) => {
  let now = 0;
  const failures = new Failures(2, () => now);
  t.is(failures.wait('10.0.0.1'), 0);
  failures.add('10.0.0.1');
  t.is(failures.wait('10.0.0.1'), 0);
  now = 10_000;
  failures.add('::ffff:10.0.0.1');
  t.is(failures.wait('10.0.0.1'), 50);
  t.is(failures.wait('10.0.0.2'), 0);
  now = 60_000;
  t.is(failures.wait('10.0.0.1'), 0);
  failures.add('10.0.0.1');
  t.is(failures.wait('10.0.0.1'), 10, 'the second failure still counts');
  failures.add('2001:db8::1');
  failures.add('2001:db8:0:0:ffff::2');
  t.true(failures.wait('2001:db8::3') > 0);
  t.is(failures.wait('2001:db8:0:1::3'), 0);
  for (let index = 0; index < 30_000; index += 1)
    failures.add(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  t.true(failures.size <= 10_000);
});

test('hostile: paths, headers, slow bodies, floods of members, other hosts and origins; the API goes on', async (t) => {
  const { api } = await withThings(t);
  const head = `Host: localhost\r\nAuthorization: Bearer ${viewer}\r\n`;
  for (const place of [
    '/plugins/..%2f..%2fetc%2fpasswd',
    '/plugins/%2e%2e',
    '/servers/__proto__',
    '/sessions/constructor',
    '/tools/..%2f/x',
  ])
    t.is((await api.ask('GET', place)).status, 404, place);
  for (const place of ['/servers/%', '/servers/%ff', '/servers/%c0%ae'])
    isProblem(t, await api.ask('GET', place), 400, 'path-invalid');
  isProblem(t, await api.ask('GET', `/servers/${'x'.repeat(2000)}`), 400, 'path-invalid');
  t.regex(
    await raw(api.url, `GET /api/v1/../../etc/passwd HTTP/1.1\r\n${head}Connection: close\r\n\r\n`),
    /^HTTP\/1.1 404/,
  );
  t.regex(
    await raw(api.url, `GET /api/v1/servers HTTP/1.1\r\n${head}X: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1.1 431 [\s\S]*application\/problem\+json[\s\S]*headers-too-large/,
  );
  t.regex(await raw(api.url, `GET /api/v1/servers?${'a&'.repeat(10_000)} HTTP/1.1\r\n${head}\r\n`), /^HTTP\/1.1 431/);
  isProblem(
    t,
    await api.ask('GET', `/servers?${Array.from({ length: 1000 }, (_each, index) => `a${index}`).join('&')}`),
    400,
    'query-invalid',
  );
  t.regex(await raw(api.url, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400 [\s\S]*request-malformed/);
  const impatient = await stand(t, { admin: { requestTimeout: 400 } });
  const slow = `POST /api/v1/configuration/validate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${administrator}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"na`;
  t.regex(await raw(impatient.url, slow), /^HTTP\/1.1 408/);
  const refusedEarly = `POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${viewer}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"na`;
  t.regex(
    await raw(api.url, refusedEarly),
    /^HTTP\/1.1 403 (?:[^\r]+\r\n)*Connection: close\r\n/,
    'nobody listens to a body that is refused anyway',
  );
  const chunked = `POST /api/v1/things/small HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n${'x'.repeat(1024)}\r\n`;
  t.regex(await raw(api.url, chunked), /^HTTP\/1.1 413/);

  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '[::2]'])
    isProblem(t, await api.ask('GET', '/servers', { headers: { host } }), 403, 'origin-refused');
  for (const host of ['localhost:9', '127.0.0.1', '[::1]:80', 'LOCALHOST'])
    t.is((await api.ask('GET', '/servers', { headers: { host } })).status, 200, host);
  const own = new URL(api.url).host;
  t.is((await api.ask('GET', '/servers', { headers: { host: own, origin: `http://${own}` } })).status, 200);
  for (const origin of ['https://evil.example', 'null', 'http://localhost:1', `http://${own}.evil.example`])
    isProblem(t, await api.ask('GET', '/servers', { headers: { origin } }), 403, 'origin-refused');
  t.is((await api.ask('GET', '/servers')).status, 200, 'after all that the API serves');
});

test('this machine is told from others by the addresses of the connection, not by what the request says', (t) => {
  const peer = (remoteAddress: string | undefined, localAddress: string) =>
    isLocalPeer({ headers: { host: 'localhost' }, socket: { remoteAddress, localAddress } } as never);
  for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])
    t.true(peer(address, '0.0.0.0'), address);
  t.true(peer('192.0.2.7', '192.0.2.7'));
  for (const address of ['192.0.2.8', '::ffff:192.0.2.8', '2001:db8::1', undefined])
    t.false(peer(address, '192.0.2.7'));
});

test('beyond loopback: refused without tokens; with them the local credential is for this machine only', async (t) => {
  const refused = await t.throwsAsync(stand(t, { admin: { host: '0.0.0.0', tokens: [] } }));
  t.regex(refused.message, /refused to listen on 0\.0\.0\.0 without the option `tokens`/);
  const api = await stand(t, { admin: { host: '0.0.0.0' } });
  const { port } = new URL(api.url);
  const { token } = JSON.parse(await readFile(api.credentialFile, 'utf8')) as { token: string };
  t.is((await send(`http://127.0.0.1:${port}/api/v1`, 'GET', '/servers', { token })).status, 200);
  t.is(
    (await send(`http://127.0.0.1:${port}/api/v1`, 'GET', '/openapi.json', { token: undefined })).status,
    401,
    'the document is for viewers there',
  );
  t.is((await send(`http://127.0.0.1:${port}/api/v1`, 'GET', '/openapi.json', { token: viewer })).status, 200);
  const taken = await t.throwsAsync(stand(t, { admin: { port: Number(port) } }));
  t.regex(taken.message, /cannot listen on 127\.0\.0\.1:\d+: another process listens there/);
  for (const bad of [
    [{ name: 'a', token: 'short', role: 'viewer' }],
    [{ name: 'local', token: viewer, role: 'viewer' }],
    [{ name: 'a', token: viewer, role: 'root' }],
  ])
    await t.throwsAsync(stand(t, { admin: { tokens: bad } }), { message: /tokens/ });
});

test('the local credential: a file of another process is left alone; without a writable folder the proxy starts all the same', async (t) => {
  const first = await stand(t, { file: true });
  t.regex(first.credentialFile, /\.plugboard\/admin-plugboard\.json$/);
  await writeFile(first.credentialFile, JSON.stringify({ url: 'x', token: 'of another process', pid: 1 }));
  await first.stop();
  t.true((await readFile(first.credentialFile, 'utf8')).includes('of another process'));
  const blocked = await stand(t, { prepare: (folder) => writeFile(path.join(folder, '.plugboard'), 'a file') });
  t.is((await blocked.ask('GET', '/servers')).status, 200);
  t.true(blocked.log.some(({ level, message }) => level === 'warn' && message.includes('credential for this machine')));
  const without = await stand(t, { admin: { localCredential: false } });
  await t.throwsAsync(stat(without.credentialFile), { code: 'ENOENT' });
  t.is((await without.ask('GET', '/servers')).status, 200);
});

test('a start that took too long leaves nothing behind when it gets there after all', async (t) => {
  const log: LogLine[] = [];
  let release: () => void = () => {};
  const slow = new Promise<void>((resolve) => (release = resolve));
  const stores: Stores = {
    open: async (...args) => {
      await slow;
      return memoryStores().open(...args);
    },
  };
  const limits = { applyTimeout: 200, hookTimeout: 60_000 };
  await t.throwsAsync(stand(t, { stores, log, config: { limits } }), { message: /did not finish within 200 ms/ });
  release();
  const url = await until(
    'it gets there',
    () => log.find(({ fields }) => fields?.['url'] !== undefined)?.fields?.['url'],
  );
  const answers = () =>
    send(String(url), 'GET', '/servers').then(
      () => true,
      () => false,
    );
  await until('nobody answers', async () => !(await answers()));
  t.pass();
});

/** Sends bytes and resolves with all that comes back until the connection is closed. */
function raw(url: string, bytes: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (got += String(chunk)));
    socket.on('close', () => resolve(got));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(got) : reject(error)));
  });
}
