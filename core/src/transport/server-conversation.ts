// The conversation with a server on a pipe or socket, before and after its era is known: calls, requests of our own, listen requests. No channels here.
import type { Buffer } from 'node:buffer';
import type { ConnectionEvents, LeaseKey, ServerInfo } from '../connection.ts';
import { gone, Peer, stopped } from '../peer.ts';
import type { Log } from '../plugin.ts';
import { findResponseId } from '../protocol/response-place.ts';
import { isObject, metaKey, metaOf } from '../protocol/messages.ts';
import type { JsonObject, RpcErrorBody, RpcMessage, RpcResponse } from '../protocol/messages.ts';
import { initializeParams, ownCall, ownEnvelope, readDiscovery, readInitialize } from './handshake.ts';
import type { Discovery } from './handshake.ts';
import type { ListenSink } from './standing-request.ts';
import { Throttle } from './throttle.ts';

export interface ServerConversationInit {
  readonly server: string;
  readonly log: Log;
  /** All calls are of one grant; see {@link PeerEvents}. */
  readonly ofOneGrant: boolean;
  /** Writes one message to the channel. What it throws ends a call; any other message is lost then. */
  readonly send: (message: RpcMessage) => void;
  /** What is heard of the server that belongs to no call. */
  readonly events: Pick<ConnectionEvents, 'notification' | 'request'>;
  /** Words for the log about something that is no message, to go on from "server …". */
  readonly describe: (what: string) => string;
}

/** What a server's answer to `server/discover` says; `gone`: the channel ended before. */
export type Discovered =
  | Exclude<Discovery, { kind: 'again' }>
  | { readonly kind: 'gone'; readonly error?: RpcErrorBody };

export class ServerConversation {
  readonly peer: Peer;
  readonly #server: string;
  readonly #send: (message: RpcMessage) => void;
  readonly #warnings: Throttle;
  readonly #listens = new Map<string, ListenSink>();
  #stopping = false;

  constructor({ server, log, ofOneGrant, send, events, describe }: ServerConversationInit) {
    this.#server = server;
    this.#send = send;
    this.#warnings = new Throttle(log, server);
    this.peer = new Peer({
      ofOneGrant,
      send,
      notification: (message) => events.notification(message),
      request: (message, withdrawn) => events.request(message, withdrawn),
      rubbish: (what) => this.#stopping || this.warn(describe(what)),
    });
  }

  /** Something about the server for the log, in words that go on from "server …". */
  warn(text: string): void {
    this.#warnings.warn(text);
  }

  /** One whole message as bytes, without a line break at its end. */
  receive(bytes: Buffer): void {
    const message = this.#listens.size === 0 || findResponseId(bytes) !== undefined ? undefined : parsed(bytes);
    if (message === undefined) this.peer.receiveBytes(bytes);
    else if (!this.#takenByListen(message)) this.peer.receive(message);
  }

  /** A request of our own, without a time limit. Rejects when the channel ends first. */
  async ask(method: string, params: JsonObject): Promise<RpcResponse> {
    const call = ownCall(method, params);
    this.peer.send(call);
    return (await call.answer).message;
  }

  /** Asks for `server/discover`, twice when the server wants it so. Never rejects. */
  async discover(): Promise<Discovered> {
    try {
      for (let asked = 0; ; asked += 1) {
        const response = await this.ask('server/discover', { _meta: ownEnvelope() });
        const found = readDiscovery(this.#server, response);
        if (found.kind !== 'again') return found;
        if (asked > 0) return { kind: 'old', error: response.error };
      }
    } catch {
      return { kind: 'gone' };
    }
  }

  /** Asks to `initialize`; what is answered is for {@link ServerConversation.initialized}. */
  initialize(key: LeaseKey): Promise<RpcResponse> {
    return this.ask('initialize', initializeParams(key));
  }

  /** Reads the answer to `initialize` and confirms it. Throws an Error that says what to do. */
  initialized(response: RpcResponse): ServerInfo {
    const info = readInitialize(this.#server, response);
    this.peer.notify('notifications/initialized');
    return info;
  }

  /** Sends a listen request and hands over what belongs to it; returns how to end it. */
  listen(id: string, request: RpcMessage, sink: ListenSink): () => void {
    this.#listens.set(id, sink);
    try {
      this.#send(request);
    } catch (error) {
      this.#listens.delete(id);
      // Not before the caller has what this returns.
      setImmediate(() => sink.ended(error instanceof Error ? error.message : String(error), false));
    }
    return () => {
      if (this.#listens.delete(id))
        this.peer.notify('notifications/cancelled', { requestId: id, reason: 'no longer needed' });
    };
  }

  /** Our side ends: fails open calls. */
  stop(): void {
    this.#stopping = true;
    this.peer.close(stopped(this.#server));
  }

  /** The channel has ended: fails open calls. */
  lost(why: string): void {
    this.#warnings.end();
    this.peer.close(this.#stopping ? stopped(this.#server) : gone(this.#server, why));
  }

  /** Tells open listen requests that they have ended, so that they are sent again on another channel. */
  endListens(why: string): void {
    for (const sink of this.#listens.values()) sink.ended(why, false);
    this.#listens.clear();
  }

  /** True when a message belongs to a listen request: those have ids of their own kind, which the peer does not know. */
  #takenByListen(message: JsonObject): boolean {
    const params = message['params'];
    const cancelled =
      message['method'] === 'notifications/cancelled' && isObject(params) ? params['requestId'] : undefined;
    const id =
      message['method'] === undefined ? message['id'] : (metaOf(params)?.[metaKey.subscriptionId] ?? cancelled);
    const sink = typeof id === 'string' ? this.#listens.get(id) : undefined;
    sink?.message(message as unknown as RpcMessage);
    return sink !== undefined;
  }
}

/** A message as an object; undefined when it is none. */
function parsed(bytes: Buffer): JsonObject | undefined {
  try {
    const message: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}
