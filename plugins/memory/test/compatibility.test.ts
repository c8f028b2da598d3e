// The reference memory server and this plugin, side by side: the same tools, the same answers, the same bytes in the file.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client as SdkClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import test from 'ava';
import fc from 'fast-check';
import type { JsonObject } from 'plugboard';
import type { ServerLease } from '@plugboard/test-kit/stand';
import { entity, readGraph, stand } from './stand.ts';

interface Reference {
  readonly file: string;
  call(name: string, args?: JsonObject): Promise<JsonObject>;
  list(): Promise<JsonObject[]>;
  close(): Promise<void>;
}

/** The reference server as a child process over stdio. It reads its file at every call, so the file may be replaced between calls. */
async function startReference(file: string): Promise<Reference> {
  const program = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-memory/dist/index.js');
  const client = new SdkClient({ name: 'differential-test', version: '1.0.0' });
  const env = { MEMORY_FILE_PATH: file, PATH: process.env['PATH'] ?? '' };
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [program], env, stderr: 'ignore' }));
  const request = (method: string, params: JsonObject) =>
    client.request({ method, params }, ResultSchema) as Promise<JsonObject>;
  return {
    file,
    call: (name, args) => request('tools/call', args === undefined ? { name } : { name, arguments: args }),
    list: async () => (await request('tools/list', {}))['tools'] as JsonObject[],
    close: () => client.close(),
  };
}

let folder: string | undefined;
let ownFile: string;
let reference: Reference;
let own: ServerLease;

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'memory-compatibility-'));
  ownFile = join(folder, '.plugboard/memory/default.jsonl');
  reference = await startReference(join(folder, 'reference.jsonl'));
  own = await (await stand(folder)).open('default');
});

test.after.always(async () => {
  await own?.close();
  await reference?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Both sides begin with no file. */
function reset(): void {
  rmSync(reference.file, { force: true });
  rmSync(ownFile, { force: true });
}

function content(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

interface Step {
  readonly tool: string;
  readonly args: JsonObject | undefined;
  /** False: the arguments do not fit the schema; the words of that error are each implementation's own. */
  readonly fits: boolean;
}

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('Ada', 'ada', 'Bob', 'Carol') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      '__proto__',
      'constructor',
      'İstanbul',
      'line\nbreak',
      '"quoted"',
      '\u2028',
      '\ud800',
      '😀',
      'C:\\',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
);
const words = fc.oneof(
  fc.constantFrom('likes tea', 'Likes Tea', 'lives in Rome', 'x', ''),
  fc.string({ maxLength: 20 }),
);
const few = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { maxLength: 4 });
const kind = fc.constantFrom('person', 'Person', 'town', '');
const someEntity = fc.record({ name, entityType: kind, observations: few(words) });
const someRelation = fc.record({ from: name, to: name, relationType: fc.constantFrom('knows', 'KNOWS', 'visits') });
// Members that the schema does not name are dropped by both.
const withExtra = <Item extends object>(item: fc.Arbitrary<Item>) =>
  fc.tuple(item, fc.boolean()).map(([value, extra]) => (extra ? { extra: [1], ...value, type: 'relation' } : value));

const argumentsOf: Record<string, fc.Arbitrary<JsonObject>> = {
  create_entities: fc.record({ entities: few(withExtra(someEntity)) }),
  create_relations: fc.record({ relations: few(withExtra(someRelation)) }),
  add_observations: fc.record({
    observations: fc.array(withExtra(fc.record({ entityName: name, contents: few(words) })), { maxLength: 2 }),
  }),
  delete_entities: fc.record({ entityNames: few(name) }),
  delete_observations: fc.record({ deletions: few(fc.record({ entityName: name, observations: few(words) })) }),
  delete_relations: fc.record({ relations: few(someRelation) }),
  read_graph: fc.constant({}),
  search_nodes: fc.record({ query: fc.oneof(words, name, kind, fc.constantFrom('tea', 'TEA', 'e', 'i̇')) }),
  open_nodes: fc.record({ names: few(name) }),
};
const fitting: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(argumentsOf).map(([tool, args]) => ({
    // More that builds than that destroys, so that there is something to destroy.
    weight: tool.startsWith('create') || tool.startsWith('add') ? 3 : 1,
    arbitrary: args.map((each) => ({ tool, args: each, fits: true })),
  })),
);
const unfit: fc.Arbitrary<Step> = fc
  .constantFrom<Omit<Step, 'fits'>>(
    { tool: 'create_entities', args: undefined },
    { tool: 'create_entities', args: { entities: {} } },
    { tool: 'create_entities', args: { entities: [entity('Ada', 'kept out'), { name: 'Bob' }] } },
    { tool: 'create_entities', args: { entities: [{ name: 1, entityType: 'x', observations: [] }] } },
    { tool: 'create_relations', args: { relations: [{ from: 'Ada', to: 'Bob' }] } },
    { tool: 'add_observations', args: { observations: [{ entityName: 'Ada', contents: 'text' }] } },
    { tool: 'delete_entities', args: { entityNames: 'Ada' } },
    { tool: 'delete_observations', args: {} },
    { tool: 'delete_relations', args: { relations: [[]] } },
    { tool: 'search_nodes', args: { query: 7 } },
    { tool: 'open_nodes', args: { names: [undefined] } },
  )
  .map((step) => ({ ...step, fits: false }));
