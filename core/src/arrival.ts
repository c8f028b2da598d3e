// Who waits for a server: to be up, or for its first word, which may be that it is not. What it does meanwhile: `server.ts`.

/** The coming of one server, as those see it who wait. */
export class Arrival {
  readonly #known: Promise<void>;
  #settle!: () => void;
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.#known = new Promise((resolve) => (this.#settle = resolve));
  }

  /** It is known by now what the server offers, or that it has failed or was stopped. */
  known(): void {
    this.#settle();
  }

  /** The server is up. */
  up(): void {
    this.#settle();
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when the first word is there, at the latest after `limit` ms. */
  async untilKnown(limit: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.#known, new Promise<void>((resolve) => (timer = setTimeout(resolve, limit)))]);
    clearTimeout(timer);
  }

  /** Resolves when the server is up (again), at the latest after `limit` ms. */
  async untilUp(limit: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, limit);
      this.#waiting.add(wake);
    });
  }
}
