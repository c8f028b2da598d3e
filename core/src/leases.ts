// The leases of one server: which caller uses which connection, their opening, and their end. The server's own life: `server.ts`.
import type { Connection, ConnectionEvents, LeaseKey, ServerDefinition } from './connection.ts';
import { Lease } from './lease.ts';
import { linkAbort } from './linked-abort.ts';
import { isObject } from './protocol/messages.ts';
import type { Capabilities, JsonObject } from './protocol/messages.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Session } from './session.ts';
import { CallFailure } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';

/** What the leases need of their server. */
export interface LeaseOwner {
  readonly definition: ServerDefinition;
  /** Undefined until the server was up once. */
  readonly era: 'old' | 'new' | undefined;
  readonly limits: ServerLimits;
  /** Aborted when the server is stopped. */
  readonly ended: AbortSignal;
  /** The one connection of a shared server, when it is up. Rejects with {@link CallFailure}. */
  shared(): Promise<Connection>;
  eventsOf(lease: () => Lease | undefined, closed: (reason: Error) => void): ConnectionEvents;
  /** Called for each lease whose connection was opened for callers. */
  opened(lease: Lease): void;
  /** Called when a lease's connection has gone; `lost`: nobody here has closed it. */
  closed(lease: Lease, lost: boolean): void;
  warn(message: string): void;
}

/** The connections of one server that callers use. */
export class Leases {
  readonly #owner: LeaseOwner;
  readonly #leases = new Map<string, Lease | Promise<Lease>>();

  constructor(owner: LeaseOwner) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** True while a call is open on any of them. */
  get busy(): boolean {
    return this.open().some((lease) => lease.calls.size > 0);
  }

