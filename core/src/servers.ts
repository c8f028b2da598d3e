// The registered servers: their life (start, restart, stop), their catalogues, and the leases on their connections.
import type { ServerState, ServerStatus } from './board-api.ts';
import { emptyCatalogue, fetchList, proxyCaller } from './catalogue.ts';
import type { Catalogue } from './catalogue.ts';
import type { Connection, ConnectionEvents, LeaseKey, ListenFilter, ServerDefinition, ServerInfo } from './connection.ts';
import { Lease } from './lease.ts';
import { rpcCode } from './protocol/messages.ts';
import type { JsonObject, RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
import { listKinds, listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Session } from './session.ts';
import { CallFailure } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';

/** Limits for servers; ms where they are times. */
export interface ServerLimits {
  readonly callTimeout: number;
  readonly maxCallTimeout: number;
  /** Time for a server to start and to list. */
  readonly startTimeout: number;
  readonly startConcurrency: number;
  /** A lease that no session uses is closed after this time. */
  readonly leaseIdle: number;
  readonly maxLeases: number;
}

export const defaultServerLimits: ServerLimits = {
  callTimeout: 60_000,
  maxCallTimeout: 600_000,
  startTimeout: 30_000,
  startConcurrency: 4,
  leaseIdle: 300_000,
  maxLeases: 1000,
};

/** What the board hears from servers. */
export interface ServerEvents {
  /** A server's lists changed, or it came up or went down. */
  changed(server: Server, kinds: ReadonlySet<ListKind>): void;
  /** A notification that belongs to no call. `lease` is undefined for the catalogue connection. */
  notification(server: Server, lease: Lease | undefined, message: RpcNotification): void;
  log(server: Server, level: 'info' | 'warn' | 'error', message: string): void;
}

const backoff = { first: 250, most: 30_000, healthyAfter: 10_000 };
const debounce = 60;
const sweepEvery = 15_000;
/** How long calls in flight may go on when their server is taken away; ms. */
const drain = 10_000;
/** How long a call waits for a server that is being started. */
const patience = 5000;

/** One registered server. */
export class Server {
  definition: ServerDefinition;
  readonly plugin: string;
  state: ServerState = 'starting';
  reason: string | undefined;
  restarts = 0;
  info: ServerInfo | undefined;
  era: 'old' | 'new' | undefined;
  catalogue: Catalogue = emptyCatalogue;
  readonly leases = new Map<string, Lease | Promise<Lease>>();
  readonly #limits: ServerLimits;
  readonly #events: ServerEvents;
  readonly #gate: Gate;
  readonly #ended = new AbortController();
  #connection: Connection | undefined;
  #settled: Promise<void>;
  #settle!: () => void;
  #stale = new Set<ListKind>();
  #refreshing: NodeJS.Timeout | undefined;
  #watchedUris: readonly string[] = [];

  constructor(definition: ServerDefinition, plugin: string, limits: ServerLimits, gate: Gate, events: ServerEvents) {
    this.definition = definition;
    this.plugin = plugin;
    this.#limits = limits;
    this.#gate = gate;
    this.#events = events;
    this.#settled = this.#unsettled();
  }

  get name(): string {
    return this.definition.name;
  }

  /** Keeps the server up until it is stopped. Returns at once. */
  start(): void {
    void this.#live();
  }

  /** Resolves when the server is ready or has failed, at the latest after `limit` ms. */
  async settled(limit: number): Promise<void> {
    if (this.state !== 'starting') return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.#settled, new Promise<void>((resolve) => (timer = setTimeout(resolve, limit)))]);
    clearTimeout(timer);
  }

  /** Takes no new calls, lets the open ones end for a while, then stops. */
  async retire(): Promise<void> {
    this.state = 'stopped';
    const deadline = Date.now() + drain;
    const busy = () => [...this.leases.values()].some((lease) => lease instanceof Lease && lease.calls.size > 0);
    while (busy() && Date.now() < deadline) await sleep(50, this.#ended.signal);
    await this.stop();
  }

  /** Ends all connections. */
  async stop(): Promise<void> {
    this.#ended.abort();
    this.state = 'stopped';
    clearTimeout(this.#refreshing);
    this.#settle();
    const leases = [...this.leases.values()];
    this.leases.clear();
    await Promise.allSettled([this.#connection?.close(), ...leases.map(async (lease) => (await lease).connection.close())]);
  }

  /** The connection for a caller's requests, opened when there is none. Throws or rejects with {@link CallFailure}. */
  lease(session: Session, caller: Caller): Lease | Promise<Lease> {
    if (this.state === 'stopped') throw new CallFailure('gone', `server "${this.name}" is stopped`);
    const key = this.#keyFor(session, caller);
    const found = this.leases.get(key.id);
    if (found === undefined) return this.#open(key, session);
    if (found instanceof Lease) found.sessions.add(session);
    else void found.then((lease) => lease.sessions.add(session)).catch(() => {});
    return found;
  }

  /** Forgets a session that has ended; its own connections are closed. */
  release(session: Session): void {
    for (const [id, lease] of this.leases) {
      if (!(lease instanceof Lease) || !lease.sessions.delete(session)) continue;
      lease.idleSince = Date.now();
      if (lease.key.kind === 'session') this.#closeLease(id, lease);
    }
  }

  /** Passes a notification of the client on to its own connection (old era). */
  tell(session: Session, method: string, params: JsonObject | undefined): void {
    for (const lease of this.leases.values()) {
      if (lease instanceof Lease && lease.key.kind === 'session' && lease.sessions.has(session)) lease.connection.notify(method, params);
    }
  }

  /** Closes leases that nobody has used for a while. */
  sweep(now: number): void {
    for (const [id, lease] of this.leases) {
      if (!(lease instanceof Lease) || lease.key.kind === 'shared') continue;
      if (lease.calls.size === 0 && lease.sessions.size === 0 && now - lease.idleSince > this.#limits.leaseIdle) this.#closeLease(id, lease);
    }
  }

  /** New era: which resources to be told about, on the catalogue connection. */
  watchResources(uris: readonly string[]): void {
    this.#watchedUris = uris;
    if (this.#connection !== undefined) this.#listen(this.#connection);
  }

  status(): ServerStatus {
    const { definition, catalogue } = this;
    return {
      name: this.name,
      title: definition.title,
      kind: definition.kind,
      plugin: this.plugin,
      isolation: definition.isolation,
      state: this.state,
      reason: this.reason,
      era: this.era,
      protocolVersion: this.info?.protocolVersion,
      tools: catalogue.tools.length,
      resources: catalogue.resources.length + catalogue.resourceTemplates.length,
      prompts: catalogue.prompts.length,
      leases: this.leases.size,
      restarts: this.restarts,
    };
  }

  async #live(): Promise<void> {
    let wait = backoff.first;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const started = Date.now();
      const closed = deferred<Error>();
      try {
        await this.#gate.run(() => this.#connect(closed.resolve));
        this.state = 'ready';
        this.reason = undefined;
        this.#settle();
        this.#events.changed(this, new Set(listKinds));
        this.#fail(await closed.promise);
      } catch (error) {
        this.#fail(error);
      }
      if (signal.aborted) return;
      if (Date.now() - started > backoff.healthyAfter) wait = backoff.first;
      await sleep(wait, signal);
      wait = Math.min(wait * 2, backoff.most);
      this.restarts += 1;
    }
  }

  async #connect(closed: (reason: Error) => void): Promise<void> {
    if (this.#ended.signal.aborted) throw new Error('stopped');
    const limit = AbortSignal.timeout(this.#limits.startTimeout);
    const key: LeaseKey = {
      kind: 'catalogue',
      id: 'catalogue',
      grant: undefined,
      capabilities: proxyCaller.capabilities,
      clientInfo: proxyCaller.clientInfo,
    };
    const connection = await this.definition.open(key, this.#eventsOf(() => undefined, closed), AbortSignal.any([limit, this.#ended.signal]));
    if (this.#ended.signal.aborted) {
      await connection.close();
      throw new Error('stopped');
    }
    try {
      this.info = connection.info;
      this.era = connection.era;
      await this.#fetch(connection, listKinds);
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#listen(connection);
  }

  #fail(error: unknown): void {
    this.#connection = undefined;
    if (this.state === 'stopped') return;
    const lease = this.leases.get('shared');
    if (lease instanceof Lease) this.leases.delete('shared');
    this.state = 'failed';
    this.reason = error instanceof Error ? error.message : String(error);
    this.#events.log(this, 'warn', `server "${this.name}" is down: ${this.reason}; it is started again`);
    this.#settle();
    this.#events.changed(this, new Set());
  }

  #unsettled(): Promise<void> {
    return new Promise((resolve) => (this.#settle = resolve));
  }

  async #fetch(connection: Connection, kinds: readonly ListKind[]): Promise<void> {
    const lists = await Promise.all(kinds.map((kind) => fetchList(connection, kind, this.#limits.startTimeout)));
    const catalogue: Record<string, unknown> = { ...this.catalogue };
    const ttls = lists.flatMap((list) => (list.ttlMs === undefined ? [] : [list.ttlMs]));
    for (const [index, kind] of kinds.entries()) {
      const list = lists[index];
      catalogue[kind] = list?.items ?? [];
      for (const reason of list?.dropped ?? []) this.#events.log(this, 'warn', `server "${this.name}": left out ${reason}`);
    }
    catalogue['ttlMs'] = ttls.length === 0 ? 0 : Math.min(...ttls);
    this.catalogue = catalogue as unknown as Catalogue;
  }

  /** Collects change notices for a moment, then fetches each list once. */
  #refreshSoon(kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.#stale.add(kind);
    if (this.#refreshing !== undefined) return;
    this.#refreshing = setTimeout(() => void this.#refresh(), debounce);
  }

  async #refresh(): Promise<void> {
    const kinds = [...this.#stale];
    this.#stale = new Set();
    const connection = this.#connection;
    try {
      if (connection !== undefined) await this.#fetch(connection, kinds);
      this.#events.changed(this, new Set(kinds));
    } catch (error) {
      this.#events.log(this, 'warn', `server "${this.name}" did not list again, its last lists stay: ${String(error)}`);
    }
    this.#refreshing = undefined;
    if (this.#stale.size > 0) this.#refreshSoon([]);
  }

  #listen(connection: Connection): void {
    if (connection.era !== 'new') return;
    const filter: ListenFilter = {};
    for (const kind of listKinds) {
      const { capability, filter: member } = listMethods[kind];
      if (connection.info.capabilities[capability]?.['listChanged'] === true) filter[member] = true;
    }
    if (this.#watchedUris.length > 0) filter.resourceSubscriptions = [...this.#watchedUris];
    if (Object.keys(filter).length > 0) connection.listen(filter);
  }

  #eventsOf(lease: () => Lease | undefined, closed: (reason: Error) => void): ConnectionEvents {
    return {
      notification: (message) => {
        const kinds = listKinds.filter((kind) => listMethods[kind].changed === message.method);
        if (kinds.length > 0) this.#refreshSoon(kinds);
        this.#events.notification(this, lease(), message);
      },
      request: (message) => lease()?.ask(message) ?? Promise.resolve(answerAsProxy(message)),
      closed,
    };
  }

  #keyFor(session: Session, caller: Caller): LeaseKey {
    const { isolation } = this.definition;
    const { capabilities, clientInfo } = caller;
    const grant = session.grant.id;
    if (isolation === 'shared') return { kind: 'shared', id: 'shared', grant: undefined, capabilities: {}, clientInfo: undefined };
    // An old-era server learns what the client can do once, when it is opened: clients that can be asked get a connection of their own.
    const asks = this.era !== 'new' && this.definition.asks !== false && interactive(capabilities);
    if (isolation === 'task' && !asks) return { kind: 'task', id: `task ${grant}`, grant, capabilities: {}, clientInfo };
    const id = `session ${session.id} ${session.era === 'new' && asks ? JSON.stringify(capabilities).slice(0, 500) : ''}`;
    return { kind: 'session', id, grant, capabilities, clientInfo };
  }

  #open(key: LeaseKey, session: Session): Promise<Lease> {
    if (this.leases.size >= this.#limits.maxLeases) {
      throw new CallFailure('gone', `server "${this.name}" has its most connections (${this.#limits.maxLeases}) open; end sessions, or raise limits.maxLeases`);
    }
    const opening = this.#openLease(key, session);
    this.leases.set(key.id, opening);
    opening.then(
      (lease) => {
        if (this.leases.get(key.id) === opening) this.leases.set(key.id, lease);
      },
      () => {
        if (this.leases.get(key.id) === opening) this.leases.delete(key.id);
      },
    );
    return opening;
  }

  async #openLease(key: LeaseKey, session: Session): Promise<Lease> {
    let lease: Lease | undefined;
    let connection: Connection;
    if (key.kind === 'shared') connection = await this.#sharedConnection();
    else {
      const closed = (reason: Error) => {
        if (lease !== undefined && this.leases.get(key.id) === lease) this.leases.delete(key.id);
        this.#events.log(this, 'warn', `server "${this.name}" ended a connection (${key.id}): ${reason.message}`);
      };
      const signal = AbortSignal.any([AbortSignal.timeout(this.#limits.startTimeout), this.#ended.signal]);
      try {
        connection = await this.definition.open(key, this.#eventsOf(() => lease, closed), signal);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new CallFailure('gone', `server "${this.name}" could not be started: ${why}`, { cause: error });
      }
    }
    lease = new Lease(key, connection);
    lease.sessions.add(session);
    if (session.ended.signal.aborted && key.kind === 'session') await connection.close();
    return lease;
  }

  async #sharedConnection(): Promise<Connection> {
    await this.settled(patience);
    if (this.#connection === undefined) throw new CallFailure('gone', `server "${this.name}" is not running: ${this.reason ?? 'it is still starting'}`);
    return this.#connection;
  }

  #closeLease(id: string, lease: Lease): void {
    this.leases.delete(id);
    if (lease.key.kind === 'shared') return;
    lease.connection.close().catch((error: unknown) => this.#events.log(this, 'warn', `server "${this.name}" did not close cleanly: ${String(error)}`));
  }
}

/** All registered servers, in configuration order. */
export class Servers {
  readonly #servers = new Map<string, Server>();
  readonly #limits: ServerLimits;
  readonly #gate: Gate;
  readonly #events: ServerEvents;
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: ServerLimits, events: ServerEvents) {
    this.#limits = limits;
    this.#gate = new Gate(limits.startConcurrency);
    this.#events = events;
    this.#sweeper = setInterval(() => {
      const now = Date.now();
      for (const server of this.#servers.values()) server.sweep(now);
    }, sweepEvery);
    this.#sweeper.unref();
  }

  get(name: string): Server | undefined {
    return this.#servers.get(name);
  }

  all(): Server[] {
    return [...this.#servers.values()];
  }

  /**
   * Makes the registered servers those of a new generation. A server whose plugin and fingerprint are the same goes on running;
   * the others are started, and those that are gone are returned for the caller to stop.
   */
  replace(registered: readonly { plugin: string; definition: ServerDefinition }[]): Server[] {
    const before = new Map(this.#servers);
    this.#servers.clear();
    const started: Server[] = [];
    for (const { plugin, definition } of registered) {
      const kept = before.get(definition.name);
      const { fingerprint } = definition;
      if (kept !== undefined && kept.plugin === plugin && (kept.definition === definition || (fingerprint !== undefined && kept.definition.fingerprint === fingerprint))) {
        before.delete(definition.name);
        kept.definition = definition;
        this.#servers.set(definition.name, kept);
      } else {
        const server = new Server(definition, plugin, this.#limits, this.#gate, this.#events);
        this.#servers.set(definition.name, server);
        started.push(server);
      }
    }
    for (const server of started) server.start();
    return [...before.values()];
  }

  release(session: Session): void {
    for (const server of this.#servers.values()) server.release(session);
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all(this.all().map((server) => server.stop()));
  }
}

/** Lets a few pieces of work run at once; the others wait their turn. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  async run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** True when a server might ask such a client something. */
function interactive(capabilities: Caller['capabilities']): boolean {
  return capabilities['sampling'] !== undefined || capabilities['elicitation'] !== undefined || capabilities['roots'] !== undefined;
}

/** What the proxy itself answers a server that asks while nobody's call is open. */
export function answerAsProxy(request: RpcRequest): RpcResponse {
  if (request.method === 'roots/list') return { jsonrpc: '2.0', result: { roots: [] } };
  return { jsonrpc: '2.0', error: { code: rpcCode.methodNotFound, message: `${request.method}: no client is asking, so none can be asked` } };
}

function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
