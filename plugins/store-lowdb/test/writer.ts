// A program that writes a store in a process of its own, so that the process can be killed, starved or run beside another. Tests start it.
import { writeSync } from 'node:fs';
import { once } from 'node:events';
import type { Store } from 'plugboard';
import { start } from './stand.ts';

const [mode = '', folder = '', prefix = ''] = process.argv.slice(2);

/** Told at once, line by line: what was told before a kill is not lost. */
function tell(...words: (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

/** What the n-th change of a key makes of it; undefined: it deletes the entry. */
export function nthValue(key: string, n: number): { key: string; n: number; pad: string } | undefined {
  return n % 5 === 0 ? undefined : { key, n, pad: `${n % 10}`.repeat((n * 7919) % 3000) };
}

/** Changes keys of its own and a common counter, in three strands, until it is killed. */
async function write(): Promise<void> {
  const { stores } = await start(folder, { compactBytes: 8192 });
  const store = await stores.open('kill');
  tell('begin');
  await Promise.all(
    ['x', 'y', 'z'].map(async (letter) => {
      const key = `${prefix}${letter}`;
      for (let n = 1; ; n += 1) {
        await change(store, key, n);
        tell('done', key, n);
        await store.update('counter', (count = 0) => Number(count) + 1);
        tell('counted');
      }
    }),
  );
}

async function change(store: Store, key: string, n: number): Promise<void> {
  const value = nthValue(key, n);
  if (value === undefined) await store.delete(key);
  else if (n % 3 === 0) await store.update(key, () => value);
  else {
    const { version } = await store.set(key, value);
    if (version !== n) tell('wrong', key, n, version);
  }
}

/** Opens a namespace with a newer schema. */
async function migrate(): Promise<void> {
  const { stores, stop } = await start(folder, {});
  tell('begin');
  await stores.open('old', { version: 2, migrations: { 1: (value) => ({ migrated: value }) } });
  tell('done');
  await stop();
}

/** Writes until the system refuses more, then shows that the store still works. */
async function fill(): Promise<void> {
  // Without a listener the signal ends the process; with one the write fails or is short, as on a full disk.
  process.on('SIGXFSZ', () => {});
  const { stores, stop, log } = await start(folder, { compactBytes: 1024 * 1024 });
  const store = await stores.open<string>('full');
  for (let n = 1; ; n += 1) {
    const results = await Promise.allSettled([`${n}-a`, `${n}-b`].map((key) => store.set(key, 'x'.repeat(5000))));
    const failed = results.find((each) => each.status === 'rejected');
    if (failed !== undefined) {
      tell('refused', n, (failed.reason as Error).message);
      break;
    }
    tell('done', n);
  }
  await store.set('small', 'fits');
  tell('entries', (await store.list('')).length);
  await store.delete('1-a');
  await stop();
  for (const { level, message } of log) tell(level, message);
}

/** Holds the folder, if it gets it. */
async function hold(): Promise<void> {
  try {
    await start(folder, {});
  } catch (error) {
    return tell('refused', (error as Error).message);
  }
  tell('begin');
  await once(process.stdin.resume(), 'end');
}

const modes: Readonly<Record<string, () => Promise<void>>> = { write, migrate, fill, hold };
const run = modes[mode];
if (run !== undefined) {
  // Loaded before it is needed: a round of the test begins with a line on standard input.
  if (mode === 'write' || mode === 'migrate') await once(process.stdin, 'data');
  await run();
}
