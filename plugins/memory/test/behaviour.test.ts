// The plugin on its own: options, isolation of grants, concurrency within one process, limits, damaged files.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import plugin from '@plugboard/memory';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { isPlugin } from 'plugboard';
import { graphFileName } from '../src/graph-file-name.ts';
import { errorText, structured } from '@plugboard/test-kit/stand';
import type { ServerLease } from '@plugboard/test-kit/stand';
import { entity, readGraph, stand } from './stand.ts';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'memory-behaviour-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openIn(t: ExecutionContext, folder: string, options = {}, grant = 'default'): Promise<ServerLease> {
  const client = await (await stand(folder, options)).open(grant);
  t.teardown(() => client.close());
  return client;
}

const memory = '.plugboard/memory';

test('options have defaults and unknown ones are refused', async (t) => {
  t.true(isPlugin(plugin));
  t.deepEqual(plugin.options?.parse({}), {
    path: '.plugboard/memory',
    name: 'memory',
    maxBytes: 16 * 1024 * 1024,
    maxEntityBytes: 1024 * 1024,
    maxTextBytes: 64 * 1024,
    maxItems: 1000,
    lockTimeout: 10_000,
  });
  for (const wrong of [{ pfad: 'x' }, { maxBytes: 0 }, { maxItems: 1.5 }, { name: 'two words' }, { path: '' }]) {
    t.false(plugin.options?.safeParse(wrong).success, JSON.stringify(wrong));
  }
  const folder = temporaryFolder(t);
  const { server, open } = await stand(folder, { name: 'notes', path: 'elsewhere' });
  t.like(server, { name: 'notes', kind: 'in-process', isolation: 'task' });
  const client = await open('default');
  await client.call('create_entities', { entities: [entity('Ada')] });
  await client.close();
  t.deepEqual(readdirSync(join(folder, 'elsewhere')), ['default.jsonl']);
});

test('nothing is touched before the first change, and files are for their owner only', async (t) => {
  const folder = temporaryFolder(t);
  const catalogue = await (await stand(folder)).open();
  t.is((await catalogue.list()).length, 9);
  await catalogue.close();
  const client = await openIn(t, folder, {}, 'task:7');
  t.deepEqual(await readGraph(client), { entities: [], relations: [] });
  t.deepEqual(readdirSync(folder), []);
  await client.call('create_entities', { entities: [entity('Ada')] });
  t.is(statSync(join(folder, memory)).mode & 0o777, 0o700);
  t.is(statSync(join(folder, memory, 'task.7.jsonl')).mode & 0o777, 0o600);
  chmodSync(join(folder, memory, 'task.7.jsonl'), 0o644);
  await client.call('create_entities', { entities: [entity('Bob')] });
  t.is(statSync(join(folder, memory, 'task.7.jsonl')).mode & 0o777, 0o600);
});

test('grants do not see each other, and find their memory again', async (t) => {
  const folder = temporaryFolder(t);
  const first = await stand(folder);
  const ids = [
    'default',
    'grant:alice',
    'grant:Alice',
    'grant.alice',
    'task:7',
    'task:../7',
    'task:/etc',
    'a'.repeat(300),
    'a'.repeat(301),
    '',
  ];
  const clients = await Promise.all(ids.map((id) => first.open(id)));
  await Promise.all(
    clients.map((client, index) => client.call('create_entities', { entities: [entity(`of ${ids[index]}`)] })),
  );
  await Promise.all(clients.map((client) => client.close()));
  t.is(readdirSync(join(folder, memory)).length, ids.length);
  const second = await stand(folder);
  for (const id of ids) {
    const client = await second.open(id);
    t.deepEqual((await readGraph(client)).entities, [entity(`of ${id}`)]);
    await client.close();
  }
  t.deepEqual(
    await first.server
      .open(
        { kind: 'shared', id: 's', grant: undefined, capabilities: {}, clientInfo: undefined },
        {
          notification: () => {},
          request: () => Promise.reject(new Error('no')),
          closed: () => {},
        },
        new AbortController().signal,
      )
      .then(
        () => 'opened',
        (error: Error) => error.message,
      ),
    'a memory belongs to a grant; this lease names none',
  );
});

test('file names of grants are safe, readable and never the same for two', (t) => {
  t.is(graphFileName('default'), 'default.jsonl');
  t.is(graphFileName('grant:alice'), 'grant.alice.jsonl');
  t.is(graphFileName('task:7'), 'task.7.jsonl');
  const id = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'A', '%', '.', ':', '/', '2', 'e', 'u', '0', '-', '\ud800', 'é', '\0') }),
    fc.string({ unit: 'binary', maxLength: 400 }),
  );
  fc.assert(
    fc.property(id, id, (one, other) => {
      const [first, second] = [graphFileName(one), graphFileName(other)];
      t.regex(first, /^(?!\.)[a-z0-9._%-]{1,190}\.jsonl$/);
      return (one === other) === (first === second);
    }),
    { numRuns: 500 },
  );
});

