// Finding and checking plugins: packages, files, and everything that can be wrong with them.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PlugboardError } from '../src/errors.ts';
import { loadPlugin } from '../src/loader.ts';

const core = new URL('../src/index.js', import.meta.url).href;

function source(id: string, extra = ''): string {
  return `import { definePlugin } from '${core}';\nexport default definePlugin({ id: '${id}', apiVersion: 1, ${extra} apply() {} });\n`;
}

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'plugboard-loader-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.join(made, path.dirname(name)), { recursive: true });
    await writeFile(path.join(made, name), content);
  }
  return made;
}

function manifest(exports: unknown, version = '1.2.3'): string {
  return JSON.stringify({ version, type: 'module', exports });
}

async function refused(t: ExecutionContext, key: string, directory: string): Promise<PlugboardError> {
  return await t.throwsAsync(loadPlugin(key, directory), { instanceOf: PlugboardError });
}

test('a package is found above the configuration, whatever its exports look like', async (t) => {
  const directory = await folder(t, {
    'node_modules/@plugboard/plain/package.json': manifest('./a.js'),
    'node_modules/@plugboard/plain/a.js': source('plain'),
    'node_modules/@plugboard/dotted/package.json': manifest({
      '.': { types: './x.d.ts', require: './no.cjs', default: './b.js' },
      './package.json': './package.json',
    }),
    'node_modules/@plugboard/dotted/b.js': source('dotted'),
    'node_modules/@acme/nested/package.json': manifest({ browser: './no.js', node: { import: './c.mjs' } }),
    'node_modules/@acme/nested/c.mjs': source('acme-nested'),
    'node_modules/@acme/old/package.json': JSON.stringify({ version: '0.0.1', type: 'module', main: 'd.js' }),
    'node_modules/@acme/old/d.js': source('old'),
    'deep/er/x': '',
  });
  const deep = path.join(directory, 'deep', 'er');
  for (const [key, id] of [
    ['plain', 'plain'],
    ['@plugboard/plain', 'plain'],
    ['dotted', 'dotted'],
    ['@acme/nested', 'acme-nested'],
  ] as const) {
    const { plugin, version, from } = await loadPlugin(key, deep);
    t.is(plugin.id, id);
    t.is(version, '1.2.3');
    t.true(from.startsWith(directory));
  }
  t.is((await loadPlugin('@acme/old', deep)).version, '0.0.1');
});

test('a package nearer to the configuration wins', async (t) => {
  const directory = await folder(t, {
    'node_modules/@plugboard/twin/package.json': manifest('./a.js', '1.0.0'),
    'node_modules/@plugboard/twin/a.js': source('twin'),
    'inner/node_modules/@plugboard/twin/package.json': manifest('./a.js', '2.0.0'),
    'inner/node_modules/@plugboard/twin/a.js': source('twin'),
  });
  t.is((await loadPlugin('twin', path.join(directory, 'inner'))).version, '2.0.0');
  t.is((await loadPlugin('twin', directory)).version, '1.0.0');
});

test('files and folders are loaded by their path; one file is imported once', async (t) => {
  const directory = await folder(t, {
    'mine.js': `globalThis.importedMine = (globalThis.importedMine ?? 0) + 1;\n${source('mine')}`,
    'built/package.json': manifest('./index.js', '3.0.0'),
    'built/index.js': source('built'),
  });
  await symlink(path.join(directory, 'mine.js'), path.join(directory, 'link.js'));
  const loaded = await Promise.all(
    ['./mine.js', 'mine.js', './link.js', path.join(directory, 'mine.js')].map((key) => loadPlugin(key, directory)),
  );
  t.is(new Set(loaded.map(({ plugin }) => plugin)).size, 1);
  t.is((globalThis as Record<string, unknown>)['importedMine'], 1);
  t.is(loaded[0]?.version, undefined);
  t.is((await loadPlugin('./built', directory)).version, '3.0.0');
});

test('a file that was broken or has changed is imported anew', async (t) => {
  const directory = await folder(t, { 'mine.js': 'export default {' });
  const file = path.join(directory, 'mine.js');
  const rewrite = async (text: string, seconds: number) => {
    await writeFile(file, text);
    await utimes(file, seconds, seconds);
  };
  t.is((await refused(t, './mine.js', directory)).code, 'PLUGIN_INVALID');
  await rewrite(source('mine', "title: 'first',"), 1000);
  t.is((await loadPlugin('./mine.js', directory)).plugin.title, 'first');
  await rewrite(source('mine', "title: 'second',"), 2000);
  t.is((await loadPlugin('./mine.js', directory)).plugin.title, 'second');
});

