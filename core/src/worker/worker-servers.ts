// In the worker: the plugin's servers, their connections, and the calls on them, each known to the proxy by a number.
import type { AsyncLocalStorage } from 'node:async_hooks';
import type {
  Connection,
  ConnectionEvents,
  LeaseKey,
  ListenFilter,
  ServerDefinition,
  ServerInfo,
} from '../connection.ts';
import type { Era, JsonObject } from '../protocol/messages.ts';
import { CallFailure, UpstreamCall } from '../upstream-call.ts';
import type { CallRelay, CancelReason } from '../upstream-call.ts';
import type { Channel } from './channel.ts';
import { encodeError } from './crossing-errors.ts';
import type { CallNote, ToHost, ToWorker, Where } from './messages.ts';

/** ms: the proxy's own limits end calls; here they never end by themselves. */
const never = 2 ** 40;

interface OpenConnection {
  readonly server: string;
  readonly connection: Connection;
}

/** The servers of one plugin. */
export class WorkerServers {
  readonly #channel: Channel<ToHost, ToWorker>;
  readonly #where: AsyncLocalStorage<Where>;
  readonly #definitions = new Map<number, ServerDefinition>();
  readonly #connections = new Map<number, OpenConnection>();
  readonly #calls = new Map<number, UpstreamCall>();
  #lastId = 0;

  constructor(channel: Channel<ToHost, ToWorker>, where: AsyncLocalStorage<Where>) {
    this.#channel = channel;
    this.#where = where;
  }

  /** Registers a server with the proxy. Returns the way to take it back. */
  register(definition: ServerDefinition, stopped: AbortSignal): () => void {
    const { name, title, kind, asks, owner, isolation, timeout, maxTimeout, visible } = definition;
    if (stopped.aborted) throw new Error('servers.register is not possible after the plugin was stopped');
    if (visible !== undefined)
      throw new Error(`server "${name}": "visible" is asked at every list and cannot be answered from a worker`);
    this.#lastId += 1;
    const id = this.#lastId;
    this.#definitions.set(id, definition);
    this.#channel.tell('register', { id, name, title, kind, asks, owner, isolation, timeout, maxTimeout });
    return () => {
      if (this.#definitions.delete(id)) this.#channel.tell('unregister', { server: id });
    };
  }

  async open(
    { server, connection, key }: { readonly server: number; readonly connection: number; readonly key: LeaseKey },
    signal: AbortSignal,
  ): Promise<{ era: Era; info: ServerInfo; separate: boolean | undefined }> {
    const definition = this.#definitions.get(server);
    if (definition === undefined) throw new Error('the plugin has taken this server back');
    const events: ConnectionEvents = {
      notification: (message) => this.#channel.tell('notification', { connection, message }),
      request: (message, withdrawn) => this.#channel.ask('request', { connection, message }, withdrawn),
      closed: (reason) => {
        this.#connections.delete(connection);
        this.#channel.tell('closed', { connection, reason: encodeError(reason) });
      },
    };
    const where = { hook: `server "${definition.name}"`, request: 'its opening' };
    const opened = await this.#where.run(where, async () => definition.open(key, events, signal));
    if (signal.aborted) {
      await opened.close();
      throw new Error('opening was given up');
    }
    this.#connections.set(connection, { server: definition.name, connection: opened });
    const { protocolVersion, capabilities, serverInfo, instructions } = opened.info;
    const info = { protocolVersion, capabilities, serverInfo, instructions };
    return { era: opened.era, info, separate: opened.separate };
  }

  async close(id: number): Promise<void> {
    const open = this.#connections.get(id);
    this.#connections.delete(id);
    await open?.connection.close();
  }

  notify(id: number, method: string, params: JsonObject | undefined): void {
    this.#connections.get(id)?.connection.notify(method, params);
  }

  listen(id: number, filter: ListenFilter): void {
    this.#connections.get(id)?.connection.listen(filter);
  }

  cancel(id: number, reason: CancelReason): void {
    this.#calls.get(id)?.cancel(reason);
  }

  send({ connection: id, call: note }: { readonly connection: number; readonly call: CallNote }): void {
    const open = this.#connections.get(id);
    if (open === undefined) {
      const failure = new CallFailure('gone', 'the connection is closed');
      this.#channel.tell('failed', { call: note.id, error: encodeError(failure) });
      return;
    }
    const { method, params, caller, tool, headers, canAsk } = note;
    const relay = canAsk ? this.#relay(note.id) : undefined;
    const call = new UpstreamCall({ method, params, caller, relay, tool, headers, timeout: never, maxTimeout: never });
    this.#calls.set(note.id, call);
    void this.#answer(note.id, call);
    const where = { hook: `server "${open.server}"`, request: requestOf(note) };
    try {
      this.#where.run(where, () => open.connection.send(call));
    } catch (error) {
      call.fail(new CallFailure('invalid', `server "${open.server}" failed: ${String(error)}`));
      throw error;
    }
  }

  #relay(call: number): CallRelay {
    return {
      notify: (message) => this.#channel.tell('progress', { call, message }),
      ask: (message, withdrawn) => this.#channel.ask('ask', { call, message }, withdrawn),
    };
  }

  async #answer(id: number, call: UpstreamCall): Promise<void> {
    try {
      const answer = await call.answer;
      // A copy of its own: small buffers share their memory with others.
      const bytes = new Uint8Array(answer.encode(id));
      this.#channel.tell('answer', { call: id, bytes, status: answer.status });
    } catch (error) {
      const failure = error instanceof CallFailure ? error : new CallFailure('invalid', String(error));
      this.#channel.tell('failed', { call: id, error: encodeError(failure) });
    } finally {
      this.#calls.delete(id);
    }
  }
}

function requestOf({ method, params }: CallNote): string {
  const name = params?.['name'] ?? params?.['uri'];
  return typeof name === 'string' ? `${method} ${name}` : method;
}
