// One clock for all client connections: a timer per connection costs more than the connection's own bookkeeping.

/**
 * Ticks often enough for the shortest time it is told of. Its time stands still while this process is too busy to listen: a peer must
 * not be given up for a silence that was ours.
 */
export class Clock {
  /** ms since the clock was started, as of the last tick. */
  now = 0;
  readonly #timer: NodeJS.Timeout;

  /** `times`: what is waited for, in ms. */
  constructor(times: readonly number[], tick: () => void) {
    const pause = Math.max(5, Math.min(1000, Math.min(...times) / 4));
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.now += Math.min(now - last, pause);
      last = now;
      tick();
    }, pause);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
