// The sessions of clients and their open requests: opened, admitted, answered, ended. What a request asks for is answered in `requests.ts`.
import { randomUUID } from 'node:crypto';
import type { Envelope, OpenRequest, OpenRequestHandle } from './board-api.ts';
import { ClientCalls } from './client-calls.ts';
import { isDenied, PluginError, RefusedRequest, Unauthorized } from './errors.ts';
import { Exchange } from './exchange.ts';
import type { Grant } from './grant.ts';
import type { Hooks } from './hook.ts';
import { sessionListener } from './listeners.ts';
import type { Listeners } from './listeners.ts';
import { Answer } from './protocol/answer.ts';
import { isObject, isRequestId, oldVersions, rpcCode } from './protocol/messages.ts';
import type { Capabilities, Implementation, JsonObject, RpcNotification, RpcRequest } from './protocol/messages.ts';
import type { Requests } from './requests.ts';
import type { Servers } from './servers.ts';
import { Session } from './session.ts';
import type { Reply } from './session.ts';
import { StatelessSessions } from './stateless-sessions.ts';
import type { Streams } from './streams.ts';
import type { ListingMaker } from './toolset.ts';
import type { Welcome } from './welcome.ts';

export interface SessionParts {
  readonly hooks: () => Hooks;
  readonly servers: Servers;
  readonly maker: ListingMaker;
  readonly listeners: Listeners;
  readonly requests: Requests;
  readonly streams: Streams;
  readonly welcome: Welcome;
  readonly report: (error: unknown) => void;
}

/** Characters of JSON that a client may say of itself: they are kept as long as its session. */
const maxSelfDescription = 32_768;

function tooMuchToSay(): RefusedRequest {
  const text = `capabilities and clientInfo have more than ${maxSelfDescription} characters`;
  return new RefusedRequest(Answer.error(rpcCode.invalidParams, text));
}

