// Waiting no longer than is sensible for work that cannot be stopped.

/** The outcome of `work`; rejects with `hint` when it takes more than `limit` ms. */
export function withLimit<Value>(work: PromiseLike<Value>, limit: number, hint: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(hint)), limit);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
