// In the proxy: the servers of a plugin that runs in a worker. They outlive the worker: its successor takes them over by their names.
import { isDeepStrictEqual } from 'node:util';
import type { Connection, ConnectionEvents, LeaseKey, ServerDefinition } from '../connection.ts';
import type { PluginApi } from '../plugin.ts';
import { isObject } from '../protocol/messages.ts';
import type { RpcResponse } from '../protocol/messages.ts';
import { decodeError } from './crossing-errors.ts';
import type { ServerNote, ToHost } from './messages.ts';
import type { PluginThread } from './plugin-thread.ts';
import { RemoteConnection } from './remote-connection.ts';

interface RemoteServer {
  /** Its number in the running worker; undefined: that worker has not registered it (yet). */
  id: number | undefined;
  readonly note: Omit<ServerNote, 'id'>;
  readonly unregister: () => void;
}

export interface RemoteServersInit {
  readonly servers: PluginApi['servers'];
  /** The running worker. Rejects while there is none. */
  readonly thread: () => Promise<PluginThread>;
}

type AskOfCall = ToHost['asks']['ask'][0];
type AskOfConnection = ToHost['asks']['request'][0];

let lastConnection = 0;

export class RemoteServers {
  readonly #init: RemoteServersInit;
  readonly #servers = new Map<string, RemoteServer>();
  readonly #connections = new Map<number, RemoteConnection>();

  constructor(init: RemoteServersInit) {
    this.#init = init;
  }

  /** The worker registers a server: a new one, or one that its predecessor had. Throws when the name is taken. */
  register({ id, ...note }: ServerNote): void {
    const key = `${note.owner ?? ''}\0${note.name}`;
    const known = this.#servers.get(key);
    if (known?.id !== undefined) throw new Error(`server "${note.name}" is registered twice`);
    if (known !== undefined && isDeepStrictEqual(known.note, note)) {
      known.id = id;
      return;
    }
    known?.unregister();
    const server: RemoteServer = { id, note, unregister: this.#init.servers.register(this.#definition(key, note)) };
    this.#servers.set(key, server);
  }

  /** The worker takes a server back. */
  unregister(id: number): void {
    for (const [key, server] of this.#servers) if (server.id === id) this.#remove(key, server);
  }

  /** A worker has been applied: what its predecessor had registered and it has not is gone. */
  applied(): void {
    for (const [key, server] of this.#servers) if (server.id === undefined) this.#remove(key, server);
  }

  /** The worker has ended: its connections are gone, its servers wait for its successor. */
  lost(reason: Error): void {
    for (const server of this.#servers.values()) server.id = undefined;
    for (const connection of [...this.#connections.values()]) connection.lost(reason);
  }

  /** What the worker is doing for callers. */
  doing(): string[] {
    return [...this.#connections.values()].flatMap((connection) => connection.doing());
  }

  /** What is done with what the worker says of its servers. */
  readonly tells = {
    notification: ({ connection, message }: ToHost['tells']['notification']) =>
      this.#connections.get(connection)?.notification(message),
    closed: ({ connection, reason }: ToHost['tells']['closed']) =>
      this.#connections.get(connection)?.lost(decodeError(reason)),
    progress: ({ call, message }: ToHost['tells']['progress']) => this.#of(call)?.progress(call, message),
    answer: (body: ToHost['tells']['answer']) => this.#of(body.call)?.answer(body),
    failed: ({ call, error }: ToHost['tells']['failed']) => this.#of(call)?.failed(call, decodeError(error)),
  };

  readonly asks = {
    ask: ({ call, message }: AskOfCall, withdrawn: AbortSignal): Promise<RpcResponse> => {
      const connection = this.#of(call);
      if (connection === undefined) throw new Error('nobody waits for this call any more');
      return connection.ask(call, message, withdrawn);
    },
    request: ({ connection: id, message }: AskOfConnection, withdrawn: AbortSignal): Promise<RpcResponse> => {
      const connection = this.#connections.get(id);
      if (connection === undefined) throw new Error('the connection is closed');
      return connection.request(message, withdrawn);
    },
  };

  #of(call: number): RemoteConnection | undefined {
    for (const connection of this.#connections.values()) if (connection.hasCall(call)) return connection;
    return undefined;
  }

  #remove(key: string, server: RemoteServer): void {
    this.#servers.delete(key);
    server.unregister();
  }

  #definition(key: string, note: Omit<ServerNote, 'id'>): ServerDefinition {
    return { ...note, open: (lease, events, signal) => this.#open(key, lease, events, signal) };
  }

  async #open(key: string, lease: LeaseKey, events: ConnectionEvents, signal: AbortSignal): Promise<Connection> {
    const thread = await this.#init.thread();
    const server = this.#servers.get(key);
    if (server?.id === undefined) throw new Error('its plugin has not registered it again');
    lastConnection += 1;
    const id = lastConnection;
    const connection = new RemoteConnection({
      id,
      server: server.note.name,
      events,
      channel: thread.channel,
      over: () => this.#connections.delete(id),
    });
    this.#connections.set(id, connection);
    try {
      const body = { server: server.id, connection: id, key: lease };
      const { era, info, separate } = await aborted(signal, thread.channel.ask('open', body, signal));
      if (!isObject(info.capabilities)) throw new Error('it does not say what it can do');
      connection.opened(era, info, separate);
      return connection;
    } catch (error) {
      this.#connections.delete(id);
      throw error;
    }
  }
}

/** Waits for work until a signal is aborted; whatever comes of the work then is nobody's any more. */
function aborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason instanceof Error ? signal.reason : new Error('it was given up'));
    signal.addEventListener('abort', give, { once: true });
    if (signal.aborted) give();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}
