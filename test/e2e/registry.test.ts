// Plugins by npm, end to end: published, found, installed in a clean folder, added to a running proxy, updated, taken back, removed.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startProxy, until } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { startRegistry } from './support/registry.ts';
import type { Registry } from './support/registry.ts';
import { clientFor, folderFor, root } from './support/stand.ts';

const run = promisify(execFile);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program `plugboard` that is installed in a folder. */
async function plugboard(folder: string, registry: Registry, ...args: string[]): Promise<Ran> {
  const program = path.join(folder, 'node_modules', '.bin', 'plugboard');
  return await run(program, args, { cwd: folder, env: registry.env, maxBuffer: 1e8 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      stdout: error.stdout,
      stderr: error.stderr,
    }),
  );
}

/** Packages that the core needs at run time although it is bundled, as a user's npm will ask for them. */
async function publishAll(registry: Registry): Promise<void> {
  const token = await registry.user('plugboard');
  const names = ['http', 'filesystem', 'memory'];
  await publishDependencies(registry, token, ['core', 'registry-index', ...names.map((name) => `plugins/${name}`)]);
  for (const folder of ['core', ...names.map((name) => `plugins/${name}`)])
    await registry.publish(path.join(root, folder), token);
  await publishIndex(registry, token, names);
}

/** Publishes the index as a release does: with the versions that are about to be published. */
async function publishIndex(registry: Registry, token: string, names: readonly string[]): Promise<void> {
  const source = path.join(root, 'registry-index');
  const staged = await mkdtemp(path.join(tmpdir(), 'plugboard-index-'));
  try {
    for (const name of ['package.json', 'README.md', 'dist/src', 'plugins', 'schema', 'servers'])
      await cp(path.join(source, name), path.join(staged, name), { recursive: true });
    const program = path.join(source, 'dist', 'src', 'build.js');
    await run(process.execPath, [program, '--local', '--only', names.join(','), '--out', path.join(staged, 'dist')]);
    await registry.publish(staged, token);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

/** Publishes what the packages depend on, from the workspace: the registry of the test reaches no other. */
async function publishDependencies(registry: Registry, token: string, folders: readonly string[]): Promise<void> {
  const done = new Set<string>();
  const add = async (name: string, from: string): Promise<void> => {
    const folder = await findPackage(name, from);
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
    const id = `${name}@${manifest.version}`;
    if (done.has(id)) return;
    done.add(id);
    for (const each of Object.keys({ ...manifest.dependencies })) await add(each, folder);
    await registry.publish(folder, token);
  };
  for (const folder of folders) {
    const manifest = JSON.parse(await readFile(path.join(root, folder, 'package.json'), 'utf8')) as Manifest;
    for (const name of Object.keys({ ...manifest.dependencies }))
      if (!name.startsWith('@plugboard/')) await add(name, path.join(root, folder));
  }
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

async function findPackage(name: string, from: string): Promise<string> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (
      await readFile(path.join(candidate, 'package.json')).then(
        () => true,
        () => false,
      )
    )
      return candidate;
    if (folder === path.dirname(folder)) throw new Error(`${name} is not installed above ${from}`);
  }
}

/** A plugin as a stranger would publish it. */
function weather(
  version: string,
  tools: readonly string[],
  more: { code?: string; manifest?: JsonObject } = {},
): Record<string, string> {
  return {
    'package.json': JSON.stringify({
      name: '@stranger/plugboard-weather',
      version,
      type: 'module',
      exports: './index.js',
      keywords: ['plugboard-plugin'],
      plugboard: { id: 'weather', apiVersion: 1, capabilities: {} },
      peerDependencies: { plugboard: '^0.1.0' },
      ...more.manifest,
    }),
    'index.js':
      more.code ??
      `import { definePlugin, localServer, localTool, z } from 'plugboard';
export default definePlugin({
  id: 'weather',
  apiVersion: 1,
  apply: ({ servers }) => void servers.register(localServer({
    name: 'weather', version: '${version}', isolation: 'shared', open: () => ({}),
    tools: ${JSON.stringify(tools)}.map((name) => localTool({
      name, description: name, input: z.strictObject({}), run: () => ({ content: [{ type: 'text', text: name + ' ${version}' }] }),
    })),
  })),
});
`,
    'README.md': '# weather\n',
  };
}

/** An index of one plugin, as a company would serve it. */
async function writeIndex(file: string, versions: readonly { version: string; integrity: string }[]): Promise<string> {
  const about = {
    core: '^0.1.0',
    apiVersion: 1,
    signed: false,
    provenance: false,
    installScripts: [],
    capabilities: {},
    tools: [],
  };
  const plugin = {
    id: 'weather',
    package: '@stranger/plugboard-weather',
    kind: 'server',
    title: 'Weather',
    description: 'Says how the weather is',
    repository: 'https://example.invalid/weather',
    status: 'active',
    versions: versions.map((each) => ({ ...about, ...each })),
  };
  await writeFile(file, JSON.stringify({ indexVersion: 1, plugins: [plugin], servers: [] }));
  return `file://${file}`;
}

async function registryFor(t: ExecutionContext): Promise<Registry> {
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  return registry;
}

test('a clean folder with nothing but npm i plugboard; then a stranger’s plugin, while the proxy runs', async (t) => {
  t.timeout(600_000);
  const registry = await registryFor(t);
  await publishAll(registry);
  const folder = await folderFor(t);
  await run('npm', ['install', 'plugboard', '--prefix', folder], { cwd: folder, env: registry.env, maxBuffer: 1e8 });
  const ours = ['http', 'filesystem', 'memory'];
  const added = await plugboard(folder, registry, 'add', ...ours, '--yes');
  t.is(added.code, 0, added.stderr);
  t.regex(added.stdout, /✔ http 0\.1\.0 installed/);
  await mkdir(path.join(folder, 'files'));
  const index = path.join(folder, 'index.json');
  const configure = async () =>
    await writeFile(
      path.join(folder, 'plugboard.yaml'),
      `# kept\nplugins:\n  http: {}\n  filesystem: { root: files }\n  memory: {}\nregistry: { indexes: ["file://${index}"] }\n`,
    );
  await configure();
  await writeIndex(index, []);

  const program = path.join(folder, 'node_modules', 'plugboard', 'bin', 'plugboard.js');
  const proxy = await startProxy(await readFile(path.join(folder, 'plugboard.yaml'), 'utf8'), {
    folder,
    program,
    env: registry.env,
  });
  t.teardown(() => proxy.close());
  await proxy.ready();
  const client = await clientFor(t, 'v2 new', { url: proxy.url });
  const old = await clientFor(t, 'v1', { url: proxy.url });
  t.true((await client.toolNames()).includes('filesystem_read_file'));
  t.false((await client.call('memory_read_graph')).isError);

  const second = await registry.user('stranger');
  const first = await registry.publishFiles(weather('1.0.0', ['today']), second);
  await writeIndex(index, [{ version: '1.0.0', integrity: first.integrity }]);
  const found = await plugboard(folder, registry, 'search', 'weather', '--kind', 'server', '--json', '--refresh');
  t.deepEqual(
    (JSON.parse(found.stdout) as { found: { id: string }[] }).found.map(({ id }) => id),
    ['weather'],
  );
  const live = await plugboard(folder, registry, 'add', 'weather', '--yes');
  t.is(live.code, 0, live.stderr);
  t.regex(live.stdout, /✔ weather 1\.0\.0 runs/);
  await until('the open clients see it', async () => (await client.toolNames()).includes('weather_today'));
  t.is((await old.call('weather_today')).text, 'today 1.0.0');
  t.regex(await readFile(path.join(folder, 'plugboard.yaml'), 'utf8'), /^# kept\n/);

  const next = await registry.publishFiles(weather('1.1.0', ['today', 'tomorrow']), second);
  await writeIndex(index, [
    { version: '1.1.0', integrity: next.integrity },
    { version: '1.0.0', integrity: first.integrity },
  ]);
  t.regex((await plugboard(folder, registry, 'outdated', '--refresh')).stdout, /weather\s+1\.0\.0\s+1\.1\.0/);
  const updated = await plugboard(folder, registry, 'update', 'weather');
  t.is(updated.code, 0, updated.stderr);
  await until('the new tool is there', async () => (await client.toolNames()).includes('weather_tomorrow'));
  t.is((await old.call('weather_today')).text, 'today 1.1.0');

  const broken = await registry.publishFiles(
    weather('1.2.0', [], {
      code: `import { definePlugin } from 'plugboard';
export default definePlugin({ id: 'weather', apiVersion: 1, apply() { throw new Error('no barometer'); } });`,
    }),
    second,
  );
  await writeIndex(index, [
    { version: '1.2.0', integrity: broken.integrity },
    { version: '1.1.0', integrity: next.integrity },
    { version: '1.0.0', integrity: first.integrity },
  ]);
  const refused = await plugboard(folder, registry, 'update', 'weather', '--refresh');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /everything is as it was: .*no barometer/s);
  t.is((await client.call('weather_today')).text, 'today 1.1.0', 'what ran goes on');
  const lock = JSON.parse(await readFile(path.join(folder, 'plugboard.lock'), 'utf8')) as {
    plugins: Record<string, { version: string }>;
  };
  t.is(lock.plugins['weather']?.version, '1.1.0');

  t.is((await plugboard(folder, registry, 'remove', 'weather')).code, 0);
  await until('it is gone', async () => !(await client.toolNames()).some((name) => name.startsWith('weather_')));
  t.false((await old.call('memory_read_graph')).isError, 'the other sessions went on');
  t.is(await proxy.stop(), 0);
});

test('what is not what it should be is refused with its own words, nothing of it runs, and nothing is lost', async (t) => {
  t.timeout(600_000);
  const registry = await registryFor(t);
  await publishAll(registry);
  const token = await registry.user('stranger');
  const folder = await folderFor(t);
  await run('npm', ['install', 'plugboard', '--prefix', folder], { cwd: folder, env: registry.env, maxBuffer: 1e8 });
  await installAtOnce(t, registry);
  const index = path.join(folder, 'index.json');
  const configuration = (more: string) => `plugins: {}\nregistry: { indexes: ["file://${index}"]${more} }\n`;
  const marker = path.join(folder, 'ran');
  const leavesTrace = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, 'ran');\n`;
  const attempt = async (wanted: string, more = ''): Promise<string> => {
    await writeFile(path.join(folder, 'plugboard.yaml'), configuration(more));
    const { code, stderr } = await plugboard(folder, registry, 'add', wanted, '--yes', '--refresh');
    t.true(code === 1 || code === 2, stderr);
    t.is(await readFile(path.join(folder, 'plugboard.yaml'), 'utf8'), configuration(more));
    await t.throwsAsync(readFile(path.join(folder, 'plugboard.lock')), { code: 'ENOENT' });
    await t.throwsAsync(readFile(marker), { code: 'ENOENT' }, `${wanted}: its code ran`);
    return stderr;
  };
  await registry.publishFiles(weather('1.0.0', ['today'], { code: leavesTrace }), token);
  await writeIndex(index, [{ version: '1.0.0', integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}` }]);
  t.regex(await attempt('weather'), /the index .* has the integrity .* it is not the package that was published/);

  const scripts = await registry.publishFiles(
    weather('1.1.0', [], { code: leavesTrace, manifest: { scripts: { postinstall: `touch ${marker}` } } }),
    token,
  );
  await writeIndex(index, [{ version: '1.1.0', integrity: scripts.integrity }]);
  t.regex(await attempt('weather'), /index\.json.*no longer has version 1\.0\.0|install scripts, which are never run/s);
  const known = [
    { version: '1.1.0', integrity: scripts.integrity },
    { version: '1.0.0', integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}` },
  ];
  await writeIndex(index, known);
  t.regex(await attempt('weather'), /install scripts, which are never run.*registry\.scripts/s);

  await registry.publishFiles(
    weather('2.0.0', [], { code: leavesTrace, manifest: { peerDependencies: { plugboard: '^9.0.0' } } }),
    token,
  );
  await writeIndex(index, [{ version: '2.0.0', integrity: await integrityOf(registry, '2.0.0') }, ...known]);
  t.regex(await attempt('weather@2.0.0'), /needs another version of Plugboard/);
  await registry.publishFiles(
    weather('2.0.1', [], { code: leavesTrace, manifest: { plugboard: { id: 'http', apiVersion: 1 } } }),
    token,
  );
  await writeIndex(index, [
    { version: '2.0.1', integrity: await integrityOf(registry, '2.0.1') },
    { version: '2.0.0', integrity: await integrityOf(registry, '2.0.0') },
    ...known,
  ]);
  t.regex(await attempt('weather@2.0.1'), /says that it is plugin "http".*no plugin may take another's id/);
  t.regex(await attempt('weather@2.0.1', ', signedOnly: true'), /is not signed by its registry/);
  t.regex(await attempt('weather@2.0.1', ', scopes: ["@plugboard"]'), /its scope is not one of those allowed/);
  t.regex(
    await attempt('weather@2.0.1', ', registries: ["https://packages.invalid/"]'),
    /comes from http:\/\/127\.0\.0\.1:\d+, which is not allowed/,
  );
  t.regex(await attempt('weathr'), /no index has a plugin "weathr" \(nearest: weather\)/);

  const other = { ...weather('1.0.0', [], { code: leavesTrace }) };
  const manifest = JSON.parse(other['package.json'] ?? '{}') as JsonObject;
  const tampered = await registry.publishFiles(
    { ...other, 'package.json': JSON.stringify({ ...manifest, name: '@stranger/tampered' }) },
    token,
  );
  t.truthy(tampered.integrity);
  await registry.tamper('@stranger/tampered', '1.0.0');
  t.regex(await attempt('@stranger/tampered@1.0.0'), /what was downloaded is not what was published/);
});

async function integrityOf(registry: Registry, version: string): Promise<string> {
  const document = (await (await fetch(`${registry.url}@stranger%2fplugboard-weather`)).json()) as {
    versions: Record<string, { dist: { integrity: string } }>;
  };
  return document.versions[version]?.dist.integrity ?? '';
}

/** Two installations at once come one after the other; one that is killed leaves what was there, and does not stand in the way. */
async function installAtOnce(t: ExecutionContext, registry: Registry): Promise<void> {
  const folder = await folderFor(t);
  await run('npm', ['install', 'plugboard', '--prefix', folder], { cwd: folder, env: registry.env, maxBuffer: 1e8 });
  const both = await Promise.all(['http', 'memory'].map((id) => plugboard(folder, registry, 'add', id, '--yes')));
  t.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
    both.map(({ stderr }) => stderr).join(),
  );
  const listed = async () => {
    const { stdout } = await plugboard(folder, registry, 'list', '--json');
    return (JSON.parse(stdout) as { plugins: { id: string; version?: string }[] }).plugins.map(({ id }) => id).sort();
  };
  t.deepEqual(await listed(), ['http', 'memory']);
  const before = await readFile(path.join(folder, 'plugboard.lock'), 'utf8');
  const program = path.join(folder, 'node_modules', '.bin', 'plugboard');
  const killed = spawn(program, ['add', 'filesystem', '--yes'], { cwd: folder, env: registry.env, stdio: 'ignore' });
  const building = path.join(folder, '.plugboard', 'plugins');
  await until('it has begun', async () => (await readdir(building)).some((name) => name.startsWith('building-')));
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  t.is(await readFile(path.join(folder, 'plugboard.lock'), 'utf8'), before);
  t.deepEqual(await listed(), ['http', 'memory']);
  const again = await plugboard(folder, registry, 'add', 'filesystem', '--options', '{"root": "."}', '--yes');
  t.is(again.code, 0, again.stderr);
  t.deepEqual(await listed(), ['filesystem', 'http', 'memory']);
}
