// The board: what plugins and the host may ask of the proxy, and what follows from a change. Who gets in: `door.ts`; sessions and requests: `sessions.ts`; servers: `servers.ts`.
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
import type { AuthenticationContext, Credential, Grant } from './grant.ts';
import { createHooks } from './hook.ts';
import type { Hooks } from './hook.ts';
import type { KnownCatalogues } from './known-catalogues.ts';
import type { Lease } from './lease.ts';
import { Door } from './door.ts';
import type { Callers } from './door.ts';
import { Listeners } from './listeners.ts';
import { Streams } from './streams.ts';
import { inspectGrant, selectorWarnings } from './inspection.ts';
import { Parking } from './parking.ts';
import type { Log } from './plugin.ts';
import type { Implementation, JsonObject, RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
import { QuarantineWatch } from './quarantine.ts';
import { Requests } from './requests.ts';
import { Servers } from './servers.ts';
import type { Registration } from './servers.ts';
import type { Server } from './server.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Reply, Session } from './session.ts';
import { Sessions } from './sessions.ts';
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
  readonly serverRegistry: Servers;
  hooks: Hooks = createHooks();
  readonly #log: Log;
  readonly #door = new Door(() => this.hooks);
  readonly #changed: (() => void) | undefined;
  readonly #quarantine: QuarantineWatch;
  #catalogues: KnownCatalogues | undefined;
  readonly #maker: ListingMaker;
  readonly #listeners: Listeners;
  readonly #sessions: Sessions;

  constructor({ serverInfo, limits, log, serversChanged }: BoardInit) {
    this.name = serverInfo.name;
    this.#changed = serversChanged;
    this.#log = log;
    const report = (error: unknown) => this.report(error);
    this.serverRegistry = new Servers(limits, {
      changed: (server) => this.#serverChanged(server),
      notification: (server, lease, message) => this.#fromServer(server, lease, message),
      watched: (server) => requests.subscriptions.watchedAt(server),
      missing: (server) => requests.subscriptions.missingAt(server),
      log: (_server, level, message) => log[level](message),
    });
    const hooks = () => this.hooks;
    this.#maker = new ListingMaker(this.serverRegistry, hooks, serverInfo);
    this.#quarantine = new QuarantineWatch(this.#maker, log);
    this.#listeners = new Listeners(report);
    const parts = { servers: this.serverRegistry, maker: this.#maker, listeners: this.#listeners, hooks, report };
    const requests = new Requests({ ...parts, forwarding: { limits, parking: new Parking() }, patience });
    const streams = new Streams({ listeners: this.#listeners, requests, serverInfo, report });
    const welcome = new Welcome(this.#maker, serverInfo, patience);
    this.#sessions = new Sessions({ ...parts, requests, streams, welcome });
  }

  get sessions(): ReadonlyMap<string, Session> {
    return this.#sessions.byId;
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

  open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    return this.#sessions.open(request);
  }

  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    return this.#sessions.stateless(transport, grant, server);
  }

  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    return this.#sessions.handle(session, request, reply, envelope);
  }

  notify(session: Session, notification: RpcNotification): void {
    this.#sessions.notify(session, notification);
  }

  deliver(session: Session, response: RpcResponse): void {
    session.deliver(response);
  }

  close(session: Session, reason: string): Promise<void> {
    return this.#sessions.close(session, reason);
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
    await this.#sessions.closeAllOf(grant, reason);
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
    await this.#sessions.stop();
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
    const { onCatalogChanged } = this.hooks;
    if (onCatalogChanged.used) {
      onCatalogChanged
        .run({ server: server.name, owner, status: this.#statusOf(server) })
        .catch((error: unknown) => this.report(error));
    }
  }

  #fromServer(server: Server, lease: Lease | undefined, message: RpcNotification): void {
    if (message.method === 'notifications/resources/updated') this.#listeners.resourceUpdated(server, lease, message);
    else if (lease !== undefined)
      for (const session of lease.sessions) if (this.hasServer(session.grant, server.name)) session.hear(message);
  }
}
