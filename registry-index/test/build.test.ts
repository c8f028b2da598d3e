// The index: built of the workspace and of a registry, the same every time, read by its own rules; and the program that writes it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { IndexError, readIndex } from '../src/index.ts';
import type { PluginEntry } from '../src/index.ts';
import { buildIndex, indexText } from '../src/build-index.ts';
import { workspaceFolders } from '../src/build.ts';
import { packageFolder, readEntries } from '../src/entry-files.ts';

const run = promisify(execFile);
const entries = await readEntries();
const folders = await workspaceFolders();
const chosen = {
  ...entries,
  plugins: entries.plugins.filter(({ id }) => id === 'memory' || id === 'filesystem' || id === 'upstream'),
};

test('the workspace: versions, facts and the tools that the plugins really list', async (t) => {
  const document = await buildIndex(chosen, { folders });
  const memory = document.plugins.find(({ id }) => id === 'memory');
  const manifest = JSON.parse(await readFile(path.join(folders.get('memory') ?? '', 'package.json'), 'utf8')) as {
    version: string;
    plugboard: { capabilities?: object };
  };
  const [version, ...older] = memory?.versions ?? [];
  t.deepEqual(older, []);
  t.like(version, {
    version: manifest.version,
    core: '^0.1.0',
    node: '>=20.19',
    apiVersion: 1,
    signed: false,
    provenance: false,
    installScripts: [],
  });
  t.deepEqual(version?.capabilities, { ...manifest.plugboard.capabilities });
  t.regex(version?.integrity ?? '', /^sha512-[A-Za-z0-9+/]{86}==$/);
  const tool = version?.tools.find(({ name }) => name === 'read_graph');
  t.like(tool, { server: 'memory', categories: ['read'] });
  t.is(version?.tools.length, 9);
  t.deepEqual(document.plugins.find(({ id }) => id === 'upstream')?.versions[0]?.tools, []);
  t.false('example' in (document.plugins[0] ?? {}));

  // Without versions the entry says what is known of the tools, and it is the same.
  t.false('tools' in (memory ?? {}));
  const alone = (await buildIndex(chosen, {})).plugins.find(({ id }) => id === 'memory');
  t.deepEqual(alone?.tools, version?.tools);
});

test('the same input gives the same bytes, whatever its order', async (t) => {
  const reversed = { plugins: [...chosen.plugins].reverse(), servers: [...chosen.servers].reverse() };
  const [first, second] = [
    indexText(await buildIndex(chosen, { folders })),
    indexText(await buildIndex(reversed, { folders })),
  ];
  t.is(first, second);
});

test('the program writes an index that fits its schema, and a page', async (t) => {
  const out = await mkdtemp(path.join(tmpdir(), 'plugboard-index-'));
  t.teardown(() => rm(out, { recursive: true, force: true }));
  const program = path.join(packageFolder(), 'dist', 'src', 'build.js');
  const { stdout } = await run(process.execPath, [program, '--local', '--only', 'memory', '--out', out]);
  t.regex(stdout, new RegExp(`1 plugins \\(1 versions\\), ${entries.servers.length} servers`));
  const text = await readFile(path.join(out, 'index.json'), 'utf8');
  const loaded = createRequire(import.meta.url)('ajv') as { default?: new () => Validator };
  const validator = new (loaded.default ?? (loaded as unknown as new () => Validator))();
  const schema = JSON.parse(
    await readFile(path.join(packageFolder(), 'schema', 'index.schema.json'), 'utf8'),
  ) as object;
  const validate = validator.compile(schema);
  t.true(validate(JSON.parse(text)), JSON.stringify(validate.errors));
  t.is(readIndex(text, 'index.json').servers.length, entries.servers.length);
  t.is(await readFile(path.join(out, 'site', 'index.json'), 'utf8'), text);
  t.regex(await readFile(path.join(out, 'site', 'index.html'), 'utf8'), /^<!doctype html>/);
});

interface Validator {
  compile(schema: object): ((value: unknown) => boolean) & { errors?: unknown };
}

test('the program says what it needs', async (t) => {
  const error = await t.throwsAsync(run(process.execPath, [path.join(packageFolder(), 'dist', 'src', 'build.js')]));
  t.regex(error?.message ?? '', /give --entries, --local, --registry URL, or several/);
});

test('an index is read by its rules', (t) => {
  const minimal = { indexVersion: 1, plugins: [], servers: [] };
  t.deepEqual(readIndex(JSON.stringify({ ...minimal, news: true }), 'here'), minimal as never);
  t.throws(() => readIndex(JSON.stringify({ ...minimal, indexVersion: 2 }), 'here'), {
    instanceOf: IndexError,
    message: /here: is of index version 2.*update Plugboard/,
  });
  t.throws(() => readIndex('[]', 'here'), { instanceOf: IndexError, message: /indexVersion is missing/ });
  t.throws(() => readIndex('{', 'here'), { instanceOf: IndexError, message: /no JSON/ });
  t.throws(() => readIndex(JSON.stringify({ ...minimal, plugins: [{ id: 'x' }] }), 'here'), {
    instanceOf: IndexError,
    message: /plugins\.0/,
  });
});

