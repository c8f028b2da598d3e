// A stand for the plugin: applies it as the host does, calls its server as the core does, and local sites to fetch. No
// expectations live here.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { leaseKey, outcomeOf, registeredServer, ServerLease } from '@plugboard/test-kit/stand';
import type { Outcome } from '@plugboard/test-kit/stand';
import type { ExecutionContext } from 'ava';
import type { Connection, JsonObject, ServerDefinition, UpstreamCall } from 'plugboard';
import plugin from '../src/index.ts';
import type { Resolve } from '../src/exchange.ts';
import { fetchServer } from '../src/server.ts';
import type { Settings } from '../src/settings.ts';

export interface Client {
  readonly connection: Connection;
  request(method: string, params: JsonObject): Promise<JsonObject>;
  fetch(url: string, args?: JsonObject): Promise<Outcome>;
  /** A call that is to be cancelled. */
  start(url: string): UpstreamCall;
  close(): Promise<void>;
}

/** Validates options as the host does and applies the plugin; returns what it registers. */
export function register(options: JsonObject): Promise<ServerDefinition> {
  return registeredServer(plugin, options);
}

/** A lease of the server; it is closed with the test. With `resolve`, hosts have the addresses that it says. */
export async function open(t: ExecutionContext, options: JsonObject = {}, resolve?: Resolve): Promise<Client> {
  const server =
    resolve === undefined ? await register(options) : fetchServer(plugin.options?.parse(options) as Settings, resolve);
  const client = await connect(server, 'default');
  t.teardown(() => client.close());
  return client;
}

/** For the catalogue without a grant. */
export async function connect(server: ServerDefinition, grant: string | undefined): Promise<Client> {
  const lease = await ServerLease.open(server, leaseKey(grant));
  return {
    connection: lease.connection,
    request: (method, params) => lease.result(method, params),
    fetch: async (url, args = {}) => outcomeOf(await lease.call('fetch', { url, ...args })),
    start: (url) => lease.start('tools/call', { name: 'fetch', arguments: { url } }),
    close: () => lease.close(),
  };
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
