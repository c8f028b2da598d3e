// A stand for the plugin: applies it as the host does, calls its server as the core does, and local sites to fetch. No
// expectations live here.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { UpstreamCall } from 'plugboard';
import type { Connection, ConnectionEvents, JsonObject, LeaseKey, PluginApi, ServerDefinition } from 'plugboard';
import plugin from '../src/index.ts';
import type { Resolve } from '../src/exchange.ts';
import { fetchServer } from '../src/server.ts';
import type { Settings } from '../src/settings.ts';

export interface Outcome {
  readonly text: string;
  readonly isError: boolean;
  readonly structured: JsonObject;
}

export interface Client {
  readonly connection: Connection;
  request(method: string, params: JsonObject): Promise<JsonObject>;
  fetch(url: string, args?: JsonObject): Promise<Outcome>;
  close(): Promise<void>;
}

/** Validates options as the host does and applies the plugin; returns what it registers. */
export async function register(options: JsonObject): Promise<ServerDefinition> {
  const servers: ServerDefinition[] = [];
  const api = { servers: { register: (server: ServerDefinition) => servers.push(server) }, directory: '/' };
  await plugin.apply(api as unknown as PluginApi, plugin.options?.parse(options));
  const [server] = servers;
  if (server === undefined || servers.length !== 1) throw new Error(`${servers.length} servers were registered`);
  return server;
}

/** A lease of the server; it is closed with the test. With `resolve`, hosts have the addresses that it says. */
export async function open(t: ExecutionContext, options: JsonObject = {}, resolve?: Resolve): Promise<Client> {
  const server =
    resolve === undefined ? await register(options) : fetchServer(plugin.options?.parse(options) as Settings, resolve);
  const client = await connect(server);
  t.teardown(() => client.close());
  return client;
}

const noEvents: ConnectionEvents = {
  notification: () => {},
  request: () => Promise.reject(new Error('nobody is asked here')),
  closed: () => {},
};

export async function connect(server: ServerDefinition, grant: string | undefined = 'default'): Promise<Client> {
  const kind = grant === '' ? 'catalogue' : 'task';
  const key: LeaseKey = { kind, id: grant, grant: grant || undefined, capabilities: {}, clientInfo: undefined };
  const connection = await server.open(key, noEvents, new AbortController().signal);
  const request = async (method: string, params: JsonObject): Promise<JsonObject> => {
    const call = newCall(method, params);
    connection.send(call);
    const { message } = await call.answer;
    if (message.error !== undefined) throw new Error(message.error.message);
    return JSON.parse(JSON.stringify(message.result)) as JsonObject;
  };
  return {
    connection,
    request,
    fetch: async (url, args = {}) => {
      const result = await request('tools/call', { name: 'fetch', arguments: { url, ...args } });
      const [block] = result['content'] as { text: string }[];
      return {
        text: block?.text ?? '',
        isError: result['isError'] === true,
        structured: (result['structuredContent'] ?? {}) as JsonObject,
      };
    },
    close: () => connection.close(),
  };
}

export function newCall(method: string, params: JsonObject): UpstreamCall {
  const caller = {
    era: 'old',
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: undefined,
    logLevel: undefined,
  } as const;
  return new UpstreamCall({ method, params, caller, timeout: 120_000, maxTimeout: 120_000 });
}

export interface Site {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** How often somebody has connected. */
  connections(): number;
}

export type Page = (request: IncomingMessage, response: ServerResponse) => void;

/** A site of its own; what it does not have is 404. It ends with the test. */
export async function site(
  t: ExecutionContext,
  pages: Readonly<Record<string, Page>>,
  host = '127.0.0.1',
): Promise<Site> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const page = pages[path] ?? pages[path.split('?')[0] ?? ''];
    if (page === undefined) response.writeHead(404).end();
    else page(request, response);
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    asked,
    connections: () => connections,
  };
}

export function send(type: string, body: string | Buffer, headers: Record<string, string> = {}): Page {
  return (_, response) => {
    response.writeHead(200, type === '' ? headers : { 'content-type': type, ...headers }).end(body);
  };
}

export function redirect(location: string, status = 302): Page {
  return (_, response) => {
    response.writeHead(status, { location }).end();
  };
}

/** Options under which a local site may be fetched, and nothing else that is private. */
export function allowing(...sites: Site[]): JsonObject {
  return { allowPrivate: ['127.0.0.1'], ports: sites.map(({ port }) => port) };
}
