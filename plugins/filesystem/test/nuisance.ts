// Starts the worker of `swapper.ts`, and ends it.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Counters, Order } from './swapper.ts';

export function startWorker(order: Order): { counters: Counters; stop(): Promise<void> } {
  const counters: Counters = new Int32Array(new SharedArrayBuffer(12));
  const worker = new Worker(new URL('./swapper.js', import.meta.url), { workerData: { order, counters } });
  const ended = once(worker, 'exit');
  return {
    counters,
    async stop() {
      Atomics.store(counters, 0, 1);
      await ended;
    },
  };
}
