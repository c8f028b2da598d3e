// One clock for everything that waits: a timer per request costs more than the request's own bookkeeping.

/** Ticks often enough for the shortest time it is told of, and calls its listeners. Its time is that of the last tick. */
export class Clock {
  /** ms, as `performance.now()` said at the last tick. */
  now = performance.now();
  readonly #listeners: ((now: number) => void)[] = [];
  readonly #timer: NodeJS.Timeout;

  /** `times`: what is waited for, in ms. */
  constructor(times: readonly number[]) {
    const pause = Math.max(5, Math.min(1000, Math.min(...times) / 4));
    this.#timer = setInterval(() => this.#tick(), pause);
    this.#timer.unref();
  }

  onTick(listener: (now: number) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.now = performance.now();
    for (const listener of this.#listeners) listener(this.now);
  }
}
