// What becomes of files: damaged, torn, missing, newer; which syncs are asked for; sharing, stopping, forgetting. Deaths of processes are durability.test.ts.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { until } from '@plugboard/test-kit';
import { start, state, temporaryFolder } from './stand.ts';

const secret = 'p4ssw0rd';

/** A folder as a killed process leaves it: `count` acknowledged writes in the log, and in a snapshot those before `compacted`. */
async function leftBehind(t: ExecutionContext, count: number, stops: readonly number[] = []): Promise<string> {
  const origin = temporaryFolder(t);
  let stand = await start(origin, { fsync: 'never' });
  let store = await stand.stores.open<string>('things');
  for (let n = 0; n < count; n += 1) {
    if (stops.includes(n)) {
      await stand.stop();
      stand = await start(origin, { fsync: 'never' });
      store = await stand.stores.open<string>('things');
    }
    await store.set(`k${n}`, `${secret} ${n}`);
  }
  const folder = copyOf(t, origin);
  await stand.stop();
  return folder;
}

function copyOf(t: ExecutionContext, folder: string): string {
  const copy = temporaryFolder(t);
  mkdirSync(join(copy, state), { recursive: true });
  for (const name of namesIn(folder)) copyFileSync(join(folder, state, name), join(copy, state, name));
  return copy;
}

function namesIn(folder: string): string[] {
  return readdirSync(join(folder, state)).filter((name) => !name.startsWith('lock'));
}

function bytesIn(folder: string): Record<string, string> {
  return Object.fromEntries(namesIn(folder).map((name) => [name, readFileSync(join(folder, state, name), 'latin1')]));
}

async function keysIn(folder: string): Promise<{ keys: string[]; log: string[] }> {
  const { stores, stop, log } = await start(folder, { fsync: 'never' });
  try {
    const store = await stores.open<string>('things');
    const entries = await store.list('');
    for (const { key, value } of entries)
      if (value !== `${secret} ${key.slice(1)}`) throw new Error(`${key}: ${value}`);
    // What can be read can be written too.
    await store.set('new', `${secret} ew`);
    await store.delete('new');
    const byNumber = entries
      .map(({ key }) => key)
      .toSorted((left, right) => Number(left.slice(1)) - Number(right.slice(1)));
    return { keys: byNumber, log: log.map(({ level, message }) => `${level}: ${message}`) };
  } finally {
    await stop();
  }
}

function first(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `k${n}`);
}

/** The namespace is refused, with what a person needs, and not a byte is changed. */
async function refused(t: ExecutionContext, folder: string, ...patterns: readonly RegExp[]): Promise<void> {
  const before = bytesIn(folder);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const error = await t.throwsAsync(keysIn(folder));
    for (const pattern of patterns) t.regex(error?.message ?? '', pattern);
    t.false(error?.message.includes(secret));
    t.regex(error?.message ?? '', /Nothing was changed/);
  }
  t.deepEqual(bytesIn(folder), before);
}

test('a log that ends anywhere gives the writes that are whole, and goes on', async (t) => {
  const folder = await leftBehind(t, 8);
  const log = join(folder, state, 'things.0.log');
  const bytes = readFileSync(log);
  const ends = [...bytes.keys()].filter((at) => bytes[at] === 10).map((at) => at + 1);
  for (let cut = 0; cut <= bytes.length; cut += cut > bytes.length - 100 || cut < 30 ? 1 : 13) {
    const copy = copyOf(t, folder);
    truncateSync(join(copy, state, 'things.0.log'), cut);
    const whole = ends.filter((end) => end <= cut).length;
    const { keys, log: lines } = await keysIn(copy);
    t.deepEqual(keys, first(Math.max(0, whole - 1)), `cut at ${cut}`);
    const torn = cut > (ends[0] ?? 0) && !ends.includes(cut);
    t.is(
      lines.some((line) => /^warn: .*things\.0\.log: left out its last \d+ bytes/.test(line)),
      torn,
      `cut at ${cut}`,
    );
  }
  // Blocks that never reached the disk read as zeros.
  const last = ends.at(-2) ?? 0;
  writeFileSync(log, Buffer.concat([bytes.subarray(0, last), Buffer.alloc(bytes.length - last)]));
  t.deepEqual((await keysIn(folder)).keys, first(7));
});