test('200 concurrent calls lose nothing, over one lease, two leases and two instances of the plugin', async (t) => {
  const folder = temporaryFolder(t);
  const [one, other] = [await stand(folder), await stand(folder)];
  const clients = [await one.open('default'), await one.open('default'), await other.open('default')];
  await clients[0]?.call('create_entities', { entities: [entity('shared')] });
  const calls = Array.from({ length: 200 }, (_, index) => {
    const client = clients[index % clients.length] as ServerLease;
    if (index % 2 === 0) return client.call('create_entities', { entities: [entity(`entity ${index}`)] });
    return client.call('add_observations', {
      observations: [{ entityName: 'shared', contents: [`observation ${index}`] }],
    });
  });
  for (const response of await Promise.all(calls)) structured(response);
  for (const client of clients) {
    const { entities } = await readGraph(client);
    t.is(entities.length, 101);
    t.is(new Set(entities.map((each) => each.name)).size, 101);
    t.is(new Set(entities[0]?.observations).size, 100);
  }
  // The first to close must not take the graph from the second.
  await clients[0]?.close();
  structured(await (clients[1] as ServerLease).call('create_entities', { entities: [entity('late')] }));
  await Promise.all(clients.map((client) => client.close()));
  t.deepEqual(readdirSync(join(folder, memory)), ['default.jsonl']);
});

test('closing waits for what is under way, and a call that was given up is not carried out', async (t) => {
  const folder = temporaryFolder(t);
  const client = await (await stand(folder)).open('default');
  const calls = ['Ada', 'Bob'].map((name) =>
    client.call('create_entities', { entities: [entity(name)] }).catch((error: Error) => error.message),
  );
  await client.close();
  t.deepEqual(await Promise.all(calls), ['server "memory" is stopped', 'server "memory" is stopped']);
  t.false(existsSync(join(folder, memory, 'default.jsonl.lock')));
  const again = await openIn(t, folder);
  t.deepEqual((await readGraph(again)).entities, []);
});

test('limits of texts, items, entities and the graph are kept, with a way out', async (t) => {
  const folder = temporaryFolder(t);
  const client = await openIn(t, folder, { maxBytes: 4096, maxEntityBytes: 1024, maxTextBytes: 300, maxItems: 10 });
  const refused = async (tool: string, args: Record<string, unknown>, words: RegExp) => {
    const before = await readGraph(client);
    t.regex(errorText(await client.call(tool, args)), words);
    t.deepEqual(await readGraph(client), before);
  };
  const long = 'ü'.repeat(151);
  await refused(
    'create_entities',
    { entities: [entity('fits'), entity(long)] },
    /^entities\[1\]\.name: 302 bytes, at most 300 .*maxTextBytes/,
  );
  await refused('search_nodes', { query: long }, /^query: 302 bytes/);
  await refused('open_nodes', { names: [long] }, /^names\[0\]: 302 bytes/);
  await refused(
    'create_relations',
    { relations: [{ from: 'a', to: 'b', relationType: long }] },
    /relationType: 302 bytes/,
  );
  await refused(
    'delete_entities',
    { entityNames: Array.from({ length: 11 }, String) },
    /more than 10 items in one call .*maxItems/,
  );
  await refused(
    'create_entities',
    { entities: [entity('a', ...'12345'), entity('b', ...'6789')] },
    /more than 10 items/,
  );
  const texts = Array.from({ length: 4 }, (_, index) => String(index).repeat(250));
  await refused(
    'create_entities',
    { entities: [entity('big', ...texts)] },
    /^entity "big" would take \d+ bytes, at most 1024 .*maxEntityBytes/,
  );
  structured(await client.call('create_entities', { entities: [entity('grows', ...texts.slice(0, 3))] }));
  const more = {
    observations: [
      { entityName: 'grows', contents: ['x'], entityType: '' },
      { entityName: 'grows', contents: texts.slice(3) },
    ],
  };
  await refused('add_observations', more, /^entity "grows" would take/);
  for (const name of ['b', 'c', 'd'])
    structured(await client.call('create_entities', { entities: [entity(name, ...texts.slice(0, 3))] }));
  await refused(
    'create_entities',
    { entities: [entity('f', ...texts.slice(0, 3))] },
    /^the memory is full: .*4096.*maxBytes.*delete/,
  );
  t.true(statSync(join(folder, memory, 'default.jsonl')).size <= 4096);
  structured(await client.call('delete_entities', { entityNames: ['b'] }));
  structured(await client.call('create_entities', { entities: [entity('f', ...texts.slice(0, 3))] }));
  // A limit lowered later refuses the file and says so; the file stays.
  const lowered = await openIn(t, folder, { maxBytes: 1024 });
  t.regex(errorText(await lowered.call('read_graph')), /more than the 1024 allowed.*maxBytes/);
  t.regex(
    errorText(await lowered.call('create_entities', { entities: [entity('g')] })),
    /more than the 1024 allowed.*maxBytes/,
  );
  t.is((await readGraph(client)).entities.length, 4);
});

