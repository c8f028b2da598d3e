// What survives: processes killed at any moment, two processes at once, a full disk, locks of the dead.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { acquireLock } from 'plugboard';
import { errorText, structured } from '@plugboard/test-kit/stand';
import { entity, readGraph, stand } from './stand.ts';
import type { Graph } from './stand.ts';
import type { Told } from './writer.ts';

const program = fileURLToPath(new URL('writer.js', import.meta.url));
const memory = '.plugboard/memory';

interface Writer {
  readonly child: ChildProcess;
  readonly told: readonly Told[];
  /** Resolves when it has told this, or ended. */
  until(what: Told['what']): Promise<void>;
  readonly ended: Promise<unknown>;
}

function start(t: ExecutionContext, command: string, args: readonly string[]): Writer {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const told: Told[] = [];
  const listeners = new Set<() => void>();
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    told.push(...lines.map((line) => JSON.parse(line) as Told));
    for (const each of listeners) each();
  });
  const ended = once(child, 'close');
  const until = (what: Told['what']) =>
    Promise.race([
      ended.then(() => {}),
      new Promise<void>((resolve) => {
        const look = () => {
          if (told.some((each) => each.what === what)) resolve();
        };
        listeners.add(look);
        look();
      }),
    ]);
  return { child, told, until, ended };
}

const writer = (t: ExecutionContext, ...args: string[]) => start(t, process.execPath, [program, ...args]);

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'memory-durability-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Compares the graph with what a writer told: acknowledged is there, not begun is not, under way is there whole or not at all. */
function check(t: ExecutionContext, told: readonly Told[], graph: Graph, round: string): number {
  const entities = new Map(graph.entities.map((each) => [each.name, each]));
  const related = new Set(graph.relations.map((each) => each.from));
  const acts = new Map<string, Set<string>>();
  for (const each of told) {
    if (each.what !== 'begin' && each.what !== 'done') continue;
    const of = acts.get(each.name) ?? new Set();
    acts.set(each.name, of.add(`${each.what} ${each.act}`));
  }
  for (const [name, of] of acts) {
    const there = entities.get(name);
    t.is(there === undefined, !entities.has(`${name} twin`), `${round}: ${name}: a call was half stored`);
    if (of.has('done delete')) t.is(there, undefined, `${round}: ${name}: an acknowledged deletion is lost`);
    else if (of.has('done create') && !of.has('begin delete')) {
      t.truthy(there, `${round}: ${name}: an acknowledged entity is lost`);
      const expected = ['a', 'observed', 'seen'];
      if (of.has('done observe'))
        t.deepEqual(there?.observations, expected, `${round}: ${name}: acknowledged observations are lost`);
      else
        t.true(
          there?.observations.length === 1 || there?.observations.length === 3,
          `${round}: ${name}: observations were half stored`,
        );
      if (of.has('done relate')) t.true(related.has(name), `${round}: ${name}: an acknowledged relation is lost`);
    }
    if (there === undefined) t.false(related.has(name), `${round}: ${name}: a deletion was half stored`);
  }
  return [...acts.values()].filter((of) => of.has('done create')).length;
}

test('40 rounds of kill -9, half of them with two writers: every acknowledged change is there, the file is valid', async (t) => {
  t.timeout(300_000);
  const folder = temporaryFolder(t);
  const file = join(folder, memory, 'default.jsonl');
  const all: Told[] = [];
  let leftLocks = 0;
  for (let round = 0; round < 40; round += 1) {
    const writers = (round % 2 === 0 ? ['p'] : ['p', 'q']).map((letter) =>
      writer(t, 'write', folder, `${round}${letter}`, '1000000'),
    );
    await Promise.all(writers.map((each) => each.until('ready')));
    for (const each of writers) {
      await sleep(Math.random() * 120);
      each.child.kill('SIGKILL');
    }
    await Promise.all(writers.map((each) => each.ended));
    if (lstatSync(`${file}.lock`, { throwIfNoEntry: false }) !== undefined) leftLocks += 1;
    for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [])
      t.notThrows(() => JSON.parse(line), `round ${round}`);
    all.push(...writers.flatMap((each) => each.told));
    const client = await (await stand(folder)).open('default');
    check(t, all, await readGraph(client), `round ${round}`);
    await client.close();
  }
  // The next change clears away what the dead left.
  const client = await (await stand(folder)).open('default');
  structured(await client.call('create_entities', { entities: [entity('last')] }));
  await client.close();
  // A process that dies between removing a dead one's lock and letting go of the right to do so leaves that right behind: a link, no data.
  const left = readdirSync(join(folder, memory)).filter((name) => !/\.lock\.[\w-]{12}$/.test(name));
  t.deepEqual(left, ['default.jsonl']);
  const created = all.filter((each) => each.what === 'done' && each.act === 'create').length;
  t.log(`${created} acknowledged creations; ${leftLocks} rounds ended while a lock was held`);
  t.true(created > 40);
});

