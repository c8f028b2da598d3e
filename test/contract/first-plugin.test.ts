// docs/first-plugin.md, taken at its word: its files are written and its commands are typed as they stand there, from `create` to the index.
// Put in their place: the port, `@you`'s login, and `npm install`, which would fetch compilers; those of this workspace are used.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commandLine, guardChild, until } from '@plugboard/test-kit';
import { pluginHost } from '@plugboard/test-kit/contract';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { isPlugin } from 'plugboard';
import type { JsonObject, Plugin } from 'plugboard';
import { startRegistry } from '../e2e/support/registry.ts';
import type { Registry } from '../e2e/support/registry.ts';
import { root } from '../e2e/support/stand.ts';

const page = readFileSync(path.join(root, 'docs', 'first-plugin.md'), 'utf8');

interface Block {
  readonly language: string;
  readonly file: string;
  readonly text: string;
}

const blocks: readonly Block[] = [...page.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(
  ([, language = '', file = '', text = '']) => ({ language, file, text }),
);

/** A person at a shell, who has a working directory, a home, and what npx and npm would find. */
class Person {
  readonly t: ExecutionContext;
  readonly folder: string;
  readonly port: number;
  readonly registry: Registry;
  cwd: string;

  constructor(t: ExecutionContext, folder: string, port: number, registry: Registry) {
    this.t = t;
    this.folder = folder;
    this.port = port;
    this.registry = registry;
    this.cwd = folder;
  }

  /** Types a line; fails the test when the command fails. Returns what it printed. */
  async type(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.#shell(line.replaceAll('8807', String(this.port)));
    this.t.is(code, 0, `${line}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Types `npx plugboard up` and leaves it running; it ends with the test, or by the function that is returned. */
  async up(line: string): Promise<() => Promise<void>> {
    this.t.is(line, 'npx plugboard up');
    const { command, args } = commandLine('up');
    const child = spawn(command, args, { cwd: this.cwd, env: this.registry.env, stdio: ['ignore', 'pipe', 'pipe'] });
    guardChild(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'close');
    const stop = async (): Promise<void> => {
      child.kill('SIGINT');
      await ended;
    };
    this.t.teardown(stop);
    await until(
      () => `the proxy is not up: ${output}`,
      () => {
        if (child.exitCode !== null) throw new Error(`the proxy ended: ${output}`);
        return output.includes(`127.0.0.1:${this.port}/mcp`) && output.includes('Ctrl-C stops');
      },
    );
    return stop;
  }

  async #shell(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const { command, args } = commandLine();
    const plugboard = [command, ...args].map((each) => `'${each}'`).join(' ');
    const modules = path.join(root, 'node_modules');
    const script = [
      `plugboard() { ${plugboard} "$@"; }`,
      'npx() { "$@"; }',
      // What the workspace has installed stands for what npm would fetch; everything else is npm itself.
      `npm() { if [ "$*" = install ]; then ln -s '${modules}' node_modules; else command npm "$@"; fi; }`,
      line,
      'status=$?; pwd > "$WHERE"; exit $status',
    ].join('\n');
    const where = path.join(this.folder, '.where');
    const child = spawn('sh', ['-c', script], { cwd: this.cwd, env: { ...this.registry.env, WHERE: where } });
    guardChild(child);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
    const [code] = (await once(child, 'close')) as [number];
    this.cwd = readFileSync(where, 'utf8').trim();
    return { code, ...output };
  }
}

/** A person in an empty folder, logged in to a registry of her own. */
async function person(t: ExecutionContext): Promise<Person> {
  t.timeout(600_000);
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const token = await registry.user('you');
  const { host } = new URL(registry.url);
  await appendFile(path.join(registry.env['HOME'] ?? '', '.npmrc'), `//${host}/:_authToken=${token}\n`);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-first-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return new Person(t, folder, await freePort(), registry);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Lines of the next block of commands; each block is used once, in the order of the page. */
function commandsOf(section: string): string[][] {
  const [, text = ''] = page.split(`\n## ${section}`);
  const [own = ''] = text.split('\n## ');
  return [...own.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, lines = '']) => lines.trim().split('\n'));
}

test.serial('from create to the index, as the page says', async (t) => {
  const you = await person(t);
  // 1. Make it.
  for (const line of commandsOf('1.')[0] ?? []) await you.type(line);
  const weather = path.join(you.folder, 'weather');
  t.is(you.cwd, weather);
  for (const [, file = ''] of page.matchAll(/^\| `([^`]+)` \|/gm)) t.true(existsSync(path.join(weather, file)), file);
  // 2. Make it yours.
  const sources = blocks.filter(({ language }) => language === 'ts');
  t.deepEqual(
    sources.map(({ file }) => file),
    ['src/tools.ts', 'test/plugin.test.ts'],
  );
  for (const { file, text } of sources) await writeFile(path.join(weather, file), text);
  const [[again = ''] = []] = commandsOf('2.');
  t.regex(await you.type(again), /12 tests passed/);
  // 3. Try it in a proxy.
  const [start = [], [call = ''] = []] = commandsOf('3.');
  for (const line of start.slice(0, -1)) await you.type(line);
  const stop = await you.up(start.at(-1) ?? '');
  t.is((await you.type(call)).trim(), 'Hi! Oslo in 2 d: sunny.');
  await stop();
  // 4. Publish it: another proxy takes it while it runs.
  const [publish = [], use = []] = commandsOf('4.');
  for (const line of publish) await you.type(line);
  const [enter = '', write = '', add = '', callAgain = ''] = use;
  await you.type(enter);
  await you.type(write);
  await you.up('npx plugboard up');
  t.regex(await you.type(add), /weather 0\.1\.0 runs/);
  t.is((await you.type(callAgain)).trim(), 'Hello! Rome in 1 d: sunny.');
  // What was published is what the contract asks for: types, and no tests.
  const { files } = JSON.parse(await you.type('npm pack --dry-run --json @you/plugboard-weather@0.1.0')).at(0) as {
    files: { path: string }[];
  };
  t.true(files.some(({ path: file }) => file === 'dist/src/index.d.ts'));
  t.false(files.some(({ path: file }) => file.includes('test')));
  // 5. Put it into the index: a copy of this repository's, in the place of a clone.
  const clone = path.join(you.folder, 'plugboard');
  await mkdir(clone);
  await symlink(path.join(root, 'node_modules'), path.join(clone, 'node_modules'));
  for (const part of ['package.json', 'README.md', 'plugins', 'servers', 'schema', 'dist/src'])
    cpSync(path.join(root, 'registry-index', part), path.join(clone, 'registry-index', part), { recursive: true });
  you.cwd = clone;
  for (const line of commandsOf('5.')[0] ?? []) t.notRegex(await you.type(line), /[1-9]\d* problems/);
});

test('a server of the SDK, of either version, is a plugin by ten lines', async (t) => {
  t.timeout(120_000);
  await mkdir(path.join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.cache', 'first-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const modules = blocks.filter(({ language }) => language === 'js');
  t.deepEqual(
    modules.map(({ file }) => file),
    ['clock.mjs', 'calendar.mjs'],
  );
  const plugins: Plugin[] = [];
  for (const { file, text } of modules) {
    t.is(text.trimEnd().split('\n').length, 10, file);
    await writeFile(path.join(folder, file), text);
    const { default: plugin } = (await import(path.join(folder, file))) as { default: unknown };
    t.true(isPlugin(plugin));
    plugins.push(plugin as Plugin);
  }
  const host = await pluginHost({ plugins });
  t.teardown(() => host.stop());
  for (const era of ['old', 'new'] as const) {
    const client = await host.client({ era });
    t.deepEqual((await client.toolNames()).toSorted(), ['calendar_today', 'clock_now']);
    t.regex(await client.text('clock_now'), /^\d{4}-\d\d-\d\dT.*Z$/);
    t.regex(await client.text('calendar_today'), /^\d{4}-\d\d-\d\d$/);
  }
});

test('the manifest of docs/plugin-manifest.md is what create writes', (t) => {
  const manual = readFileSync(path.join(root, 'docs', 'plugin-manifest.md'), 'utf8');
  const [, text = ''] = /^```json\n(.*?)^```$/ms.exec(manual) ?? [];
  const shown = JSON.parse(text) as JsonObject;
  const template = JSON.parse(
    readFileSync(path.join(root, 'core', 'templates', 'server', 'package.json'), 'utf8'),
  ) as JsonObject;
  for (const member of ['license', 'type', 'engines', 'exports', 'files', 'keywords'])
    t.deepEqual(shown[member], template[member], member);
  const rows = [...manual.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
  for (const capability of ['hooks', 'services', 'board', 'network', 'filesystem', 'secrets', 'childProcess'])
    t.true(rows.includes(capability), capability);
});
