// Preloaded into a proxy by a test: at SIGUSR2 it collects garbage and writes what the process holds to the file PROBE_FILE; and it tells on
// stderr when the process is ended by a call instead of by having nothing left to do.
import { renameSync, writeFileSync, writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a process holds. */
export interface Holdings {
  /** Bytes of live objects. */
  readonly heap: number;
  /** Sockets, pipes, processes, timers that keep it alive, by kind. */
  readonly resources: Record<string, number>;
}

const exit = process.exit.bind(process);
process.exit = (code) => {
  writeSync(2, 'process.exit was called\n');
  return exit(code);
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const file = process.env['PROBE_FILE'];

if (file !== undefined) {
  process.on('SIGUSR2', () => {
    collect();
    // What was freed by finalizers is collected by a second turn.
    setTimeout(() => {
      collect();
      const resources: Record<string, number> = {};
      for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
      const holdings: Holdings = { heap: process.memoryUsage().heapUsed, resources };
      writeFileSync(`${file}.new`, JSON.stringify(holdings));
      renameSync(`${file}.new`, file);
    }, 50).unref();
  });
}
