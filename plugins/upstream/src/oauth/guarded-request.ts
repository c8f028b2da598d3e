// One request that is sent again with another token when the server does not let it in. Getting the token is the authorizer's business.
import { pause } from '../pause.ts';
import { nextSerial } from '../http/exchange.ts';
import type { Reply, ReplySink, Sent } from '../http/exchange.ts';
import type { Authorizer, Outcome } from './authorizer.ts';
import { isChallenge } from './challenge.ts';
import { NotAuthorized } from './not-authorized.ts';

/** ms for which a request waits for somebody to sign in: less than what its caller waits, who is told why. */
const patience = 25_000;

/** Sends the request with these additional headers. */
export type Dispatch = (headers: readonly string[], sink: ReplySink) => Sent;

export class GuardedRequest implements Sent, ReplySink {
  readonly serial = nextSerial();
  readonly #authorizer: Authorizer;
  readonly #dispatch: Dispatch;
  readonly #sink: ReplySink;
  readonly #onEnd: (request: Sent) => void;
  readonly #outcomes: Outcome[] = [];
  #token: string | undefined;
  #sent: Sent | undefined;
  #waiting: AbortController | undefined;
  #ended = false;

  constructor(authorizer: Authorizer, dispatch: Dispatch, sink: ReplySink, onEnd: (request: Sent) => void) {
    this.#authorizer = authorizer;
    this.#dispatch = dispatch;
    this.#sink = sink;
    this.#onEnd = onEnd;
    const ready = authorizer.ready();
    if (ready === undefined) this.#send();
    else void this.#wait(ready).then(() => this.#send());
  }

  get ended(): boolean {
    return this.#ended;
  }

  abort(reason: Error): void {
    if (this.#ended) return;
    if (this.#waiting === undefined && this.#sent !== undefined) this.#sent.abort(reason);
    else this.#fail(reason);
  }

  started(status: number, from: Pick<Reply, 'headers'>): void {
    // Whether this is the answer is known at its end.
    if (status !== 401 && status !== 403) this.#sink.started?.(status, from);
  }

  text(bytes: Buffer): void {
    this.#sink.text?.(bytes);
  }

  event(type: string, data: Buffer): void {
    this.#sink.event?.(type, data);
  }

  id(id: string): void {
    this.#sink.id?.(id);
  }

  retry(ms: number): void {
    this.#sink.retry?.(ms);
  }

  done(reply: Reply): void {
    if (isChallenge(reply)) void this.#challenged(reply);
    else this.#finish(reply);
  }

  #send(): void {
    if (this.#ended) return;
    this.#token = this.#authorizer.token;
    this.#sent = this.#dispatch(this.#token === undefined ? [] : ['authorization', `Bearer ${this.#token}`], this);
  }

  async #challenged(reply: Reply): Promise<void> {
    const outcome = await this.#wait(this.#authorizer.answer(reply, { token: this.#token, outcomes: this.#outcomes }));
    if (this.#ended) return;
    if (outcome === undefined) this.#fail(this.#authorizer.waiting);
    else if (outcome === 'no way') this.#finish(reply);
    else if (outcome instanceof NotAuthorized) this.#fail(outcome);
    else {
      this.#outcomes.push(outcome);
      this.#send();
    }
  }

  /** Undefined: not in time. */
  async #wait<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    const result = await Promise.race([promise, pause(patience, waiting.signal)]);
    this.#waiting = undefined;
    waiting.abort();
    return result;
  }

  #fail(error: Error): void {
    this.#waiting?.abort();
    this.#finish({ status: 0, headers: {}, streamed: false, text: '', error });
  }

  #finish(reply: Reply): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this);
    if (reply.status === 401 || reply.status === 403) this.#sink.started?.(reply.status, reply);
    this.#sink.done(reply);
  }
}
