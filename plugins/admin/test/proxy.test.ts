// The API of a proxy as users run it: beside /mcp or on its own port, with real plugins, a real file, a real store; also when it changes itself or is killed.
import { access, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { startProxy, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { localCredentialFile } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { maskOptions, refuseMasked } from '../src/masking.ts';
import { begin, key, readEvents, send, stand, viewer } from './harness.ts';
import type { Ask, Reply } from './harness.ts';

interface Credential {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
}

interface Local {
  readonly proxy: ProxyProcess;
  credential(): Promise<Credential>;
  ask(method: string, route: string, ask?: Ask): Promise<Reply>;
}

async function proxyWith(t: ExecutionContext, config: JsonObject | string): Promise<Local> {
  t.timeout(180_000);
  const proxy = await startProxy(config);
  t.teardown(() => proxy.close());
  await proxy.ready();
  const file = localCredentialFile(proxy.folder, proxy.configFile);
  const credential = async () => JSON.parse(await readFile(file, 'utf8')) as Credential;
  const ask = async (method: string, route: string, more: Ask = {}) => {
    const { url, token } = await credential();
    return send(url, method, route, { token, ...more });
  };
  return { proxy, credential, ask };
}

/** An MCP client of the old era, as far as it is needed here. */
async function openClient(url: string) {
  const post = async (body: JsonObject, session?: string) => {
    const headers = {
      accept: 'application/json, text/event-stream',
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
    };
    return send(url, 'POST', '', { token: undefined, headers, body: { jsonrpc: '2.0', ...body } });
  };
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'a client', version: '2.0.0' },
  };
  const id = String((await post({ id: 1, method: 'initialize', params })).headers['mcp-session-id']);
  return {
    id,
    call: (name: string, args: JsonObject) =>
      post({ id: 2, method: 'tools/call', params: { name, arguments: args } }, id),
    tools: async () => {
      const { body } = await post({ id: 3, method: 'tools/list' }, id);
      return ((body['result'] as JsonObject)['tools'] as JsonObject[]).map(({ name }) => String(name));
    },
    status: async () => (await post({ id: 4, method: 'ping' }, id)).status,
  };
}

const base = `# what this proxy serves
plugins:
  http: { port: 0, allowedOrigins: ["https://allowed.example"] }
  memory: {} # notes
  filesystem: { root: . }
  admin:
    tokens: [{ name: watcher, token: "${viewer}", role: viewer }]
`;

test('beside /mcp: the same listener, its checks, the credential of this machine, no CORS', async (t) => {
  const { proxy, credential, ask } = await proxyWith(t, base);
  const { url, pid } = await credential();
  t.is(url, proxy.url.replace('/mcp', '/api/v1'));
  t.is(pid, proxy.pid);
  const file = localCredentialFile(proxy.folder, proxy.configFile);
  t.deepEqual([(await stat(file)).mode & 0o777, (await stat(path.dirname(file))).mode & 0o777], [0o600, 0o700]);
  const allowed = await ask('GET', '/servers', { headers: { origin: 'https://allowed.example' } });
  t.is(allowed.status, 200);
  t.deepEqual(
    Object.keys(allowed.headers).filter((name) => name.startsWith('access-control')),
    [],
  );
  t.is(
    (
      await ask('OPTIONS', '/servers', {
        headers: { origin: 'https://allowed.example', 'access-control-request-method': 'GET' },
      })
    ).status,
    405,
  );
  t.is((await ask('GET', '/servers', { headers: { origin: 'https://evil.example' } })).status, 403);
  t.is((await ask('GET', '/servers', { headers: { host: 'evil.example' } })).status, 403);
  t.is(
    (await send(url, 'GET', '/servers', { token: undefined })).status,
    401,
    'that /mcp is open to all does not open the API',
  );
  const configuration = await ask('GET', '/configuration', { token: viewer });
  t.false(configuration.text.includes(viewer), 'secrets are hidden');
  t.true(String(configuration.body['text']).includes('# what this proxy serves'));
  t.false((await ask('GET', '/plugins')).text.includes(viewer));
  t.false((await ask('GET', '/plugins/admin')).text.includes(viewer));
  t.is((await ask('GET', '/plugins/admin')).body['version'], '0.1.0');
  t.false(proxy.log.includes((await credential()).token));
  t.is(await proxy.stop(), 0);
  await t.throwsAsync(access(file), { code: 'ENOENT' });
});

