// What each message of a client leads to: at the board, in a session of the old era or by its envelope in the new one. No sockets here.
import { setTimeout as sleep } from 'node:timers/promises';
import { Answer, claimsEnvelope, isRequestId, missingEnvelope, readEnvelope, rpcCode, sortMessage } from 'plugboard';
import type { BoardApi, Envelope, Log, RequestId, RpcNotification, RpcRequest, RpcResponse, Session } from 'plugboard';
import type { Outbox } from '../outbox.ts';
import { isUnauthorized } from './admission.ts';
import type { Admission } from './admission.ts';
import { checkBatch } from './batch-check.ts';
import { Batch, Call, tell } from './call.ts';
import type { CallOwner } from './call.ts';
import { Followed } from './followed.ts';
import { Turns } from './turns.ts';

export interface ConversationInit {
  readonly board: BoardApi;
  readonly admission: Admission;
  readonly outbox: Outbox;
  readonly log: Log;
  /** Requests that are carried out at a time, and how many more may wait. */
  readonly maxCalls: number;
  readonly maxWaiting: number;
  /** The session is open, or was refused: what waited for it can be received. */
  ready(): void;
  /** The board has ended a session, or refuses the credential by now. */
  ended(session: Session | undefined): void;
  /** Something came that is no message of the protocol. */
  rubbish(): void;
}

/** All that one client says, and what is under way for it. */
export class Conversation implements CallOwner {
  readonly outbox: Outbox;
  readonly #init: ConversationInit;
  readonly #board: BoardApi;
  readonly #turns: Turns;
  readonly #calls = new Map<RequestId, Call>();
  readonly #followed = new Followed((session) => this.#orphan(session));
  #session: Session | undefined;
  #opening = false;
  #spokeNew = false;
  #ended = false;
  #idle: (() => void) | undefined;

  constructor(init: ConversationInit) {
    this.#init = init;
    this.#board = init.board;
    this.outbox = init.outbox;
    this.#turns = new Turns(init.maxCalls);
  }

  /** True while `initialize` is under way: what follows must wait for its session. */
  get opening(): boolean {
    return this.#opening;
  }

  /** Requests without an answer, streams among them. */
  get calls(): number {
    return this.#calls.size;
  }

  /** The session of the old era, as long as the board has not ended it. */
  get session(): Session | undefined {
    return this.#session?.ended.signal.aborted === false ? this.#session : undefined;
  }

  /** One parsed message. */
  receive(value: unknown): void {
    if (Array.isArray(value)) {
      this.#receiveBatch(value);
      return;
    }
    const sorted = sortMessage(value);
    if (sorted.kind === 'request') this.#request(sorted.message);
    else if (sorted.kind === 'notification') this.#notification(sorted.message);
    else if (sorted.kind === 'response') this.#response(sorted.message);
    else {
      this.#init.rubbish();
      this.refuse(sorted.id, `Invalid request: ${sorted.why}`);
    }
  }

  /** Answers with an error of the transport. */
  refuse(id: RequestId | undefined, text: string, code: number = rpcCode.invalidRequest): void {
    this.outbox.write(Answer.error(code, text).encode(id));
  }

