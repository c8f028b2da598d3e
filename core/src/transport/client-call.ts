// One request of a client on a pipe or socket, and where its answer goes: a message of its own, or a place in the answer to a batch.
import type { OpenRequestHandle } from '../board-api.ts';
import type { Answer } from '../protocol/answer.ts';
import type { Era, RpcNotification, RpcRequest } from '../protocol/messages.ts';
import type { Reply } from '../session.ts';
import type { BatchAnswer } from './batch.ts';

/** What is said to one client. */
export interface ClientOutbox {
  /** Sends one message, as JSON text without a line break. */
  write(message: string | Buffer): void;
  /** Sends a notification; while the client is behind, it may be left out. */
  notify(message: RpcNotification): void;
}

/** What a call needs of its conversation. */
export interface CallOwner {
  readonly outbox: ClientOutbox;
  /** The call is over: its id is free again. */
  over(call: ClientCall): void;
}

/** The board answers a request through this object. */
export class ClientCall implements Reply {
  readonly request: RpcRequest;
  readonly era: Era;
  /** Set when the board has taken the request. */
  handle: OpenRequestHandle | undefined;
  /** Set by who gives turns: it is one of those that are carried out now. */
  counted = false;
  readonly #owner: CallOwner;
  readonly #batch: BatchAnswer | undefined;
  #done = false;

  constructor(request: RpcRequest, era: Era, owner: CallOwner, batch?: BatchAnswer) {
    this.request = request;
    this.era = era;
    this.#owner = owner;
    this.#batch = batch;
  }

  /** True when nothing is said about this request any more. */
  get done(): boolean {
    return this.#done;
  }

  /** True for a stream of change notices: it stays open for ever. */
  get standing(): boolean {
    return this.era === 'new' && this.request.method === 'subscriptions/listen';
  }

  answer(answer: Answer): void {
    if (!this.#end()) return;
    const text = answer.encode(this.request.id);
    if (this.#batch === undefined) this.#owner.outbox.write(text);
    else this.#batch.settle(text);
  }

  notify(message: RpcNotification): void {
    if (!this.#done) this.#owner.outbox.notify(message);
  }

  ask(message: RpcRequest): void {
    if (!this.#done) this.#owner.outbox.write(JSON.stringify(message));
  }

  /** Ends the call without an answer. */
  cancel(reason: string): void {
    if (!this.#end()) return;
    this.handle?.cancel(reason);
    this.#batch?.settle(undefined);
  }

  /** Ends the call with an answer of the transport's own. */
  abandon(reason: string, answer: Answer): void {
    if (this.#done) return;
    this.handle?.cancel(reason);
    this.answer(answer);
  }

  #end(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#owner.over(this);
    return true;
  }
}