test('servers and sessions: stopped, started and ended for real clients, and told on the stream', async (t) => {
  const { proxy, credential, ask } = await proxyWith(t, base);
  const { url, token } = await credential();
  const stream = readEvents(await begin(url, 'GET', '/events?types=session.*,call.settled', { token }));
  const client = await openClient(proxy.url);
  t.like(await stream.next(), {
    event: 'session.started',
    data: { subject: client.id, data: { transport: 'http', grant: 'default' } },
  });
  t.like((await ask('GET', `/sessions/${client.id}`)).body, {
    id: client.id,
    client: { name: 'a client', version: '2.0.0' },
    era: 'old',
    transport: 'http',
  });
  await client.call('memory_search_nodes', { query: 'my secret question' });
  const settled = await stream.next();
  t.like(settled, { event: 'call.settled', data: { subject: 'memory:search_nodes', data: { outcome: 'ok' } } });
  t.false(JSON.stringify(settled).includes('my secret question'));

  const shown = await ask('GET', '/servers/memory');
  const stale = await ask('POST', '/servers/memory/stop', { headers: { 'if-match': '"something-else"' } });
  t.is(stale.status, 412);
  const stopped = await ask('POST', '/servers/memory/stop', { headers: { 'if-match': String(shown.headers.etag) } });
  t.like([stopped.status, stopped.body], [200, { name: 'memory', state: 'stopped' }]);
  const used = await client.call('memory_read_graph', {});
  t.true(used.body['error'] !== undefined || (used.body['result'] as JsonObject)['isError'] === true, used.text);
  t.like((await ask('GET', '/servers?state=stopped')).body, { items: [{ name: 'memory' }] });
  await ask('POST', '/servers/memory/start');
  await until('it is ready', async () => (await ask('GET', '/servers/memory')).body['state'] === 'ready');
  t.falsy(((await client.call('memory_read_graph', {})).body['result'] as JsonObject)['isError']);
  await ask('POST', '/servers/memory/restart');
  await until('it is ready again', async () => (await ask('GET', '/servers/memory')).body['state'] === 'ready');
  t.falsy(((await client.call('memory_read_graph', {})).body['result'] as JsonObject)['isError']);

  t.is((await ask('DELETE', `/sessions/${client.id}`, { token: viewer })).status, 403);
  t.is((await ask('DELETE', `/sessions/${client.id}`)).status, 204);
  let event = await stream.next();
  while (event?.event === 'call.settled') event = await stream.next();
  t.like(event, { event: 'session.ended', data: { subject: client.id } });
  t.is(await client.status(), 404, 'for the client it is over');
  stream.drop();
});

test('plugins and configuration: changed live and in the file, with its comments; conflicts and mistakes change nothing', async (t) => {
  const { proxy, credential, ask } = await proxyWith(t, base);
  const { url, token } = await credential();
  const stream = readEvents(await begin(url, 'GET', '/events?types=plugin.changed,configuration.applied', { token }));
  const client = await openClient(proxy.url);
  const before = await ask('GET', '/plugins/memory');
  const first = await ask('PUT', '/plugins/memory/options', {
    body: { options: { name: 'notes' } },
    headers: { 'if-match': String(before.headers.etag) },
  });
  t.like([first.status, first.body], [200, { key: 'memory', enabled: true, options: { name: 'notes' } }]);
  t.true((await client.tools()).includes('notes_read_graph'));
  t.like(await stream.next(), { event: 'plugin.changed', data: { subject: 'memory', data: { enabled: true } } });
  t.like(await stream.next(), { event: 'configuration.applied' });
  const late = await ask('PUT', '/plugins/memory/options', {
    body: { options: {} },
    headers: { 'if-match': String(before.headers.etag) },
  });
  t.is(late.status, 412);
  const wrong = await ask('PUT', '/plugins/memory/options', { body: { options: { nmae: 'x' } } });
  t.like([wrong.status, wrong.body], [422, { code: 'plugin-options' }]);
  t.regex(String(wrong.body['detail']), /nmae/);
  t.is((await ask('PUT', '/plugins/memory/options', { body: { options: { name: '***' } } })).status, 422);
  t.is((await ask('GET', '/plugins/memory')).headers.etag, first.headers.etag, 'what was refused has changed nothing');
  const text = () => readFile(proxy.configFile, 'utf8');
  t.regex(await text(), /# what this proxy serves[\s\S]*name: notes/);

  t.like((await ask('POST', '/plugins/filesystem/disable')).body, { enabled: false });
  t.false((await client.tools()).some((name) => name.startsWith('filesystem_')));
  t.is((await ask('POST', '/plugins/filesystem/enable', { body: { options: { root: '.' } } })).status, 200);
  await until('it is back', async () => (await client.tools()).includes('filesystem_read_text_file'));
  t.like((await ask('GET', '/plugins/filesystem')).body, { enabled: true, options: { root: '.' } });
  t.is((await ask('POST', '/plugins/admin/disable')).status, 409);
  t.is((await ask('POST', '/plugins/no-such/enable')).status, 404);

  const { body } = await ask('GET', '/configuration');
  const masked = await ask('PUT', '/configuration', { body: { text: body['text'] } });
  t.is(masked.status, 422, masked.text);
  const whole = (await text()).replace('name: notes', 'name: remarks');
  const broken = await ask('PUT', '/configuration', { body: { text: `${whole}\ntols: {}\n` } });
  t.like([broken.status, broken.body], [422, { code: 'config-invalid' }]);
  t.regex(String(broken.body['detail']), /tols/);
  t.deepEqual((await ask('POST', '/configuration/validate', { body: { text: whole } })).body, {
    valid: true,
    problems: [],
  });
  t.like((await ask('POST', '/configuration/validate', { body: { text: 'tols: {}' } })).body, { valid: false });
  const applied = await ask('PUT', '/configuration', {
    body: { text: whole },
    headers: { 'if-match': `"${String(body['version'])}"` },
  });
  t.is(applied.status, 200, applied.text);
  t.is(await text(), whole);
  await until('it is in force', async () => (await client.tools()).includes('remarks_read_graph'));

  // Somebody edits the file: the stream tells all the same.
  const drained: string[] = [];
  await proxy.write('plugboard.yaml', whole.replace('name: remarks', 'name: edited'));
  await until('the edited file is in force', async () => (await client.tools()).includes('edited_read_graph'));
  for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
    drained.push(event.event);
    const now = await ask('GET', '/configuration');
    if (
      event.event === 'configuration.applied' &&
      (event.data['data'] as JsonObject)['version'] === now.body['version']
    )
      break;
  }
  t.true(drained.length > 0);
  stream.drop();
});

