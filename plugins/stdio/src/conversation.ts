// What each message of the client leads to: at the board, in a session of the old era or by its envelope in the new one. No streams here.
import { setTimeout as sleep } from 'node:timers/promises';
import { Answer, claimsEnvelope, isRequestId, missingEnvelope, readEnvelope, rpcCode, sortMessage } from 'plugboard';
import type { BoardApi, Envelope, Log, RequestId, RpcNotification, RpcRequest, RpcResponse, Session } from 'plugboard';
import type { Admission } from './admission.ts';
import { Batch, Call } from './call.ts';
import type { CallOwner } from './call.ts';
import type { LineWriter } from './line-writer.ts';

/** The one revision that has batches, and how long one may be. */
const batchVersion = '2025-03-26';
const maxBatch = 100;
/** Requests under way at a time. To read no more instead is no choice: what they wait for may be the client's next line. */
const maxCalls = 1000;
const tooMany = `${maxCalls} requests are under way; wait for an answer`;

export interface ConversationInit {
  readonly board: BoardApi;
  readonly admission: Admission;
  readonly writer: LineWriter;
  readonly log: Log;
  /** The session is open, or was refused: what waited for it can be received. */
  ready(): void;
}

/** All that one client says, and what is under way for it. */
export class Conversation implements CallOwner {
  readonly writer: LineWriter;
  readonly #board: BoardApi;
  readonly #admission: Admission;
  readonly #log: Log;
  readonly #ready: () => void;
  readonly #calls = new Map<RequestId, Call>();
  readonly #stateless = new Set<Session>();
  #session: Session | undefined;
  #opening = false;
  #spokeNew = false;
  #ended = false;
  #idle: (() => void) | undefined;

  constructor({ board, admission, writer, log, ready }: ConversationInit) {
    this.#board = board;
    this.#admission = admission;
    this.writer = writer;
    this.#log = log;
    this.#ready = ready;
  }

  /** True while `initialize` is under way: what follows must wait for its session. */
  get opening(): boolean {
    return this.#opening;
  }

  /** One parsed line. */
  receive(value: unknown): void {
    if (Array.isArray(value)) this.#receiveBatch(value);
    else this.#receiveOne(value);
  }

  /** Answers with an error of the transport. */
  refuse(id: RequestId | undefined, text: string, code: number = rpcCode.invalidRequest): void {
    this.writer.write(Answer.error(code, text).encode(id));
  }