test('a cut-off last line loses itself only, and is kept before the file is written', async (t) => {
  const folder = temporaryFolder(t);
  const first = await openIn(t, folder);
  await first.call('create_entities', { entities: [entity('Ada'), entity('Bob', 'Grüße')] });
  const file = join(folder, memory, 'default.jsonl');
  const whole = readFileSync(file);
  for (let length = whole.indexOf('\n') + 2; length < whole.length; length += 7) {
    const cut = whole.subarray(0, length);
    writeFileSync(file, cut);
    const { open, log } = await stand(folder);
    const client = await open('default');
    t.deepEqual((await readGraph(client)).entities, [entity('Ada')]);
    t.is(log.filter(({ level }) => level === 'warn').length, 1);
    t.deepEqual(readFileSync(file), cut, 'reading must not write');
    structured(await client.call('create_entities', { entities: [entity('Carol')] }));
    t.deepEqual((await readGraph(client)).entities, [entity('Ada'), entity('Carol')]);
    const aside = readdirSync(join(folder, memory)).filter((each) => each.includes('.cut-'));
    t.deepEqual(
      aside.map((each) => readFileSync(join(folder, memory, each))),
      [cut],
    );
    for (const each of aside) rmSync(join(folder, memory, each));
    await client.close();
  }
});

test('a corrupt file is set aside whole, with one clear error, and never written over', async (t) => {
  const good = JSON.stringify({ type: 'entity', ...entity('Ada') });
  const corrupt = {
    'rubbish in the middle': `${good}\n{"type":"ent\n${good}`,
    'rubbish at the end of a finished file': `${good}\nrubbish\n`,
    'no line at all': 'hello',
    'an array': `[]\n${good}`,
    'entity without observations': `${good}\n{"type":"entity","name":"Bob","entityType":"x"}`,
    'relation with a number': `{"type":"relation","from":"a","to":1,"relationType":"x"}\n${good}`,
    'not UTF-8': Buffer.concat([Buffer.from('{"type":"x","name":"'), Buffer.from([0xff]), Buffer.from(`"}\n${good}`)]),
  };
  for (const [what, bytes] of Object.entries(corrupt)) {
    for (const tool of ['read_graph', 'create_entities']) {
      const folder = temporaryFolder(t);
      const file = join(folder, memory, 'default.jsonl');
      mkdirSync(join(folder, memory), { recursive: true });
      writeFileSync(file, bytes);
      const { open, log } = await stand(folder);
      const client = await open('default');
      t.regex(
        errorText(await client.call(tool, tool === 'read_graph' ? {} : { entities: [entity('Bob')] })),
        /default\.jsonl is corrupt \(line \d+: .*kept as default\.jsonl\.corrupt-/,
        what,
      );
      t.is(log.filter(({ level }) => level === 'error').length, 1);
      const [aside, ...others] = readdirSync(join(folder, memory));
      t.deepEqual(others, []);
      t.deepEqual(readFileSync(join(folder, memory, String(aside))), Buffer.from(bytes));
      t.deepEqual(await readGraph(client), { entities: [], relations: [] });
      structured(await client.call('create_entities', { entities: [entity('Carol')] }));
      await client.close();
      t.is(readdirSync(join(folder, memory)).length, 2);
    }
  }
});

test('what the format allows is kept: blank lines, CRLF, a byte order mark, lines of other types, a link to the file', async (t) => {
  const folder = temporaryFolder(t);
  const existing = join(folder, 'existing.jsonl');
  const foreign = '{"type":"embedding","of":"Ada","vector":[1e400,0.10]}';
  const lines = [
    '\ufeff{"type":"entity","name":"Ada","entityType":"thing","observations":[],"more":1}',
    '',
    foreign,
    '{"type":"relation","from":"Ada","to":"Bob","relationType":"knows"}',
    '',
  ];
  writeFileSync(existing, lines.join('\r\n'));
  mkdirSync(join(folder, memory), { recursive: true });
  symlinkSync(existing, join(folder, memory, 'default.jsonl'));
  const client = await openIn(t, folder);
  t.deepEqual(await readGraph(client), {
    entities: [entity('Ada')],
    relations: [{ from: 'Ada', to: 'Bob', relationType: 'knows' }],
  });
  structured(await client.call('delete_relations', { relations: [{ from: 'Ada', to: 'Bob', relationType: 'knows' }] }));
  t.is(readFileSync(existing, 'utf8'), `${JSON.stringify({ type: 'entity', ...entity('Ada') })}\n${foreign}`);
  t.deepEqual(readdirSync(join(folder, memory)), ['default.jsonl']);
  // A file that somebody replaces or edits while it is in memory is read anew.
  writeFileSync(existing, JSON.stringify({ type: 'entity', ...entity('Zoe') }));
  t.deepEqual((await readGraph(client)).entities, [entity('Zoe')]);
  rmSync(existing);
  t.deepEqual((await readGraph(client)).entities, []);
});
