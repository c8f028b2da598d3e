// Stops work that an agent can make endless, such as a pattern with many wildcards: it would hold up the whole process.
import { createContext, Script } from 'node:vm';
import type { Context } from 'node:vm';
import { LimitError } from './errors.ts';

const script = new Script('work()');
let context: Context | undefined;

/**
 * Runs synchronous work; throws when it takes longer than `limit` ms of computing. `what` is the plural that the error
 * names. The work may be begun anew, so it must change nothing outside.
 */
export function withinTime<Result>(limit: number, what: string, work: () => Result): Result {
  // Only the virtual machine can interrupt a regular expression; the work itself runs in the usual context.
  context ??= createContext({});
  const done: Result[] = [];
  context['work'] = () => {
    done.push(work());
  };
  const begin = process.cpuUsage();
  try {
    for (let timeout = limit; done.length === 0; timeout *= 2) run(context, timeout, () => computed(begin) >= limit);
  } catch (error) {
    if (!isTimeout(error)) throw error;
    throw new LimitError(`${what} take longer than ${limit} ms: make them simpler`, { cause: error });
  } finally {
    context['work'] = undefined;
  }
  return done[0] as Result;
}

/** The machine's clock goes on while others compute: on a busy one, time that was not ours does not count. */
function run(where: Context, timeout: number, isSpent: () => boolean): void {
  try {
    script.runInContext(where, { timeout });
  } catch (error) {
    if (!isTimeout(error) || isSpent()) throw error;
  }
}

/** ms that this process has computed since. */
function computed(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

function isTimeout(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