test('a plugin of several files is imported anew when any of them changes, and then all of it; others are not', async (t) => {
  const counted = (name: string) => `globalThis.importsOf${name} = (globalThis.importsOf${name} ?? 0) + 1;\n`;
  const directory = await folder(t, {
    'mine/package.json': manifest('./dist/index.js'),
    'mine/dist/index.js': `import { title } from './parts/title.js';\n${source('mine', 'title,')}`,
    'mine/dist/parts/title.js':
      "import { createRequire } from 'node:module';\nimport { end } from '../end.js';\nconst require = createRequire(import.meta.url);\nexport const title = require('./start.cjs') + end;\n",
    'mine/dist/parts/start.cjs': "module.exports = 'one';\n",
    'mine/dist/end.js': `${counted('End')}export const end = ' end';\n`,
    'old/package.json': JSON.stringify({ version: '1.0.0', main: './index.cjs' }),
    'old/index.cjs': `const { definePlugin } = require('./define.cjs');\nexports.default = definePlugin(require('./title'));\n`,
    'old/define.cjs': `exports.definePlugin = (title) => ({ id: 'old', apiVersion: 1, title, apply() {}, [Symbol.for('plugboard.plugin')]: true });\n`,
    'old/title.js': "module.exports = 'one';\n",
    'other.js': `import './shared.js';\n${source('other')}`,
    'shared.js': counted('Shared'),
  });
  const load = () => Promise.all(['./mine', './old', './other.js'].map((key) => loadPlugin(key, directory)));
  const globals = globalThis as Record<string, unknown>;
  const first = await load();
  t.deepEqual(
    first.map(({ plugin: { title } }) => title),
    ['one end', 'one', undefined],
  );
  t.deepEqual(
    (await load()).map(({ plugin }) => plugin),
    first.map(({ plugin }) => plugin),
  );
  for (const title of ['two', 'three']) {
    await writeFile(path.join(directory, 'mine/dist/parts/start.cjs'), `module.exports = '${title}';\n`);
    await writeFile(path.join(directory, 'mine/dist/end.js'), `${counted('End')}export const end = ' of ${title}';\n`);
    await writeFile(path.join(directory, 'old/title.js'), `module.exports = '${title}';\n`);
    const [mine, old, other] = await load();
    t.is(mine?.plugin.title, `${title} of ${title}`);
    t.is(old?.plugin.title, title);
    t.is(other?.plugin, first[2]?.plugin);
  }
  t.is(globals['importsOfEnd'], 3);
  t.is(globals['importsOfShared'], 1);
});

test('what is not there is told with what was tried and what is near', async (t) => {
  const directory = await folder(t, { 'node_modules/@plugboard/filesystem/package.json': manifest('./none.js') });
  const missing = await refused(t, 'filesytem', directory);
  t.is(missing.code, 'PLUGIN_NOT_FOUND');
  t.true(missing.message.includes('plugin "filesytem": package @plugboard/filesytem is not installed'));
  t.true(missing.message.includes(path.join(directory, 'node_modules')));
  t.true(missing.message.includes('nearest: @plugboard/filesystem'));
  t.true(missing.message.includes('plugboard add filesytem'));
  t.is((await refused(t, './none.js', directory)).code, 'PLUGIN_NOT_FOUND');
  const unbuilt = await refused(t, 'filesystem', directory);
  t.is(unbuilt.code, 'PLUGIN_INVALID');
  t.regex(unbuilt.message, /none\.js, which its package\.json names, does not exist \(is the package built\?\)/);
});

test('a package is found from the core’s own place too', async (t) => {
  const directory = await folder(t, {});
  const error = await refused(t, 'no-such-plugin', directory);
  t.true(
    error.message.includes(path.resolve(new URL('../../../node_modules', import.meta.url).pathname)),
    error.message,
  );
});

test('a syntax error is told with its file and line, also in a module that the entry imports', async (t) => {
  const directory = await folder(t, {
    'entry.mjs': "import './parts.mjs';\n",
    'parts.mjs': 'export const a = 1;\nexport const b = {\n  c: ;\n};\n',
  });
  t.regex((await refused(t, './entry.mjs', directory)).message, /from .*entry\.mjs: .*parts\.mjs:3: Unexpected token/);
});

test('what is no plugin of this contract is refused with the reason', async (t) => {
  const directory = await folder(t, {
    'nothing.js': 'export {};',
    'named.js': `export const plugin = 1;`,
    'unbranded.js': `export default { id: 'unbranded', apiVersion: 1, apply() {} };`,
    'throws.js': `throw new Error('out of order');`,
    'imports.js': `import 'no-such-package-anywhere';`,
    'newer.js': source('newer').replace('apiVersion: 1', 'apiVersion: 2'),
    'shouting.js': source('Shouting'),
    'node_modules/@plugboard/other/package.json': manifest('./a.js'),
    'node_modules/@plugboard/other/a.js': source('another'),
    'node_modules/@plugboard/empty/package.json': manifest({ './sub': './a.js' }),
    'node_modules/@plugboard/broken/package.json': '{',
  });
  const reasons: Record<string, RegExp> = {
    './nothing.js': /no plugin as its default export \(it exports nothing\)/,
    './named.js': /no plugin as its default export \(it exports plugin\)/,
    './unbranded.js': /no plugin as its default export \(it exports default\)/,
    './throws.js': /cannot be imported from .*throws\.js: out of order/,
    './imports.js': /cannot be imported from .*: Cannot find package 'no-such-package-anywhere'/,
    './newer.js': /written for contract version 2, this is version 1/,
    './shouting.js': /has the id "Shouting": it must be kebab-case/,
    other: /calls itself "another": its id must be the key/,
    empty: /exports nothing to import/,
    broken: /package\.json cannot be read/,
  };
  for (const [key, reason] of Object.entries(reasons)) {
    const error = await refused(t, key, directory);
    t.is(error.code, 'PLUGIN_INVALID', key);
    t.regex(error.message, reason, key);
  }
});

test('a plugin compiled to CommonJS is one too', async (t) => {
  const directory = await folder(t, {
    'node_modules/@acme/cjs/package.json': JSON.stringify({ version: '1.0.0', main: 'index.cjs' }),
    'node_modules/@acme/cjs/index.cjs':
      `Object.defineProperty(exports, '__esModule', { value: true });\n` +
      `exports.default = { id: 'cjs', apiVersion: 1, apply() {}, [Symbol.for('plugboard.plugin')]: true };\n`,
  });
  t.is((await loadPlugin('@acme/cjs', directory)).plugin.id, 'cjs');
});
