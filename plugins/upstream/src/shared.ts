// What all servers of one generation of the plugin share, and the resources below it, which outlive a change of the configuration.
import type { Log } from 'plugboard';
import { Pools } from './http/pools.ts';
import { Authorizers } from './oauth/authorizers.ts';
import type { Options } from './options.ts';
import { Watchdog } from './stdio/watchdog.ts';
import { MemoryVerdicts } from './verdicts.ts';
import type { Verdicts } from './verdicts.ts';

export type Limits = Omit<Options, 'servers'>;

const verdicts: Verdicts = new MemoryVerdicts();
const all = new Map<string, Resources>();

/** Limits, log and resources of one generation. */
export class Shared {
  /** Tells limits apart that an open connection has been made with. */
  readonly key: string;
  readonly limits: Limits;
  readonly log: Log;
  readonly verdicts = verdicts;
  readonly watchdog: Watchdog;
  readonly pools: Pools;
  readonly authorizers: Authorizers;
  /** The generation's own use of the resources, to be released when it stops. */
  readonly release: () => Promise<void>;
  readonly #resources: Resources;

  constructor(limits: Limits, log: Log) {
    this.limits = limits;
    this.log = log;
    this.key = keyOf(limits);
    this.#resources = resourcesFor(this.key, limits, log);
    this.watchdog = this.#resources.watchdog;
    this.pools = this.#resources.pools;
    this.authorizers = this.#resources.authorizers;
    this.release = this.use();
  }

  /**
   * Keeps the resources alive for something that is open; returns how to let go. Servers that a new generation keeps go on with the
   * connections of the one before, so only the last use ends sockets and watchdog; its release resolves after that.
   */
  use(): () => Promise<void> {
    return this.#resources.use();
  }
}

class Resources {
  readonly watchdog: Watchdog;
  readonly pools: Pools;
  readonly authorizers = new Authorizers();
  readonly #key: string;
  #users = 0;

  constructor(key: string, limits: Limits, log: Log) {
    this.#key = key;
    this.watchdog = new Watchdog(log);
    this.pools = new Pools(limits.maxSockets, limits.maxMessageBytes);
  }

  use(): () => Promise<void> {
    this.#users += 1;
    let released: Promise<void> | undefined;
    return () => {
      released ??= this.#release();
      return released;
    };
  }

  async #release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    all.delete(this.#key);
    await Promise.all([this.pools.close(), this.authorizers.close(), this.watchdog.stop()]);
  }
}

/** One set of resources per set of limits. */
function resourcesFor(key: string, limits: Limits, log: Log): Resources {
  let resources = all.get(key);
  if (resources === undefined) {
    resources = new Resources(key, limits, log);
    all.set(key, resources);
  }
  return resources;
}

function keyOf({ maxMessageBytes, maxSockets }: Limits): string {
  return `${maxMessageBytes} ${maxSockets}`;
}