test('a log that is damaged where writes had been acknowledged is refused by line and byte, and left alone', async (t) => {
  const folder = await leftBehind(t, 8);
  const name = join(state, 'things.0.log');
  const bytes = readFileSync(join(folder, name));
  const lines = bytes.toString('latin1').split('\n');
  const at = lines.slice(0, 3).join('\n').length + 1;
  const change = (edit: (copy: Buffer) => Buffer | string): string => {
    const copy = copyOf(t, folder);
    writeFileSync(join(copy, name), edit(Buffer.from(bytes)));
    return copy;
  };
  const flip = (index: number) => (copy: Buffer) => {
    copy[index] = (copy[index] ?? 0) ^ 1;
    return copy;
  };
  const place = new RegExp(`things\\.0\\.log is damaged at line 4 \\(byte ${at}\\).*truncate`);
  await refused(t, change(flip(at + 30)), place, /checksum/);
  await refused(t, change(flip(at + 3)), place);
  await refused(
    t,
    change((copy) => copy.fill(0, at, at + 20)),
    place,
  );
  await refused(
    t,
    change(() => lines.toSpliced(3, 1).join('\n')),
    place,
    /it is change 4, not 3/,
  );
  await refused(t, change(flip(bytes.length - 5)), /things\.0\.log is damaged at line 9/);
  await refused(t, change(flip(12)), /things\.0\.log is damaged at line 1 /);
  // As the message says: cut there, it goes on with what was before.
  const cut = change(flip(at + 30));
  truncateSync(join(cut, name), at);
  t.deepEqual((await keysIn(cut)).keys, first(2));
});

test('a damaged snapshot is set aside and restored from the backup and the logs, loudly and without loss', async (t) => {
  for (const stops of [[3, 6], [3]]) {
    const origin = await leftBehind(t, 9, stops);
    const whole = readFileSync(join(origin, state, 'things.json'), 'utf8');
    const damages: [string, RegExp][] = [
      ['', /line 1, column 1: the file ends too early/],
      [whole.slice(0, whole.length / 2), /line \d+, column \d+: the file ends too early/],
      [whole.replace(`"value": "${secret} 1"`, `"value": ${secret}`), /line 12, column \d+: this is not JSON/],
      [whole.replace('"version": 1', '"version": 0'), /"entries\[0\]": "version" is no whole number from 1/],
      [whole.replace('"k1"', '"k0"'), /"entries\[1\]": its key stands there twice/],
      [whole.replace('"things"', '"others"'), /"namespace": it is not "things"/],
      [whole.replace('plugboard-store/', 'something/'), /"format"/],
      ['[]', /its top level: it is no object/],
    ];
    for (const [text, place] of damages) {
      const folder = copyOf(t, origin);
      const file = join(folder, state, 'things.json');
      writeFileSync(file, text);
      const { keys, log } = await keysIn(folder);
      t.deepEqual(keys, first(9), String(place));
      const line = log.find((each) => each.startsWith('error: ')) ?? '';
      t.true(line.includes(`${file} is damaged at `) && line.includes('nothing that was acknowledged is lost'), line);
      t.regex(line, place);
      t.false(line.includes(secret));
      const aside = namesIn(folder).find((name) => /^things\.json\.corrupt-[\dT.Z-]+$/.test(name)) ?? '';
      t.is(readFileSync(join(folder, state, aside), 'utf8'), text, 'kept as it was');
      const again = await keysIn(folder);
      t.deepEqual(again, { keys: first(9), log: [] });
    }
  }
});

test('without a good backup, or with a gap in the logs, a namespace is refused and not started empty', async (t) => {
  const origin = await leftBehind(t, 9, [3, 6]);
  const file = (folder: string, name: string) => join(folder, state, name);
  const both = copyOf(t, origin);
  writeFileSync(file(both, 'things.json'), '{');
  writeFileSync(file(both, 'things.json.bak'), 'x');
  await refused(
    t,
    both,
    /things\.json is damaged at line 1, column 2/,
    /things\.json\.bak is damaged at line 1, column 1/,
    /move all files things\.\*/,
  );
  rmSync(file(both, 'things.json.bak'));
  await refused(t, both, /there is no backup .*things\.json\.bak/);
  rmSync(file(both, 'things.json'));
  await refused(t, both, /things\.json is missing/);

  const [older = '', newer = ''] = namesIn(origin)
    .filter((name) => name.endsWith('.log'))
    .toSorted();
  const gap = copyOf(t, origin);
  writeFileSync(file(gap, 'things.json'), '');
  renameSync(file(gap, older), file(gap, 'elsewhere'));
  await refused(t, gap, new RegExp(`${newer} begins behind change 6, but the files before it end at 3`));
  rmSync(file(gap, newer));
  await refused(t, gap, /what was written after its backup is missing/);

  // A damaged backup hurts nobody while the snapshot is good; a missing snapshot is what a crash between two renames leaves.
  const backup = copyOf(t, origin);
  writeFileSync(file(backup, 'things.json.bak'), '{');
  t.deepEqual(await keysIn(backup), { keys: first(9), log: [] });
  const missing = copyOf(t, origin);
  rmSync(file(missing, 'things.json'));
  const { keys, log } = await keysIn(missing);
  t.deepEqual(keys, first(9));
  t.regex(log.join('\n'), /^warn: .*things\.json is missing; restored from/);
});

