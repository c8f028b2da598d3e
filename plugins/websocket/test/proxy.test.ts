// The plugin in a whole proxy: the SDK's clients on the listener of `http`, servers over WebSocket behind it, changes of the configuration.
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Client as ClientOfV2 } from '@modelcontextprotocol/client';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import { Client as ClientOfV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { startProxy, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { WebSocket } from 'ws';
import { entrySchema } from '../src/servers/entry.ts';
import { options } from '../src/options.ts';
import { ScriptedServer } from './scripted-server.ts';
import { Client, envelope, rejectionOf } from './stand.ts';

// Node 20 has none of its own; browsers and later versions of Node do.
(globalThis as { WebSocket?: unknown }).WebSocket = WebSocket;

const clientInfo = { name: 'test', version: '1' };

async function proxyFor(t: ExecutionContext, config: JsonObject, args?: readonly string[]): Promise<ProxyProcess> {
  t.timeout(180_000);
  const proxy = await startProxy(config, args === undefined ? {} : { args });
  t.teardown(() => proxy.close());
  return proxy;
}

const webSocketUrl = (proxy: ProxyProcess, path = '/ws') => new URL(path, proxy.url.replace('http:', 'ws:')).href;

/** The simplest transport for the SDK's client of the new era. */
class PlainTransport implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #ws: WebSocket;

  constructor(url: string) {
    this.#ws = new WebSocket(url, ['mcp'], { perMessageDeflate: false });
  }

  start(): Promise<void> {
    const ws = this.#ws;
    ws.on('message', (data: Buffer) => this.onmessage?.(JSON.parse(data.toString('utf8')) as JSONRPCMessage));
    ws.on('close', () => this.onclose?.());
    return new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#ws.send(JSON.stringify(message), (error) =>
        error === undefined || error === null ? resolve() : reject(error),
      ),
    );
  }

  async close(): Promise<void> {
    this.#ws.close();
  }
}

