// Waiting times between tries: doubling, with a spread so that many connections do not return at once.

export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #failures = 0;

  /** ms of the first wait and of the longest. */
  constructor(first = 500, longest = 30_000) {
    this.#first = first;
    this.#longest = longest;
  }

  /** ms to wait before the next try. */
  next(): number {
    const wait = Math.min(this.#longest, this.#first * 2 ** this.#failures);
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