test('two processes on one file lose nothing of each other', async (t) => {
  t.timeout(300_000);
  const folder = temporaryFolder(t);
  const writers = ['p', 'q'].map((letter) => writer(t, 'write', folder, letter, '20'));
  await Promise.all(writers.map((each) => each.ended));
  const client = await (await stand(folder)).open('default');
  const graph = await readGraph(client);
  await client.close();
  for (const { told } of writers) {
    t.deepEqual(told.at(-1), { what: 'finished' });
    t.is(check(t, told, graph, 'two'), 60);
  }
  t.is(graph.entities.length, 2 * 3 * 7 * 2);
  // A process that dies between removing a dead one's lock and letting go of the right to do so leaves that right behind: a link, no data.
  const left = readdirSync(join(folder, memory)).filter((name) => !/\.lock\.[\w-]{12}$/.test(name));
  t.deepEqual(left, ['default.jsonl']);
});

test('a full disk refuses the change and leaves the file whole', async (t) => {
  const folder = temporaryFolder(t);
  // A limit on the size of files behaves like a full disk: the last write is cut short, the next one fails.
  const { told, ended } = start(t, 'sh', [
    '-c',
    'ulimit -f 100 && exec "$@"',
    'sh',
    process.execPath,
    program,
    'fill',
    folder,
    'f',
  ]);
  await ended;
  const failed = told.find((each) => each.what === 'failed');
  const created = told.filter((each) => each.what === 'done' && each.act === 'create').length;
  t.true(created >= 5);
  t.regex(String(failed?.text), /^the memory file cannot be used: EFBIG.*not stored/);
  t.is(failed?.left, created);
  t.deepEqual(told.at(-1), { what: 'done', act: 'delete', name: 'f-0' });
  const client = await (await stand(folder)).open('default');
  t.is((await readGraph(client)).entities.length, created - 1);
  await client.close();
  // A process that dies between removing a dead one's lock and letting go of the right to do so leaves that right behind: a link, no data.
  const left = readdirSync(join(folder, memory)).filter((name) => !/\.lock\.[\w-]{12}$/.test(name));
  t.deepEqual(left, ['default.jsonl']);
});

test('a lock is waited for while its holder lives, and taken when it is dead', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, memory), { recursive: true });
  const lock = join(folder, memory, 'default.jsonl.lock');
  const holder = writer(t, 'hold', lock);
  await holder.until('ready');
  const client = await (await stand(folder, { lockTimeout: 300 })).open('default');
  t.teardown(() => client.close());
  const create = (name: string) => client.call('create_entities', { entities: [entity(name)] });
  const text = errorText(await create('Ada'));
  t.true(
    text.includes(`default.jsonl.lock is held by process ${holder.child.pid} `) && text.includes('delete it if'),
    text,
  );
  t.deepEqual((await readGraph(client)).entities, [], 'reading needs no lock');
  const patient = await (await stand(folder, { lockTimeout: 60_000 })).open('default');
  const waiting = patient.call('create_entities', { entities: [entity('Bob')] });
  // What the holder had begun to write goes with its lock.
  const token = /[^:]+$/.exec(readlinkSync(lock))?.[0];
  writeFileSync(join(folder, memory, `default.jsonl.${token}.tmp`), 'half');
  holder.child.kill('SIGKILL');
  structured(await waiting);
  await patient.close();
  await client.close();
  // A process that dies between removing a dead one's lock and letting go of the right to do so leaves that right behind: a link, no data.
  const left = readdirSync(join(folder, memory)).filter((name) => !/\.lock\.[\w-]{12}$/.test(name));
  t.deepEqual(left, ['default.jsonl']);
});

test('locks that cannot be asked, or are none', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, memory), { recursive: true });
  const lock = join(folder, memory, 'default.jsonl.lock');
  const client = await (await stand(folder, { lockTimeout: 5000 })).open('default');
  t.teardown(() => client.close());
  const create = (name: string) => client.call('create_entities', { entities: [entity(name)] });
  // Another machine, or another container on the same volume, that has not moved for the whole time limit.
  symlinkSync('elsewhere:0123456789abcdef:1:5:AAAAAAAAAAAA', lock);
  structured(await create('Ada'));
  // A process id of this machine that is now somebody else's.
  const own = await acquireLock(`${lock}-model`, { timeout: 100 });
  const model = readlinkSync(`${lock}-model`).split(':');
  await own.release();
  symlinkSync([...model.slice(0, 3), '1', 'BBBBBBBBBBBB'].join(':'), lock);
  structured(await create('Bob'));
  // A process id that nobody has.
  symlinkSync([...model.slice(0, 2), '4194304', '5', 'CCCCCCCCCCCC'].join(':'), lock);
  structured(await create('Dora'));
  for (const make of [() => writeFileSync(lock, 'x'), () => symlinkSync('somewhere', lock)]) {
    make();
    t.regex(errorText(await create('Carol')), /default\.jsonl\.lock is in the way: it is not a lock/);
    rmSync(lock);
  }
  await client.close();
  // A process that dies between removing a dead one's lock and letting go of the right to do so leaves that right behind: a link, no data.
  const left = readdirSync(join(folder, memory)).filter((name) => !/\.lock\.[\w-]{12}$/.test(name));
  t.deepEqual(left, ['default.jsonl']);
});