async function clientOfV1(
  t: ExecutionContext,
  url: string,
): Promise<{ client: ClientOfV1; asked: () => number; changed: () => number }> {
  const client = new ClientOfV1(clientInfo, { capabilities: { elicitation: {} } });
  let asked = 0;
  let changed = 0;
  client.setRequestHandler(ElicitRequestSchema, () => {
    asked += 1;
    return { action: 'accept', content: { name: 'Ada' } };
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (changed += 1));
  await client.connect(new WebSocketClientTransport(new URL(url)));
  t.teardown(() => client.close());
  return { client, asked: () => asked, changed: () => changed };
}

async function clientOfV2(t: ExecutionContext, url: string, mode: 'legacy' | { pin: string }): Promise<ClientOfV2> {
  const client = new ClientOfV2(clientInfo, { capabilities: {}, versionNegotiation: { mode } });
  await client.connect(new PlainTransport(url));
  t.teardown(() => client.close());
  return client;
}

const textOf = (result: unknown) => ((result as JsonObject)['content'] as { text: string }[])[0]?.text;

test('the SDK’s clients of both eras in front of servers of both eras, over WebSocket on both sides', async (t) => {
  const old = await ScriptedServer.start(t, { eras: ['old'] });
  const fresh = await ScriptedServer.start(t, { eras: ['new'] });
  const servers = { old: { url: old.url }, new: { url: fresh.url, title: 'The new one' } };
  const proxy = await proxyFor(t, { plugins: { http: {}, memory: {}, websocket: { servers } } });
  const reports = await proxy.ready();
  t.deepEqual(reports.map(({ name, state, era }) => `${name} ${state} ${era}`).toSorted(), [
    'memory ready old',
    'new ready new',
    'old ready old',
  ]);
  const { client, asked, changed } = await clientOfV1(t, webSocketUrl(proxy));
  const legacy = await clientOfV2(t, webSocketUrl(proxy), 'legacy');
  const modern = await clientOfV2(t, webSocketUrl(proxy), { pin: '2026-07-28' });
  t.is(modern.getProtocolEra(), 'modern');
  for (const each of [client, legacy, modern]) {
    const names = (await each.listTools()).tools.map(({ name }) => name);
    for (const name of ['old_echo', 'new_echo', 'memory_read_graph']) t.true(names.includes(name), name);
    for (const name of ['old_echo', 'new_echo']) {
      const texts = await Promise.all(Array.from({ length: 20 }, (_, n) => each.callTool({ name, arguments: { n } })));
      t.deepEqual(
        texts.map(textOf),
        Array.from({ length: 20 }, (_, n) => `{"n":${n}}`),
      );
    }
    t.is(textOf(await each.callTool({ name: 'old_big', arguments: { size: 300_000 } }))?.length, 300_000);
  }
  // A question of the server travels back on the connection of its call.
  t.is(
    textOf(await client.callTool({ name: 'old_ask', arguments: {} })),
    '{"action":"accept","content":{"name":"Ada"}}',
  );
  t.is(asked(), 1);
  const progress: number[] = [];
  await client.callTool({ name: 'old_progress', arguments: {} }, undefined, {
    onprogress: (at) => progress.push(at.progress),
  });
  t.deepEqual(progress, [1]);
  // One server alone, with its own names.
  const alone = await clientOfV1(t, webSocketUrl(proxy, '/ws/new'));
  t.deepEqual(
    (await alone.client.listTools()).tools.map(({ name }) => name),
    fresh.tools,
  );
  // A server that comes back with other tools, and says so to whoever has seen the list.
  old.tools = ['echo', 'later'];
  await old.stop();
  await old.listen();
  await until('the notice', () => changed() > 0);
  t.true((await client.listTools()).tools.some(({ name }) => name === 'old_later'));
});

test('subscriptions of clients hold while the connection to the server breaks', async (t) => {
  const server = await ScriptedServer.start(t, { eras: ['old'] });
  const proxy = await proxyFor(t, { plugins: { http: {}, websocket: { servers: { far: { url: server.url } } } } });
  await proxy.ready();
  const old = await Client.session(t, webSocketUrl(proxy));
  t.deepEqual((await old.ask('resources/subscribe', { uri: 'test://one' }))['result'], {});
  const fresh = await Client.open(t, webSocketUrl(proxy));
  fresh.send({
    jsonrpc: '2.0',
    id: 'l',
    method: 'subscriptions/listen',
    params: { _meta: envelope(), notifications: { resourceSubscriptions: ['test://one'] } },
  });
  await until('the acknowledgement', () =>
    fresh.inbox.some(({ method }) => method === 'notifications/subscriptions/acknowledged'),
  );
  await until('the subscriptions', () => server.of('resources/subscribe').length > 0);
  const updates = ({ inbox }: Client) =>
    inbox.filter(({ method }) => method === 'notifications/resources/updated').length;
  for (const socket of server.open.values()) socket.terminate();
  await until('both to be told of what may have been missed', () => updates(old) > 0 && updates(fresh) > 0);
  const before = [updates(old), updates(fresh)] as const;
  server.announce('notifications/resources/updated', { uri: 'test://one' });
  await until('both to be told of the change', () => updates(old) > before[0] && updates(fresh) > before[1]);
});

test('grants: a token sees its tools only; taken out of the configuration, it ends its connections', async (t) => {
  const server = await ScriptedServer.start(t);
  const config = (...names: string[]) => ({
    plugins: { http: {}, websocket: { heartbeat: 3000, servers: { far: { url: server.url } } } },
    tools: { allow: [] },
    grants: Object.fromEntries(
      names.map((name) => [
        name,
        { token: `a-token-of-${name}-and-more`, tools: { allow: [`far:${name === 'alice' ? 'echo' : 'big'}`] } },
      ]),
    ),
  });
  const proxy = await proxyFor(t, config('alice', 'bob'));
  await proxy.ready();
  const url = webSocketUrl(proxy);
  const as = (name: string) => ({
    protocols: ['mcp', `bearer.${Buffer.from(`a-token-of-${name}-and-more`).toString('base64url')}`],
  });
  const alice = await Client.session(t, url, as('alice'));
  const bob = await Client.session(t, url, as('bob'));
  const tools = async (client: Client) =>
    ((await client.result('tools/list'))['tools'] as { name: string }[]).map(({ name }) => name);
  t.deepEqual([await tools(alice), await tools(bob)], [['far_echo'], ['far_big']]);
  t.truthy((await bob.ask('tools/call', { name: 'far_echo', arguments: {} }))['error']);
  t.is((await rejectionOf(t, url, as('mallory'))).status, 401);
  await proxy.configure(config('alice'));
  t.is((await bob.ended()).code, 1008);
  t.is((await rejectionOf(t, url, as('bob'))).status, 401);
  t.is(alice.end, undefined);
  t.deepEqual(await tools(alice), ['far_echo']);
});

test('changes of the configuration: the listener of http is another one, or the options are; clients are told, servers kept', async (t) => {
  const server = await ScriptedServer.start(t);
  const plugins = (http: JsonObject, websocket: JsonObject) => ({
    plugins: { http: { port: 0, ...http }, websocket: { servers: { far: { url: server.url } }, ...websocket } },
  });
  const proxy = await proxyFor(t, plugins({ drain: 2000 }, {}), []);
  await proxy.ready();
  const addresses = () => [...proxy.log.matchAll(/ws:\/\/127\.0\.0\.1:\d+\/\w+/g)].map(([url]) => url);
  const next = (count: number) => until('the next listener', () => addresses()[count - 1]);
  const before = await Client.session(t, await next(1));
  t.truthy(await before.result('tools/call', { name: 'far_echo', arguments: {} }));
  const handshakes = server.handshakes.length;
  await proxy.configure(plugins({ drain: 2001 }, {}));
  t.is((await before.ended()).code, 1001);
  const between = await Client.session(t, await next(2));
  await proxy.configure(plugins({ drain: 2001 }, { path: '/other' }));
  t.is((await between.ended()).code, 1001);
  const after = await Client.session(t, await next(3));
  t.truthy(await after.result('tools/call', { name: 'far_echo', arguments: {} }));
  t.is(server.handshakes.length, handshakes);
  t.is(await proxy.stop(), 0);
  t.is((await after.ended()).code, 1001);
  t.notRegex(proxy.log, /did not stop within/);
});

test('clients of HTTP that offer another protocol with their requests are served as before', async (t) => {
  const proxy = await proxyFor(t, { plugins: { http: {}, memory: {}, websocket: {} } });
  await proxy.ready();
  const { hostname, port } = new URL(proxy.url);
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/list',
    params: { _meta: envelope(), filler: 'x'.repeat(200_000) },
  });
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/list',
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
  };
  const { status, text } = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const request = httpRequest({ host: hostname, port, path: '/mcp', method: 'POST', headers }, (response) => {
      let got = '';
      response.on('data', (part: Buffer) => (got += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode, text: got }));
    });
    request.on('error', reject);
    request.end(body);
  });
  t.is(status, 200);
  t.true(text.includes('memory_read_graph'));
  // Twice on one connection, the whole request in one piece.
  const socket = connect({ host: hostname, port: Number(port) });
  t.teardown(() => socket.destroy());
  let got = '';
  socket.on('data', (part: Buffer) => (got += part.toString()));
  for (let n = 1; n <= 2; n += 1) {
    socket.write(
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    );
    await until(`answer ${n}`, () => got.split('HTTP/1.1 200').length === n + 1);
  }
  t.is((await rejectionOf(t, webSocketUrl(proxy, '/mcp'))).status, 404);
});

