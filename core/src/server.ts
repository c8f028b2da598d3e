// One registered server: its life (start, restart, stop), its catalogue, and the leases on its connections. All of them: `servers.ts`.
import { setTimeout as setTimer } from 'node:timers/promises';
import type { ServerState, ServerStatus } from './board-api.ts';
import { emptyCatalogue, fetchList, proxyCaller } from './catalogue.ts';
import type { Catalogue } from './catalogue.ts';
import type {
  Connection,
  ConnectionEvents,
  LeaseKey,
  ListenFilter,
  ServerDefinition,
  ServerInfo,
} from './connection.ts';
import type { Gate } from './gate.ts';
import type { Lease } from './lease.ts';
import { Leases } from './leases.ts';
import type { LeaseOwner } from './leases.ts';
import { rpcCode } from './protocol/messages.ts';
import type { RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
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
/** How long calls in flight may go on when their server is taken away; ms. */
const drain = 10_000;
/** How long a call waits for a server that is being started. */
const patience = 5000;

/** One registered server. */
export class Server implements LeaseOwner {
  definition: ServerDefinition;
  readonly plugin: string;
  state: ServerState = 'starting';
  reason: string | undefined;
  restarts = 0;
  info: ServerInfo | undefined;
  era: 'old' | 'new' | undefined;
  catalogue: Catalogue = emptyCatalogue;
  readonly leases: Leases;
  readonly limits: ServerLimits;
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
    this.limits = limits;
    this.#gate = gate;
    this.#events = events;
    this.#settled = this.#unsettled();
    this.leases = new Leases(this);
  }

  /** Aborted when the server is stopped. */
  get ended(): AbortSignal {
    return this.#ended.signal;
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
    while (this.leases.busy && Date.now() < deadline) await sleep(50, this.#ended.signal);
    await this.stop();
  }

  /** Ends all connections. */
  async stop(): Promise<void> {
    this.#ended.abort();
    this.state = 'stopped';
    clearTimeout(this.#refreshing);
    this.#settle();
    await Promise.allSettled([this.#connection?.close(), this.leases.closeAll()]);
  }

  /** The connection for a caller's requests. Throws or rejects with {@link CallFailure}. */
  lease(session: Session, caller: Caller): Lease | Promise<Lease> {
    if (this.state === 'stopped') throw new CallFailure('gone', `server "${this.name}" is stopped`);
    return this.leases.get(session, caller);
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
    const limit = AbortSignal.timeout(this.limits.startTimeout);
    const key: LeaseKey = {
      kind: 'catalogue',
      id: 'catalogue',
      grant: undefined,
      capabilities: proxyCaller.capabilities,
      clientInfo: proxyCaller.clientInfo,
    };
    const connection = await this.definition.open(
      key,
      this.eventsOf(() => undefined, closed),
      AbortSignal.any([limit, this.#ended.signal]),
    );
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
    this.leases.dropShared();
    this.state = 'failed';
    this.reason = error instanceof Error ? error.message : String(error);
    this.warn(`server "${this.name}" is down: ${this.reason}; it is started again`);
    this.#settle();
    this.#events.changed(this, new Set());
  }

  #unsettled(): Promise<void> {
    return new Promise((resolve) => (this.#settle = resolve));
  }

  async #fetch(connection: Connection, kinds: readonly ListKind[]): Promise<void> {
    const lists = await Promise.all(kinds.map((kind) => fetchList(connection, kind, this.limits.startTimeout)));
    const catalogue: Record<string, unknown> = { ...this.catalogue };
    const ttls = lists.flatMap((list) => (list.ttlMs === undefined ? [] : [list.ttlMs]));
    for (const [index, kind] of kinds.entries()) {
      const list = lists[index];
      catalogue[kind] = list?.items ?? [];
      for (const reason of list?.dropped ?? []) this.warn(`server "${this.name}": left out ${reason}`);
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
      this.warn(`server "${this.name}" did not list again, its last lists stay: ${String(error)}`);
    }
    this.#refreshing = undefined;
    if (this.#stale.size > 0) this.#refreshSoon([]);
  }

  /** The catalogue's connection, for servers that are shared. Rejects with {@link CallFailure} while the server is down. */
  async shared(): Promise<Connection> {
    await this.settled(patience);
    if (this.#connection === undefined)
      throw new CallFailure('gone', `server "${this.name}" is not running: ${this.reason ?? 'it is still starting'}`);
    return this.#connection;
  }

  /** A connection with a process of its own tells of changes that the catalogue's never hears of. */
  opened(connection: Connection): void {
    if (connection.separate === true) this.#listen(connection);
  }

  warn(message: string): void {
    this.#events.log(this, 'warn', message);
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

  /** What is done with what a connection says. */
  eventsOf(lease: () => Lease | undefined, closed: (reason: Error) => void): ConnectionEvents {
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
}

/** What the proxy itself answers a server that asks while nobody's call is open. */
export function answerAsProxy(request: RpcRequest): RpcResponse {
  if (request.method === 'roots/list') return { jsonrpc: '2.0', result: { roots: [] } };
  return {
    jsonrpc: '2.0',
    error: { code: rpcCode.methodNotFound, message: `${request.method}: no client is asking, so none can be asked` },
  };
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
