// The board: sessions and their opening, and the entrance of every request. Authentication: `door.ts`; answering: `requests.ts`; streams: `streams.ts`.
import { randomUUID } from 'node:crypto';
import type { Approvals } from './approvals.ts';
import type {
  BoardApi,
  Envelope,
  OpenRequest,
  OpenRequestHandle,
  QuarantinedTool,
  SelectorReport,
  ServerStatus,
  ToolEntry,
} from './board-api.ts';
import type { Catalogue } from './catalogue.ts';
import type { ServerDefinition } from './connection.ts';
import { isDenied, PluginError, RefusedRequest, Unauthorized } from './errors.ts';
import { Exchange } from './exchange.ts';
import type { AuthenticationContext, Credential, Grant } from './grant.ts';
import { Hooks } from './hooks.ts';
import type { KnownCatalogues } from './known-catalogues.ts';
import type { Lease } from './lease.ts';
import { Door } from './door.ts';
import type { Callers } from './door.ts';
import { Listeners, sessionListener } from './listeners.ts';
import { Streams } from './streams.ts';
import { inspectGrant, selectorWarnings } from './inspection.ts';
import { Parking } from './parking.ts';
import type { Log } from './plugin.ts';
import { Answer } from './protocol/answer.ts';
import { isObject, isRequestId, oldVersions, rpcCode } from './protocol/messages.ts';
import type {
  Capabilities,
  Implementation,
  JsonObject,
  RequestId,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from './protocol/messages.ts';
import { QuarantineWatch } from './quarantine.ts';
import { Requests } from './requests.ts';
import { Servers } from './servers.ts';
import type { Registration } from './servers.ts';
import type { Server, ServerLimits } from './server.ts';
import { Session } from './session.ts';
import type { Reply } from './session.ts';
import { StatelessSessions } from './stateless-sessions.ts';
import { ListingMaker } from './toolset.ts';
import { Welcome } from './welcome.ts';

export interface BoardInit {
  /** The proxy's name and version, as clients are told. */
  readonly serverInfo: Implementation;
  readonly limits: ServerLimits;
  readonly log: Log;
  /** Called when a server came up, went down, or changed its lists. */
  readonly serversChanged?: (() => void) | undefined;
}

/** How long (ms) an endpoint of one server waits for it to come up. */
const patience = 10_000;
/** How long (ms) the first client waits for servers in this process. */
const startPatience = 500;

/** The proxy itself. One for the life of the process; plugins come and go around it. */
export class Board implements BoardApi {
  readonly name: string;
  readonly sessions = new Map<string, Session>();
  readonly serverRegistry: Servers;
  hooks = new Hooks();
  readonly #log: Log;
  readonly #door = new Door(() => this.hooks);
  readonly #streams: Streams;
  readonly #changed: (() => void) | undefined;
  readonly #quarantine: QuarantineWatch;
  /** Grants that are no longer valid. */
  readonly #void = new WeakSet<Grant>();
  #catalogues: KnownCatalogues | undefined;
  readonly #maker: ListingMaker;
  readonly #listeners: Listeners;
  readonly #requests: Requests;
  readonly #welcome: Welcome;
  readonly #open = new Map<Session, Map<RequestId, Exchange>>();
  readonly #stateless = new StatelessSessions((session) => this.#begin(session));
  readonly #sweeper: NodeJS.Timeout;

  constructor({ serverInfo, limits, log, serversChanged }: BoardInit) {
    this.name = serverInfo.name;
    this.#changed = serversChanged;
    this.#log = log;
    const report = (error: unknown) => this.report(error);
    this.serverRegistry = new Servers(limits, {
      changed: (server) => this.#serverChanged(server),
      notification: (server, lease, message) => this.#fromServer(server, lease, message),
      log: (_server, level, message) => log[level](message),
    });
    const hooks = () => this.hooks;
    this.#maker = new ListingMaker(this.serverRegistry, hooks, serverInfo);
    this.#quarantine = new QuarantineWatch(this.#maker, log);
    this.#listeners = new Listeners(report);
    this.#requests = new Requests({
      servers: this.serverRegistry,
      maker: this.#maker,
      listeners: this.#listeners,
      forwarding: { limits, parking: new Parking() },
      hooks,
      patience,
      report,
    });
    this.#streams = new Streams({ listeners: this.#listeners, requests: this.#requests, serverInfo, report });
    this.#welcome = new Welcome(this.#maker, serverInfo, patience);
    this.#sweeper = setInterval(() => this.#sweep(), 60_000);
    this.#sweeper.unref();
  }

  get defaultGrant(): Grant {
    return this.#door.callers.defaultGrant;
  }

  get grants(): ReadonlyMap<string, Grant> {
    return this.#door.callers.grants;
  }

  get protected(): boolean {
    return this.#door.callers.protected;
  }

  /** Sets who may call. Sessions keep their grants; a session whose grant is gone sees nothing from now on. */
  setCallers(callers: Callers): void {
    this.#door.callers = callers;
  }

  /** Which tools have been approved. */
  setApprovals(approvals: Approvals | undefined): void {
    this.#maker.approvals = approvals;
  }

  /** From now on servers are remembered, and those that were are listed before they are up. */
  remember(catalogues: KnownCatalogues | undefined): void {
    this.#catalogues = catalogues;
    this.serverRegistry.remembered = catalogues;
  }

  /** A server that a plugin registers while the proxy runs. Throws when its name is taken. */
  addServer(registration: Registration): void {
    this.#serversChanged(this.serverRegistry.add(registration));
  }

  /** A server that its plugin takes back; open calls may end first. */
  removeServer(definition: ServerDefinition): void {
    const server = this.serverRegistry.remove(definition);
    if (server === undefined) return;
    this.#catalogues?.forget(definition);
    this.#serversChanged(server);
    void server.retire();
  }

  #serversChanged({ definition: { owner } }: Server): void {
    if (owner === undefined) this.#maker.serversChanged();
    else this.#maker.ownServersChanged(owner);
    this.#listeners.changed(owner);
  }

  /** A new generation: its hooks and servers. Returns the servers that are no longer registered, still running. */
  swap(hooks: Hooks, registered: readonly Registration[]): Server[] {
    this.hooks = hooks;
    const gone = this.serverRegistry.replace(registered);
    this.#maker.serversChanged();
    this.#listeners.changed();
    this.#changed?.();
    // Servers in this process are up in a moment: the first client's first list has them.
    const near = this.serverRegistry.all().filter(({ definition }) => definition.kind === 'in-process');
    void Promise.all(near.map((server) => server.settled(startPatience))).then(() => this.#door.open());
    return gone;
  }

  authenticate(credential: Credential, context: AuthenticationContext): Grant | Promise<Grant> {
    return this.#door.authenticate(credential, context);
  }

  hasServer(grant: Grant, server: string): boolean {
    return this.#maker.visibleTo(grant).some(({ name }) => name === server);
  }

  async open({ transport, grant, server, params }: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    const asked = String(params['protocolVersion']);
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = new Session({
      id: randomUUID(),
      era: 'old',
      grant,
      transport,
      server,
      protocolVersion,
      capabilities: isObject(params['capabilities']) ? (params['capabilities'] as Capabilities) : {},
      clientInfo: isObject(params['clientInfo']) ? (params['clientInfo'] as Implementation) : undefined,
    });
    const view = this.#maker.view(grant, server);
    const result = await this.#welcome.initialize(view, protocolVersion);
    await this.#begin(session);
    const ear = sessionListener(session, view);
    session.onShown = (kind, digest) => ear.known.set(kind, digest);
    this.#listeners.add(ear);
    this.#open.set(session, new Map());
    return { session, result };
  }

  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    return this.#stateless.get(transport, grant, server);
  }

  /** Admits a session; a promise only where plugins have a say. */
  #begin(session: Session): Promise<void> | undefined {
    const admit = (): undefined => {
      if (this.#void.has(session.grant)) throw new Unauthorized();
      this.sessions.set(session.id, session);
    };
    if (!this.hooks.used('onSessionStart')) return admit();
    return this.hooks.run('onSessionStart', session).then(admit, (error: unknown) => {
      throw new RefusedRequest(this.#faultAnswer(error));
    });
  }

  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    const view = this.#maker.view(session.grant, session.server);
    const open = this.#open.get(session);
    const exchange = new Exchange(session, request, reply, view, envelope, (over) => open?.delete(over.request.id));
    if (open?.has(request.id) === true) {
      // Answered outside the exchange: its end must not close the one that owns the id.
      reply.answer(
        Answer.error(
          rpcCode.invalidRequest,
          `the id ${JSON.stringify(request.id)} belongs to a request that is still open`,
        ),
      );
      return exchange;
    }
    open?.set(request.id, exchange);
    if (request.method === 'subscriptions/listen' && exchange.caller.era === 'new') void this.#streams.open(exchange);
    else this.#answer(exchange);
    return exchange;
  }

  #answer(exchange: Exchange): void {
    const failed = (error: unknown) => exchange.answer(this.#faultAnswer(error));
    try {
      const discover = exchange.request.method === 'server/discover' && exchange.caller.era === 'new';
      const answer = discover ? this.#discover(exchange) : this.#requests.answer(exchange);
      if (answer instanceof Answer) exchange.answer(answer);
      else answer.then((found) => exchange.answer(found), failed);
    } catch (error) {
      failed(error);
    }
  }

  async #discover(exchange: Exchange): Promise<Answer> {
    return Answer.result(await this.#welcome.discover(exchange.view));
  }

  notify(session: Session, notification: RpcNotification): void {
    const { method, params } = notification;
    if (method === 'notifications/cancelled') {
      const id = params?.['requestId'];
      if (isRequestId(id))
        this.#open
          .get(session)
          ?.get(id)
          ?.cancel(typeof params?.['reason'] === 'string' ? params['reason'] : 'the client has cancelled');
      return;
    }
    if (method !== 'notifications/roots/list_changed') return;
    for (const server of this.serverRegistry.of(session.grant)) server.leases.tell(session, method, params);
  }

  deliver(session: Session, response: RpcResponse): void {
    session.deliver(response);
  }

  async close(session: Session, reason: string): Promise<void> {
    if (session.ended.signal.aborted) return;
    this.sessions.delete(session.id);
    this.#stateless.delete(session);
    this.#listeners.end(session);
    for (const exchange of this.#open.get(session)?.values() ?? []) exchange.cancel(reason);
    this.#open.delete(session);
    session.end();
    this.serverRegistry.release(session);
    if (this.hooks.used('onSessionEnd'))
      await this.hooks.run('onSessionEnd', session).catch((error: unknown) => this.report(error));
  }

  servers(grant?: Grant): ServerStatus[] {
    const servers = grant === undefined ? this.serverRegistry.all() : this.serverRegistry.of(grant);
    return servers.map((server) => this.#statusOf(server));
  }

  #statusOf(server: Server): ServerStatus {
    return { ...server.status(), quarantined: this.#quarantine.of(server).length };
  }

  quarantined(): QuarantinedTool[] {
    return this.serverRegistry.all().flatMap((server) => this.#quarantine.of(server));
  }

  catalogue(name: string, grant?: Grant): Catalogue | undefined {
    if (grant === undefined) return this.serverRegistry.common(name)?.catalogue;
    return this.serverRegistry.find(name, grant)?.catalogueFor(grant.id);
  }

  inspect(grant: Grant): SelectorReport[] {
    return inspectGrant(this.#maker, grant);
  }

  async stopServer(name: string): Promise<void> {
    const server = this.#serverNamed(name);
    const retiring = server.retire();
    this.#serverChanged(server);
    await retiring;
  }

  startServer(name: string): void {
    const server = this.#serverNamed(name);
    if (server.state !== 'stopped') return;
    this.#serverChanged(this.serverRegistry.renew(server));
  }

  #serverNamed(name: string): Server {
    const server = this.serverRegistry.common(name);
    if (server === undefined) throw new Error(`there is no server "${name}"`);
    return server;
  }

  async tools(grant: Grant, server?: string): Promise<readonly ToolEntry[]> {
    return (await this.#maker.view(grant, server).list('tools')).entries;
  }

  grantChanged(grant: Grant): void {
    this.#maker.grantChanged(grant.id);
    this.#listeners.changed(grant.id);
  }

  async endGrant(grant: Grant, reason: string): Promise<void> {
    this.#void.add(grant);
    const sessions = [...this.sessions.values()].filter((session) => session.grant === grant);
    await Promise.all(sessions.map((session) => this.close(session, reason)));
    await this.serverRegistry.releaseGrant(grant);
    this.#maker.forget(grant);
  }

  warnings(): string[] {
    return selectorWarnings(this.#maker, this.serverRegistry.all(), [this.defaultGrant, ...this.grants.values()]);
  }

  /** Reports a fault that no client waits for. */
  report(error: unknown): void {
    this.#log.error(error instanceof Error ? error.message : String(error), { error });
  }

  /** Ends all sessions and servers. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.sessions.values()].map((session) => this.close(session, 'the proxy stops')));
    await this.#catalogues?.flush();
    await this.serverRegistry.stop();
  }

  #serverChanged(server: Server): void {
    const { owner } = server.definition;
    if (owner === undefined) this.#maker.catalogueChanged();
    else this.#maker.grantChanged(owner);
    this.#listeners.changed(owner);
    this.#catalogues?.changed(server);
    this.#quarantine.changed(server);
    this.#changed?.();
    if (this.hooks.used('onCatalogChanged')) {
      this.hooks
        .run('onCatalogChanged', { server: server.name, owner, status: this.#statusOf(server) })
        .catch((error: unknown) => this.report(error));
    }
  }

  #fromServer(server: Server, lease: Lease | undefined, message: RpcNotification): void {
    if (message.method === 'notifications/resources/updated') this.#listeners.resourceUpdated(server, lease, message);
    else if (lease !== undefined) for (const session of lease.sessions) session.hear(message);
  }

  /** The answer for a fault: a plugin's is named, our own is reported and told without detail. */
  #faultAnswer(error: unknown): Answer {
    if (error instanceof RefusedRequest) return error.answer;
    if (isDenied(error)) return Answer.error(rpcCode.invalidRequest, error.message);
    this.report(error);
    return Answer.error(
      rpcCode.internalError,
      error instanceof PluginError ? error.message : 'Internal error of the proxy; its log has the cause',
    );
  }

  #sweep(): void {
    for (const session of this.#stateless.idle(Date.now())) void this.close(session, 'idle');
  }
}
