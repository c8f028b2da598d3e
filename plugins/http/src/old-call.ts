// Old era: one POST with one request, or a batch of them, and the way its answers take: JSON or an event stream that can be resumed.
import type { ServerResponse } from 'node:http';
import { rpcCode } from 'plugboard';
import type { OpenRequestHandle, Reply, RequestId, RpcNotification, RpcRequest, Answer } from 'plugboard';
import type { ResumableStream } from './event-log.ts';
import { EventStream } from './event-stream.ts';
import type { OldSession } from './old-session.ts';

/** One request under way. The board answers it through this object. */
export class OldCall implements Reply {
  readonly id: RequestId;
  handle: OpenRequestHandle | undefined;
  readonly post: OldPost;
  #done = false;

  constructor(id: RequestId, post: OldPost) {
    this.id = id;
    this.post = post;
  }

  answer(answer: Answer): void {
    if (this.#close()) this.post.settle(this.id, answer);
  }

  notify(message: RpcNotification): void {
    if (!this.#done) this.post.tell(message, undefined);
  }

  ask(message: RpcRequest): void {
    if (!this.#done) this.post.tell(message, message.id);
  }

  /** The client took its request back: it gets no answer, but its connection must end. */
  withdraw(): void {
    if (this.#close()) this.post.settle(this.id, undefined);
  }

  /** Nobody waits for the answer any more. */
  abandon(reason: string): void {
    if (!this.#close()) return;
    this.handle?.cancel(reason);
    this.post.settle(this.id, undefined);
  }

  beat(now: number): void {
    this.post.beat(now);
  }

  #close(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.post.session.calls.delete(this.id);
    return true;
  }
}

/** One POST under way. Its connection may break; the calls go on and the stream, if there is one, can be resumed. */
export class OldPost {
  readonly session: OldSession;
  readonly #response: ServerResponse;
  readonly #startedAt: number;
  /** Answers of a batch, until all are there; undefined for a single request. */
  readonly #batch: Buffer[] | undefined;
  #unanswered: number;
  #stream: ResumableStream | undefined;
  /** When the connection broke while there was no stream. */
  #lostAt: number | undefined;

  constructor(session: OldSession, response: ServerResponse, requests: number, batch: boolean) {
    this.session = session;
    this.#response = response;
    this.#startedAt = session.context.clock.now;
    this.#unanswered = requests;
    this.#batch = batch ? [] : undefined;
  }

  /** Called when all requests have been handed over: from now on a broken connection is noticed. */
  watch(): void {
    if (this.#unanswered === 0 || this.#stream !== undefined) return;
    if (this.#response.destroyed) this.#lost();
    else this.#response.on('close', () => this.#lost());
  }

  /** One request is over; `answer` is undefined when the client withdrew it. */
  settle(id: RequestId, answer: Answer | undefined): void {
    this.#unanswered -= 1;
    if (this.#stream !== undefined) {
      this.#answerOnStream(this.#stream, id, answer);
      return;
    }
    if (answer !== undefined && this.#batch === undefined) {
      this.session.context.responder.answer(this.#response, 200, answer, id);
      return;
    }
    if (answer !== undefined) this.#batch?.push(answer.encode(id));
    if (this.#unanswered > 0) return;
    if (this.#batch === undefined || this.#batch.length === 0) this.#endWithoutAnswer();
    else this.session.context.responder.json(this.#response, 200, joined(this.#batch));
  }

  /** A notification or request that goes to the client before the answer; `asked` is the id of a request. */
  tell(message: RpcNotification | RpcRequest, asked: RequestId | undefined): void {
    const stream = this.#openStream();
    if (stream !== undefined) stream.send(JSON.stringify(message), asked);
    else if (asked !== undefined) this.session.bounce(asked);
  }

  beat(now: number): void {
    const { streamAfter, grace } = this.session.context.options;
    const goneAt = this.#stream === undefined ? this.#lostAt : this.#stream.detachedAt;
    if (goneAt !== undefined) {
      if (now - goneAt >= grace) this.session.abandonCalls(this);
    } else if (this.#stream !== undefined) this.#stream.beat(now);
    else if (now - this.#startedAt >= streamAfter) this.#openStream();
  }

  #answerOnStream(stream: ResumableStream, id: RequestId, answer: Answer | undefined): void {
    if (answer !== undefined) stream.send(answer.encode(id), undefined, tooLarge(id));
    // A cancelled request gets no answer. A client that resumes nevertheless must learn that none will come.
    else
      stream.keep(
        JSON.stringify({
          jsonrpc: '2.0',
          id,
          error: { code: rpcCode.invalidRequest, message: 'The request was cancelled' },
        }),
      );
    if (this.#unanswered === 0) stream.finish();
  }

  #endWithoutAnswer(): void {
    if (this.#response.destroyed) return;
    const { responder, options, clock } = this.session.context;
    new EventStream(this.#response, responder, options, clock.now).end();
  }

  /** The stream of this POST, opened at its first use; undefined when the connection broke before. */
  #openStream(): ResumableStream | undefined {
    if (this.#stream !== undefined) return this.#stream;
    if (this.#lostAt !== undefined || this.#response.destroyed) return undefined;
    this.#stream = this.session.carry(this.#response);
    for (const part of this.#batch ?? []) this.#stream.send(part);
    return this.#stream;
  }

  #lost(): void {
    if (this.#unanswered > 0) this.#lostAt = this.session.context.clock.now;
  }
}

function tooLarge(id: RequestId): string {
  const message = 'The answer was too large to be kept for resumption; send the request again';
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: rpcCode.serverGone, message } });
}

function joined(parts: readonly Buffer[]): Buffer {
  const pieces: Buffer[] = [];
  for (const part of parts) pieces.push(Buffer.from(pieces.length === 0 ? '[' : ','), part);
  pieces.push(Buffer.from(']'));
  return Buffer.concat(pieces);
}
