// One change of a file at a time, within this process. Other processes are not held up.

const last = new Map<string, Promise<unknown>>();

/** Runs `work` when everything that came before it for any of the same paths has ended, however it ended. */
export function locked<Result>(paths: readonly string[], work: () => Promise<Result>): Promise<Result> {
  // All have the same order, so that two never wait for each other.
  return [...new Set(paths)].toSorted().reduceRight((inner, path) => () => inTurn(path, inner), work)();
}

async function inTurn<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const before = last.get(path);
  const run = before === undefined ? work() : before.then(work, work);
  last.set(path, run);
  try {
    return await run;
  } finally {
    if (last.get(path) === run) last.delete(path);
  }
}
