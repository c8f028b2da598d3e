// Waiting times between tries: doubling, with a spread so that many connections do not return at once.

const first = 250;
const longest = 5000;

export class Backoff {
  #failures = 0;

  /** ms to wait before the next try. */
  next(): number {
    const wait = Math.min(longest, first * 2 ** this.#failures);
    this.#failures += 1;
    return Math.round(wait * (0.75 + Math.random() / 2));
  }

  /** Tries that failed since the last success. */
  get failures(): number {
    return this.#failures;
  }

  reset(): void {
    this.#failures = 0;
  }
}
