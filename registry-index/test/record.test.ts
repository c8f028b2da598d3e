// Recording tools: a real server is started and asked, and what the catalogue says of the servers that are installed here is what they list.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { summarizeTools } from '../src/index.ts';
import { packageFolder, readEntries } from '../src/entry-files.ts';
import { entryText } from '../src/entry-text.ts';
import { listStdioTools } from '../src/list-tools.ts';

const { servers } = await readEntries();
const require = createRequire(import.meta.url);

const installed: [id: string, name: string, args: string[]][] = [
  ['everything', '@modelcontextprotocol/server-everything', []],
  ['filesystem-reference', '@modelcontextprotocol/server-filesystem', [tmpdir()]],
  ['memory-reference', '@modelcontextprotocol/server-memory', []],
];

for (const [id, name, args] of installed) {
  test(`${id}: the catalogue says what the server lists`, async (t) => {
    const home = path.dirname(require.resolve(`${name}/package.json`));
    const manifest = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as {
      version: string;
      bin: Record<string, string>;
    };
    const [bin = ''] = Object.values(manifest.bin);
    const entry = servers.find((server) => server.id === id);
    const from = entry?.toolsFrom;
    t.is(from?.kind, 'listing');
    const tools = summarizeTools(
      await listStdioTools({ command: process.execPath, args: [path.join(home, bin), ...args], env: {} }),
    );
    // Another version may list others: then the entry has to be recorded again.
    t.is(from?.kind === 'listing' ? from.version : '', manifest.version);
    t.deepEqual(entry?.tools, tools);
  });
}

test('a server that ends is reported with its own words', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'plugboard-server-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const program = path.join(folder, 'server.mjs');
  writeFileSync(program, 'console.error("ACME_KEY is missing"); process.exit(3);');
  await t.throwsAsync(listStdioTools({ command: process.execPath, args: [program], env: {} }), {
    message: /ended with code 3\nACME_KEY is missing/,
  });
  await t.throwsAsync(listStdioTools({ command: path.join(folder, 'nothing'), args: [], env: {} }), {
    message: /ENOENT/,
  });
});

test('all pages of a list are asked for', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'plugboard-server-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const program = path.join(folder, 'server.mjs');
  writeFileSync(
    program,
    `import { createInterface } from 'node:readline';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const page = Number(params?.cursor ?? 0);
  const result = method === 'initialize'
    ? { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'paged', version: '1' } }
    : { tools: [{ name: 'tool' + page, inputSchema: { type: 'object' } }], ...(page < 2 ? { nextCursor: String(page + 1) } : {}) };
  console.log('this line is no message');
  console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
});`,
  );
  const tools = await listStdioTools({ command: process.execPath, args: [program], env: {} });
  t.deepEqual(
    tools.map(({ name }) => name),
    ['tool0', 'tool1', 'tool2'],
  );
});

test('a description is kept to a line', (t) => {
  const [summary] = summarizeTools([
    {
      name: 'a',
      description: `  First line\n  goes on. ${'word '.repeat(80)}\n\nSecond paragraph`,
      annotations: { readOnlyHint: true, other: 1 },
    },
  ]);
  t.regex(summary?.description ?? '', /^First line goes on\. word .*word…$/);
  t.true((summary?.description ?? '').length <= 240);
  t.deepEqual(summary?.annotations, { readOnlyHint: true });
  t.deepEqual(summary?.categories, ['read']);
  t.deepEqual(
    summarizeTools([{ name: 'b', annotations: { readOnlyHint: false, destructiveHint: true } }])[0]?.categories,
    ['write', 'destructive'],
  );
  t.is(summarizeTools([{ name: 'c' }])[0]?.categories, undefined);
});

test('an entry is written as it stands in its file', (t) => {
  const folder = path.join(packageFolder(), 'servers');
  for (const name of readdirSync(folder)) {
    const text = readFileSync(path.join(folder, name), 'utf8');
    t.is(entryText(JSON.parse(text) as object), text, name);
  }
});

test('the programs say how they are used, and leave nothing behind when they fail', async (t) => {
  const temporary = mkdtempSync(path.join(tmpdir(), 'plugboard-programs-'));
  t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
  const run = async (name: string, ...args: string[]) => {
    const program = fileURLToPath(new URL(`../src/${name}.js`, import.meta.url));
    const env = { ...process.env, TMPDIR: temporary };
    return await promisify(execFile)(process.execPath, [program, ...args], { env }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
    );
  };
  for (const name of ['record', 'check', 'build']) {
    const help = await run(name, '--help');
    t.is(help.code, 0);
    t.regex(help.stdout, new RegExp(`^node registry-index/dist/src/${name}\\.js`));
    const wrong = await run(name, '--nonsense');
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /--nonsense/);
    t.notRegex(wrong.stderr, /^ +at /m);
  }
  t.is((await run('record')).code, 2);
  const unknown = await run('record', 'no-such-server');
  t.is(unknown.code, 1);
  t.regex(unknown.stderr, /^no-such-server: there is no .*no-such-server\.json/);
  t.deepEqual(readdirSync(temporary), []);
});