test('files of a newer format or schema are refused and left alone', async (t) => {
  const folder = await leftBehind(t, 4, [2]);
  const file = join(folder, state, 'things.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('plugboard-store/1', 'plugboard-store/2'));
  await refused(t, folder, /things\.json has format plugboard-store\/2, which a newer store-lowdb wrote/);
  const schema = await leftBehind(t, 4);
  const stand = await start(schema);
  const old = await stand.stores.open<string>('things');
  let heard = 0;
  old.watch('', () => (heard += 1));
  // A plugin that was updated in the running proxy opens its namespace while the old one still has it.
  const store = await stand.stores.open<object>('things', { version: 2, migrations: { 1: (value) => ({ value }) } });
  t.deepEqual((await store.get('k0'))?.value, { value: `${secret} 0` });
  await store.set('k9', {});
  t.is(heard, 0);
  await t.throwsAsync(old.get('k0'), { message: /migrated from schema version 1 to 2 meanwhile/ });
  await t.throwsAsync(old.set('k0', ''), { message: /meanwhile/ });
  await stand.stop();
  await refused(t, schema, /namespace "things" was written with schema version 2; this program knows 1/);
});

/** Counts the calls of a method of file handles while something runs. */
async function countSyncs(run: () => Promise<void>): Promise<number> {
  const probe = await open('/dev/null');
  const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> };
  await probe.close();
  const original = prototype.datasync;
  let count = 0;
  prototype.datasync = function datasync(this: unknown) {
    count += 1;
    return original.call(this);
  };
  try {
    await run();
  } finally {
    prototype.datasync = original;
  }
  return count;
}

test.serial(
  'fsync: always syncs before it acknowledges, many writes at once; interval later; never not at all',
  async (t) => {
    const counts = new Map<string, number>();
    for (const fsync of ['always', 'interval', 'never']) {
      const { stores, stop } = await start(temporaryFolder(t), { fsync, fsyncInterval: 1 });
      const store = await stores.open<string>('things');
      await store.set('first', 'makes the log');
      const alone = await countSyncs(async () => {
        for (let n = 0; n < 5; n += 1) await store.set('a', `${n}`);
      });
      if (fsync === 'always') t.is(alone, 5);
      if (fsync === 'never') t.is(alone, 0);
      counts.set(
        fsync,
        await countSyncs(async () => {
          await Promise.all(Array.from({ length: 1000 }, (_, n) => store.set(`k${n}`, 'x')));
        }),
      );
      if (fsync === 'interval') {
        let later = 0;
        await until('a sync comes by itself', async () => {
          await store.set('a', 'again');
          later += await countSyncs(() => new Promise((resolve) => setTimeout(resolve, 20)));
          return later > 0;
        });
      }
      await stop();
    }
    t.is(counts.get('always'), 1, '1,000 writes at once are one write to the disk');
    t.is(counts.get('never'), 0);
  },
);

test.serial('a failed write is taken back: neither readers nor later writes nor the next start see it', async (t) => {
  const folder = temporaryFolder(t);
  const stand = await start(folder);
  const store = await stand.stores.open<number>('things');
  await store.set('a', 1);
  const heard: unknown[] = [];
  store.watch('', ({ key }) => heard.push(key));
  const probe = await open('/dev/null');
  const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> };
  await probe.close();
  const original = prototype.datasync;
  const fault = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  prototype.datasync = () => Promise.reject(fault);
  try {
    const writes = [store.set('a', 2), store.update('a', (n = 0) => n + 1), store.set('b', 1), store.delete('a')];
    const seen = store.get('a');
    for (const write of writes)
      await t.throwsAsync(write, { message: /cannot write .*things\.0\.log: EIO.*check the disk/ });
    t.like(await seen, { value: 1, version: 1 });
    t.deepEqual(await store.list(''), [{ key: 'a', value: 1, version: 1 }]);
    await t.throwsAsync(store.set('c', 1), { message: /EIO/ });
  } finally {
    prototype.datasync = original;
  }
  t.is((await store.set('a', 5, { expected: 1 })).version, 2);
  t.deepEqual(heard, ['a']);
  t.true(stand.log.some(({ level, message }) => level === 'error' && /namespace "things".*EIO/.test(message)));
  const copy = copyOf(t, folder);
  await stand.stop();
  for (const each of [folder, copy]) {
    const again = await start(each);
    t.deepEqual(await (await again.stores.open('things')).list(''), [{ key: 'a', value: 5, version: 2 }]);
    await again.stop();
  }
});

