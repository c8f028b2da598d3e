// One request under way and where its answer goes: a line of its own, or a place in the answer to a batch.
import { Buffer } from 'node:buffer';
import type { Answer, Era, OpenRequestHandle, Reply, RpcNotification, RpcRequest } from 'plugboard';
import type { LineWriter } from './line-writer.ts';

/** The one array that answers a batch (2025-03-26): written when no request of the batch is open any more. */
export class Batch {
  readonly #writer: LineWriter;
  readonly #answers: Buffer[] = [];
  #open: number;

  constructor(writer: LineWriter, open: number) {
    this.#writer = writer;
    this.#open = open;
  }

  /** One request is over: with its answer, or without one because it was cancelled. */
  settle(answer: Buffer | undefined): void {
    if (answer !== undefined) this.#answers.push(answer);
    this.#open -= 1;
    if (this.#open > 0 || this.#answers.length === 0) return;
    const parts = this.#answers.flatMap((each, index) => (index === 0 ? [each] : [Buffer.from(','), each]));
    this.#writer.write(Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]));
  }
}

/** What a call needs of its transport. */
export interface CallOwner {
  readonly writer: LineWriter;
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

  answer(answer: Answer): void {
    if (!this.#end()) return;
    const line = answer.encode(this.request.id);
    if (this.#batch === undefined) this.#owner.writer.write(line);
    else this.#batch.settle(line);
  }

  notify(message: RpcNotification): void {
    if (!this.#done) this.#owner.writer.writeNotification(JSON.stringify(message));
  }

  ask(message: RpcRequest): void {
    if (!this.#done) this.#owner.writer.write(JSON.stringify(message));
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
