// Sockets to HTTP servers: pools per origin and purpose. undici is loaded with the first server that needs it.
import type { Pool } from 'undici';
import { Wires } from './wires.ts';

/**
 * Sockets of one origin. The lanes are apart because they wait for each other: a call may wait for an answer that we post, and both
 * would wait for ever behind streams that stay open.
 */
export interface Lanes {
  /** Requests that end with their answer. */
  readonly calls: Pool;
  /** The same at less cost, for calls to plain-HTTP origins. */
  readonly wires: Wires | undefined;
  /** Notifications, answers and other short messages. */
  readonly control: Pool;
  /** Streams that stay open. */
  readonly streams: Pool;
  /** Streams that are open now; bounded by whoever opens them. */
  openStreams: number;
}

const controlSockets = 16;
const connectTime = 10_000;
/**
 * ms that an idle socket is kept, and ms that it is dropped before the server said it would: most servers close after 5 s, and a request
 * that meets the closing of its socket is lost without anybody knowing whether it was read.
 */
const idleTime = 2500;
const idleMargin = 2500;
/** ms for the answer to a short message; a server that never answers must not use up the lane. */
const controlTime = 30_000;
const maxHeaderBytes = 32 * 1024;

export class Pools {
  /** Sockets per lane and origin. */
  readonly maxSockets: number;
  /** Longest message that is read. */
  readonly maxMessageBytes: number;
  readonly #origins = new Map<string, Promise<Lanes>>();

  constructor(maxSockets: number, maxMessageBytes: number) {
    this.maxSockets = maxSockets;
    this.maxMessageBytes = maxMessageBytes;
  }

  lanes(origin: string): Promise<Lanes> {
    let lanes = this.#origins.get(origin);
    if (lanes === undefined) {
      lanes = this.#make(origin);
      this.#origins.set(origin, lanes);
    }
    return lanes;
  }

  /** Destroys all sockets. */
  async close(): Promise<void> {
    const origins = await Promise.allSettled(this.#origins.values());
    this.#origins.clear();
    const lanes = origins.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    for (const { wires } of lanes) wires?.close();
    const pools = lanes.flatMap(({ calls, control, streams }) => [calls, control, streams]);
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  async #make(origin: string): Promise<Lanes> {
    const { Pool } = await import('undici');
    // No time limits for calls, which have a clock of their own, and for streams.
    const options = {
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: connectTime,
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: idleTime,
      keepAliveTimeoutThreshold: idleMargin,
    };
    const pool = (connections: number) => new Pool(origin, { ...options, connections });
    const control = new Pool(origin, {
      ...options,
      headersTimeout: controlTime,
      bodyTimeout: controlTime,
      connections: controlSockets,
    });
    const url = new URL(origin);
    const wires = url.protocol === 'http:' ? new Wires(url, this.maxSockets) : undefined;
    return { calls: pool(this.maxSockets), wires, control, streams: pool(this.maxSockets), openStreams: 0 };
  }
}
