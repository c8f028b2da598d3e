// What each message of a client on a pipe or socket leads to: at the board, in a session of the old era or by its envelope in the new one. No streams here.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Envelope } from '../board-api.ts';
import { isUnauthorized } from '../errors.ts';
import { Answer } from '../protocol/answer.ts';
import { isRequestId, rpcCode } from '../protocol/messages.ts';
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from '../protocol/messages.ts';
import type { Session } from '../session.ts';
import { BatchAnswer, checkBatch, needsSession } from './batch.ts';
import { ClientCall } from './client-call.ts';
import type { CallOwner, ClientOutbox } from './client-call.ts';
import { ClientCalls } from '../client-calls.ts';
import { ClientSessions } from './client-sessions.ts';
import type { ClientSessionsInit } from './client-sessions.ts';
import { claimsEnvelope, missingEnvelope, readEnvelope } from './envelope.ts';
import { sortMessage } from './message.ts';

/** Whose turn it is, where not all requests of a client are carried out at once. */
export interface CallTurns {
  /** Runs `start` when it is the call's turn: at once, or when others are over. */
  take(call: ClientCall, start: () => void): void;
  /** A call is over, or is not wanted any more. */
  leave(call: ClientCall): void;
}

export interface ClientConversationInit extends ClientSessionsInit {
  readonly outbox: ClientOutbox;
  /** Requests without an answer that the client may have. */
  readonly maxCalls: number;
  /** Left out: every request is carried out at once. */
  readonly turns?: CallTurns;
  /** What a client does to get another session, as the end of a sentence. */
  readonly anew: string;
  /** The session is open, or was refused: what waited for it can be received. */
  ready(): void;
  /** The board has ended a session. */
  ended?(session: Session): void;
  /** The credential of the client is refused by now. */
  unauthorized?(): void;
  /** Something came that is no message of the protocol. */
  rubbish?(): void;
}

/** All that one client says, and what is under way for it. */
export class ClientConversation implements CallOwner {
  readonly outbox: ClientOutbox;
  readonly #init: ClientConversationInit;
  readonly #sessions: ClientSessions;
  readonly #calls = new ClientCalls<ClientCall>();
  #opening = false;
  #spokeNew = false;
  #idle: (() => void) | undefined;

  constructor(init: ClientConversationInit) {
    this.#init = init;
    this.outbox = init.outbox;
    this.#sessions = new ClientSessions(init, (session, opened) => this.#orphan(session, opened));
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
    return this.#sessions.current;
  }

