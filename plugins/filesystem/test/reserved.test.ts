// The proxy's own files below the root: every tool is tried on them in every spelling, and none may show or change them.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { link, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject, ServerDefinition } from 'plugboard';
import { makeFixture, picture, removeFixture, secret } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { leaseKey } from '@plugboard/test-kit/stand';
import { connect, register, textOf } from './harness.ts';
import type { Server } from './harness.ts';
import { startWorker } from './nuisance.ts';

interface Stand {
  readonly fixture: Fixture;
  /** The folder of the configuration: below the root. */
  readonly project: string;
  readonly reserved: readonly string[];
  readonly server: Server;
}

/** A root with a proxy's configuration one folder down. */
async function stand(t: ExecutionContext): Promise<Stand> {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  const project = join(fixture.root, 'project');
  await mkdir(join(project, '.plugboard/state'), { recursive: true });
  await writeFile(join(project, 'plugboard.yaml'), secret);
  await writeFile(join(project, '.plugboard/admin-plugboard.json'), secret);
  await writeFile(join(project, '.plugboard/state/tokens.jsonl'), secret);
  await writeFile(join(project, 'free.txt'), 'free\n');
  await writeFile(join(fixture.outside, 'token'), secret);
  // One of them is a link, as mounted configurations are.
  await symlink('../../outside/token', join(project, 'token.txt'));
  const names = ['.plugboard', 'plugboard.yaml', 'plugboard.json', 'plugboard.lock', 'token.txt'];
  const reserved = names.map((name) => join(project, name));
  const definition = await register({ root: fixture.root }, project, () => {}, reserved);
  return { fixture, project, reserved, server: await connect(definition) };
}

/** Every tool that takes a path, with it in each place that takes one. */
function callsWith(path: string): [string, JsonObject][] {
  const readers =
    'read_file read_text_file read_media_file list_directory list_directory_with_sizes directory_tree get_file_info';
  return [
    ...readers.split(' ').map((tool): [string, JsonObject] => [tool, { path }]),
    ['read_text_file', { path, head: 1 }],
    ['read_text_file', { path, tail: 1 }],
    ['read_multiple_files', { paths: [path] }],
    ['search_files', { path, pattern: '**' }],
    ['edit_file', { path, edits: [{ oldText: secret.slice(0, 8), newText: 'changed' }] }],
    ['edit_file', { path, edits: [], dryRun: true }],
    ['write_file', { path, content: 'plugins: {}' }],
    ['create_directory', { path }],
    ['move_file', { source: path, destination: 'stolen.txt' }],
    ['move_file', { source: 'b.txt', destination: path }],
  ];
}

test('no tool shows or changes them, whatever they are called', async (t) => {
  t.timeout(120_000);
  const { fixture, project, server } = await stand(t);
  const { root } = fixture;
  await symlink('project', join(root, 'to-project'));
  await symlink('project/plugboard.yaml', join(root, 'to-file'));
  await symlink('project/.plugboard', join(root, 'to-state'));
  await symlink('to-state', join(root, 'to-link'));
  await link(join(project, 'plugboard.yaml'), join(root, 'twin.yaml'));
  const before = await picture(root);
  const ways = [
    'project/plugboard.yaml',
    join(project, 'plugboard.yaml'),
    'dir/../project/./plugboard.yaml',
    'project/PLUGBOARD.YAML',
    'project/plugboard.json',
    'project/plugboard.lock',
    'project/token.txt',
    'project/.plugboard',
    'project/.plugboard/',
    'project/.plugboard/admin-plugboard.json',
    'project/.plugboard/state/tokens.jsonl',
    'project/.plugboard/new/deeper.txt',
    'project/.PlugBoard/admin-plugboard.json',
    'to-project/plugboard.yaml',
    'to-project/.plugboard/admin-plugboard.json',
    'to-file',
    'to-state',
    'to-state/admin-plugboard.json',
    'to-link/state/tokens.jsonl',
    'twin.yaml',
  ];
  for (const path of ways) {
    for (const [tool, args] of callsWith(path)) {
      // Writing replaces a hard link, and moving it gives it another name: what it is a link to stays as it is.
      if (path === 'twin.yaml' && /write|move|list|tree|search|create/.test(tool)) continue;
      const outcome = await server.call(tool, args);
      const text = textOf(outcome);
      t.true(outcome.isError === true || tool === 'read_multiple_files', `${tool} ${path}: ${text}`);
      t.regex(text, /Access denied - /, `${tool} ${path}`);
      t.false(text.includes(secret) || text.includes('tokens.jsonl\n'), `${tool} ${path}: ${text}`);
    }
  }
  t.deepEqual(await picture(root), before);
});

