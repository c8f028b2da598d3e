// A stand for the plugin: applies it as the host does and calls its server as the core does. No expectations live here.
import plugin from '@plugboard/memory';
import { UpstreamCall } from 'plugboard';
import type {
  Connection,
  ConnectionEvents,
  JsonObject,
  LeaseKey,
  Log,
  PluginApi,
  RpcResponse,
  ServerDefinition,
} from 'plugboard';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object | undefined;
}

export interface Client {
  /** The answer of `tools/call` as a client reads it from the wire. */
  call(name: string, args?: JsonObject): Promise<RpcResponse>;
  list(): Promise<JsonObject[]>;
  readonly connection: Connection;
  close(): Promise<void>;
}

export interface Stand {
  readonly server: ServerDefinition;
  readonly log: readonly LogLine[];
  open(grant?: string): Promise<Client>;
}

/** Applies the plugin with these options in this folder. */
export async function stand(directory: string, options: JsonObject = {}): Promise<Stand> {
  const log: LogLine[] = [];
  const servers: ServerDefinition[] = [];
  const api = {
    servers: { register: (server: ServerDefinition) => servers.push(server) },
    directory,
    log: recorder(log),
  };
  await plugin.apply(api as unknown as PluginApi, plugin.options?.parse(options));
  const server = servers[0];
  if (server === undefined || servers.length !== 1) throw new Error(`the plugin registered ${servers.length} servers`);
  return { server, log, open: (grant) => open(server, grant) };
}

/** Opens the server for a grant; for the catalogue without one. */
async function open(server: ServerDefinition, grant: string | undefined): Promise<Client> {
  const key: LeaseKey = {
    kind: grant === undefined ? 'catalogue' : 'task',
    id: grant ?? 'catalogue',
    grant,
    capabilities: {},
    clientInfo: undefined,
  };
  const connection = await server.open(key, noEvents, new AbortController().signal);
  const send = async (method: string, params: JsonObject): Promise<RpcResponse> => {
    const caller = {
      era: 'old',
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: undefined,
      logLevel: undefined,
    } as const;
    const call = new UpstreamCall({ method, params, caller, timeout: 120_000, maxTimeout: 120_000 });
    connection.send(call);
    return JSON.parse((await call.answer).encode(1).toString()) as RpcResponse;
  };
  return {
    connection,
    call: (name, args) => send('tools/call', args === undefined ? { name } : { name, arguments: args }),
    list: async () => (await send('tools/list', {})).result?.['tools'] as JsonObject[],
    close: () => connection.close(),
  };
}

const noEvents: ConnectionEvents = {
  notification: () => {},
  request: () => Promise.reject(new Error('nobody is asked here')),
  closed: () => {},
};

function recorder(lines: LogLine[]): Log {
  const at = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** The result of a call that must have succeeded. */
export function structured<Shape>(response: RpcResponse): Shape {
  const result = response.result;
  if (result === undefined || result['isError'] === true)
    throw new Error(`the call failed: ${JSON.stringify(response)}`);
  return result['structuredContent'] as Shape;
}

/** The text of a call that must have failed. */
export function errorText(response: RpcResponse): string {
  const content = response.result?.['content'] as { text: string }[] | undefined;
  if (response.result?.['isError'] !== true || content?.[0] === undefined)
    throw new Error(`the call did not fail: ${JSON.stringify(response)}`);
  return content[0].text;
}

export interface Graph {
  entities: { name: string; entityType: string; observations: string[] }[];
  relations: { from: string; to: string; relationType: string }[];
}

export async function readGraph(client: Client): Promise<Graph> {
  return structured<Graph>(await client.call('read_graph'));
}

export function entity(name: string, ...observations: string[]): Graph['entities'][number] {
  return { name, entityType: 'thing', observations };
}
