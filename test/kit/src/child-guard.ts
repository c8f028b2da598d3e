// Processes that must not outlive the test run, though it may be interrupted and run no teardown.
import type { ChildProcess } from 'node:child_process';

const guarded = new Set<ChildProcess>();

/** Ends a process when this one exits, unless it has ended before. */
export function guardChild(child: ChildProcess): void {
  // One listener for all: Node warns of many.
  if (guarded.size === 0) process.once('exit', endAll);
  guarded.add(child);
  child.once('close', () => {
    guarded.delete(child);
    if (guarded.size === 0) process.off('exit', endAll);
  });
}

function endAll(): void {
  for (const child of guarded) child.kill('SIGKILL');
}