  over(call: Call): void {
    if (this.#calls.get(call.request.id) === call) this.#calls.delete(call.request.id);
    if (this.#calls.size === 0) this.#idle?.();
  }

  /** The client has gone: nobody reads answers any more. */
  async vanish(reason: string): Promise<void> {
    this.#ended = true;
    for (const call of this.#calls.values()) call.cancel(reason);
    await this.#closeSessions(reason);
  }

  /** Ends in good order: requests under way have `limit` ms to finish; what is left is answered with an error. */
  async finish(reason: string, limit: number): Promise<void> {
    for (const call of this.#calls.values()) if (call.request.method === 'subscriptions/listen') call.cancel(reason);
    if (this.#calls.size > 0) {
      const giveUp = new AbortController();
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      await Promise.race([idle, sleep(limit, undefined, { signal: giveUp.signal }).catch(() => {})]);
      giveUp.abort();
    }
    this.#ended = true;
    for (const call of this.#calls.values()) call.abandon(reason, Answer.error(rpcCode.serverGone, reason));
    await this.#closeSessions(reason);
  }

  #receiveOne(value: unknown): void {
    const sorted = sortMessage(value);
    if (sorted.kind === 'request') this.#request(sorted.message);
    else if (sorted.kind === 'notification') this.#notification(sorted.message);
    else if (sorted.kind === 'response') this.#response(sorted.message);
    else this.refuse(sorted.id, `Invalid request: ${sorted.why}`);
  }

  /** A batch. All of it is checked before any of it is handed over. */
  #receiveBatch(values: readonly unknown[]): void {
    const session = this.#live();
    if (session?.protocolVersion !== batchVersion)
      return this.refuse(undefined, `Only a session of protocol version ${batchVersion} has batches`);
    if (values.length === 0 || values.length > maxBatch)
      return this.refuse(undefined, `A batch has 1 to ${maxBatch} messages`);
    const sorted = values.map(sortMessage);
    const invalid = sorted.find((each) => each.kind === 'invalid');
    if (invalid !== undefined) return this.refuse(undefined, `A message of the batch is invalid: ${invalid.why}`);
    if (sorted.some((each) => claimsEnvelope((each as { message: { params?: unknown } }).message.params))) {
      return this.refuse(undefined, 'Messages of protocol version 2026-07-28 cannot be batched');
    }
    const requests = sorted.flatMap((each) => (each.kind === 'request' ? [each.message] : []));
    if (requests.some(({ method }) => method === 'initialize'))
      return this.refuse(undefined, 'initialize cannot be part of a batch');
    const taken =
      new Set(requests.map(({ id }) => id)).size < requests.length || requests.some(({ id }) => this.#calls.has(id));
    if (taken) return this.refuse(undefined, 'A request of the batch has the id of another one that is under way');
    if (this.#calls.size + requests.length > maxCalls) return this.refuse(undefined, tooMany, rpcCode.serverGone);
    const batch = new Batch(this.writer, requests.length);
    const calls = new Map(requests.map((request) => [request, this.#begin(request, 'old', batch)]));
    for (const each of sorted) {
      if (each.kind === 'request') this.#hand(calls.get(each.message) as Call, session);
      else if (each.kind === 'notification') this.#notification(each.message);
      else if (each.kind === 'response') this.#response(each.message);
    }
    return undefined;
  }

  #request(request: RpcRequest): void {
    if (this.#calls.has(request.id)) return this.refuse(request.id, 'A request with this id is already under way');
    if (this.#calls.size >= maxCalls) return this.refuse(request.id, tooMany, rpcCode.serverGone);
    const envelope = claimsEnvelope(request.params) ? readEnvelope(request.params) : undefined;
    // An old client may send anything in `_meta`; only a right envelope makes another thing of `initialize`.
    if (request.method === 'initialize' && (envelope === undefined || envelope instanceof Answer))
      return this.#initialize(request);
    if (envelope instanceof Answer) return this.writer.write(envelope.encode(request.id));
    if (envelope !== undefined) return this.#requestOfNewEra(request, envelope);
    const session = this.#live();
    if (session !== undefined) return this.#hand(this.#begin(request, 'old'), session);
    // Before `initialize` a client may send pings (2025-11-25, lifecycle).
    if (request.method === 'ping') return this.writer.write(Answer.result({}).encode(request.id));
    if (this.#spokeNew) return this.writer.write(missingEnvelope().encode(request.id));
    return this.refuse(
      request.id,
      'There is no session: send initialize first, or a request of protocol version 2026-07-28 with its envelope in params._meta',
    );
  }

  #initialize(request: RpcRequest): void {
    if (this.#live() !== undefined) return this.refuse(request.id, 'This client is already initialized');
    const call = this.#begin(request, 'old');
    this.#opening = true;
    this.#admission
      .open(request.params ?? {})
      .then(
        ({ session, result }) => {
          if (this.#ended) return this.#board.close(session, 'the client has gone');
          this.#session = session;
          call.answer(Answer.result(result));
          session.outlet = (message) => {
            const line = JSON.stringify(message);
            if ('id' in message) this.writer.write(line);
            else this.writer.writeNotification(line);
          };
          session.ended.signal.addEventListener('abort', () => this.#orphan(session), { once: true });
          return undefined;
        },
        (error: unknown) => call.answer(this.#admission.explain(error)),
      )
      .catch((error: unknown) => this.#log.error('a session did not end cleanly', { error }))
      .finally(() => {
        this.#opening = false;
        this.#ready();
      });
  }

  #requestOfNewEra(request: RpcRequest, envelope: Envelope): void {
    this.#spokeNew = true;
    const call = this.#begin(request, 'new');
    this.#withStateless(
      (session) => this.#hand(call, session, envelope),
      (error) => call.answer(this.#admission.explain(error)),
    );
  }

  /** Runs with the session that stands for this client in the new era, at once if it is there. */
  #withStateless(run: (session: Session) => void, fail: (error: unknown) => void): void {
    const remember = (session: Session): void => {
      if (this.#ended) void this.#close(session, 'the client has gone');
      else {
        for (const old of this.#stateless) if (old.ended.signal.aborted) this.#stateless.delete(old);
        this.#stateless.add(session);
        run(session);
      }
    };
    try {
      const session = this.#admission.stateless();
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

  #hand(call: Call, session: Session, envelope?: Envelope): void {
    // Cancelled while its session was being made.
    if (call.done) return;
    try {
      const handle = this.#board.handle(session, call.request, call, envelope);
      if (!call.done) call.handle = handle;
    } catch (error) {
      call.answer(this.#admission.explain(error));
    }
  }

  #notification(message: RpcNotification): void {
    const { method, params } = message;
    if (method === 'notifications/cancelled') return this.#cancelled(message);
    const session = this.#live();
    if (!claimsEnvelope(params)) {
      if (session === undefined)
        this.#log.debug('a notification before the start of a session was dropped', { method });
      else this.#attempt(() => this.#board.notify(session, message));
      return undefined;
    }
    if (readEnvelope(params) instanceof Answer)
      return this.#log.debug('a notification with a wrong envelope was dropped', { method });
    this.#withStateless(
      (ofGrant) => this.#board.notify(ofGrant, message),
      (error) => this.#log.error('a notification failed', { method, error }),
    );
    return undefined;
  }

  /** In the new era the one who knows which call an id belongs to is this pipe: the session may be shared. */
  #cancelled(message: RpcNotification): void {
    const id = message.params?.['requestId'];
    const call = isRequestId(id) ? this.#calls.get(id) : undefined;
    // Nobody may cancel `initialize` (2025-11-25, cancellation).
    if (call === undefined || (call.era === 'old' && call.request.method === 'initialize')) return;
    const session = this.#live();
    if (call.era === 'old' && session !== undefined) this.#attempt(() => this.#board.notify(session, message));
    const reason = message.params?.['reason'];
    call.cancel(typeof reason === 'string' ? reason : 'the client has cancelled');
  }

  #response(message: RpcResponse): void {
    const session = this.#live();
    if (session === undefined) this.#log.debug('a response to no request was dropped');
    else this.#attempt(() => this.#board.deliver(session, message));
  }

  /** The session of the old era, as long as the board has not ended it. */
  #live(): Session | undefined {
    return this.#session?.ended.signal.aborted === false ? this.#session : undefined;
  }

  /** The board has ended the session: it answers none of its requests any more. */
  #orphan(session: Session): void {
    if (this.#ended || this.#session !== session) return;
    const answer = Answer.error(
      rpcCode.serverGone,
      'The session was ended by the proxy; send initialize to begin another',
    );
    for (const call of this.#calls.values()) if (call.era === 'old') call.answer(answer);
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#log.error('a message of the client failed', { error });
    }
  }

  async #closeSessions(reason: string): Promise<void> {
    const sessions = [...this.#stateless];
    if (this.#session !== undefined) sessions.push(this.#session);
    this.#session = undefined;
    this.#stateless.clear();
    await Promise.all(sessions.map((session) => this.#close(session, reason)));
  }

  async #close(session: Session, reason: string): Promise<void> {
    try {
      await this.#board.close(session, reason);
    } catch (error) {
      this.#log.error('a session did not end cleanly', { session: session.id, error });
    }
  }
}
