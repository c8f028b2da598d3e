// What survives: processes killed at any moment, full disks, two processes at once, locks of the dead.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { until } from '@plugboard/test-kit';
import { FolderLock } from '../src/folder-lock.ts';
import { start, state, temporaryFolder } from './stand.ts';
import { nthValue } from './writer.ts';

const program = fileURLToPath(new URL('writer.js', import.meta.url));

class Writer {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  #text = '';

  constructor(t: ExecutionContext, command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin?.on('error', () => {});
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
    });
    this.ended = once(this.child, 'close');
    t.teardown(() => this.child.kill('SIGKILL'));
  }

  /** Whole lines only: what was being told at the moment of death was not told. */
  get told(): string[][] {
    return this.#text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' '));
  }

  async begin(): Promise<void> {
    this.child.stdin?.write('go\n');
    await until('the writer begins', () => this.#text.includes('begin\n') || this.child.exitCode !== null);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

const writer = (t: ExecutionContext, ...args: string[]) => new Writer(t, process.execPath, [program, ...args]);

/** The folder as its dead writer left it, in another place: so that the next writer finds what a look would have tidied up. */
function copyOf(t: ExecutionContext, folder: string): string {
  const copy = temporaryFolder(t);
  mkdirSync(join(copy, state), { recursive: true });
  for (const name of readdirSync(join(folder, state))) {
    if (!name.startsWith('lock')) copyFileSync(join(folder, state, name), join(copy, state, name));
  }
  return copy;
}

/** What must be there: of each key the last change that was acknowledged, or the one that was under way. */
interface Ledger {
  readonly changes: Map<string, readonly number[]>;
  counted: number;
}

async function check(t: ExecutionContext, folder: string, ledger: Ledger, underWay: number): Promise<void> {
  const { stores, stop } = await start(folder, { fsync: 'never' });
  const store = await stores.open('kill');
  for (const [key, allowed] of ledger.changes) {
    const entry = await store.get(key);
    const match = allowed.find((n) => {
      const value = nthValue(key, n);
      return value === undefined ? entry === undefined : entry?.version === n;
    });
    if (match === undefined) t.fail(`${key} is at ${entry?.version ?? 'nothing'}, not at one of ${allowed.join(', ')}`);
    else if (entry !== undefined) t.deepEqual(entry.value, nthValue(key, match));
    // From now on it is this one and no other.
    ledger.changes.set(key, match === undefined ? allowed : [match]);
  }
  const counted = Number((await store.get('counter'))?.value ?? 0);
  t.true(
    counted >= ledger.counted && counted <= ledger.counted + underWay,
    `${counted} counted, ${ledger.counted} acknowledged`,
  );
  ledger.counted = counted;
  await stop();
}

const lanes = 4;
const rounds = 50;

/** Kills one writer after the other in one folder. */
async function lane(t: ExecutionContext, number: number): Promise<number> {
  const folder = temporaryFolder(t);
  const ledger: Ledger = { changes: new Map(), counted: 0 };
  let next = writer(t, 'write', folder, 'r0');
  let acknowledged = 0;
  for (let round = 0; round < rounds; round += 1) {
    const current = next;
    if (round + 1 < rounds) next = writer(t, 'write', folder, `r${round + 1}`);
    await current.begin();
    await sleep(5 + Math.random() * 55);
    await current.kill();
    for (const letter of ['x', 'y', 'z']) ledger.changes.set(`r${round}${letter}`, [0, 1]);
    for (const [what, key = '', n] of current.told) {
      t.not(what, 'wrong');
      if (what === 'counted') ledger.counted += 1;
      if (what === 'done') ledger.changes.set(key, [Number(n), Number(n) + 1]);
      if (what === 'done') acknowledged += 1;
    }
    await check(t, copyOf(t, folder), ledger, 3);
    // Whenever it was: the snapshot alone may be damaged, and nothing is lost.
    const damaged = copyOf(t, folder);
    const snapshot = join(damaged, state, 'kill.json');
    if ((round + number) % 3 === 0 && existsSync(snapshot)) {
      writeFileSync(snapshot, readFileSync(snapshot).subarray(0, -100));
      await check(t, damaged, ledger, 0);
    }
  }
  return acknowledged;
}

test('200 processes killed with -9 at random moments lose nothing that was acknowledged', async (t) => {
  t.timeout(600_000);
  const acknowledged = await Promise.all(Array.from({ length: lanes }, (_, number) => lane(t, number)));
  const sum = acknowledged.reduce((left, right) => left + right, 0);
  t.log(`${lanes * rounds} kills, ${sum} acknowledged changes`);
  t.true(sum > lanes * rounds);
});

test('killed in the middle of a migration, a namespace is whole and goes on migrating', async (t) => {
  const origin = temporaryFolder(t);
  const stand = await start(origin, { fsync: 'never' });
  const store = await stand.stores.open<string>('old');
  await Promise.all(Array.from({ length: 300 }, (_, n) => store.set(`k${n}`, `${n}`.repeat(500))));
  const folder = copyOf(t, origin);
  await stand.stop();
  for (let round = 0; round < 12; round += 1) {
    const copy = copyOf(t, round % 2 === 0 ? folder : origin);
    const process = writer(t, 'migrate', copy);
    await process.begin();
    await sleep(Math.random() * 30);
    await process.kill();
    const after = await start(copy, { fsync: 'never' });
    const migrated = await after.stores.open('old', {
      version: 2,
      migrations: { 1: (value) => ({ migrated: value }) },
    });
    const entries = await migrated.list('');
    t.is(entries.length, 300);
    for (const { key, value } of entries) t.deepEqual(value, { migrated: key.slice(1).repeat(500) });
    await after.stop();
  }
});

test('a full disk refuses writes with a clear error, keeps what it has, and goes on when there is room', async (t) => {
  const folder = temporaryFolder(t);
  // A limit of file sizes ends a write in its middle, as a full disk does.
  const process = new Writer(t, 'bash', [
    '-c',
    'ulimit -f 64; exec "$0" "$@"',
    globalThis.process.execPath,
    program,
    'fill',
    folder,
  ]);
  await process.ended;
  const refused = process.told.find(([what]) => what === 'refused');
  t.regex(
    refused?.slice(2).join(' ') ?? '',
    /cannot write .*full\.0\.log: EFBIG.*nothing of this write is kept; raise the limit/,
  );
  const done = process.told.filter(([what]) => what === 'done').length;
  t.true(done > 1);
  // Both writes of the batch were refused together, and the small one came after them.
  t.deepEqual(
    process.told.find(([what]) => what === 'entries'),
    ['entries', String(2 * done + 1)],
  );
  const { stores, stop } = await start(folder, {});
  const store = await stores.open<string>('full');
  t.is((await store.get('small'))?.value, 'fits');
  t.is((await store.list('')).length, 2 * done);
  t.is(await store.get('1-a'), undefined);
  await stop();
});

test('one process at a time: another is refused while the first lives, and not when it has died', async (t) => {
  const folder = temporaryFolder(t);
  const holder = writer(t, 'hold', folder);
  await holder.begin();
  const lock = join(folder, state, 'lock');
  const error = await t.throwsAsync(start(folder));
  t.true(error?.message.includes(`${lock}: process ${holder.child.pid} on `), error?.message);
  t.regex(error?.message ?? '', /end it, or give this proxy another folder/);
  await holder.kill();
  t.true(lstatSync(lock).isSymbolicLink(), 'the dead left its lock');
  const stand = await start(folder);
  const mine = readlinkSync(lock);
  t.true(mine.includes(`:${process.pid}:`));
  await stand.stop();
  t.false(existsSync(lock));

  // A process id that has been given to another process since: the start time tells.
  symlinkSync(mine.replace(/:\d+:([\w-]+)$/, ':1:$1'), lock);
  await (await start(folder)).stop();

  // Several that find a dead one's lock at the same moment: one of them gets the folder.
  symlinkSync(mine.replace(/:\d+:([\w-]+)$/, ':1:$1'), lock);
  const rivals = Array.from({ length: 4 }, () => writer(t, 'hold', folder));
  await until('one rival has it and the others are gone', () => {
    const gone = rivals.filter(({ child }) => child.exitCode !== null).length;
    return gone === 3 && rivals.some(({ told }) => told[0]?.[0] === 'begin');
  });
  for (const rival of rivals) await rival.kill();
  unlinkSync(lock);

  // The slower of them has seen the dead one's lock too, and must not take the faster one's for it.
  for (let round = 0; round < 10; round += 1) {
    symlinkSync(mine.replace(/:\d+:([\w-]+)$/, ':1:$1'), lock);
    const takers = await Promise.allSettled(Array.from({ length: 8 }, () => FolderLock.take(lock, 50)));
    const taken = takers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    t.is(taken.length, 1);
    await taken[0]?.release();
  }

  writeFileSync(lock, 'somebody’s file');
  await t.throwsAsync(start(folder), { message: /lock is in the way/ });
});

test('the lock of another machine counts as long as it is touched, and is taken over when it is not', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, state), { recursive: true });
  const lock = join(folder, state, 'lock');
  symlinkSync('elsewhere:0123456789abcdef:1:5:AAAAAAAAAAAA', lock);
  const touch = setInterval(() => lutimesSync(lock, Date.now() / 1000, Date.now() / 1000), 300);
  try {
    await t.throwsAsync(start(folder), { message: /process 1 on elsewhere/ });
  } finally {
    clearInterval(touch);
  }
  const stand = await start(folder);
  const store = await stand.stores.open('things');
  await store.set('a', 1);
  const before = lstatSync(lock).mtimeMs;
  await until('the holder touches its lock', () => lstatSync(lock).mtimeMs > before);
  // Taken by somebody else while this one slept: it must not write any more.
  unlinkSync(lock);
  symlinkSync('elsewhere:0123456789abcdef:1:5:AAAAAAAAAAAA', lock);
  await until('the loss is noticed', async () =>
    store.set('a', 2).then(
      () => false,
      (error: Error) => /no longer this process's/.test(error.message),
    ),
  );
  await stand.stop();
  t.is(readlinkSync(lock), 'elsewhere:0123456789abcdef:1:5:AAAAAAAAAAAA', 'it leaves the other’s lock alone');
});

test('files are for their owner only', async (t) => {
  const folder = temporaryFolder(t);
  const mask = process.umask(0);
  try {
    const stand = await start(folder, { compactBytes: 1024 });
    const store = await stand.stores.open('secret');
    for (let n = 0; n < 10; n += 1) await store.set('a', 'x'.repeat(500));
    await stand.stop();
  } finally {
    process.umask(mask);
  }
  const names = readdirSync(join(folder, state));
  t.true(
    names.includes('secret.json') && names.includes('secret.json.bak') && names.some((name) => name.endsWith('.log')),
  );
  for (const name of names) t.is(statSync(join(folder, state, name)).mode & 0o777, 0o600, name);
  t.is(statSync(join(folder, state)).mode & 0o777, 0o700);
});