const steps = fc.array(fc.oneof({ weight: 12, arbitrary: fitting }, { weight: 1, arbitrary: unfit }), {
  minLength: 5,
  maxLength: 30,
});

/** Runs the steps on both sides; counts how often each tool succeeded and failed. */
async function compare(
  t: { deepEqual(a: unknown, b: unknown, message?: string): unknown },
  sequence: readonly Step[],
  seen: Map<string, number>,
) {
  reset();
  for (const step of sequence) {
    const theirs = await reference.call(step.tool, step.args);
    const ours = (await own.call(step.tool, step.args)).result ?? {};
    const label = `${step.tool} ${JSON.stringify(step.args)}`;
    if (step.fits) t.deepEqual(ours, theirs, label);
    else t.deepEqual([ours['isError'], ours['structuredContent']], [true, undefined], label);
    t.deepEqual(ours['isError'] ?? false, theirs['isError'] ?? false, label);
    t.deepEqual(content(ownFile), content(reference.file), `file after ${label}`);
    const key = `${step.tool}${theirs['isError'] === true ? ' fails' : ''}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
}

test.serial(
  'random sequences of calls have the same answers and leave the same bytes as the reference server',
  async (t) => {
    t.timeout(300_000);
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(steps, (sequence) => compare(t, sequence, seen)),
      { numRuns: 80 },
    );
    t.log(Object.fromEntries([...seen].toSorted(([a], [b]) => a.localeCompare(b))));
    for (const tool of [...Object.keys(argumentsOf), 'add_observations fails'])
      t.true((seen.get(tool) ?? 0) >= 10, `${tool} was hardly tried`);
  },
);

test.serial('a file of either implementation is read and continued by the other', async (t) => {
  reset();
  await own.call('create_entities', { entities: [entity('Ada', 'one', 'zwei\n', '三')] });
  await own.call('create_relations', { relations: [{ from: 'Ada', to: 'Bob', relationType: 'knows' }] });
  const adopted = await startReference(ownFile);
  t.teardown(() => adopted.close());
  t.deepEqual((await adopted.call('read_graph'))['structuredContent'], await readGraph(own));
  await adopted.call('add_observations', { observations: [{ entityName: 'Ada', contents: ['four'] }] });
  t.deepEqual((await readGraph(own)).entities, [entity('Ada', 'one', 'zwei\n', '三', 'four')]);
  await own.call('delete_observations', { deletions: [{ entityName: 'Ada', observations: ['one'] }] });
  t.deepEqual((await adopted.call('read_graph'))['structuredContent'], await readGraph(own));
});

test.serial('the list of tools is that of the reference server', async (t) => {
  const theirs = await reference.list();
  // `execution` is added by the reference's SDK; "forbidden" is what its absence means (2025-11-25, tools: task support).
  for (const tool of theirs) {
    t.deepEqual(tool['execution'], { taskSupport: 'forbidden' });
    delete tool['execution'];
  }
  t.deepEqual(await own.list(), theirs);
  t.is(theirs.length, 9);
});

test.serial('deliberate differences from the reference server', async (t) => {
  // An unknown tool is a protocol error, as the specification says (2025-11-25, tools: error handling), not a tool's result.
  t.true((await reference.call('nope', {}))['isError']);
  t.is((await own.call('nope', {})).error?.code, -32602);
  // A call that changes nothing writes nothing; the reference server writes an empty file.
  reset();
  await reference.call('delete_entities', { entityNames: ['nobody'] });
  await own.call('delete_entities', { entityNames: ['nobody'] });
  t.deepEqual([existsSync(reference.file), existsSync(ownFile)], [true, false]);
});