  /** One parsed message, or an array of them. */
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
      this.#init.rubbish?.();
      this.refuse(sorted.id, `Invalid request: ${sorted.why}`);
    }
  }

  /** Answers with an error of the transport. */
  refuse(id: RequestId | undefined, text: string, code: number = rpcCode.invalidRequest): void {
    this.outbox.write(Answer.error(code, text).encode(id));
  }

  over(call: ClientCall): void {
    if (this.#calls.get(call.request.id) === call) this.#calls.delete(call.request.id);
    this.#init.turns?.leave(call);
    if (this.#calls.size === 0) this.#idle?.();
  }

  /** The client has gone: nobody reads answers any more. */
  async vanish(reason: string): Promise<void> {
    this.#sessions.end();
    for (const call of this.#calls.all()) call.cancel(reason);
    await this.#sessions.close(reason);
  }

  /** Ends in good order: no new requests; those under way have `limit` ms to finish; what is left is answered with an error. */
  async finish(reason: string, limit: number): Promise<void> {
    this.#sessions.end();
    for (const call of this.#calls.all()) if (call.standing) call.cancel(reason);
    if (this.#calls.size > 0) {
      const giveUp = new AbortController();
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      await Promise.race([idle, sleep(limit, undefined, { signal: giveUp.signal }).catch(() => {})]);
      giveUp.abort();
    }
    for (const call of this.#calls.all()) call.abandon(reason, Answer.error(rpcCode.serverGone, reason));
    await this.#sessions.close(reason);
  }

  #receiveBatch(values: readonly unknown[]): void {
    const { session } = this;
    if (session === undefined) return this.#refuseBatch(`${needsSession}: send initialize first, by itself`);
    const checked = checkBatch(values, session, (id) => this.#calls.get(id) !== undefined);
    if (typeof checked === 'string') return this.#refuseBatch(checked);
    const { requests, messages } = checked;
    const refusal = requests.length === 0 ? undefined : this.#refusal(requests.length);
    if (refusal !== undefined) return this.refuse(undefined, refusal, rpcCode.serverGone);
    const batch = new BatchAnswer(requests.length, (answer) => this.outbox.write(answer));
    const calls = new Map(requests.map((request) => [request, this.#begin(request, 'old', batch)]));
    for (const each of messages) {
      if (each.kind === 'request') this.#hand(calls.get(each.message) as ClientCall, session);
      else if (each.kind === 'notification') this.#notification(each.message);
      else if (each.kind === 'response') this.#response(each.message);
    }
    return undefined;
  }

  #refuseBatch(why: string): void {
    this.#init.rubbish?.();
    this.refuse(undefined, why);
  }

  /** Why so many more requests cannot be taken. */
  #refusal(more: number): string | undefined {
    if (this.#sessions.ended) return 'The proxy is stopping';
    const { maxCalls } = this.#init;
    return this.#calls.size + more > maxCalls ? `${maxCalls} requests are under way; wait for an answer` : undefined;
  }

  #request(request: RpcRequest): void {
    if (this.#calls.get(request.id) !== undefined)
      return this.refuse(request.id, 'A request with this id is already under way');
    const refusal = this.#refusal(1);
    if (refusal !== undefined) return this.refuse(request.id, refusal, rpcCode.serverGone);
    const envelope = claimsEnvelope(request.params) ? readEnvelope(request.params) : undefined;
    // An old client may send anything in `_meta`; only a right envelope makes another thing of `initialize`.
    if (request.method === 'initialize' && (envelope === undefined || envelope instanceof Answer))
      return this.#initialize(request);
    if (envelope instanceof Answer) return this.outbox.write(envelope.encode(request.id));
    if (envelope !== undefined) return this.#requestOfNewEra(request, envelope);
    const { session } = this;
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
      return this.refuse(request.id, 'This client is already initialized');
    const { board, admission, log, ready } = this.#init;
    const call = this.#begin(request, 'old');
    this.#opening = true;
    admission
      .open(request.params ?? {})
      .then(
        ({ session, result }) => {
          if (this.#sessions.ended) return board.close(session, 'the client has gone');
          this.#sessions.keep(session);
          call.answer(Answer.result(result));
          session.outlet = (message) => {
            if ('id' in message) this.outbox.write(JSON.stringify(message));
            else this.outbox.notify(message as RpcNotification);
          };
          this.#sessions.follow(session);
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
    this.#hand(this.#begin(request, 'new'), undefined, envelope);
  }

  #handByEnvelope(call: ClientCall, envelope: Envelope): void {
    this.#sessions.withStateless(
      (session) => this.#handNow(call, session, envelope),
      (error) => this.#failed(call, error),
    );
  }

  #begin(request: RpcRequest, era: 'old' | 'new', batch?: BatchAnswer): ClientCall {
    const call = new ClientCall(request, era, this, batch);
    this.#calls.set(request.id, call);
    return call;
  }

  /** Hands a request to the board, when it is its turn: in its session, or by its envelope. */
  #hand(call: ClientCall, session: Session | undefined, envelope?: Envelope): void {
    if (this.#init.turns === undefined) this.#start(call, session, envelope);
    else this.#queue(this.#init.turns, call, session, envelope);
  }

  /** Apart from the above, where nothing is queued: a function with a function in it costs a call more. */
  #queue(turns: CallTurns, call: ClientCall, session?: Session, envelope?: Envelope): void {
    turns.take(call, () => this.#start(call, session, envelope));
  }

  #start(call: ClientCall, session?: Session, envelope?: Envelope): void {
    if (session !== undefined) this.#handNow(call, session);
    else if (envelope !== undefined) this.#handByEnvelope(call, envelope);
  }

  #handNow(call: ClientCall, session: Session, envelope?: Envelope): void {
    // Cancelled, or its session ended, while it waited for its turn or its session.
    if (call.done) return;
    try {
      const handle = this.#init.board.handle(session, call.request, call, envelope);
      if (!call.done) call.handle = handle;
    } catch (error) {
      this.#failed(call, error);
    }
  }

  #failed(call: ClientCall, error: unknown): void {
    call.answer(this.#init.admission.explain(error));
    if (isUnauthorized(error)) this.#init.unauthorized?.();
  }

  #notification(message: RpcNotification): void {
    const { log } = this.#init;
    const { method, params } = message;
    if (method === 'notifications/cancelled') return this.#cancelled(message);
    const { session } = this;
    if (!claimsEnvelope(params)) {
      if (session === undefined) log.debug('a notification before the start of a session was dropped', { method });
      else this.#attempt(() => this.#init.board.notify(session, message));
      return undefined;
    }
    if (readEnvelope(params) instanceof Answer)
      return log.debug('a notification with a wrong envelope was dropped', { method });
    this.#sessions.withStateless(
      (ofGrant) => this.#init.board.notify(ofGrant, message),
      (error) => {
        if (this.#init.unauthorized !== undefined && isUnauthorized(error)) this.#init.unauthorized();
        else log.error('a notification failed', { method, error });
      },
    );
    return undefined;
  }

  /** In the new era the one who knows which call an id belongs to is this conversation: the session may be shared. */
  #cancelled(message: RpcNotification): void {
    const id = message.params?.['requestId'];
    const call = isRequestId(id) ? this.#calls.get(id) : undefined;
    // Nobody may cancel `initialize` (2025-11-25, cancellation).
    if (call === undefined || (call.era === 'old' && call.request.method === 'initialize')) return;
    const { session } = this;
    if (call.era === 'old' && session !== undefined) this.#attempt(() => this.#init.board.notify(session, message));
    const reason = message.params?.['reason'];
    call.cancel(typeof reason === 'string' ? reason : 'the client has cancelled');
  }

  #response(message: RpcResponse): void {
    const { session } = this;
    if (session === undefined) this.#init.log.debug('a response to no request was dropped');
    else this.#attempt(() => this.#init.board.deliver(session, message));
  }

  /** The board has ended a session: it answers none of its requests any more. */
  #orphan(session: Session, opened: boolean): void {
    if (opened) {
      const text = `The session was ended by the proxy; ${this.#init.anew}`;
      const answer = Answer.error(rpcCode.serverGone, text);
      for (const call of this.#calls.all()) if (call.era === 'old') call.answer(answer);
    }
    this.#init.ended?.(session);
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#init.log.error('a message of the client failed', { error });
    }
  }
}
