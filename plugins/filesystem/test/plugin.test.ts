// The plugin as the host sees it: its options, what it registers, and which folder each grant gets.
import test from 'ava';
import fc from 'fast-check';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPlugin } from 'plugboard';
import plugin from '../src/index.ts';
import { version } from '../src/server.ts';
import { folderName } from '../src/workspaces.ts';
import { makeFixture, removeFixture, secret } from './fixture.ts';
import { leaseKey } from '@plugboard/test-kit/stand';
import { connect, openOurs, register, textOf } from './harness.ts';

test('the plugin keeps the contract, and refuses options that it does not know', async (t) => {
  t.true(isPlugin(plugin));
  t.is(plugin.id, 'filesystem');
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.is(manifest.version, version);
  t.deepEqual(plugin.options?.parse({ root: 'x' }), {
    root: 'x',
    name: 'filesystem',
    readOnly: false,
    workspaces: 'shared',
    maxFileSize: 10_485_760,
    maxEntries: 50_000,
    maxDepth: 64,
  });
  for (const wrong of [
    {},
    { root: '' },
    { root: 'x', rot: 1 },
    { root: 'x', name: 'a b' },
    { root: 'x', maxFileSize: 0 },
    { root: 'x', workspaces: 'mine' },
  ]) {
    t.false(plugin.options?.safeParse(wrong).success, JSON.stringify(wrong));
  }
});

test('the root is taken from the folder of the configuration', async (t) => {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  const definition = await register({ root: 'root', name: 'files' }, fixture.base);
  t.is(definition.name, 'files');
  t.is(definition.isolation, 'task');
  const server = await connect(definition);
  t.is(textOf(await server.call('list_allowed_directories')), `Allowed directories:\n${fixture.root}`);
  await server.close();
});

test('without its root the server still lists, warns, and says at a call what to do', async (t) => {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  const root = join(fixture.base, 'nowhere');
  const warned = await new Promise<string>((resolve, reject) => {
    register({ root }, '/', resolve).catch(reject);
  });
  t.true(warned.includes(root) && warned.includes('create it'));
  const definition = await register({ root });
  t.is((await (await connect(definition, leaseKey(undefined))).list()).length, 14);
  await t.throwsAsync(connect(definition), {
    message: `the root ${root} cannot be used: create it, or correct the option root`,
  });
  await t.throwsAsync(openOurs({ root: join(fixture.root, 'a.txt') }), {
    message: /is not a folder: correct the option root$/,
  });
  const perTask = await register({ root, workspaces: 'per-task' });
  await t.throwsAsync(connect(perTask), { message: /^the root .* cannot be used: create it/ });
});

test('readOnly offers only what changes nothing', async (t) => {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  const server = await openOurs({ root: fixture.root, readOnly: true });
  const tools = await server.list();
  t.is(tools.length, 10);
  t.true(tools.every((tool) => tool.annotations?.['readOnlyHint'] === true));
  for (const tool of ['write_file', 'edit_file', 'create_directory', 'move_file']) {
    await t.throwsAsync(
      server.call(tool, { path: 'a.txt', content: '', edits: [], source: 'a.txt', destination: 'b' }),
      { message: /Unknown tool/ },
    );
  }
});

test('shared: grants see the same files; per-task: each has a folder and no way into another', async (t) => {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  const { root, outside } = fixture;
  const grants = ['default', 'grant:alice', 'task:7'];
  const shared = await register({ root });
  await (await connect(shared, leaseKey('grant:alice'))).call('write_file', { path: 'note', content: 'from alice' });
  t.is(
    textOf(await (await connect(shared, leaseKey('task:7'))).call('read_text_file', { path: 'note' })),
    'from alice',
  );

  const perTask = await register({ root, workspaces: 'per-task' });
  const servers = await Promise.all(grants.map((grant) => connect(perTask, leaseKey(grant))));
  await Promise.all(
    servers.map((server, index) => server.call('write_file', { path: 'own', content: `${secret} ${grants[index]}` })),
  );
  for (const [index, server] of servers.entries()) {
    t.is(textOf(await server.call('read_text_file', { path: 'own' })), `${secret} ${grants[index]}`);
    t.is(textOf(await server.call('list_directory', { path: '' })), '[FILE] own');
    for (const other of grants.filter((grant) => grant !== grants[index])) {
      for (const path of [`../${folderName(other)}/own`, join(root, folderName(other), 'own'), '../a.txt']) {
        t.regex(textOf(await server.call('read_text_file', { path })), /^Access denied/);
      }
    }
  }
  t.is(await readFile(join(root, 'task.7', 'own'), 'utf8'), `${secret} task:7`);
  // The same grant finds its files again on a new connection.
  t.is(textOf(await (await connect(perTask, leaseKey('task:7'))).call('list_directory', { path: '' })), '[FILE] own');
  await symlink(outside, join(root, 'task.8'));
  await t.throwsAsync(connect(perTask, leaseKey('task:8')), { message: /is a link/ });
  await symlink('task.7', join(root, 'task.9'));
  await t.throwsAsync(connect(perTask, leaseKey('task:9')), { message: /is a link/ });
  await mkdir(join(root, 'task.10'));
  await t.notThrowsAsync(connect(perTask, leaseKey('task:10')));
});

test('the folder of a grant is one name, and never that of another grant', (t) => {
  t.deepEqual(['default', 'grant:alice', 'task:7', 'grant:A b'].map(folderName), [
    'default',
    'grant.alice',
    'task.7',
    'grant.%41%20b',
  ]);
  const id = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(':', '.', 'a', 'A', '%', '/', '2', 'e'), maxLength: 200 }),
  );
  fc.assert(
    fc.property(id, id, (left, right) => {
      const [first, second] = [folderName(left), folderName(right)];
      t.true(/^[a-z0-9_%-][a-z0-9_.%-]*$/.test(first) && Buffer.byteLength(first) <= 255, first);
      t.is(join('/base', first), `/base/${first}`);
      t.is(dirname(join('/base', first)), '/base');
      t.is(basename(join('/base', first)), first);
      t.is(first === second, left === right);
    }),
    {
      numRuns: 2000,
      examples: [
        ['..', '.'],
        [':', '%3a'],
        ['', ':'],
        ['A', 'a'],
        ['a:b', 'a.b'],
        ['\ud800', '\ufffd'],
      ],
    },
  );
});
