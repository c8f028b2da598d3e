// A JSON-RPC peer over a duplex channel (a child's pipes, a socket, memory): routes answers to their calls and everything else to its owner.
import { InFlight } from './in-flight.ts';
import { Answer } from './protocol/answer.ts';
import { findResponseId } from './protocol/response-place.ts';
import { isNotification, isObject, isRequest, metaKey, metaOf, rpcCode } from './protocol/messages.ts';
import type { JsonObject, RpcMessage, RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
import { CallFailure } from './upstream-call.ts';
import type { UpstreamCall } from './upstream-call.ts';

export interface PeerEvents {
  /** Writes one message to the other side. Must not throw. */
  send(message: RpcMessage): void;
  /** A notification that belongs to no call. */
  notification(message: RpcNotification): void;
  /** A request of the other side that belongs to no single call. */
  request(message: RpcRequest): Promise<RpcResponse>;
  /** Something that is not a message of the protocol arrived; the peer goes on. */
  rubbish(what: string): void;
}

/**
 * The client's half of a JSON-RPC conversation. Ids are those of {@link UpstreamCall}, unique in the process, so answers are matched
 * by id alone; an answer that comes late, twice or for nobody is dropped.
 */
export class Peer {
  readonly #events: PeerEvents;
  readonly #calls = new InFlight<UpstreamCall>();
  #closed: CallFailure | undefined;

  constructor(events: PeerEvents) {
    this.#events = events;
  }

  /** Number of calls that wait for an answer. */
  get open(): number {
    return this.#calls.size;
  }

  /** Sends a call; its end comes with the answer, a cancel, or {@link Peer.close}. */
  send(call: UpstreamCall): void {
    if (this.#closed !== undefined) {
      call.fail(this.#closed);
      return;
    }
    this.#calls.set(call.id, call);
    call.onCancel = (reason) => {
      this.#calls.delete(call.id);
      // The specification forbids to cancel `initialize` (2025-11-25, cancellation).
      if (call.method !== 'initialize')
        this.notify('notifications/cancelled', { requestId: call.id, reason: reason.message });
    };
    const message: RpcRequest = { jsonrpc: '2.0', id: call.id, method: call.method };
    if (call.params !== undefined) message.params = call.params;
    this.#events.send(message);
  }

  /** Sends a notification. */
  notify(method: string, params?: JsonObject): void {
    if (this.#closed !== undefined) return;
    this.#events.send(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
  }

  /** One whole message as bytes, without a line break at its end. */
  receiveBytes(bytes: Buffer): void {
    const place = findResponseId(bytes);
    if (place !== undefined) {
      this.#settle(place.id, Answer.relayed(bytes, place));
      return;
    }
    let message: unknown;
    try {
      message = JSON.parse(bytes.toString('utf8'));
    } catch {
      this.#events.rubbish(`not JSON: ${preview(bytes)}`);
      return;
    }
    this.receive(message);
  }

  /** One parsed message. An array is a batch (2025-03-26 allowed them). */
  receive(message: unknown): void {
    if (Array.isArray(message)) for (const each of message) this.receive(each);
    else if (isRequest(message)) void this.#serve(message);
    else if (isNotification(message)) this.#notification(message);
    else if (isObject(message) && (isObject(message['result']) || isObject(message['error']))) {
      const id = message['id'];
      if (typeof id === 'number') this.#settle(id, Answer.parsed(message as unknown as RpcResponse));
      else this.#events.rubbish(`an answer to no request: ${preview(JSON.stringify(message))}`);
    } else this.#events.rubbish(`not a message of the protocol: ${preview(JSON.stringify(message) ?? '')}`);
  }

  /** Ends the conversation: every open call fails with the given failure. */
  close(failure: CallFailure): void {
    if (this.#closed !== undefined) return;
    this.#closed = failure;
    for (const call of this.#calls.all()) {
      this.#calls.delete(call.id);
      call.fail(failure);
    }
  }

  #settle(id: number, answer: Answer): void {
    const call = this.#calls.get(id);
    if (call === undefined) {
      this.#events.rubbish(`an answer to a request that is not open (id ${id}): late, or sent twice`);
      return;
    }
    this.#calls.delete(call.id);
    call.resolve(answer);
  }

  #notification(message: RpcNotification): void {
    const call = this.#callOf(message);
    if (call !== undefined) call.notify(message);
    else if (message.method !== 'notifications/progress') this.#events.notification(message);
  }

  /** The call that a notification belongs to: by progress token, or because it is the only one that can be meant. */
  #callOf(message: RpcNotification): UpstreamCall | undefined {
    if (message.method === 'notifications/progress') {
      const token = message.params?.['progressToken'];
      return typeof token === 'number' ? this.#calls.get(token) : undefined;
    }
    // New era on a shared channel: request-scoped messages name their request nowhere but here.
    const related = metaOf(message.params)?.[metaKey.subscriptionId];
    if (related !== undefined) return undefined;
    return message.method === 'notifications/message' ? this.#onlyCall() : undefined;
  }

  #onlyCall(): UpstreamCall | undefined {
    if (this.#calls.size !== 1) return undefined;
    const [call] = this.#calls.all();
    return call;
  }

  /** Answers a request of the server: by the client of the only open call that can be asked, else by the owner of the connection. */
  async #serve(request: RpcRequest): Promise<void> {
    const call = request.method === 'ping' ? undefined : this.#onlyCall();
    let response: RpcResponse;
    try {
      if (request.method === 'ping') response = { jsonrpc: '2.0', result: {} };
      else response = await (call?.canAsk === true ? call.ask(request) : this.#events.request(request));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      response = { jsonrpc: '2.0', error: { code: rpcCode.internalError, message } };
    }
    if (this.#closed === undefined) this.#events.send({ ...response, id: request.id });
  }
}

/** The first characters of something unreadable, for a log line. */
function preview(value: Buffer | string): string {
  const text = typeof value === 'string' ? value.slice(0, 120) : value.toString('utf8', 0, 120);
  return JSON.stringify(text);
}

/** The failure for calls whose server was closed from our side. */
export function stopped(server: string): CallFailure {
  return new CallFailure('gone', `server "${server}" was stopped`);
}

/** The failure for calls whose server went away. */
export function gone(server: string, why: string): CallFailure {
  return new CallFailure(
    'gone',
    `server "${server}" stopped while it was answering (${why}); it is restarted, try again`,
  );
}
