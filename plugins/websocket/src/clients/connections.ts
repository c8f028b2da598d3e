// All connections of clients: how many there may be, their one clock, and their end.
import { Clock } from '../clock.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';

/** Which cap keeps a new connection out. */
export type Full = 'total' | 'grant';

export class Connections {
  /** The one that the connections are told the time by. */
  readonly clock: Clock;
  readonly #context: Context;
  readonly #open = new Set<Connection>();
  readonly #places = new Map<string, number>();
  #taken = 0;

  constructor(context: Context, tick: () => void) {
    this.#context = context;
    const { heartbeat, stallTimeout, idleTimeout, sessionTimeout } = context.options;
    this.clock = new Clock([heartbeat, stallTimeout, idleTimeout, sessionTimeout], () => {
      tick();
      for (const connection of this.#open) connection.beat();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a place among all; undefined when there is none. Call what is returned when the socket is gone. */
  reserve(): (() => void) | undefined {
    if (this.#taken >= this.#context.options.maxConnections) return undefined;
    this.#taken += 1;
    return () => (this.#taken -= 1);
  }

  /** Takes a place among those of a grant. */
  reserveOf(grantId: string): (() => void) | undefined {
    const places = this.#places.get(grantId) ?? 0;
    if (places >= this.#context.options.maxConnectionsPerGrant) return undefined;
    this.#places.set(grantId, places + 1);
    return () => {
      const left = (this.#places.get(grantId) ?? 1) - 1;
      if (left > 0) this.#places.set(grantId, left);
      else this.#places.delete(grantId);
    };
  }

  add(connection: Connection): void {
    this.#open.add(connection);
    void connection.closed.then(() => this.#open.delete(connection));
  }

  /** Ends all in good order; calls under way may finish within `limit` ms. */
  async drain(reason: string, limit: number): Promise<void> {
    await Promise.all([...this.#open].map((connection) => connection.drain(reason, limit)));
  }

  /** Stops the clock, when nothing is left that needs it. */
  stop(): void {
    this.clock.stop();
  }
}