/** A stranger's plugin in a folder of its own: one tool, and a script that would leave a mark. */
async function writeStranger(folder: string, version: string, mark: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const manifest = {
    name: '@acme/plugboard-greeter',
    version,
    type: 'module',
    exports: './index.js',
    keywords: ['plugboard-plugin'],
    scripts: { postinstall: `node -e "require('fs').writeFileSync('${mark}', '')"` },
    plugboard: { id: 'greeter', apiVersion: 1, capabilities: { network: ['greet.example'] } },
    peerDependencies: { plugboard: '^0.1.0' },
  };
  await writeFile(path.join(folder, 'package.json'), JSON.stringify(manifest));
  await writeFile(
    path.join(folder, 'index.js'),
    `import { definePlugin, localServer, localTool, z } from 'plugboard';
export default definePlugin({
  id: 'greeter',
  apiVersion: 1,
  apply({ servers }) {
    const greet = localTool({ name: 'greet', description: 'Says hello ${version}', input: z.strictObject({}), run: () => ({ content: [] }) });
    servers.register(localServer({ name: 'greeter', version: '${version}', isolation: 'shared', tools: [greet], open: () => undefined }));
  },
});
`,
  );
}

/** A registry of one package, made of packed folders. */
async function startRegistry(
  packed: readonly { manifest: Record<string, unknown>; tarball: string; integrity: string; signed: boolean }[],
) {
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const address = decodeURIComponent(request.url ?? '');
    const found = packed.find(({ manifest }) => address === `/-/${String(manifest['version'])}.tgz`);
    if (found !== undefined) {
      void readFile(found.tarball).then((bytes) => response.end(bytes));
      return;
    }
    if (address !== '/@acme/plugboard-greeter') {
      response.writeHead(404).end('{}');
      return;
    }
    const versions = packed.map(({ manifest, integrity, signed }) => [
      manifest['version'],
      {
        ...manifest,
        dist: {
          integrity,
          tarball: `http://127.0.0.1:${port}/-/${String(manifest['version'])}.tgz`,
          ...(signed ? { signatures: [{ keyid: 'k', sig: 's' }], attestations: { url: 'x' } } : {}),
        },
      },
    ]);
    const latest = packed.at(-1)?.manifest['version'];
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        name: '@acme/plugboard-greeter',
        'dist-tags': { latest },
        versions: Object.fromEntries(versions) as object,
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, stop: () => (server.closeAllConnections(), server.close()) };
}

test('a registry: every version is installed without its scripts, started and asked', async (t) => {
  const home = await mkdtemp(path.join(tmpdir(), 'plugboard-registry-'));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const mark = path.join(home, 'ran');
  const packed = [];
  for (const [index, version] of ['1.9.0', '1.10.0'].entries()) {
    const folder = path.join(home, version);
    await writeStranger(folder, version, mark);
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home, folder]);
    const [{ filename, integrity }] = JSON.parse(stdout) as [{ filename: string; integrity: string }];
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    packed.push({ manifest, tarball: path.join(home, filename), integrity, signed: index === 1 });
  }
  const registry = await startRegistry(packed);
  t.teardown(registry.stop);
  const entry: PluginEntry = {
    id: 'greeter',
    package: '@acme/plugboard-greeter',
    kind: 'server',
    title: 'Greeter',
    description: 'Says hello',
    status: 'active',
  };
  const document = await buildIndex({ plugins: [entry], servers: [] }, { registry: registry.url });
  const [newest, older] = document.plugins[0]?.versions ?? [];
  t.like(newest, {
    version: '1.10.0',
    signed: true,
    provenance: true,
    installScripts: ['postinstall'],
    capabilities: { network: ['greet.example'] },
    integrity: packed[1]?.integrity,
  });
  t.deepEqual(newest?.tools, [{ name: 'greet', description: 'Says hello 1.10.0', server: 'greeter' }]);
  t.like(older, { version: '1.9.0', signed: false, provenance: false, integrity: packed[0]?.integrity });
  t.false(existsSync(mark), 'no script of the package ran');

  const local = new Map([['greeter', path.join(home, '1.10.0')]]);
  const nowhere = await buildIndex(
    { plugins: [{ ...entry, package: '@acme/plugboard-unpublished' }], servers: [] },
    { registry: registry.url },
  );
  t.deepEqual(nowhere.plugins[0]?.versions, []);
  await writeFile(path.join(home, '1.10.0', 'index.js'), 'throw new Error("broken on purpose");');
  await t.throwsAsync(buildIndex({ plugins: [entry], servers: [] }, { folders: local }), {
    message: /broken on purpose/,
  });
});
