// Old era: one session as this transport sees it: its calls under way, its streams, its last sign of life.
import type { ServerResponse } from 'node:http';
import { Answer, ClientCalls, rpcCode } from 'plugboard';
import type { RequestId, RpcMessage, RpcRequest, Session } from 'plugboard';
import type { Context } from './context.ts';
import { EventLog, ResumableStream } from './event-log.ts';
import { EventStream } from './event-stream.ts';
import { OldCall, type OldPost } from './old-call.ts';

/** First revision whose clients understand an event without data. */
const primedSince = '2025-11-25';

export class OldSession {
  readonly session: Session;
  readonly context: Context;
  /** Requests under way, by the client's ids: those are unique in a session (2025-11-25, basic protocol: requests). */
  readonly calls = new ClientCalls<OldCall>();
  /** When the client was last heard of; time of the clock. */
  lastSign: number;
  readonly #log: EventLog;
  /** Messages that belong to no request. */
  readonly #standing: ResumableStream;
  readonly #streams = new Map<number, ResumableStream>();
  #lastStream = 0;

  constructor(session: Session, context: Context) {
    this.session = session;
    this.context = context;
    this.lastSign = context.clock.now;
    this.#log = new EventLog(context.options, (asked) => this.bounce(asked));
    this.#standing = new ResumableStream(0, this.#log);
    session.outlet = (message) => this.#standing.send(JSON.stringify(message), requestIdOf(message));
  }

  /** Ms between resumptions to ask of the client, or undefined when its version knows no priming event. */
  get #retry(): number | undefined {
    return this.session.protocolVersion >= primedSince ? this.context.options.retry : undefined;
  }

  /** Hands a request to the board. */
  start(post: OldPost, request: RpcRequest): void {
    const call = new OldCall(request.id, post);
    this.calls.set(request.id, call);
    call.handle = this.context.board.handle(this.session, request, call);
  }

  /** Answers, in the client's place, a request that it will never read. */
  bounce(asked: RequestId): void {
    const error = { code: rpcCode.internalError, message: 'the client could not be reached' };
    this.context.board.deliver(this.session, { jsonrpc: '2.0', id: asked, error });
  }

  /** Turns the response of a POST into a new stream. */
  carry(response: ServerResponse): ResumableStream {
    this.#tidy();
    this.#lastStream += 1;
    const stream = new ResumableStream(this.#lastStream, this.#log);
    this.#streams.set(stream.number, stream);
    this.#attach(stream, response, undefined);
    return stream;
  }

  /** A GET without `Last-Event-ID`: what was kept for nobody's request, and what comes. The newest such stream wins. */
  listen(response: ServerResponse): void {
    this.#attach(this.#standing, response, undefined);
  }

  /** A GET with `Last-Event-ID`. False when that event, or one after it, is not kept any more. */
  resume(response: ServerResponse, lastEventId: string): boolean {
    const match = /^(\d{1,9})-(\d{1,9})$/.exec(lastEventId);
    const number = Number(match?.[1] ?? Number.NaN);
    const place = Number(match?.[2]);
    const stream = number === 0 ? this.#standing : this.#streams.get(number);
    if (stream === undefined || !(stream.has(place) || number === 0)) return false;
    this.#attach(stream, response, place);
    return true;
  }

  /** Cancels what nobody came back for. */
  abandonCalls(post: OldPost): void {
    for (const call of this.calls.all()) if (call.post === post) call.abandon('the client has gone');
  }

  beat(now: number): void {
    for (const call of this.calls.all()) call.beat(now);
    this.#standing.beat(now);
    if (this.calls.size > 0 || this.#standing.carried) this.lastSign = now;
  }

  /** Ends all that is open towards the client; calls under way are answered with an error. */
  end(reason: string): void {
    for (const call of this.calls.all()) call.answer(Answer.error(rpcCode.serverGone, reason));
    this.#standing.finish();
  }

  /** Ends the stream of messages that belong to no request; the session goes on. */
  hangUp(): void {
    this.#standing.hangUp();
  }

  #attach(stream: ResumableStream, response: ServerResponse, place: number | undefined): void {
    const { responder, options, clock } = this.context;
    const carrier = new EventStream(response, responder, options, clock.now);
    response.once('close', () => stream.detach(carrier, clock.now));
    stream.attach(carrier, place, this.#retry);
  }

  /** Forgets streams that are over and of which nothing is kept. */
  #tidy(): void {
    for (const [number, stream] of this.#streams)
      if (stream.finished && stream.kept === 0) this.#streams.delete(number);
  }
}

function requestIdOf(message: RpcMessage): RequestId | undefined {
  return 'method' in message && 'id' in message ? message.id : undefined;
}