test('lists, trees and searches leave them out; everything beside them is there', async (t) => {
  const { server } = await stand(t);
  for (const path of ['project', '.']) {
    for (const tool of ['list_directory', 'list_directory_with_sizes', 'directory_tree', 'search_files']) {
      const text = textOf(await server.call(tool, { path, ...(tool === 'search_files' && { pattern: '**' }) }));
      t.false(/plugboard\.yaml|\.plugboard|admin-|tokens|token\.txt/.test(text), `${tool} ${path}: ${text}`);
      t.true(path === '.' || text.includes('free.txt'), `${tool} ${path}: ${text}`);
    }
  }
  t.is(textOf(await server.call('read_text_file', { path: 'project/free.txt' })), 'free\n');
  await server.call('write_file', { path: 'project/plugboard.yaml.txt', content: 'another name' });
  t.is(textOf(await server.call('read_text_file', { path: 'project/plugboard.yaml.txt' })), 'another name');
  t.regex(textOf(await server.call('move_file', { source: 'project/free.txt', destination: 'freed.txt' })), /^Success/);
});

test('a folder that holds them is not moved: they would be open at the new place', async (t) => {
  const { fixture, server } = await stand(t);
  t.regex(textOf(await server.call('move_file', { source: 'project', destination: 'moved' })), /^Access denied - /);
  t.regex(await readFile(join(fixture.root, 'project/plugboard.yaml'), 'utf8'), new RegExp(secret));
  t.regex(textOf(await server.call('move_file', { source: 'dir', destination: 'moved' })), /^Success/);
});

test('a link that leads to another file now protects that one', async (t) => {
  const { fixture, project, server } = await stand(t);
  const { root } = fixture;
  const file = join(root, 'dir/next.yaml');
  await writeFile(file, 'not yet');
  t.is(textOf(await server.call('read_text_file', { path: 'dir/next.yaml' })), 'not yet');
  await symlink('../dir/next.yaml', join(project, 'plugboard.lock'));
  // Where links lead is looked up again after a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  t.regex(textOf(await server.call('read_text_file', { path: 'dir/next.yaml' })), /^Access denied - /);
});

test('a root among them is refused, except the workspace that the proxy gave to a task', async (t) => {
  const { project, reserved } = await stand(t);
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  for (const root of ['.plugboard', '.plugboard/state']) {
    const definition: ServerDefinition = await register({ root }, project, warn, reserved);
    await t.throwsAsync(connect(definition), { message: /holds files of the proxy itself: name another folder$/ });
  }
  const workspace = join(project, '.plugboard/workspaces/task-7');
  const given = await connect(await register({ root: '..' }, project, warn, reserved), {
    ...leaseKey('task:7'),
    workspace,
  });
  t.regex(textOf(await given.call('write_file', { path: 'a.txt', content: 'mine' })), /^Success/);
  t.is(textOf(await given.call('read_text_file', { path: 'a.txt' })), 'mine');
  t.regex(textOf(await given.call('read_text_file', { path: '../../admin-plugboard.json' })), /^Access denied/);
  const all = await connect(await register({ root: '.' }, project, warn, reserved), {
    ...leaseKey('task:8'),
    workspace: join(project, '.plugboard/..'),
  });
  t.regex(textOf(await all.call('read_text_file', { path: 'plugboard.yaml' })), /^Access denied/);
  await t.throwsAsync(
    connect(await register({ root: '.' }, project, warn, reserved), {
      ...leaseKey('task:9'),
      workspace: join(project, '.plugboard'),
    }),
    { message: /holds files of the proxy itself/ },
  );
});

