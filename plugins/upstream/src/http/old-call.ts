// One call over Streamable HTTP in the old era: POST, answer or event stream, resuming a stream that broke off. Sessions are its connection's business.
import { Answer, Backoff, CallFailure } from 'plugboard';
import type { CancelReason, UpstreamCall } from 'plugboard';
import type { HttpClient } from './client.ts';
import { errorIn } from './client.ts';
import type { Reply, ReplySink, Sent } from './exchange.ts';
import { explain, isLost, isRepeatable } from './failures.ts';
import type { Inbox } from './inbox.ts';
import { isExpired } from './old-session.ts';
import type { OldSession } from './old-session.ts';

/** What a call needs of its connection. */
export interface OldCallHost {
  readonly client: HttpClient;
  readonly inbox: Inbox;
  readonly session: OldSession;
  /** Replaces a session that the server has forgotten; resolves with false when that failed. */
  renew(forgotten: OldSession): Promise<boolean>;
  /** Sends a notification; resolves when it has arrived. */
  tell(method: string, params: object): Promise<unknown>;
}

/** ms before a broken stream is asked for again, when the server names no time. */
const defaultRetry = 1000;
const shortestRetry = 100;
const maxResumes = 5;

export class OldCall implements ReplySink {
  readonly #host: OldCallHost;
  readonly #call: UpstreamCall;
  readonly #body: string;
  readonly #backoff = new Backoff();
  #session: OldSession;
  #exchange: Sent | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string | undefined;
  #retry: number | undefined;
  #resumed = false;
  #replayed = false;
  #repeated = false;

  constructor(host: OldCallHost, call: UpstreamCall) {
    this.#host = host;
    this.#call = call;
    this.#session = host.session;
    this.#body = JSON.stringify({ jsonrpc: '2.0', id: call.id, method: call.method, params: call.params });
    call.onCancel = (reason) => this.#cancel(reason);
  }

  /** Posts the call in the session of the moment. */
  post(): void {
    if (this.#call.done) return;
    const { client, session } = this.#host;
    this.#session = session;
    this.#exchange = client.request(
      { method: 'POST', lane: 'calls', headers: session.postHeaders, body: this.#body },
      this,
    );
  }

  text(bytes: Buffer): void {
    this.#backoff.reset();
    this.#host.inbox.text(bytes, this.#call);
    if (this.#call.done && this.#exchange !== undefined && !this.#exchange.ended)
      this.#host.client.linger(this.#exchange);
  }

  id(id: string): void {
    this.#backoff.reset();
    this.#lastId = id;
  }

  retry(ms: number): void {
    this.#retry = ms;
  }

  done(reply: Reply): void {
    if (this.#call.done) return;
    if (isLost(reply) && !this.#resumed && !this.#repeated && isRepeatable(this.#call)) {
      this.#repeated = true;
      this.post();
      return;
    }
    const broken = reply.streamed || (this.#resumed && (reply.error !== undefined || reply.status >= 500));
    if (broken && this.#lastId !== undefined && this.#backoff.failures < maxResumes) this.#resume();
    else if (isExpired(this.#session, reply, this.#call)) void this.#refused(reply);
    else if (this.#resumed)
      this.#fail(`${this.#who} ended an answer early and did not resume it (HTTP ${reply.status}): try again`);
    else if (reply.streamed && reply.error === undefined) this.#fail(`${this.#who} ended its answer early: try again`);
    else if (reply.error !== undefined || reply.status >= 300) this.#failed(reply);
    // 202 to a request: the answer comes on the standing stream, or the time limit ends the call.
    else if (reply.status !== 202)
      this.#fail(`${this.#who} answered ${this.#call.method} with something else: see its own log`);
  }

  get #who(): string {
    return `server "${this.#host.client.settings.name}"`;
  }

  /** The server does not know the session, so it has not touched the call: it may be sent again. */
  async #refused(reply: Reply): Promise<void> {
    const renewed = this.#replayed || this.#resumed ? false : await this.#host.renew(this.#session);
    if (this.#call.done) return;
    if (renewed) {
      this.#replayed = true;
      this.post();
      return;
    }
    if (this.#resumed) void this.#host.renew(this.#session);
    this.#fail(`${this.#who} has forgotten its session (HTTP ${reply.status}); it is opened again, try again`);
  }

  #resume(): void {
    this.#resumed = true;
    const first = this.#backoff.failures === 0;
    const backoff = this.#backoff.next();
    const wait = Math.max(this.#retry ?? defaultRetry, first ? shortestRetry : backoff);
    this.#timer = setTimeout(() => {
      const { client } = this.#host;
      const headers = [...client.streamHeaders, ...this.#session.headers, 'last-event-id', this.#lastId ?? ''];
      this.#exchange = client.stream({ method: 'GET', headers }, this);
      if (this.#exchange === undefined)
        this.#fail(`${this.#who} ended an answer early, and too many streams are open to resume it`);
    }, wait);
  }

  #failed(reply: Reply): void {
    const error = reply.status === 401 || reply.status === 403 ? undefined : errorIn(reply.text);
    if (error === undefined) {
      this.#fail(explain(this.#host.client.settings, reply));
      return;
    }
    this.#host.inbox.drop(this.#call);
    this.#call.resolve(Answer.parsed(error, reply.status));
    // Some servers say with the call's own id that they do not know the session. The call is not sent again, but the next one fares better.
    if (reply.status === 404 && /session/i.test(reply.text)) void this.#host.renew(this.#session);
  }

  #fail(message: string): void {
    this.#host.inbox.fail(this.#call, new CallFailure('gone', message));
  }

  #cancel(reason: CancelReason): void {
    clearTimeout(this.#timer);
    this.#host.inbox.drop(this.#call);
    const abort = () => this.#exchange?.abort(new Error(reason.message));
    // The server is told first: closing the stream alone means nothing in this era.
    if (this.#call.method === 'initialize' || reason.kind === 'shutdown') abort();
    else
      void this.#host.tell('notifications/cancelled', { requestId: this.#call.id, reason: reason.message }).then(abort);
  }
}
