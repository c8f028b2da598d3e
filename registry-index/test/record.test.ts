// Recording tools: a real server is started and asked, and what the catalogue says of the servers that are installed here is what they list.
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { summarizeTools } from '../src/index.ts';
import { readEntries } from '../src/entry-files.ts';
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