  over(call: Call): void {
    if (this.#calls.get(call.request.id) === call) this.#calls.delete(call.request.id);
    this.#turns.leave(call);
    if (this.#calls.size === 0) this.#idle?.();
  }

  /** The client has gone: nobody reads answers any more. */
  async vanish(reason: string): Promise<void> {
    this.#ended = true;
    for (const call of this.#calls.values()) call.cancel(reason);
    await this.#closeSessions(reason);
  }

  /** Ends in good order: no new requests; those under way have `limit` ms to finish; what is left is answered with an error. */
  async finish(reason: string, limit: number): Promise<void> {
    this.#ended = true;
    for (const call of this.#calls.values()) if (call.standing) call.cancel(reason);
    if (this.#calls.size > 0) {
      const giveUp = new AbortController();
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      await Promise.race([idle, sleep(limit, undefined, { signal: giveUp.signal }).catch(() => {})]);
      giveUp.abort();
    }
    for (const call of this.#calls.values()) call.abandon(reason, Answer.error(rpcCode.serverGone, reason));
    await this.#closeSessions(reason);
  }

  #receiveBatch(values: readonly unknown[]): void {
    const session = this.session;
    if (session === undefined) return this.#refuseBatch('There is no session: send initialize first, by itself');
    const checked = checkBatch(values, session, (id) => this.#calls.has(id));
    if (typeof checked === 'string') return this.#refuseBatch(checked);
    const { requests, messages } = checked;
    const refusal = requests.length === 0 ? undefined : this.#refusal(requests.length);
    if (refusal !== undefined) return this.refuse(undefined, refusal, rpcCode.serverGone);
    const batch = new Batch(this.outbox, requests.length);
    const calls = new Map(requests.map((request) => [request, this.#begin(request, 'old', batch)]));
    for (const each of messages) {
      if (each.kind === 'request') this.#hand(calls.get(each.message) as Call, session);
      else if (each.kind === 'notification') this.#notification(each.message);
      else if (each.kind === 'response') this.#response(each.message);
    }
    return undefined;
  }

  #refuseBatch(why: string): void {
    this.#init.rubbish();
    this.refuse(undefined, why);
  }

  /** Why so many more requests cannot be taken. */
  #refusal(more: number): string | undefined {
    if (this.#ended) return 'The proxy is stopping';
    const { maxCalls, maxWaiting } = this.#init;
    const most = maxCalls + maxWaiting;
    return this.#calls.size + more > most ? `${most} requests are under way; wait for an answer` : undefined;
  }

  #request(request: RpcRequest): void {
    if (this.#calls.has(request.id)) return this.refuse(request.id, 'A request with this id is already under way');
    const refusal = this.#refusal(1);
    if (refusal !== undefined) return this.refuse(request.id, refusal, rpcCode.serverGone);
    const envelope = claimsEnvelope(request.params) ? readEnvelope(request.params) : undefined;
    // An old client may send anything in `_meta`; only a right envelope makes another thing of `initialize`.
    if (request.method === 'initialize' && (envelope === undefined || envelope instanceof Answer))
      return this.#initialize(request);
    if (envelope instanceof Answer) return this.outbox.write(envelope.encode(request.id));
    if (envelope !== undefined) return this.#requestOfNewEra(request, envelope);
    const session = this.session;
    if (session !== undefined) return this.#hand(this.#begin(request, 'old'), session);
    // Before `initialize` a client may send pings (2025-11-25, lifecycle).
    if (request.method === 'ping') return this.outbox.write(Answer.result({}).encode(request.id));
    if (this.#spokeNew) return this.outbox.write(missingEnvelope().encode(request.id));
    return this.refuse(
      request.id,
      'There is no session: send initialize first, or a request of protocol version 2026-07-28 with its envelope in params._meta',
    );
  }

  #initialize(request: RpcRequest): void {
    if (this.session !== undefined || this.#opening)
      return this.refuse(request.id, 'This connection is already initialized');
    const { admission, log, ready } = this.#init;
    const call = this.#begin(request, 'old');
    this.#opening = true;
    admission
      .open(request.params ?? {})
      .then(
        ({ session, result }) => {
          if (this.#ended) return this.#board.close(session, 'the client has gone');
          this.#session = session;
          call.answer(Answer.result(result));
          session.outlet = (message) => {
            if ('id' in message) this.outbox.write(JSON.stringify(message));
            else tell(this.outbox, message as RpcNotification);
          };
          this.#followed.follow(session);
          return undefined;
        },
        (error: unknown) => this.#failed(call, error),
      )
      .catch((error: unknown) => log.error('a session did not end cleanly', { error }))
      .finally(() => {
        this.#opening = false;
        ready();
      });
  }

  #requestOfNewEra(request: RpcRequest, envelope: Envelope): void {
    this.#spokeNew = true;
    const call = this.#begin(request, 'new');
    this.#turns.take(call, () =>
      this.#withStateless(
        (session) => this.#handNow(call, session, envelope),
        (error) => this.#failed(call, error),
      ),
    );
  }

  /** Runs with the session that stands for this client in the new era, at once if it is there. */
  #withStateless(run: (session: Session) => void, fail: (error: unknown) => void): void {
    const remember = (session: Session): void => {
      // One object stands for all connections of a grant: it is followed, but it is not this one's to close.
      if (!this.#ended) this.#followed.follow(session);
      run(session);
    };
    try {
      const session = this.#init.admission.stateless();
      if (session instanceof Promise) session.then(remember).catch(fail);
      else remember(session);
    } catch (error) {
      fail(error);
    }
  }

  #begin(request: RpcRequest, era: 'old' | 'new', batch?: Batch): Call {
    const call = new Call(request, era, this, batch);
    this.#calls.set(request.id, call);
    return call;
  }

  #hand(call: Call, session: Session): void {
    this.#turns.take(call, () => this.#handNow(call, session));
  }

  #handNow(call: Call, session: Session, envelope?: Envelope): void {
    // Cancelled, or its session ended, while it waited.
    if (call.done) return;
    try {
      const handle = this.#board.handle(session, call.request, call, envelope);
      if (!call.done) call.handle = handle;
    } catch (error) {
      this.#failed(call, error);
    }
  }

  #failed(call: Call, error: unknown): void {
    call.answer(this.#init.admission.explain(error));
    if (isUnauthorized(error)) this.#init.ended(undefined);
  }

  #notification(message: RpcNotification): void {
    const { log } = this.#init;
    const { method, params } = message;
    if (method === 'notifications/cancelled') return this.#cancelled(message);
    const session = this.session;
    if (!claimsEnvelope(params)) {
      if (session === undefined) log.debug('a notification before the start of a session was dropped', { method });
      else this.#attempt(() => this.#board.notify(session, message));
      return undefined;
    }
    if (readEnvelope(params) instanceof Answer)
      return log.debug('a notification with a wrong envelope was dropped', { method });
    this.#withStateless(
      (ofGrant) => this.#board.notify(ofGrant, message),
      (error) => {
        if (isUnauthorized(error)) this.#init.ended(undefined);
        else log.error('a notification failed', { method, error });
      },
    );
    return undefined;
  }

  /** In the new era the one who knows which call an id belongs to is this connection: the session is shared. */
  #cancelled(message: RpcNotification): void {
    const id = message.params?.['requestId'];
    const call = isRequestId(id) ? this.#calls.get(id) : undefined;
    // Nobody may cancel `initialize` (2025-11-25, cancellation).
    if (call === undefined || (call.era === 'old' && call.request.method === 'initialize')) return;
    const session = this.session;
    if (call.era === 'old' && session !== undefined) this.#attempt(() => this.#board.notify(session, message));
    const reason = message.params?.['reason'];
    call.cancel(typeof reason === 'string' ? reason : 'the client has cancelled');
  }

  #response(message: RpcResponse): void {
    const session = this.session;
    if (session === undefined) this.#init.log.debug('a response to no request was dropped');
    else this.#attempt(() => this.#board.deliver(session, message));
  }

  /** The board has ended a session: it answers none of its requests any more. */
  #orphan(session: Session): void {
    if (this.#ended) return;
    if (session === this.#session) {
      const answer = Answer.error(rpcCode.serverGone, 'The session was ended by the proxy; connect again');
      for (const call of this.#calls.values()) if (call.era === 'old') call.answer(answer);
    }
    this.#init.ended(session);
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#init.log.error('a message of the client failed', { error });
    }
  }

  async #closeSessions(reason: string): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#followed.stop();
    if (session === undefined) return;
    try {
      await this.#board.close(session, reason);
    } catch (error) {
      this.#init.log.error('a session did not end cleanly', { session: session.id, error });
    }
  }
}
