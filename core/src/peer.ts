// A JSON-RPC peer over a duplex channel (a child's pipes, a socket, memory): routes answers to their calls and everything else to its owner.
import { InFlight } from './in-flight.ts';
import { Answer } from './protocol/answer.ts';
import { findResponseId } from './protocol/response-place.ts';
import { preview } from './preview.ts';
import { isNotification, isObject, isRequest, metaKey, metaOf, rpcCode } from './protocol/messages.ts';
import type {
  JsonObject,
  RequestId,
  RpcMessage,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from './protocol/messages.ts';
import { ServerQuestions } from './server-questions.ts';
import { CallFailure } from './upstream-call.ts';
import type { UpstreamCall } from './upstream-call.ts';

export interface PeerEvents {
  /**
   * All calls are of one grant. Only then may a message that names no call be taken for that of the only one that is open: the call
   * that it belongs to may have been given up just before, and the one that is left may be another grant's.
   */
  readonly ofOneGrant: boolean;
  /** Writes one message to the other side. What it throws ends a call; any other message is lost then. */
  send(message: RpcMessage): void;
  /** A notification that belongs to no call. */
  notification(message: RpcNotification): void;
  /** A request of the other side that belongs to no single call. `withdrawn` is aborted when the other side takes it back. */
  request(message: RpcRequest, withdrawn: AbortSignal): Promise<RpcResponse>;
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
  readonly #questions = new ServerQuestions();
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
    try {
      this.#events.send(message);
    } catch (error) {
      this.#calls.delete(call.id);
      call.fail(unsent(call.method, error));
    }
  }

  /** Sends a notification. */
  notify(method: string, params?: JsonObject): void {
    if (this.#closed === undefined)
      this.#write(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
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

  /** One parsed message, or a batch of them (2025-03-26). `origin`: id of the call that it belongs to, where the channel says so. */
  receive(message: unknown, origin?: RequestId): void {
    // One level only: a batch in a batch is none, and nests as deep as its sender likes.
    if (Array.isArray(message)) for (const each of message) this.#receive(each, origin);
    else this.#receive(message, origin);
  }

  /** Ends the conversation: every open call fails with the given failure. */
  close(failure: CallFailure): void {
    if (this.#closed !== undefined) return;
    this.#closed = failure;
    for (const call of this.#calls.all()) {
      this.#calls.delete(call.id);
      call.fail(failure);
    }
    this.#questions.end(failure.message);
  }

  #receive(message: unknown, origin: RequestId | undefined): void {
    if (isRequest(message)) void this.#serve(message, origin);
    else if (isNotification(message)) this.#notification(message, origin);
    else if (isObject(message) && (isObject(message['result']) || isObject(message['error']))) {
      const id = message['id'];
      if (typeof id === 'number') this.#settle(id, Answer.parsed(message as unknown as RpcResponse));
      else this.#events.rubbish(`an answer to no request: ${preview(message)}`);
    } else this.#events.rubbish(`not a message of the protocol: ${preview(message)}`);
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

  #notification(message: RpcNotification, origin: RequestId | undefined): void {
    if (message.method === 'notifications/cancelled') {
      // Its id is the other side's own: it means a request that was asked here, and nothing to anybody else.
      this.#questions.withdraw(message);
      return;
    }
    const call = this.#callOf(message, origin);
    if (call !== undefined) call.notify(message);
    else if (message.method !== 'notifications/progress') this.#events.notification(message);
  }

  /** The call that a notification belongs to: by progress token, or because it is the only one that can be meant. */
  #callOf(message: RpcNotification, origin: RequestId | undefined): UpstreamCall | undefined {
    if (message.method === 'notifications/progress') {
      const token = message.params?.['progressToken'];
      return typeof token === 'number' ? this.#calls.get(token) : undefined;
    }
    // New era on a shared channel: request-scoped messages name their request nowhere but here.
    const related = metaOf(message.params)?.[metaKey.subscriptionId];
    if (related !== undefined) return undefined;
    return message.method === 'notifications/message' ? this.#meant(origin) : undefined;
  }

  /** The call that a message belongs to: the one that is named, or the only one that can be meant. */
  #meant(origin: RequestId | undefined): UpstreamCall | undefined {
    if (origin !== undefined) return typeof origin === 'number' ? this.#calls.get(origin) : undefined;
    if (!this.#events.ofOneGrant || this.#calls.size !== 1) return undefined;
    const [call] = this.#calls.all();
    return call;
  }

  /** Answers a request of the server: by the client of the call that is meant, if it can be asked, else by the owner of the connection. */
  async #serve(request: RpcRequest, origin: RequestId | undefined): Promise<void> {
    if (request.method === 'ping') {
      this.#write({ jsonrpc: '2.0', id: request.id, result: {} });
      return;
    }
    const call = this.#meant(origin);
    const response = await this.#questions.ask(request, (withdrawn) =>
      call?.canAsk === true ? call.ask(request, withdrawn) : this.#events.request(request, withdrawn),
    );
    if (response === undefined || this.#closed !== undefined) return;
    if (!this.#write(response)) this.#write({ ...unwritable, id: request.id });
  }

  /** Writes what is no call. False when it could not be written; nobody waits for an answer to it. */
  #write(message: RpcMessage): boolean {
    try {
      this.#events.send(message);
      return true;
    } catch {
      return false;
    }
  }
}

/** What a server is told instead of an answer that cannot be written. */
const unwritable: RpcResponse = {
  jsonrpc: '2.0',
  error: { code: rpcCode.internalError, message: 'the answer of the client cannot be passed on' },
};

/** The failure of a call that could not be written. */
function unsent(method: string, error: unknown): CallFailure {
  if (error instanceof CallFailure) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new CallFailure('invalid', `${method} cannot be sent (${why}): send other params`, { cause: error });
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
