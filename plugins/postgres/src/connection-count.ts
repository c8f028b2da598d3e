// How many connections all tasks together have to one database. Opening them is the business of `pool.ts`.

/** Connections of all tasks to one database: how many there are, and may be. */
export class ConnectionCount {
  readonly #max: number;
  #open = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get open(): number {
    return this.#open;
  }

  /** Takes a place for a connection that is about to be opened; undefined when there is none. Call what it returns when it has ended. */
  take(): (() => void) | undefined {
    if (this.#open >= this.#max) return undefined;
    this.#open += 1;
    return () => void (this.#open -= 1);
  }
}