/** A server over stdio whose tool `spoilt` answers with bytes that are not UTF-8. */
const spoilt = `
const bytes = (id, text) => process.stdout.write(Buffer.concat([
  Buffer.from('{"jsonrpc":"2.0","id":' + id + ',"result":{"content":[{"type":"text","text":"'), text, Buffer.from('"}]}}\\n'),
]));
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
const tools = ['spoilt', 'fine'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const info = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'spoilt', version: '1' } };
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') answer(id, info);
  else if (method === 'tools/list') answer(id, { tools });
  else if (method === 'tools/call') bytes(id, params.name === 'fine' ? Buffer.from('fine') : Buffer.from([0x61, 0xff, 0xc3]));
});`;

test('a server that answers with bytes that are not UTF-8 does not end the connection of its client', async (t) => {
  const mcpServers = { bad: { command: process.execPath, args: ['-e', spoilt], era: 'old' } };
  const proxy = await proxyFor(t, { plugins: { http: {}, websocket: {}, upstream: {} }, mcpServers });
  await proxy.ready();
  const client = await Client.session(t, webSocketUrl(proxy));
  const call = (name: string) => client.ask('tools/call', { name: `bad_${name}`, arguments: {} });
  t.like(await call('spoilt'), { result: { content: [{ text: 'a\uFFFD\uFFFD' }] } });
  t.like(await call('fine'), { result: { content: [{ text: 'fine' }] } });
});

test('without a listener to share it says what to do', async (t) => {
  t.timeout(120_000);
  await t.throwsAsync(startProxy({ plugins: { websocket: {} } }, { args: [] }), {
    message: /add the plugin `http`, give this one a `port`/,
  });
  const proxy = await startProxy({ plugins: { http: {}, websocket: { port: 0 } } });
  t.teardown(() => proxy.close());
  const log = await proxy.logged(/listening.*ws:/s);
  const url = /ws:\/\/127\.0\.0\.1:\d+\/ws/.exec(log)?.[0] ?? '';
  t.not(new URL(url).port, new URL(proxy.url).port);
  t.like(await (await Client.session(t, url)).ask('ping'), { result: {} });
});

test('the README lists every option and every key of a server', (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rowsOf = (schema: z.ZodType) => {
    const { properties } = z.toJSONSchema(schema, { io: 'input' }) as {
      properties: Record<string, { default?: unknown; description: string }>;
    };
    return Object.entries(properties).map(([name, { default: initial, description }]) => {
      const shown = typeof initial === 'string' ? initial : JSON.stringify(initial);
      return `| \`${name}\` | ${shown === undefined ? '' : `\`${shown}\` `}| ${description} |`;
    });
  };
  const section = (title: string) => readme.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = (title: string) =>
    section(title)
      .split('\n')
      .filter((line) => line.startsWith('| `'));
  t.deepEqual(rows('Options'), rowsOf(options));
  t.deepEqual(rows('Servers'), rowsOf(entrySchema));
});
