// A worker that makes a nuisance of itself in a tree until it is told to stop: swaps folders and files for links, or
// reads all the time.
import { readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

export type Order =
  | { readonly kind: 'swap'; readonly root: string; readonly outside: string }
  | { readonly kind: 'read'; readonly path: string; readonly size: number };

/** What the worker shares with its owner: [stop, rounds, faults]. */
export type Counters = Int32Array<SharedArrayBuffer>;

const { order, counters } = workerData as { order: Order; counters: Counters };

if (order.kind === 'swap') {
  const { root, outside } = order;
  while (Atomics.load(counters, 0) === 0) {
    attempt(() => swapFolder(join(root, 'race'), join(root, 'race-kept'), outside));
    attempt(() => swapFolder(join(root, 'upper/race'), join(root, 'upper/race-kept'), outside));
    attempt(() => swapFile(join(root, 'swap.txt'), join(root, 'swap.new'), join(outside, 'f.txt')));
    Atomics.add(counters, 1, 1);
  }
} else {
  while (Atomics.load(counters, 0) === 0) {
    const text = readFileSync(order.path, 'latin1');
    const whole = text.length === order.size && (text === 'A'.repeat(order.size) || text === 'B'.repeat(order.size));
    if (!whole) Atomics.add(counters, 2, 1);
    Atomics.add(counters, 1, 1);
  }
}

/** The server may have the thing in its hands at the moment; the next round puts it right. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    Atomics.add(counters, 2, 1);
  }
}

function swapFolder(place: string, kept: string, outside: string): void {
  renameSync(place, kept);
  symlinkSync(outside, place);
  pause();
  unlinkSync(place);
  // What the server made in the short time without anything there would be in the way.
  try {
    renameSync(kept, place);
  } catch {
    rmSync(place, { recursive: true, force: true });
    renameSync(kept, place);
  }
  pause();
}

/** A moment of some length, so that every step of the server meets every state. */
function pause(): void {
  Atomics.wait(counters, 0, 0, Math.random());
}

function swapFile(place: string, next: string, secretFile: string): void {
  symlinkSync(secretFile, next);
  renameSync(next, place);
  pause();
  writeFileSync(next, 'inside\n');
  renameSync(next, place);
}
