// Two servers behind one face: ours, opened through the plugin contract, and the reference server, run as its own
// process.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ListRootsRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { UpstreamCall } from 'plugboard';
import type { Connection, ConnectionEvents, JsonObject, LeaseKey, PluginApi, ServerDefinition, Tool } from 'plugboard';
import plugin from '../src/index.ts';

/** The result of a tool as its client reads it. */
export interface Outcome {
  readonly content?: readonly JsonObject[];
  readonly structuredContent?: JsonObject;
  readonly isError?: boolean;
}

export interface Server {
  list(): Promise<Tool[]>;
  call(tool: string, args?: JsonObject): Promise<Outcome>;
  close(): Promise<void>;
}

export function leaseKey(grant: string | undefined = 'default', kind: LeaseKey['kind'] = 'task'): LeaseKey {
  return { kind, id: grant ?? kind, grant, capabilities: {}, clientInfo: undefined };
}

/** Validates options as the host does and applies the plugin; returns what it registers. */
export async function register(
  options: JsonObject,
  directory = '/',
  warn: (message: string) => void = () => {},
  reserved: readonly string[] = [],
): Promise<ServerDefinition> {
  const registered: ServerDefinition[] = [];
  const parsed = plugin.options?.parse(options);
  const quiet = () => {};
  const api: Partial<PluginApi> = {
    servers: {
      register: (server) => {
        registered.push(server);
        return () => {};
      },
    },
    log: { debug: quiet, info: quiet, warn, error: quiet },
    directory,
    reserved,
  };
  await plugin.apply(api as PluginApi, parsed);
  if (registered[0] === undefined || registered.length > 1)
    throw new Error(`${registered.length} servers were registered`);
  return registered[0];
}

/** Ours, for one lease. */
export async function openOurs(
  options: JsonObject,
  key = leaseKey(),
  roots: readonly JsonObject[] = [],
): Promise<Server> {
  return connect(await register(options), key, roots);
}

/** A connection as the core opens it; the client answers with `roots` when it is asked for them. */
export async function connect(
  definition: ServerDefinition,
  key = leaseKey(),
  roots: readonly JsonObject[] = [],
): Promise<Server> {
  const events: ConnectionEvents = {
    notification: () => {},
    request: async () => ({ jsonrpc: '2.0', result: { roots } }),
    closed: () => {},
  };
  const connection = await definition.open(key, events, new AbortController().signal);
  return {
    list: async () => (await send(connection, 'tools/list', {}))['tools'] as Tool[],
    call: async (name, args) =>
      send(connection, 'tools/call', args === undefined ? { name } : { name, arguments: args }),
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
  return new UpstreamCall({ method, params, caller, timeout: 60_000, maxTimeout: 60_000 });
}

async function send(connection: Connection, method: string, params: JsonObject): Promise<JsonObject> {
  const call = newCall(method, params);
  connection.send(call);
  const { message } = await call.answer;
  if (message.error !== undefined) throw new Error(`${message.error.code}: ${message.error.message}`);
  // As it would arrive: without members that are undefined.
  return JSON.parse(JSON.stringify(message.result)) as JsonObject;
}

const packageFile = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-filesystem/package.json');

/** The reference server on one folder, for a client that has roots of its own or none. */
export async function openReference(root: string, roots?: { uri: string }[]): Promise<Server> {
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { capabilities: roots === undefined ? {} : { roots: {} } },
  );
  if (roots !== undefined) client.setRequestHandler(ListRootsRequestSchema, () => ({ roots }));
  const args = [join(dirname(packageFile), 'dist', 'index.js'), root];
  await client.connect(new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }));
  return {
    list: async () => (await client.request({ method: 'tools/list' }, ResultSchema))['tools'] as Tool[],
    call: async (name, args = {}) =>
      (await client.request({ method: 'tools/call', params: { name, arguments: args } }, ResultSchema)) as Outcome,
    close: () => client.close(),
  };
}

/** The text of a result, whatever it is. */
export function textOf(outcome: Outcome): string {
  return (outcome.content ?? [])
    .map((block) => (typeof block['text'] === 'string' ? block['text'] : JSON.stringify(block)))
    .join('\n');
}