test('a root that holds them is warned about at the start: which, where, and what to do', async (t) => {
  const { fixture, project, reserved } = await stand(t);
  const warned = (root: string) =>
    new Promise<string>((resolve, reject) => {
      register({ root }, project, resolve, reserved).catch(reject);
      setTimeout(() => resolve('nothing'), 2000);
    });
  const message = await warned('.');
  t.true(message.startsWith('option root: ') && message.includes(project), message);
  t.regex(message, /plugboard\.yaml.*\.\/workspace/s);
  t.regex(await warned('..'), /project\/plugboard\.yaml/);
  t.regex(await warned('.plugboard'), /every call fails: name another folder/);
  t.is(await warned(join(fixture.root, 'dir')), 'nothing');
});

const linuxTest = process.platform === 'linux' ? test : test.skip;

linuxTest('a folder that is swapped for a link to them all the time lets nothing in or out', async (t) => {
  t.timeout(300_000);
  const { fixture, project } = await stand(t);
  const { root } = fixture;
  const file = join(project, 'f.txt');
  await writeFile(file, secret);
  for (const folder of ['race', 'upper/race']) {
    await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, folder, 'f.txt'), 'inside\n');
  }
  await writeFile(join(root, 'swap.txt'), 'inside\n');
  const server = await connect(await register({ root }, project, () => {}, [file, join(project, '.plugboard')]));
  const swapper = startWorker({ kind: 'swap', root, outside: project });
  const seen = { good: 0, refused: 0, leaked: [] as string[] };
  for (let round = 0; round < 60; round += 1) {
    const calls = ['race', 'upper/race'].flatMap((folder): [string, JsonObject][] => [
      ['read_text_file', { path: `${folder}/f.txt` }],
      ['read_media_file', { path: `${folder}/f.txt` }],
      ['list_directory', { path: folder }],
      ['list_directory_with_sizes', { path: folder }],
      ['edit_file', { path: `${folder}/f.txt`, edits: [{ oldText: secret.slice(0, 8), newText: 'changed' }] }],
      ['create_directory', { path: `${folder}/.plugboard/made-${round}` }],
      ['move_file', { source: `${folder}/f.txt`, destination: `stolen-${folder.length}-${round}.txt` }],
      ['write_file', { path: `${folder}/f.txt`, content: 'inside\n' }],
      ['read_text_file', { path: 'swap.txt' }],
    ]);
    for (const [tool, args] of calls) {
      const outcome = await server.call(tool, args);
      const text = textOf(outcome);
      seen[outcome.isError === true ? 'refused' : 'good'] += 1;
      const listed =
        tool.startsWith('list') &&
        text.includes('free.txt') &&
        /f\.txt$|\.plugboard/m.test(text.replace('free.txt', ''));
      if (listed || text.includes(secret) || text.includes(Buffer.from(secret).toString('base64')))
        seen.leaked.push(`${tool}: ${text}`);
    }
  }
  await swapper.stop();
  t.log(`${seen.good} calls went well, ${seen.refused} were refused, ${swapper.counters[1]} rounds of swapping`);
  t.deepEqual(seen.leaked, []);
  t.is(await readFile(file, 'utf8'), secret);
  t.deepEqual(Object.keys(await picture(join(project, '.plugboard'))).sort(), [
    'admin-plugboard.json',
    'state',
    'state/tokens.jsonl',
  ]);
  t.true(seen.good > 100 && seen.refused > 50 && (swapper.counters[1] ?? 0) > 100);
});