test('on its own port it changes itself: the answer comes, the port stays, the old credential is gone', async (t) => {
  const { proxy, credential, ask } = await proxyWith(t, { plugins: { http: { port: 0 }, admin: { port: 0 } } });
  const before = await credential();
  t.not(new URL(before.url).port, new URL(proxy.url).port);
  t.is((await send(proxy.url.replace('/mcp', '/api/v1'), 'GET', '/servers', { token: before.token })).status, 404);
  const stream = readEvents(await begin(before.url, 'GET', '/events', before));
  const port = Number(new URL(before.url).port);
  const changed = await ask('PUT', '/plugins/admin/options', { body: { options: { port, docs: 'viewer' } } });
  t.is(changed.status, 200, changed.text);
  t.is(changed.headers.connection, 'close');
  while ((await stream.next()) !== undefined);
  const after = await credential();
  t.is(after.url, before.url);
  t.not(after.token, before.token);
  t.is((await send(after.url, 'GET', '/servers', { token: before.token })).status, 401);
  t.is((await send(after.url, 'GET', '/docs', { token: undefined })).status, 401);
  t.is((await ask('GET', '/servers')).status, 200);
});

test('killed and started again: the answers of Idempotency-Key are still known, the credential is a new one', async (t) => {
  const { proxy, credential, ask } = await proxyWith(t, {
    plugins: { http: { port: 0 }, memory: {}, 'store-lowdb': { path: 'state' }, admin: {} },
  });
  const headers = key();
  const body = { options: { name: 'notes' } };
  const first = await ask('PUT', '/plugins/memory/options', { body, headers });
  t.is(first.status, 200, first.text);
  const before = await credential();
  await proxy.kill();
  await proxy.start();
  await proxy.ready();
  const after = await credential();
  t.not(after.token, before.token);
  t.is((await send(after.url, 'GET', '/servers', { token: before.token })).status, 401);
  const again = await ask('PUT', '/plugins/memory/options', { body, headers });
  t.deepEqual([again.headers['idempotency-replayed'], again.text], ['true', first.text]);
  const other = await ask('PUT', '/plugins/memory/options', { body: { options: {} }, headers });
  t.is(other.status, 422);
});

test('secrets in options are hidden wherever they are written out, and references are not', (t) => {
  const written = {
    token: 'abc',
    apiKey: 7,
    nested: [{ password: 'x', note: 'keep', tokens: [{ token: '${env:T}', name: 'n' }] }],
    env: { HOME: '/x', REF: '${env:REF}' },
    headers: { Authorization: 'Bearer ${file:t}', 'X-Other': 'Bearer abc ${env:A}' },
    url: 'https://user:secret@host/path',
    secret: '',
    maxTokens: 4,
  };
  t.deepEqual(maskOptions(written) as unknown, {
    token: '***',
    apiKey: '***',
    nested: [{ password: '***', note: 'keep', tokens: [{ token: '${env:T}', name: 'n' }] }],
    env: { HOME: '***', REF: '${env:REF}' },
    headers: { Authorization: 'Bearer ${file:t}', 'X-Other': '***' },
    url: 'https://user:***@host/path',
    secret: '',
    maxTokens: 4,
  });
  const error = t.throws(() => refuseMasked({ a: [{ b: 'Bearer ***' }] }));
  t.regex(error.message, /^options\.a\.0\.b: /);
});

test('without anywhere to serve it the proxy starts all the same, and says so; other plugins find the service', async (t) => {
  const { log, host } = await stand(t, { admin: { port: undefined } });
  t.true(log.some(({ level, message }) => level === 'warn' && message.startsWith('the management API is not served')));
  t.truthy(host.service('management'));
});
