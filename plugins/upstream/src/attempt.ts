// One attempt to open a server: its time limit and its abort signal in one object.

/** Ends with an error when its time is over or the core gives up; {@link Attempt.end} must be called in any case. */
export class Attempt {
  /** Aborted with the error that ends the attempt. */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal;
  readonly #deadline: number;
  readonly #giveUp: () => void;

  constructor(server: string, limit: number, outer: AbortSignal) {
    this.signal = this.#abort.signal;
    this.#outer = outer;
    const started = performance.now();
    this.#deadline = started + limit;
    const late = (option: string) => {
      const time = Math.max(0.1, Math.round((performance.now() - started) / 100) / 10);
      return new Error(`server "${server}" was not ready within ${time} s; see what it waits for, or raise ${option}`);
    };
    this.#giveUp = () => {
      const overdue = outer.reason instanceof Error && outer.reason.name === 'TimeoutError';
      this.#abort.abort(
        overdue ? late('limits.startTimeout') : new Error(`server "${server}" was stopped before it was ready`),
      );
    };
    this.#timer = setTimeout(() => this.#abort.abort(late('connectTimeout of plugin "upstream"')), limit);
    if (outer.aborted) this.#giveUp();
    else outer.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** ms left. */
  get left(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** The promise's outcome, or the error that ends the attempt, whichever is first. */
  race<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(this.signal.reason as Error);
      if (this.signal.aborted) stop();
      this.signal.addEventListener('abort', stop, { once: true });
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', stop));
    });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#giveUp);
  }
}

/** A promise's value; `undefined` when it has none after so many ms. Leaves no timer behind. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, pause(ms, over.signal)]);
  } finally {
    over.abort();
  }
}

/** Resolves after so many ms; `undefined` stands for "nothing happened" in a race. */
export function pause(ms: number, signal?: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve(undefined);
    };
    const timer = setTimeout(finish, ms);
    if (signal?.aborted === true) finish();
    else signal?.addEventListener('abort', finish, { once: true });
  });
}
