// Two servers behind one face: ours, opened through the plugin contract, and the reference server, run as its own
// process.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ListRootsRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { leaseKey, recordedLog, registeredServer, ServerLease } from '@plugboard/test-kit/stand';
import type { JsonObject, RpcResponse, ServerDefinition, Tool } from 'plugboard';
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

/** Validates options as the host does and applies the plugin; returns what it registers. */
export function register(
  options: JsonObject,
  directory = '/',
  warn: (message: string) => void = () => {},
  reserved: readonly string[] = [],
): Promise<ServerDefinition> {
  return registeredServer(plugin, options, { directory, reserved, log: { ...recordedLog([]), warn } });
}

/** Ours, for one lease. */
export async function openOurs(
  options: JsonObject,
  key = leaseKey('default'),
  roots: readonly JsonObject[] = [],
): Promise<Server> {
  return connect(await register(options), key, roots);
}

/** A connection as the core opens it; the client answers with `roots` when it is asked for them. */
export async function connect(
  definition: ServerDefinition,
  key = leaseKey('default'),
  roots: readonly JsonObject[] = [],
): Promise<Server> {
  const request = async (): Promise<RpcResponse> => ({ jsonrpc: '2.0', result: { roots } });
  const lease = await ServerLease.open(definition, key, { request });
  return {
    list: () => lease.list(),
    call: (name, args) => lease.result('tools/call', args === undefined ? { name } : { name, arguments: args }),
    close: () => lease.close(),
  };
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
