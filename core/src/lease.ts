// A lease: one connection of a server, for those who may share it. Opening and closing is the server's business.
import type { Connection, LeaseKey } from './connection.ts';
import type { Answer } from './protocol/answer.ts';
import { InFlight } from './in-flight.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject, RpcRequest, RpcResponse } from './protocol/messages.ts';
import type { Session } from './session.ts';
import { CallFailure, UpstreamCall } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';

/** One resource that the server was asked to tell of. */
interface Subscription {
  readonly subscribers: Set<object>;
  readonly answer: Promise<Answer>;
}

/** A connection with its users. */
export class Lease {
  readonly key: LeaseKey;
  readonly connection: Connection;
  /** Sessions of the old era that have used it and are still open. */
  readonly sessions = new Set<Session>();
  /** Calls that wait for an answer. */
  readonly calls = new InFlight<UpstreamCall>();
  /** ms since the epoch; meaningful while it is {@link Lease.unused}. */
  idleSince = Date.now();
  #logLevel: string | undefined;
  readonly #subscribed = new Map<string, Subscription>();

  constructor(key: LeaseKey, connection: Connection) {
    this.key = key;
    this.connection = connection;
  }

  /** True while nobody is known to use it: no session, no call, no subscription. */
  get unused(): boolean {
    return this.calls.size === 0 && this.sessions.size === 0 && this.#subscribed.size === 0;
  }

  /** True when a session's calls go here. */
  serves(session: Session): boolean {
    const { kind, grant, session: id } = this.key;
    return kind === 'shared' || (kind === 'task' ? grant === session.grant.id : id === session.id);
  }

  /** Sends a call on this connection. */
  send(call: UpstreamCall): Promise<Answer> {
    this.calls.set(call.id, call);
    call.onEnd = this.#over;
    try {
      this.connection.send(call);
    } catch (error) {
      // It must not, but connections are plugins' code; the call would wait until its time limit.
      const why = error instanceof Error ? error.message : String(error);
      call.fail(new CallFailure('invalid', `${call.method} cannot be sent (${why})`, { cause: error }));
    }
    return call.answer;
  }

  readonly #over = (call: UpstreamCall): void => this.calls.delete(call.id);

  /**
   * Old era: a request of the server that names no call goes to the newest open call that is not waiting for its client already, then to
   * the newest, then to the session itself. Over stdio nobody can know better; all calls of a lease are at least of one grant.
   */
  async ask(request: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse> {
    const open = this.calls.all().filter((call) => call.canAsk);
    const call = open.findLast((each) => !each.asking) ?? open.at(-1);
    if (call !== undefined) return call.ask(request, withdrawn);
    if (this.key.kind === 'session') {
      for (const session of this.sessions)
        if (session.outlet !== undefined) return session.ask(request.method, request.params, undefined, withdrawn);
    }
    if (request.method === 'roots/list') return { jsonrpc: '2.0', result: { roots: [] } };
    return {
      jsonrpc: '2.0',
      error: { code: rpcCode.methodNotFound, message: `${request.method}: no client can be asked on this connection` },
    };
  }

  /**
   * Old-era server: makes it send log messages from `level` on; once per change. Who hears them is decided per message. A promise when
   * the server has been told just now: a call that follows must wait for it, or its first messages are lost.
   */
  wantLogs(level: string | undefined, caller: Caller): Promise<void> | undefined {
    if (level === undefined || level === this.#logLevel || this.connection.era === 'new') return undefined;
    if (!isObject(this.connection.info.capabilities['logging'])) return undefined;
    this.#logLevel = level;
    return this.#tell('logging/setLevel', { level }, caller);
  }

  /**
   * Old-era server: subscribes to a resource for one subscriber; the server is asked once, whoever else wants it. Resolves with its
   * answer, which may be an error; rejects with {@link CallFailure}. In both cases nobody has subscribed.
   */
  subscribe(uri: string, subscriber: object, caller: Caller): Promise<Answer> {
    let subscription = this.#subscribed.get(uri);
    if (subscription === undefined) {
      const made = { subscribers: new Set<object>(), answer: this.#request('resources/subscribe', { uri }, caller) };
      const forget = () => {
        if (this.#subscribed.get(uri) === made) this.#subscribed.delete(uri);
      };
      made.answer.then((answer) => answer.failed && forget(), forget);
      this.#subscribed.set(uri, made);
      subscription = made;
    }
    subscription.subscribers.add(subscriber);
    return subscription.answer;
  }

  /** True when the server tells of a resource here, or has been asked to. */
  tells(uri: string): boolean {
    return this.#subscribed.has(uri);
  }

  /** The counterpart of {@link Lease.subscribe}. */
  unsubscribe(uri: string, subscriber: object, caller: Caller): void {
    const subscribers = this.#subscribed.get(uri)?.subscribers;
    if (subscribers === undefined || !subscribers.delete(subscriber) || subscribers.size > 0) return;
    this.#subscribed.delete(uri);
    void this.#tell('resources/unsubscribe', { uri }, caller);
  }

  /** A session has ended: what it alone had subscribed to is no longer wanted. False when it was no user of this lease. */
  forget(session: Session): boolean {
    if (!this.sessions.delete(session)) return false;
    // A connection of its own ends with it.
    if (this.key.kind !== 'session')
      for (const uri of [...this.#subscribed.keys()]) this.unsubscribe(uri, session, session);
    return true;
  }

  /** A request whose answer nobody needs. Resolves when it is there, or when it will not come. */
  #tell(method: string, params: JsonObject, caller: Caller): Promise<void> {
    return this.#request(method, params, caller).then(
      () => {},
      () => {},
    );
  }

  /** A request of the proxy's own. */
  #request(method: string, params: JsonObject, caller: Caller): Promise<Answer> {
    const call = new UpstreamCall({ method, params, caller, timeout: 30_000, maxTimeout: 30_000 });
    this.connection.send(call);
    return call.answer;
  }
}
