// One request under way and where its answer goes: a message of its own, or a place in the answer to a batch.
import { Buffer } from 'node:buffer';
import type { Answer, Era, OpenRequestHandle, Reply, RpcNotification, RpcRequest } from 'plugboard';
import type { Outbox } from '../outbox.ts';

/** Notifications that a client can do without: the next one of the kind says more. */
const lossy = new Set(['notifications/progress', 'notifications/message']);

/** Sends a notification; one that can be done without may be left out while the client is behind. */
export function tell(outbox: Outbox, message: RpcNotification): void {
  const text = JSON.stringify(message);
  if (lossy.has(message.method)) outbox.writeLossy(text);
  else outbox.write(text);
}

/** The one array that answers a batch (2025-03-26): sent when no request of the batch is open any more. */
export class Batch {
  readonly #outbox: Outbox;
  readonly #answers: Buffer[] = [];
  #open: number;

  constructor(outbox: Outbox, open: number) {
    this.#outbox = outbox;
    this.#open = open;
  }

  /** One request is over: with its answer, or without one because it was cancelled. */
  settle(answer: Buffer | undefined): void {
    if (answer !== undefined) this.#answers.push(answer);
    this.#open -= 1;
    if (this.#open > 0 || this.#answers.length === 0) return;
    const parts = this.#answers.flatMap((each, index) => (index === 0 ? [each] : [Buffer.from(','), each]));
    this.#outbox.write(Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]));
  }
}

/** What a call needs of its conversation. */
export interface CallOwner {
  readonly outbox: Outbox;
  /** The call is over: its id is free again. */
  over(call: Call): void;
}

export class Call implements Reply {
  readonly request: RpcRequest;
  readonly era: Era;
  /** Set when the board has taken the request. */
  handle: OpenRequestHandle | undefined;
  readonly #owner: CallOwner;
  readonly #batch: Batch | undefined;
  #done = false;

  constructor(request: RpcRequest, era: Era, owner: CallOwner, batch?: Batch) {
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

  /** True for what waits for nobody's turn and takes none: streams, and the question whether we are alive. */
  get free(): boolean {
    return this.standing || this.request.method === 'ping';
  }

  answer(answer: Answer): void {
    if (!this.#end()) return;
    const text = answer.encode(this.request.id);
    if (this.#batch === undefined) this.#owner.outbox.write(text);
    else this.#batch.settle(text);
  }

  notify(message: RpcNotification): void {
    if (!this.#done) tell(this.#owner.outbox, message);
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
