// `plugboard create`: every kind of plugin compiles, passes its own tests and the contract as it was made; what it refuses, and what it says.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { commandLine } from '@plugboard/test-kit';
import { packedFiles } from '@plugboard/test-kit/contract';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { version } from 'plugboard';
import { root } from '../e2e/support/stand.ts';

const bin = path.join(root, 'node_modules', '.bin');
const createBin = path.join(root, 'core', 'create-plugboard-plugin', 'bin', 'create-plugboard-plugin.js');

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  // No settings of npm from above: a test of the workspace is run by npm itself.
  const env = { PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`, HOME: cwd, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 1e8 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}

function create(cwd: string, ...given: string[]): Promise<Ran> {
  const { command, args } = commandLine('create', ...given);
  return run(command, args, cwd);
}

/** A folder inside the workspace, from which its packages are found; removed with the test. */
async function workFolder(t: ExecutionContext): Promise<string> {
  t.timeout(600_000);
  mkdirSync(path.join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.cache', 'create-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [path.join(entry.parentPath, entry.name)] : []));
}

for (const kind of ['server', 'policy', 'transport', 'store']) {
  test.serial(`a new ${kind} plugin compiles, passes its tests and the contract, and can be packed`, async (t) => {
    const folder = await workFolder(t);
    const id = `my-${kind}`;
    const made = await create(folder, id, '--kind', kind, '--package', `@acme/${id}`, '--json');
    t.is(made.code, 0, made.stderr);
    const plugin = path.join(folder, id);
    t.like(JSON.parse(made.stdout), {
      id,
      package: `@acme/${id}`,
      kind,
      folder: plugin,
      next: [`cd ${id}`, 'npm install', 'npm test'],
    });
    t.false(
      readdirSync(folder).some((name) => name !== id),
      'nothing else is left',
    );
    for (const file of ['.gitignore', 'LICENSE', `plugins/${id}.json`])
      t.true(existsSync(path.join(plugin, file)), file);
    for (const file of filesBelow(plugin)) t.notRegex(readFileSync(file, 'utf8'), /template[- ]/i, file);
    const manifest = JSON.parse(readFileSync(path.join(plugin, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    t.is(manifest['peerDependencies']?.['plugboard'], `^${version}`);
    for (const [name, range] of Object.entries(manifest['devDependencies'] ?? {}))
      t.true(accepts(range, installed(name)), `${name} ${range}`);
    const tested = await run('npm', ['test'], plugin);
    t.is(tested.code, 0, tested.stdout + tested.stderr);
    t.regex(tested.stdout, new RegExp(`✔ ${id}: it declares the capabilities`));
    t.regex(tested.stdout, /\d+ tests passed/);
  });
}

test.serial('npm create plugboard-plugin is the same program', async (t) => {
  const folder = await workFolder(t);
  const made = await run(process.execPath, [createBin, 'deny-list', '--kind', 'policy'], folder);
  t.is(made.code, 0, made.stderr);
  t.regex(
    made.stdout,
    /policy plugin "deny-list", package plugboard-plugin-deny-list\nnext:\n {2}cd deny-list\n {2}npm install\n {2}npm test\n/,
  );
  const entry = JSON.parse(readFileSync(path.join(folder, 'deny-list', 'plugins', 'deny-list.json'), 'utf8')) as object;
  t.like(entry, { id: 'deny-list', title: 'Deny list', kind: 'policy', package: 'plugboard-plugin-deny-list' });
});

test.serial('what cannot be made is refused with a way out, and nothing is written', async (t) => {
  const folder = await workFolder(t);
  await mkdir(path.join(folder, 'full'));
  await writeFile(path.join(folder, 'full', 'mine.txt'), 'mine');
  const before = filesBelow(folder);
  const refused: readonly (readonly [string[], RegExp])[] = [
    [['Weather Tool'], /"Weather Tool" is no id.*try: `[^`]*plugboard\S* create weather-tool`/],
    [['weatherTool'], /try: `[^`]*plugboard\S* create weather-tool`/],
    [['@acme/plugboard-plugin-wetter'], /try: `[^`]*create wetter`$/m],
    [['-'.repeat(3).concat('x')], /unknown option|is no id/],
    [['x'], /is no id for a plugin: an id has 2 to 40/],
    [['a'.repeat(41)], /try: `[^`]*create a{40}`$/m],
    [['a--b'], /try: `[^`]*create a-b`/],
    [['core'], /the id "core" is taken by Plugboard itself; try: `[^`]*create my-core`/],
    [['http'], /the id "http" is taken by the package @plugboard\/http/],
    [['full'], /full is not empty \(mine\.txt\): name another folder with --directory/],
    [['full-too', '--directory', 'full/mine.txt'], /mine\.txt is a file: name a folder/],
    [
      ['weather', '--kind', 'sever'],
      /no kind "sever" \(nearest: server\); there are: server, policy, transport, store/,
    ],
    [['weather', '--package', 'No Name'], /"No Name" is no name of an npm package/],
  ];
  for (const [args, reason] of refused) {
    const { code, stderr } = await create(folder, ...args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, reason);
  }
  t.deepEqual(filesBelow(folder), before);
});

test.serial('an empty folder is filled, also the one that one is in', async (t) => {
  const folder = await workFolder(t);
  t.is((await create(folder, 'weather', '--directory', '.')).code, 0);
  t.true(existsSync(path.join(folder, 'src', 'index.ts')));
  t.is((await create(folder, 'weather', '--directory', '.')).code, 2);
});

test.serial(
  'the templates are in the package of the core, with the file that npm would leave out under another name',
  async (t) => {
    t.timeout(120_000);
    const [files = []] = await packedFiles([path.join(root, 'core')]);
    const templates = filesBelow(path.join(root, 'core', 'templates')).map((file) =>
      path.relative(path.join(root, 'core'), file),
    );
    t.true(templates.includes('templates/common/gitignore'));
    t.deepEqual(
      templates.filter((file) => !files.includes(file)),
      [],
    );
  },
);

function installed(name: string): string {
  return (
    JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
  ).version;
}

/** Whether a range of the form `^1.2.3` accepts a version. */
function accepts(range: string, found: string): boolean {
  const [, wanted = ''] = /^\^(\d+\.\d+\.\d+)$/.exec(range) ?? [];
  const [major = 0, minor = 0, patch = 0] = wanted.split('.').map(Number);
  const [own = 0, ownMinor = 0, ownPatch = 0] = found.split('.').map(Number);
  if (own !== major || (major === 0 && ownMinor !== minor)) return false;
  return ownMinor > minor || (ownMinor === minor && ownPatch >= patch);
}
