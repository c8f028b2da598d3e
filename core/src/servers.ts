// All registered servers, in configuration order, from one generation to the next. A single one: `server.ts`.
import type { ServerDefinition } from './connection.ts';
import { Gate } from './gate.ts';
import { Server } from './server.ts';
import type { ServerEvents, ServerLimits } from './server.ts';
import type { Session } from './session.ts';

const sweepEvery = 15_000;

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
      for (const server of this.#servers.values()) server.leases.sweep(now);
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
      if (
        kept !== undefined &&
        kept.plugin === plugin &&
        (kept.definition === definition || (fingerprint !== undefined && kept.definition.fingerprint === fingerprint))
      ) {
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
    for (const server of this.#servers.values()) server.leases.release(session);
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all(this.all().map((server) => server.stop()));
  }
}