/** All sessions, of every transport. */
export class Sessions {
  readonly byId = new Map<string, Session>();
  readonly #parts: SessionParts;
  /** Grants that are no longer valid. */
  readonly #void = new WeakSet<Grant>();
  readonly #open = new Map<Session, ClientCalls<Exchange>>();
  readonly #stateless = new StatelessSessions((session) => this.#begin(session));
  readonly #sweeper: NodeJS.Timeout;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#sweeper = setInterval(() => this.#sweep(), 60_000);
    this.#sweeper.unref();
  }

  /** Opens a session of the old era; see {@link BoardApi.open}. */
  async open({ transport, grant, server, params }: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    const { capabilities, clientInfo } = params;
    if (JSON.stringify([capabilities, clientInfo]).length > maxSelfDescription) throw tooMuchToSay();
    const asked = String(params['protocolVersion']);
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = new Session({
      id: randomUUID(),
      era: 'old',
      grant,
      transport,
      server,
      protocolVersion,
      capabilities: isObject(capabilities) ? (capabilities as Capabilities) : {},
      clientInfo: isObject(clientInfo) ? (clientInfo as Implementation) : undefined,
    });
    const { maker, welcome, listeners, requests } = this.#parts;
    const view = maker.view(grant, server);
    const result = await welcome.initialize(view, protocolVersion);
    await this.#begin(session);
    const ear = sessionListener(session, view, (ended) => requests.subscriptions.release(ended, session));
    session.onShown = (kind, digest) => ear.known.set(kind, digest);
    listeners.add(ear);
    this.#open.set(session, new ClientCalls());
    return { session, result };
  }

  /** The session that stands for a grant's requests of the new era; a promise only while it begins. */
  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    return this.#stateless.get(transport, grant, server);
  }

  /** Admits a session; a promise only where plugins have a say. */
  #begin(session: Session): Promise<void> | undefined {
    const admit = (): undefined => {
      if (this.#void.has(session.grant)) throw new Unauthorized();
      this.byId.set(session.id, session);
    };
    const { onSessionStart } = this.#parts.hooks();
    if (!onSessionStart.used) return admit();
    return onSessionStart.run(session).then(admit, (error: unknown) => {
      throw new RefusedRequest(this.#faultAnswer(error));
    });
  }

  /** Answers a request through its reply; see {@link BoardApi.handle}. */
  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    const view = this.#parts.maker.view(session.grant, session.server);
    const open = this.#open.get(session);
    const exchange = new Exchange(session, request, reply, view, envelope, (over) => open?.delete(over.request.id));
    if (open?.get(request.id) !== undefined) {
      const text = `the id ${JSON.stringify(request.id)} belongs to a request that is still open`;
      // Answered outside the exchange: its end must not close the one that owns the id.
      reply.answer(Answer.error(rpcCode.invalidRequest, text));
      return exchange;
    }
    open?.set(request.id, exchange);
    if (request.method === 'subscriptions/listen' && exchange.caller.era === 'new')
      void this.#parts.streams.open(exchange);
    else this.#answer(exchange);
    return exchange;
  }

  #answer(exchange: Exchange): void {
    const failed = (error: unknown) => this.#send(exchange, this.#faultAnswer(error));
    try {
      const discover = exchange.request.method === 'server/discover' && exchange.caller.era === 'new';
      const answer = discover ? this.#discover(exchange) : this.#parts.requests.answer(exchange);
      if (answer instanceof Answer) exchange.answer(answer);
      else answer.then((found) => this.#send(exchange, found), failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Sends an answer where nobody would catch what its transport throws. */
  #send(exchange: Exchange, answer: Answer): void {
    try {
      exchange.answer(answer);
    } catch (error) {
      this.#parts.report(error);
    }
  }

  async #discover(exchange: Exchange): Promise<Answer> {
    return Answer.result(await this.#parts.welcome.discover(exchange.view));
  }

  /** Takes a client's notification. */
  notify(session: Session, { method, params }: RpcNotification): void {
    if (method === 'notifications/cancelled') {
      const id = params?.['requestId'];
      const exchange = isRequestId(id) ? this.#open.get(session)?.get(id) : undefined;
      exchange?.cancel(typeof params?.['reason'] === 'string' ? params['reason'] : 'the client has cancelled');
    } else if (method === 'notifications/roots/list_changed') {
      for (const server of this.#parts.servers.of(session.grant)) server.leases.tell(session, method, params);
    }
  }

  /** Ends a session, its requests and its leases of servers. */
  async close(session: Session, reason: string): Promise<void> {
    if (session.ended.signal.aborted) return;
    this.byId.delete(session.id);
    this.#stateless.delete(session);
    this.#parts.listeners.end(session);
    // Whoever leaves is told nothing any more.
    session.outlet = undefined;
    for (const exchange of this.#open.get(session)?.all() ?? []) exchange.cancel(reason);
    this.#open.delete(session);
    session.end();
    this.#parts.servers.release(session);
    const { onSessionEnd } = this.#parts.hooks();
    if (onSessionEnd.used) await onSessionEnd.run(session).catch(this.#parts.report);
  }

  /** Ends all sessions of a grant, which gets no further ones. */
  async closeAllOf(grant: Grant, reason: string): Promise<void> {
    this.#void.add(grant);
    const sessions = [...this.byId.values()].filter((session) => session.grant === grant);
    await Promise.all(sessions.map((session) => this.close(session, reason)));
  }

  /** Ends all sessions. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.byId.values()].map((session) => this.close(session, 'the proxy stops')));
  }

  #sweep(): void {
    const { listeners, servers } = this.#parts;
    const inUse = (session: Session) => listeners.listensFor(session) || servers.worksFor(session);
    for (const session of this.#stateless.idle(Date.now(), inUse)) void this.close(session, 'idle');
  }

  /** The answer for a fault: a plugin's is named, our own is reported and told without detail. */
  #faultAnswer(error: unknown): Answer {
    if (error instanceof RefusedRequest) return error.answer;
    if (isDenied(error)) return Answer.error(rpcCode.invalidRequest, error.message);
    this.#parts.report(error);
    return Answer.error(
      rpcCode.internalError,
      error instanceof PluginError ? error.message : 'Internal error of the proxy; its log has the cause',
    );
  }
}
