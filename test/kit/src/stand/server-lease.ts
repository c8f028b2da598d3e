// A server as a test of its plugin uses it: what a plugin registers, and a lease of it as the core opens one. No expectations live here.
import { UpstreamCall } from 'plugboard';
import type {
  Connection,
  ConnectionEvents,
  JsonObject,
  LeaseKey,
  Plugin,
  PluginApi,
  RpcResponse,
  ServerDefinition,
  Tool,
} from 'plugboard';
import { recordedLog } from './recorded-log.ts';

/** ms; it only ends a test that would fail anyway. */
const timeout = 600_000;

const caller = {
  era: 'old',
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: undefined,
  logLevel: undefined,
} as const;

const noEvents: ConnectionEvents = {
  notification: () => {},
  request: () => Promise.reject(new Error('nobody is asked here')),
  closed: () => {},
};

/** Validates options as the host does and applies the plugin; returns what it registers. `api`: what it needs of it beside. */
export async function registered(
  plugin: Plugin,
  options: JsonObject,
  api: { readonly [Part in keyof PluginApi]?: Partial<PluginApi[Part]> } = {},
): Promise<ServerDefinition[]> {
  const servers: ServerDefinition[] = [];
  const register = (server: ServerDefinition) => {
    servers.push(server);
    return () => {};
  };
  const whole = { directory: '/', reserved: [], log: recordedLog([]), servers: { register }, ...api };
  await plugin.apply(whole as unknown as PluginApi, plugin.options?.parse(options));
  return servers;
}

/** The same for a plugin that registers one server. */
export async function registeredServer(...given: Parameters<typeof registered>): Promise<ServerDefinition> {
  const servers = await registered(...given);
  const [server] = servers;
  if (server === undefined || servers.length > 1) throw new Error(`the plugin registered ${servers.length} servers`);
  return server;
}

/** The key of a task's lease; without a grant, that of the catalogue. */
export function leaseKey(
  grant: string | undefined,
  kind: LeaseKey['kind'] = grant === undefined ? 'catalogue' : 'task',
): LeaseKey {
  return { kind, id: grant ?? kind, grant, capabilities: {}, clientInfo: undefined };
}

/** The answer to a call as a client reads it from the wire. */
export async function answerOf(call: UpstreamCall): Promise<RpcResponse> {
  return JSON.parse((await call.answer).encode(1).toString()) as RpcResponse;
}

export class ServerLease {
  readonly connection: Connection;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  static async open(
    server: ServerDefinition,
    key: LeaseKey,
    events: Partial<ConnectionEvents> = {},
  ): Promise<ServerLease> {
    return new ServerLease(await server.open(key, { ...noEvents, ...events }, new AbortController().signal));
  }

  /** Sends a request; its answer is awaited by whoever calls. */
  start(method: string, params: JsonObject): UpstreamCall {
    const call = new UpstreamCall({ method, params, caller, timeout, maxTimeout: timeout });
    this.connection.send(call);
    return call;
  }

  /** The answer to a request, whatever it is. */
  send(method: string, params: JsonObject = {}): Promise<RpcResponse> {
    return answerOf(this.start(method, params));
  }

  /** The result of a request. Throws its error's code and message. */
  async result(method: string, params: JsonObject = {}): Promise<JsonObject> {
    const { result, error } = await this.send(method, params);
    if (result === undefined) throw new Error(`${error?.code}: ${error?.message}`);
    return result;
  }

  /** The answer to `tools/call`. */
  call(name: string, args?: JsonObject): Promise<RpcResponse> {
    return this.send('tools/call', args === undefined ? { name } : { name, arguments: args });
  }

  async list(): Promise<Tool[]> {
    return (await this.result('tools/list'))['tools'] as Tool[];
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}