  /** Those whose connection is there. */
  open(): Lease[] {
    return [...this.#leases.values()].filter((lease) => lease instanceof Lease);
  }

  /** The id of the lease that a caller's requests use, open or not. */
  idFor(session: Session, caller: Caller): string {
    return this.#keyFor(session, caller).id;
  }

  /** True when the connection with an id is there and tells of a resource. */
  tells(id: string, uri: string): boolean {
    const lease = this.#leases.get(id);
    return lease instanceof Lease && lease.tells(uri);
  }

  /** The connection for a caller's requests, opened when there is none. Throws or rejects with {@link CallFailure}. */
  get(session: Session, caller: Caller): Lease | Promise<Lease> {
    if (session.over) throw new CallFailure('cancelled', 'the session has ended');
    const key = this.#keyFor(session, caller);
    const found = this.#leases.get(key.id);
    if (found === undefined) return this.#open(key, session);
    if (found instanceof Lease) this.#join(found, session);
    // For whoever waits while it is opened; a failure is theirs to hear of.
    else void found.then((lease) => this.#join(lease, session)).catch(() => {});
    return found;
  }

  /** A session uses a lease. What stands for many clients of the new era is not noted: nobody tells when the last of them has gone. */
  #join(lease: Lease, session: Session): void {
    if (session.era === 'new') lease.idleSince = Date.now();
    else if (!session.over) lease.sessions.add(session);
  }

  /** Forgets a session that has ended; its own connections are closed. */
  release(session: Session): void {
    for (const lease of this.open()) {
      if (lease.forget(session)) lease.idleSince = Date.now();
      if (lease.key.session === session.id) this.#close(lease);
    }
  }

  /** Ends the calls of a grant and closes what was opened for it; resolves when it is closed. */
  async releaseGrant(grant: string): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const each of this.#leases.values()) {
      const lease = each instanceof Lease ? each : await each.catch(() => undefined);
      for (const call of lease?.calls.all() ?? [])
        if (call.grant === grant) call.cancel({ kind: 'shutdown', message: 'its caller may not call any more' });
      if (lease?.key.grant !== grant) continue;
      this.#leases.delete(lease.key.id);
      this.#owner.closed(lease, false);
      closing.push(lease.connection.close());
    }
    await Promise.allSettled(closing);
  }

  /** Passes a notification of the client on to its own connection (old era). */
  tell(session: Session, method: string, params: JsonObject | undefined): void {
    for (const lease of this.open()) {
      if (lease.key.kind === 'session' && lease.sessions.has(session)) lease.connection.notify(method, params);
    }
  }

  /** Closes connections that nobody has used for a while. */
  sweep(now: number): void {
    for (const lease of this.open()) {
      const idle = lease.unused && now - lease.idleSince > this.#owner.limits.leaseIdle;
      if (idle && lease.key.kind !== 'shared') this.#close(lease);
    }
  }

  /** The shared connection has gone; the next caller waits for the new one. */
  dropShared(): void {
    if (this.#leases.get('shared') instanceof Lease) this.#leases.delete('shared');
  }

  /** Closes all; resolves when they are closed. The shared connection belongs to the server. */
  async closeAll(): Promise<void> {
    const leases = [...this.#leases.values()];
    this.#leases.clear();
    await Promise.allSettled(
      leases.map(async (each) => {
        const { key, connection } = await each;
        if (key.kind !== 'shared') await connection.close();
      }),
    );
  }

  #keyFor(of: Session, caller: Caller): LeaseKey {
    const { isolation, asks: mayAsk } = this.#owner.definition;
    const { capabilities, clientInfo } = caller;
    const { id: grant, workspace } = of.grant;
    if (isolation === 'shared')
      return { kind: 'shared', id: 'shared', grant: undefined, capabilities: {}, clientInfo: undefined };
    // An old-era server learns what the client can do once, when it is opened: clients that can be asked get a connection of their own.
    const asks = this.#owner.era !== 'new' && mayAsk !== false && interactive(capabilities);
    if (isolation === 'task' && !asks)
      return { kind: 'task', id: `task ${grant}`, grant, workspace, capabilities: {}, clientInfo };
    const { id: session } = of;
    if (of.era === 'old')
      return { kind: 'session', id: `session ${session}`, session, grant, workspace, capabilities, clientInfo };
    // A few sets of capabilities at most, whatever a client says with each request: every one of them has a connection.
    const asked = asks ? askable(capabilities) : {};
    const id = `session ${session} ${JSON.stringify(asked)}`;
    return { kind: 'session', id, session, grant, workspace, capabilities: asked, clientInfo };
  }

  #open(key: LeaseKey, session: Session): Promise<Lease> {
    const { definition, limits } = this.#owner;
    if (this.#leases.size >= limits.maxLeases) {
      const text = `server "${definition.name}" has its most connections (${limits.maxLeases}) open; end sessions, or raise limits.maxLeases`;
      throw new CallFailure('gone', text);
    }
    const opening = this.#connect(key, session);
    this.#leases.set(key.id, opening);
    opening.then(
      (lease) => {
        if (this.#leases.get(key.id) !== opening) return;
        this.#leases.set(key.id, lease);
        // Not before: what changes from now on is told to those that are here.
        if (key.kind !== 'shared') this.#owner.opened(lease);
      },
      () => {
        if (this.#leases.get(key.id) === opening) this.#leases.delete(key.id);
      },
    );
    return opening;
  }

  async #connect(key: LeaseKey, session: Session): Promise<Lease> {
    // Known to the connection's events before there is one.
    const opened: { lease?: Lease } = {};
    const closed = (reason: Error) => {
      const { lease } = opened;
      if (lease !== undefined && this.#leases.get(key.id) === lease) this.#leases.delete(key.id);
      if (lease !== undefined) this.#owner.closed(lease, true);
      this.#owner.warn(`server "${this.#owner.definition.name}" ended a connection (${key.id}): ${reason.message}`);
    };
    const connection =
      key.kind === 'shared' ? await this.#owner.shared() : await this.#openConnection(key, () => opened.lease, closed);
    const lease = new Lease(key, connection);
    opened.lease = lease;
    if (session.over && key.kind === 'session') {
      await connection.close();
      throw new CallFailure('cancelled', 'the session has ended');
    }
    this.#join(lease, session);
    return lease;
  }

  async #openConnection(
    key: LeaseKey,
    lease: () => Lease | undefined,
    closed: (reason: Error) => void,
  ): Promise<Connection> {
    const { definition, limits, ended } = this.#owner;
    const attempt = linkAbort([ended], limits.startTimeout);
    try {
      return await definition.open(key, this.#owner.eventsOf(lease, closed), attempt.signal);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CallFailure('gone', `server "${definition.name}" could not be started: ${why}`, { cause: error });
    } finally {
      attempt.release();
    }
  }

  #close(lease: Lease): void {
    this.#leases.delete(lease.key.id);
    this.#owner.closed(lease, false);
    lease.connection.close().catch((error: unknown) => {
      this.#owner.warn(`server "${this.#owner.definition.name}" did not close cleanly: ${String(error)}`);
    });
  }
}

/** True when a server might ask such a client something. */
function interactive(capabilities: Capabilities): boolean {
  return askableKinds.some((kind) => capabilities[kind] !== undefined);
}

/** What a client can be asked, and how, in as many words as the protocol has for it. */
function askable(capabilities: Capabilities): Capabilities {
  const known = askableKinds.flatMap((kind) => {
    const given = capabilities[kind];
    if (!isObject(given)) return given === undefined ? [] : [[kind, {}] as const];
    const ways = waysOf[kind].filter((way) => given[way] !== undefined && given[way] !== false);
    return [[kind, Object.fromEntries(ways.map((way) => [way, way === 'listChanged' ? true : {}]))] as const];
  });
  return Object.fromEntries(known);
}

const askableKinds = ['sampling', 'elicitation', 'roots'] as const;
const waysOf = { sampling: ['context', 'tools'], elicitation: ['form', 'url'], roots: ['listChanged'] } as const;
