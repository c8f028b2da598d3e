// Work on many keys at once, a few at a time, and on one key never twice at once. What the work is, is the caller's business.

const firstDelay = 500;
const longestDelay = 60_000;

/** Runs `work` for keys that were added; a key that is added while it is worked on has its turn again. Failures are tried again, later and later. */
export class Workers {
  readonly #work: (key: string) => Promise<void>;
  readonly #failed: (key: string, error: unknown, delay: number) => void;
  readonly #width: number;
  readonly #waiting = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #retries = new Map<string, { timer: NodeJS.Timeout | undefined; delay: number }>();
  #idle: (() => void)[] = [];
  #stopped = false;

  constructor(
    work: (key: string) => Promise<void>,
    failed: (key: string, error: unknown, delay: number) => void,
    width = 8,
  ) {
    this.#work = work;
    this.#failed = failed;
    this.#width = width;
  }

  add(key: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#retries.get(key)?.timer);
    this.#waiting.add(key);
    this.#next();
  }

  /** Resolves when there is nothing to do but what failed and waits for its next try. */
  idle(): Promise<void> {
    if (this.#waiting.size + this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Begins nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#retries.values()) clearTimeout(timer);
    await this.idle();
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#busy.size >= this.#width) return;
      if (this.#busy.has(key)) continue;
      this.#waiting.delete(key);
      this.#busy.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#work(key);
      this.#retries.delete(key);
    } catch (error) {
      if (!this.#stopped) this.#retry(key, error);
    }
    this.#busy.delete(key);
    this.#next();
    if (this.#waiting.size + this.#busy.size > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #retry(key: string, error: unknown): void {
    const delay = Math.min(2 * (this.#retries.get(key)?.delay ?? firstDelay / 2), longestDelay);
    this.#failed(key, error, delay);
    const timer = setTimeout(() => this.add(key), delay);
    this.#retries.set(key, { timer, delay });
  }
}
