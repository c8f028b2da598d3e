// A stand for the plugin: applies it as the host does and calls its servers as the core does. No expectations live here.
import plugin from '@plugboard/postgres';
import { UpstreamCall } from 'plugboard';
import type { Connection, Grant, JsonObject, LeaseKey, Log, PluginApi, RpcResponse, ServerDefinition } from 'plugboard';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object | undefined;
}

export interface Task {
  /** The answer of a request as a client reads it from the wire. */
  send(method: string, params?: JsonObject): Promise<RpcResponse>;
  call(name: string, args?: JsonObject): Promise<RpcResponse>;
  /** The structured content of a call that must succeed. */
  ok<Shape = JsonObject>(name: string, args?: JsonObject): Promise<Shape>;
  /** The text of a call that must fail. */
  fails(name: string, args?: JsonObject): Promise<string>;
  /** Starts a call that can be cancelled. */
  start(name: string, args: JsonObject): { readonly call: UpstreamCall; readonly answer: Promise<RpcResponse> };
  readonly connection: Connection;
  close(): Promise<void>;
}

export interface Stand {
  readonly servers: readonly ServerDefinition[];
  readonly log: readonly LogLine[];
  /** Opens the one server, or the one of this name, for a grant; for the catalogue without one. */
  open(grant?: string, name?: string): Promise<Task>;
}

/** Applies the plugin with these options. */
export async function stand(options: JsonObject): Promise<Stand> {
  const log: LogLine[] = [];
  const servers: ServerDefinition[] = [];
  const api = {
    servers: { register: (server: ServerDefinition) => servers.push(server) },
    directory: '.',
    log: recorder(log),
  };
  await plugin.apply(api as unknown as PluginApi, plugin.options?.parse(options));
  return {
    servers,
    log,
    open: (grant, name) => {
      const server = servers.find((each) => name === undefined || each.name === name);
      if (server === undefined) throw new Error('no such server');
      return open(server, grant);
    },
  };
}

export function seenBy(server: ServerDefinition, id: string): boolean {
  return server.visible?.({ id } as Grant) ?? true;
}

async function open(server: ServerDefinition, grant: string | undefined): Promise<Task> {
  const key: LeaseKey = {
    kind: grant === undefined ? 'catalogue' : 'task',
    id: grant ?? 'catalogue',
    grant,
    capabilities: {},
    clientInfo: undefined,
  };
  const events = {
    notification: () => {},
    request: () => Promise.reject(new Error('nobody is asked here')),
    closed: () => {},
  };
  const connection = await server.open(key, events, new AbortController().signal);
  const begin = (method: string, params: JsonObject) => {
    const call = new UpstreamCall({ method, params, caller, timeout: 120_000, maxTimeout: 120_000 });
    connection.send(call);
    const answer = call.answer.then((each) => JSON.parse(each.encode(1).toString()) as RpcResponse);
    return { call, answer };
  };
  const call = (name: string, args: JsonObject = {}) => begin('tools/call', { name, arguments: args }).answer;
  return {
    connection,
    call,
    send: (method, params = {}) => begin(method, params).answer,
    start: (name, args) => begin('tools/call', { name, arguments: args }),
    ok: async <Shape>(name: string, args?: JsonObject) => structured<Shape>(await call(name, args)),
    fails: async (name, args) => errorText(await call(name, args)),
    close: () => connection.close(),
  };
}

const caller = {
  era: 'old',
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: undefined,
  logLevel: undefined,
} as const;

function recorder(lines: LogLine[]): Log {
  const at = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function structured<Shape>(response: RpcResponse): Shape {
  const { result } = response;
  if (result === undefined || result['isError'] === true)
    throw new Error(`the call failed: ${JSON.stringify(response)}`);
  return result['structuredContent'] as Shape;
}

/** The text of a call that must have failed. */
export function errorText(response: RpcResponse): string {
  const content = response.result?.['content'] as { text: string }[] | undefined;
  if (response.result?.['isError'] !== true || content?.[0] === undefined)
    throw new Error(`the call did not fail: ${JSON.stringify(response).slice(0, 2000)}`);
  return content[0].text;
}

/** An answer of query, next_page or execute. */
export interface Rows {
  readonly columns: { readonly name: string; readonly type: string }[];
  readonly rows: unknown[][];
  readonly rowCount: number;
  readonly cursor?: string;
  readonly note?: string;
}
