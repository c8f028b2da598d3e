// All registered servers, in configuration order, from one generation to the next. A single one: `server.ts`.
import type { Catalogue } from './catalogue.ts';
import type { ServerDefinition, ServerInfo } from './connection.ts';
import { PlugboardError } from './errors.ts';
import { Gate } from './gate.ts';
import type { Grant } from './grant.ts';
import { Server } from './server.ts';
import type { ServerEvents } from './server.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Session } from './session.ts';

const sweepEvery = 15_000;

/** A server as a plugin has registered it. */
export interface Registration {
  readonly plugin: string;
  readonly definition: ServerDefinition;
}

/** What servers offered before the proxy was restarted. */
export interface Remembered {
  recall(definition: ServerDefinition): { readonly catalogue: Catalogue; readonly info: ServerInfo } | undefined;
}

/** All registered servers: the common ones, and those that only one grant has. */
export class Servers {
  readonly #common = new Map<string, Server>();
  /** By the id of the grant that owns them. */
  readonly #owned = new Map<string, Map<string, Server>>();
  readonly #limits: ServerLimits;
  readonly #gate: Gate;
  readonly #events: ServerEvents;
  readonly #sweeper: NodeJS.Timeout;
  remembered: Remembered | undefined;

  constructor(limits: ServerLimits, events: ServerEvents) {
    this.#limits = limits;
    this.#gate = new Gate(limits.startConcurrency);
    this.#events = events;
    this.#sweeper = setInterval(() => {
      const now = Date.now();
      for (const server of this.everywhere()) server.leases.sweep(now);
    }, sweepEvery);
    this.#sweeper.unref();
  }

  /** The server that a grant means by a name: its own before the common one. Undefined also for one that it cannot see. */
  find(name: string, grant: Grant): Server | undefined {
    const own = this.#owned.size === 0 ? undefined : this.#owned.get(grant.id)?.get(name);
    const server = own ?? this.#common.get(name);
    return server === undefined || isVisible(server, grant) ? server : undefined;
  }

  /** A common server. */
  common(name: string): Server | undefined {
    return this.#common.get(name);
  }

  /** The common servers. */
  all(): Server[] {
    return [...this.#common.values()];
  }

  /** The common servers and those of all grants. */
  everywhere(): Server[] {
    return [...this.#common.values(), ...[...this.#owned.values()].flatMap((servers) => [...servers.values()])];
  }

  /** The servers that a grant can see: the common ones, as far as it has none of the same name, and its own. */
  of(grant: Grant): Server[] {
    const own = this.#owned.get(grant.id);
    const common = this.all().filter((server) => isVisible(server, grant));
    return own === undefined ? common : [...common.filter(({ name }) => !own.has(name)), ...own.values()];
  }

  /** True when a grant has servers that only it sees. */
  hasOwn(grant: Grant): boolean {
    return this.#owned.has(grant.id);
  }

  /**
   * Makes the registered servers those of a new generation. A server whose plugin and fingerprint are the same goes on running;
   * the others are started, and those that are gone are returned for the caller to stop. Throws when two have the same name.
   */
  replace(registered: readonly Registration[]): Server[] {
    assertDistinct(registered);
    const next = new Map(registered.map((each) => [idOf(each.definition), each]));
    const before = new Map(this.everywhere().map((server) => [idOf(server.definition), server]));
    this.#common.clear();
    this.#owned.clear();
    const started: Server[] = [];
    for (const [id, registration] of next) {
      const kept = before.get(id);
      if (kept !== undefined && isSame(kept, registration)) {
        before.delete(id);
        kept.definition = registration.definition;
        this.#place(kept);
      } else started.push(this.#make(registration));
    }
    for (const server of started) server.start();
    return [...before.values()];
  }

  /** Adds one server and starts it. Throws when its name is taken. */
  add(registration: Registration): Server {
    const { name, owner } = registration.definition;
    const taken = owner === undefined ? this.#common.get(name) : this.#owned.get(owner)?.get(name);
    if (taken !== undefined) assertDistinct([{ plugin: taken.plugin, definition: taken.definition }, registration]);
    const server = this.#make(registration);
    server.start();
    return server;
  }

  /** A stopped server once more, from the start. */
  renew({ plugin, definition }: Server): Server {
    const server = this.#make({ plugin, definition });
    server.start();
    return server;
  }

  /** Takes one server out and returns it, still running, for the caller to stop. */
  remove(definition: ServerDefinition): Server | undefined {
    const { name, owner } = definition;
    const servers = owner === undefined ? this.#common : this.#owned.get(owner);
    const server = servers?.get(name);
    if (server === undefined || server.definition !== definition) return undefined;
    servers?.delete(name);
    if (owner !== undefined && servers?.size === 0) this.#owned.delete(owner);
    return server;
  }

  /** True while a call is open on a connection that the session's calls go to. */
  worksFor(session: Session): boolean {
    return this.of(session.grant).some(({ leases }) =>
      leases.open().some((lease) => lease.calls.size > 0 && lease.serves(session)),
    );
  }

  release(session: Session): void {
    for (const server of this.of(session.grant)) server.leases.release(session);
  }

  /** Closes what a grant has open at any server. */
  async releaseGrant(grant: Grant): Promise<void> {
    await Promise.all(this.everywhere().map((server) => server.leases.releaseGrant(grant.id)));
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all(this.everywhere().map((server) => server.stop()));
  }

  #make({ plugin, definition }: Registration): Server {
    const known = this.remembered?.recall(definition);
    const server = new Server({
      definition,
      plugin,
      limits: this.#limits,
      gate: this.#gate,
      events: this.#events,
      known,
    });
    this.#place(server);
    return server;
  }

  #place(server: Server): void {
    const { name, owner } = server.definition;
    if (owner === undefined) this.#common.set(name, server);
    else {
      const own = this.#owned.get(owner) ?? new Map<string, Server>();
      this.#owned.set(owner, own.set(name, server));
    }
  }
}

function isVisible({ definition }: Server, grant: Grant): boolean {
  return definition.visible === undefined || definition.visible(grant);
}

/** Unique among all servers: two grants may each have one of the same name. */
export function idOf({ owner, name }: ServerDefinition): string {
  return `${owner ?? ''}\0${name}`;
}

function isSame({ plugin, definition }: Server, next: Registration): boolean {
  if (plugin !== next.plugin) return false;
  if (definition === next.definition) return true;
  return definition.fingerprint !== undefined && definition.fingerprint === next.definition.fingerprint;
}

/** Throws when two servers have the same name. */
export function assertDistinct(registered: readonly Registration[]): void {
  const seen = new Map<string, Registration>();
  for (const each of registered) {
    const first = seen.get(idOf(each.definition));
    if (first !== undefined) {
      const text = `server "${each.definition.name}" of plugin "${each.plugin}": plugin "${first.plugin}" has registered that name already`;
      throw new PlugboardError('SERVER_NAME', text);
    }
    seen.set(idOf(each.definition), each);
  }
}
