// One registered server: its life (start, restart, stop), its catalogue, and the leases on its connections. All of them: `servers.ts`.
import { setTimeout as setTimer } from 'node:timers/promises';
import { Arrival } from './arrival.ts';
import type { ServerState, ServerStatus } from './board-api.ts';
import { emptyCatalogue, proxyCaller } from './catalogue.ts';
import type { Catalogue } from './catalogue.ts';
import { ChangeNotices } from './change-notices.ts';
import type { Connection, ConnectionEvents, LeaseKey, ServerDefinition, ServerInfo } from './connection.ts';
import { Downtime } from './downtime.ts';
import type { Gate } from './gate.ts';
import type { Lease } from './lease.ts';
import { Leases } from './leases.ts';
import type { LeaseOwner } from './leases.ts';
import { linkAbort } from './linked-abort.ts';
import { LiveCatalogue } from './live-catalogue.ts';
import type { RpcNotification } from './protocol/messages.ts';
import { answerAsProxy } from './proxy-answer.ts';
import { listKinds, listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import { Rewatching } from './rewatching.ts';
import type { Watch } from './rewatching.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Session } from './session.ts';
import { CallFailure } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';
import { Variants } from './variants.ts';

/** What the board hears from servers. */
export interface ServerEvents {
  /** A server's lists changed, or it came up or went down. */
  changed(server: Server, kinds: ReadonlySet<ListKind>): void;
  /** A notification that belongs to no call. `lease` is undefined for the catalogue connection. */
  notification(server: Server, lease: Lease | undefined, message: RpcNotification): void;
  /** New era: the resources of a server that anybody wants to hear of. */
  watched(server: Server): readonly string[];
  /** Old era: what is watched at a server, and none of its connections tells of; by the id of the lease that should. */
  missing(server: Server): ReadonlyMap<string, readonly Watch[]>;
  log(server: Server, level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

const backoff = { first: 250, most: 30_000, healthyAfter: 10_000 };
/** How long calls in flight may go on when their server is taken away; ms. */
const drain = 10_000;
/** How long a call waits for a server that is being started. */
const patience = 5000;

export interface ServerInit {
  readonly definition: ServerDefinition;
  readonly plugin: string;
  readonly limits: ServerLimits;
  readonly gate: Gate;
  readonly events: ServerEvents;
  /** What it offered before the proxy was restarted: listed until it is up again. */
  readonly known?: { readonly catalogue: Catalogue; readonly info: ServerInfo } | undefined;
}

/** One registered server. */
export class Server implements LeaseOwner {
  definition: ServerDefinition;
  readonly plugin: string;
  state: ServerState = 'starting';
  restarts = 0;
  info: ServerInfo | undefined;
  era: 'old' | 'new' | undefined;
  readonly leases: Leases;
  readonly limits: ServerLimits;
  readonly #events: ServerEvents;
  readonly #gate: Gate;
  readonly #ended = new AbortController();
  /** The catalogue's connection while the server is up. */
  #live: LiveCatalogue | undefined;
  #catalogue: Catalogue;
  readonly #notices = new ChangeNotices({
    watched: () => this.#events.watched(this),
    warn: (what) => this.warn(`server "${this.name}" ${what}`),
  });
  readonly #rewatching = new Rewatching({
    missing: () => (this.era === 'old' ? this.#events.missing(this) : new Map()),
    ready: () => this.state === 'ready',
    warn: (what) => this.warn(`server "${this.name}" ${what}`),
  });
  readonly #variants = new Variants((connection) => this.#variantOf(connection));
  readonly #downtime: Downtime;
  readonly #arrival = new Arrival();

  constructor({ definition, plugin, limits, gate, events, known }: ServerInit) {
    this.definition = definition;
    this.info = known?.info;
    this.#catalogue = known?.catalogue ?? emptyCatalogue;
    this.plugin = plugin;
    this.limits = limits;
    this.#gate = gate;
    this.#events = events;
    this.#downtime = new Downtime(definition.name);
    this.leases = new Leases(this);
  }

  /** Aborted when the server is stopped. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** What the server offers; while it is down, what it offered last. */
  get catalogue(): Catalogue {
    return this.#live?.current ?? this.#catalogue;
  }

  /** What the server offers to one grant: some change their lists for the connection that asked for it. */
  catalogueFor(grant: string): Catalogue {
    return this.#variants.of(grant) ?? this.catalogue;
  }

  get name(): string {
    return this.definition.name;
  }

  /** Why it is down, in words that clients may read. */
  get reason(): string | undefined {
    return this.#downtime.reason;
  }

  /** Keeps the server up until it is stopped. Returns at once. */
  start(): void {
    void this.#stayUp();
  }

  /** Resolves when it is known what the server offers, or it has failed, at the latest after `limit` ms. */
  async settled(limit: number): Promise<void> {
    if (this.state === 'starting' && this.info === undefined) await this.#arrival.untilKnown(limit);
  }

  /** Takes no new calls, lets the open ones end for a while, then stops. */
  async retire(): Promise<void> {
    this.state = 'stopped';
    const deadline = Date.now() + drain;
    while (this.leases.busy && Date.now() < deadline) await sleep(50, this.#ended.signal);
    await this.stop();
  }

  /** Ends all connections. */
  async stop(): Promise<void> {
    this.#ended.abort();
    this.state = 'stopped';
    this.#arrival.known();
    this.#variants.stop();
    this.#rewatching.stop();
    this.#live?.stop();
    await Promise.allSettled([this.#live?.connection.close(), this.leases.closeAll()]);
  }

  /** The connection for a caller's requests. Throws or rejects with {@link CallFailure}. */
  lease(session: Session, caller: Caller): Lease | Promise<Lease> {
    if (this.state === 'stopped') throw new CallFailure('gone', `server "${this.name}" is stopped`);
    return this.leases.get(session, caller);
  }

  /** New era: other resources are watched now. */
  watchResources(uris: readonly string[]): void {
    const connections = this.leases
      .open()
      .flatMap(({ connection }) => (connection.separate === true ? [connection] : []));
    if (this.#live !== undefined) connections.push(this.#live.connection);
    this.#notices.changed(uris, connections);
  }

  status(): Omit<ServerStatus, 'quarantined'> {
    const { definition, catalogue } = this;
    return {
      name: this.name,
      title: definition.title,
      owner: definition.owner,
      kind: definition.kind,
      plugin: this.plugin,
      isolation: definition.isolation,
      state: this.state,
      reason: this.#downtime.wholeReason,
      era: this.era,
      protocolVersion: this.info?.protocolVersion,
      tools: catalogue.tools.length,
      resources: catalogue.resources.length + catalogue.resourceTemplates.length,
      prompts: catalogue.prompts.length,
      leases: this.leases.size,
      restarts: this.restarts,
    };
  }

  async #stayUp(): Promise<void> {
    let wait = backoff.first;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const started = Date.now();
      const failure = await this.#runOnce().catch((error: unknown) => error);
      if (Date.now() - started > backoff.healthyAfter) wait = backoff.first;
      this.#fail(failure, wait);
      if (signal.aborted) return;
      await sleep(wait, signal);
      wait = Math.min(wait * 2, backoff.most);
      this.restarts += 1;
    }
  }

  /** Starts it; resolves with the reason when it has ended, and rejects when it has never been ready. */
  async #runOnce(): Promise<Error> {
    const closed = deferred<Error>();
    await this.#gate.run(() => this.#connect(closed.resolve));
    this.state = 'ready';
    this.#downtime.over();
    this.#arrival.up();
    this.#events.changed(this, new Set(listKinds));
    this.#rewatching.up();
    return await closed.promise;
  }

  async #connect(closed: (reason: Error) => void): Promise<void> {
    if (this.#ended.signal.aborted) throw new Error('stopped');
    const attempt = linkAbort([this.#ended.signal], this.limits.startTimeout);
    const key: LeaseKey = {
      kind: 'catalogue',
      id: 'catalogue',
      grant: undefined,
      capabilities: proxyCaller.capabilities,
      clientInfo: proxyCaller.clientInfo,
    };
    const events = this.eventsOf(() => undefined, closed);
    const connection = await this.definition.open(key, events, attempt.signal).finally(attempt.release);
    if (this.#ended.signal.aborted) {
      await connection.close();
      throw new Error('stopped');
    }
    const changed = (kinds: ReadonlySet<ListKind>) => this.#events.changed(this, kinds);
    const live = this.#catalogueOf(connection, changed);
    try {
      this.info = connection.info;
      this.era = connection.era;
      await live.fetch(listKinds);
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.#live = live;
    this.#notices.opened(connection);
  }

  /** `wait`: ms until it is tried again. */
  #fail(error: unknown, wait: number): void {
    this.#catalogue = this.catalogue;
    this.#live?.stop();
    this.#live = undefined;
    if (this.state === 'stopped') return;
    this.leases.dropShared();
    this.state = 'failed';
    const level = this.#downtime.failed(error);
    const next = `it is tried again in ${wait / 1000} s, then less and less often`;
    this.#events.log(this, level, `server "${this.name}" is down: ${this.reason}; ${next}`);
    this.#arrival.known();
    this.#events.changed(this, new Set());
  }

  /** The catalogue's connection, for servers that are shared. Rejects with {@link CallFailure} while the server is down. */
  async shared(): Promise<Connection> {
    // One that has just died is back in a moment; one that keeps failing is not waited for.
    if (this.#live === undefined && !this.#downtime.lasting) await this.#arrival.untilUp(patience);
    if (this.#live === undefined)
      throw new CallFailure('gone', `server "${this.name}" is not running: ${this.reason ?? 'it is still starting'}`);
    return this.#live.connection;
  }

  #catalogueOf(connection: Connection, changed: (kinds: ReadonlySet<ListKind>) => void): LiveCatalogue {
    const warn = (message: string) => this.warn(`server "${this.name}" ${message}`);
    return new LiveCatalogue({ connection, known: this.#catalogue, timeout: this.limits.startTimeout, changed, warn });
  }

  /** Lists have changed on a connection. What a lease says counts for its grant, whose calls go there. */
  #listsChanged(lease: Lease | undefined, kinds: readonly ListKind[]): void {
    this.#live?.refreshSoon(kinds);
    if (lease !== undefined) this.#variants.changed(lease, kinds);
  }

  #variantOf(connection: Connection): LiveCatalogue {
    const variant = this.#catalogueOf(connection, (changed) => this.#events.changed(this, changed));
    variant.current = this.catalogue;
    return variant;
  }

  /** A lease's connection has gone, and with it what it listed for its grant. */
  closed(lease: Lease, lost: boolean): void {
    if (lost) this.#rewatching.lost(lease.key.id);
    else this.#rewatching.forget(lease.key.id);
    if (this.#variants.closed(lease)) this.#events.changed(this, new Set(listKinds));
  }

  /** A connection with a process of its own tells of changes that the catalogue's never hears of. */
  opened({ key, connection }: Lease): void {
    if (connection.separate === true) this.#notices.opened(connection);
    this.#rewatching.opened(key.id);
  }

  warn(message: string): void {
    this.#events.log(this, 'warn', message);
  }

  /** What is done with what a connection says. */
  eventsOf(lease: () => Lease | undefined, closed: (reason: Error) => void): ConnectionEvents {
    return {
      notification: (message) => {
        // The id in it is the server's own, and may be that of another question at a client.
        if (message.method === 'notifications/cancelled') return;
        const kinds = listKinds.filter((kind) => listMethods[kind].changed === message.method);
        if (kinds.length > 0) this.#listsChanged(lease(), kinds);
        else this.#events.notification(this, lease(), message);
      },
      request: (message, withdrawn) =>
        lease()?.ask(message, withdrawn) ?? Promise.resolve(answerAsProxy(message, this.definition.isolation)),
      closed,
    };
  }
}

function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** Waits; a stopped server waits no longer. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await setTimer(ms, undefined, { signal }).catch(() => {});
}
