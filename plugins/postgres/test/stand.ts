// A stand for the plugin: applies it as the host does and calls its servers as the core does. No expectations live here.
import plugin from '@plugboard/postgres';
import {
  answerOf,
  errorText,
  leaseKey,
  recordedLog,
  registered,
  ServerLease,
  structured,
} from '@plugboard/test-kit/stand';
import type { LogLine } from '@plugboard/test-kit/stand';
import type { Connection, Grant, JsonObject, RpcResponse, ServerDefinition, UpstreamCall } from 'plugboard';

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
  const servers = await registered(plugin, options, { directory: '.', log: recordedLog(log) });
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
  const lease = await ServerLease.open(server, leaseKey(grant));
  const call = (name: string, args: JsonObject = {}) => lease.call(name, args);
  return {
    connection: lease.connection,
    call,
    send: (method, params) => lease.send(method, params),
    start: (name, args) => {
      const started = lease.start('tools/call', { name, arguments: args });
      return { call: started, answer: answerOf(started) };
    },
    ok: async <Shape>(name: string, args?: JsonObject) => structured<Shape>(await call(name, args)),
    fails: async (name, args) => errorText(await call(name, args)),
    close: () => lease.close(),
  };
}

/** An answer of query, next_page or execute. */
export interface Rows {
  readonly columns: { readonly name: string; readonly type: string }[];
  readonly rows: unknown[][];
  readonly rowCount: number;
  readonly cursor?: string;
  readonly note?: string;
}
