// Loaded into every measured process with `--import`: answers over IPC what the process itself knows of its cost.
// Ends the process when the bench dies, so that nothing is left behind. Imports nothing that the process would not.
import { setTimeout as sleep } from 'node:timers/promises';

/** CPU in µs since start, all threads; after a forced collection with `memory`: bytes. */
export interface ProbeAnswer {
  cpu: number;
  heap?: number;
  external?: number;
  rss?: number;
}

async function collect(): Promise<void> {
  // Finalizers and closing sockets free memory in later turns, so one collection is not enough.
  for (let before = Number.POSITIVE_INFINITY, turn = 0; turn < 10; turn++) {
    globalThis.gc?.();
    await sleep(30);
    const { heapUsed } = process.memoryUsage();
    if (turn > 3 && before - heapUsed < 10_000) return;
    before = heapUsed;
  }
}

async function report(what: 'cpu' | 'memory'): Promise<ProbeAnswer> {
  const { user, system } = process.cpuUsage();
  if (what === 'cpu') return { cpu: user + system };
  await collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { cpu: user + system, heap: heapUsed, external, rss };
}

process.on('message', (message: { probe?: 'cpu' | 'memory' }) => {
  if (message.probe !== undefined) void report(message.probe).then((probe) => process.send?.({ probe }));
});
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
