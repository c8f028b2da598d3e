// One attempt to open a server: its time limit and its abort signal in one object.

/** Ends with an error when its time is over or the core gives up; {@link Attempt.end} must be called in any case. */
export class Attempt {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #deadline: number;
  readonly #giveUp: () => void;

  /** `limit`: ms. `outer`: aborted when the core does not want the server any more. */
  constructor(server: string, limit: number, outer?: AbortSignal) {
    this.#outer = outer;
    const started = performance.now();
    this.#deadline = started + limit;
    const late = (option: string) => {
      const time = Math.round(performance.now() - started);
      return new Error(`server "${server}" was not ready within ${time} ms; see what it waits for, or raise ${option}`);
    };
    this.#giveUp = () => {
      const overdue = outer?.reason instanceof Error && outer.reason.name === 'TimeoutError';
      this.#abort.abort(
        overdue ? late('limits.startTimeout') : new Error(`server "${server}" was stopped before it was ready`),
      );
    };
    this.#timer = setTimeout(() => this.#abort.abort(late('connectTimeout of plugin "websocket"')), limit);
    if (outer?.aborted === true) this.#giveUp();
    else outer?.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Aborted with the error that ends the attempt. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** ms left. */
  get left(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** The promise's outcome, or the error that ends the attempt, whichever is first; `undefined` when so many ms have passed before. */
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
    this.#outer?.removeEventListener('abort', this.#giveUp);
  }
}
