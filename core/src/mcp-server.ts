// An SDK server object inside this process: anything with `connect(transport)` (v1 or v2 `McpServer`) becomes a server of the proxy.
import type { Connection, ConnectionEvents, LeaseKey, ServerDefinition, ServerInfo } from './connection.ts';
import { gone, Peer } from './peer.ts';
import { isObject, oldVersions } from './protocol/messages.ts';
import type { Capabilities, Implementation, JsonObject, RpcMessage } from './protocol/messages.ts';
import { UpstreamCall } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';
import { version } from './version.ts';

/** The transport that the SDK's servers are given: a loop in memory. Shaped like the SDK's `Transport`. */
export interface LoopTransport {
  onmessage?: ((message: never, extra?: never) => void) | undefined;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  start(): Promise<void>;
  /** `relatedRequestId`: the request on whose behalf the server speaks; the SDK's servers say it of what a handler sends. */
  send(message: unknown, options?: { readonly relatedRequestId?: string | number | undefined }): Promise<void>;
  close(): Promise<void>;
}

/** What the SDK's `McpServer` and `Server` are here, of either version. */
export interface Connectable {
  // The SDK's own Transport type differs between its versions; the loop fits both.
  connect(transport: never): Promise<void>;
  close?(): Promise<void>;
}

export interface McpServerDefinition {
  readonly name: string;
  readonly title?: string;
  readonly isolation: ServerDefinition['isolation'];
  /** Makes one server object for each connection. */
  create(key: LeaseKey): Connectable | Promise<Connectable>;
}

const handshakeLimit = 10_000;

/** Makes a server definition of SDK server objects; hand it to `servers.register`. */
export function mcpServer(definition: McpServerDefinition): ServerDefinition {
  return {
    name: definition.name,
    title: definition.title,
    kind: 'in-process',
    isolation: definition.isolation,
    open: async (key, events) => {
      const connection = new LoopConnection(definition.name, await definition.create(key), key, events);
      await connection.handshake(key);
      return connection;
    },
  };
}

class LoopConnection implements Connection {
  readonly era = 'old';
  info: ServerInfo = { protocolVersion: oldVersions[0], capabilities: {}, serverInfo: { name: '', version: '' } };
  readonly #name: string;
  readonly #server: Connectable;
  readonly #events: ConnectionEvents;
  readonly #transport: LoopTransport;
  readonly #peer: Peer;
  #closed = false;

  constructor(name: string, server: Connectable, key: LeaseKey, events: ConnectionEvents) {
    this.#name = name;
    this.#server = server;
    this.#events = events;
    this.#transport = {
      start: async () => {},
      // Asynchronous like a real channel: an answer never arrives inside the call that asked.
      send: async (message, options) => queueMicrotask(() => this.#peer.receive(message, options?.relatedRequestId)),
      close: async () => this.#end(new Error('the server closed its transport')),
    };
    this.#peer = new Peer({
      ofOneGrant: key.grant !== undefined,
      send: (message: RpcMessage) => queueMicrotask(() => this.#transport.onmessage?.(message as never)),
      notification: (message) => this.#events.notification(message),
      request: (message, withdrawn) => this.#events.request(message, withdrawn),
      rubbish: () => {},
    });
  }

  async handshake(key: LeaseKey): Promise<void> {
    await this.#server.connect(this.#transport as never);
    const clientInfo = key.clientInfo ?? { name: 'plugboard', version };
    const caller: Caller = {
      era: 'old',
      protocolVersion: oldVersions[0],
      capabilities: key.capabilities,
      clientInfo,
      logLevel: undefined,
    };
    const params: JsonObject = { protocolVersion: oldVersions[0], capabilities: key.capabilities, clientInfo };
    const call = new UpstreamCall({
      method: 'initialize',
      params,
      caller,
      timeout: handshakeLimit,
      maxTimeout: handshakeLimit,
    });
    this.#peer.send(call);
    const { result, error } = (await call.answer).message;
    if (result === undefined) throw new Error(`initialize was answered with error ${error?.code}: ${error?.message}`);
    this.info = readInfo(result);
    this.#peer.notify('notifications/initialized');
  }

  send(call: UpstreamCall): void {
    this.#peer.send(call);
  }

  notify(method: string, params?: JsonObject): void {
    this.#peer.notify(method, params);
  }

  listen(): void {}

  async close(): Promise<void> {
    this.#closed = true;
    this.#peer.close(gone(this.#name, 'it was stopped'));
    this.#transport.onclose?.();
    await this.#server.close?.();
  }

  #end(reason: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#peer.close(gone(this.#name, reason.message));
    this.#events.closed(reason);
  }
}

/** The result of `initialize`, as far as it is what the specification says. */
function readInfo(result: JsonObject): ServerInfo {
  const { protocolVersion, capabilities, serverInfo, instructions } = result;
  return {
    protocolVersion: String(protocolVersion),
    capabilities: isObject(capabilities) ? (capabilities as Capabilities) : {},
    serverInfo: isObject(serverInfo) ? (serverInfo as Implementation) : { name: 'unknown', version: 'unknown' },
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}
