// One attempt to open a server: its time limit and its abort signal in one object.

export interface AttemptInit {
  readonly server: string;
  /** ms. */
  readonly limit: number;
  /** Aborted when the core does not want the server any more. */
  readonly outer: AbortSignal;
  /** The option that the limit comes from, as it is named to people. */
  readonly option: string;
}

/** Ends with an error when its time is over or the core gives up; {@link Attempt.end} must be called in any case. */
export class Attempt {
  /** Aborted with the error that ends the attempt. */
  readonly signal: AbortSignal;
  readonly #init: AttemptInit;
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #started = performance.now();

  constructor(init: AttemptInit) {
    this.signal = this.#abort.signal;
    this.#init = init;
    const { limit, outer, option } = init;
    this.#timer = setTimeout(() => this.#abort.abort(this.#late(option)), limit);
    if (outer.aborted) this.#giveUp();
    else outer.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Makes an attempt; it ends with the work. */
  static async during<Result>(init: AttemptInit, work: (attempt: Attempt) => Promise<Result>): Promise<Result> {
    const attempt = new Attempt(init);
    try {
      return await work(attempt);
    } finally {
      attempt.end();
    }
  }

  /** ms left. */
  get left(): number {
    return Math.max(0, this.#started + this.#init.limit - performance.now());
  }

  /** Makes an attempt within this one, with so many ms. */
  within<Result>(limit: number, work: (inner: Attempt) => Promise<Result>): Promise<Result> {
    return Attempt.during({ ...this.#init, limit, outer: this.signal }, work);
  }

  /** The promise's outcome, or the error that ends the attempt, whichever is first; with `ms`: `undefined` when so many ms have passed before. */
  race<Value>(promise: Promise<Value>): Promise<Value>;
  race<Value>(promise: Promise<Value>, ms: number | undefined): Promise<Value | undefined>;
  race<Value>(promise: Promise<Value>, ms?: number): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const stop = () => reject(signal.reason as Error);
      const timer = ms === undefined ? undefined : setTimeout(() => resolve(undefined), ms);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      promise.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      });
    });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#init.outer.removeEventListener('abort', this.#giveUp);
  }

  readonly #giveUp = (): void => {
    const { outer, server } = this.#init;
    const overdue = outer.reason instanceof Error && outer.reason.name === 'TimeoutError';
    this.#abort.abort(
      overdue ? this.#late('limits.startTimeout') : new Error(`server "${server}" was stopped before it was ready`),
    );
  };

  #late(option: string): Error {
    const time = Math.max(0.1, Math.round((performance.now() - this.#started) / 100) / 10);
    const { server } = this.#init;
    return new Error(`server "${server}" was not ready within ${time} s; see what it waits for, or raise ${option}`);
  }
}