test('stopping waits for what was asked for, and a stopped store says so', async (t) => {
  const folder = temporaryFolder(t);
  const stand = await start(folder);
  const store = await stand.stores.open<number>('things');
  const writes = Array.from({ length: 50 }, (_, n) => store.set(`k${n}`, n));
  await stand.stop();
  await Promise.all(writes);
  await t.throwsAsync(store.set('late', 1), { message: /the store has been stopped/ });
  await t.throwsAsync(store.get('k0'), { message: /the store has been stopped/ });
  await t.throwsAsync(stand.stores.open('things'), { message: /the store has been stopped/ });
  // One file to read, with everything in it.
  const snapshot = JSON.parse(readFileSync(join(folder, state, 'things.json'), 'utf8')) as { entries: unknown[] };
  t.is(snapshot.entries.length, 50);
  const again = await start(folder);
  t.is((await (await again.stores.open('things')).list('')).length, 50);
  await again.stop();
});

test('new options: the new instance takes over beside the old one, and stores that are held go on', async (t) => {
  const folder = temporaryFolder(t);
  const old = await start(folder);
  const store = await old.stores.open<string>('things');
  await store.set('a', 'x'.repeat(50));
  const next = await start(folder, { maxValueBytes: 20 });
  await old.stop();
  await t.throwsAsync(store.set('b', 'x'.repeat(50)), { message: /things.*maxValueBytes.*20/ });
  await store.set('b', 'short');
  t.is((await (await next.stores.open<string>('things')).get('b'))?.value, 'short');
  await next.stop();
  await t.throwsAsync(store.get('b'), { message: /stopped/ });
});

test('a log is compacted while writes go on, and does not grow for ever', async (t) => {
  const folder = temporaryFolder(t);
  const stand = await start(folder, { fsync: 'never', compactBytes: 4096 });
  const store = await stand.stores.open<string>('things');
  for (let n = 0; n < 600; n += 1) await store.set(`k${n % 5}`, `${n}`.repeat(50));
  await until('the logs are short', async () => {
    await store.set('k0', 'looks whether the log is long');
    const size = namesIn(folder).reduce((sum, name) => sum + statSync(join(folder, state, name)).size, 0);
    return size < 40_000;
  });
  t.true(namesIn(folder).filter((name) => name.endsWith('.log')).length <= 3);
  t.false(existsSync(join(folder, state, 'things.0.log')));
  await stand.stop();
  t.deepEqual(stand.log, []);
});

test('of ten thousands of deleted keys the oldest are forgotten, but no version ever comes again', async (t) => {
  const folder = temporaryFolder(t);
  let stand = await start(folder, { fsync: 'never' });
  let store = await stand.stores.open<number>('things');
  const keys = Array.from({ length: 10_200 }, (_, n) => `k${n}`);
  await Promise.all(keys.map((key) => store.set(key, 1)));
  await Promise.all(keys.map((key) => store.delete(key)));
  for (let round = 0; round < 2; round += 1) {
    t.true((await store.set('k0', 1)).version > 2);
    t.true((await store.set('k10199', 1)).version > 2);
    await stand.stop();
    stand = await start(folder, { fsync: 'never' });
    store = await stand.stores.open<number>('things');
  }
  const snapshot = JSON.parse(readFileSync(join(folder, state, 'things.json'), 'utf8')) as { deleted: unknown[] };
  t.true(snapshot.deleted.length <= 10_000);
  await stand.stop();
});

test('options: unknown ones are refused, all are described', async (t) => {
  await t.throwsAsync(start(temporaryFolder(t), { fsnyc: 'never' }), { message: /fsnyc/ });
  await t.throwsAsync(start(temporaryFolder(t), { fsync: 'sometimes' }));
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const { default: plugin } = await import('@plugboard/store-lowdb');
  const shape = (plugin.options as unknown as { shape: Record<string, { description?: string }> }).shape;
  for (const [name, { description }] of Object.entries(shape)) {
    t.true((description ?? '').length > 10, name);
    t.true(readme.includes(`| \`${name}\` |`), `the README’s table has ${name}`);
  }
});
