// The pages for users, taken at their word: plugins and configurations are run as they stand there, commands are typed as they stand there,
// links lead somewhere.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commandLine, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { rawClient } from './support/raw-http.ts';
import { proxyFor, root } from './support/stand.ts';

/** A fenced block of a page. */
interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** File name behind the language. */
  readonly file: string;
  readonly text: string;
}

const pages = [
  'README.md',
  ...['docs', 'docs/decisions'].flatMap((folder) => markdownIn(folder)),
  ...readdirSync(path.join(root, 'plugins')).map((plugin) => `plugins/${plugin}/README.md`),
  'registry-index/README.md',
].filter((page) => existsSync(path.join(root, page)));

function markdownIn(folder: string): string[] {
  return readdirSync(path.join(root, folder)).flatMap((name) => (name.endsWith('.md') ? [`${folder}/${name}`] : []));
}

function read(page: string): string {
  return readFileSync(path.join(root, page), 'utf8');
}

function blocksOf(page: string): Block[] {
  const text = read(page);
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] ?? '',
    file: match[2] ?? '',
    text: match[3] ?? '',
  }));
}

const blocks = pages.flatMap(blocksOf);

/** A folder inside the workspace, where `plugboard` and the SDK are found; two levels deep, as docs/demo is. */
async function workFolder(t: ExecutionContext): Promise<string> {
  t.timeout(180_000);
  await mkdir(path.join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.cache', 'docs-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Typed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Types a line of a page into a shell, where `plugboard` stands for what npx would find. */
function type(line: string, cwd: string, env: Record<string, string> = {}): Promise<Typed> {
  const { command, args } = commandLine();
  const quoted = [command, ...args].map((each) => `'${each}'`).join(' ');
  const script = `plugboard() { ${quoted} "$@"; }\n${line.replace(/^npx plugboard/, 'plugboard')}`;
  return new Promise((resolve) => {
    execFile(
      'sh',
      ['-c', script],
      { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      },
    );
  });
}

/** Lines of shell blocks that begin with a command, without what is remarked behind it. */
function commandsOf(page: string, start: RegExp): string[] {
  const lines = blocksOf(page).flatMap(({ language, text }) => (language === 'sh' ? text.split('\n') : []));
  return lines.map((line) => line.replace(/\s+#.*$/, '')).filter((line) => start.test(line));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

// Plugins of docs/writing-a-plugin.md.

const writing = 'docs/writing-a-plugin.md';

/** The plugins of the page in a folder, and a proxy with this configuration. */
async function withPlugins(t: ExecutionContext, config: JsonObject | string): Promise<ProxyProcess> {
  const folder = await workFolder(t);
  for (const { language, file, text } of blocksOf(writing))
    if (language === 'js' && file !== '') await writeFile(path.join(folder, file), text);
  await mkdir(path.join(folder, 'workspace'));
  const proxy = await proxyFor(t, config, { folder });
  await proxy.ready();
  return proxy;
}

test('the first plugin of the page works in as many lines as it says, and hides what it is told to hide', async (t) => {
  const config = blocksOf(writing).find(({ file }) => file === 'plugboard.yaml');
  const proxy = await withPlugins(t, config?.text ?? '');
  await proxy.logged(/hiding 1 tools/);
  for (const era of ['old', 'new'] as const) {
    const client = await rawClient(era, proxy.url);
    const names = await client.toolNames();
    t.true(names.includes('filesystem_read_text_file'));
    t.false(names.includes('filesystem_write_file'));
    const args = { path: 'written.txt', content: 'no' };
    await t.throwsAsync(client.call('filesystem_write_file', args), { message: /Unknown tool: filesystem_write_file/ });
  }
  t.deepEqual(readdirSync(path.join(proxy.folder, 'workspace')), []);
  // A misspelt option of a plugin is refused by its schema.
  await proxy.configure((config?.text ?? '').replace('tools:', 'tool:'));
  await proxy.logged(/the running one stays.*unknown key.*tool/s);
});

test('a server of tools as functions: arguments are validated, defaults filled in', async (t) => {
  const proxy = await withPlugins(t, { plugins: { http: { port: 0 }, './dice.mjs': {} } });
  const client = await rawClient('new', proxy.url);
  const tools = (await client.result('tools/list'))['tools'] as JsonObject[];
  t.like(
    tools.find(({ name }) => name === 'dice_roll'),
    { title: 'Roll dice', annotations: { readOnlyHint: true } },
  );
  for (let n = 0; n < 20; n += 1) {
    const sum = Number(await client.call('dice_roll', { count: 3 }));
    t.true(sum >= 3 && sum <= 18, String(sum));
  }
  t.is(Number(await client.call('dice_roll', { count: 100, sides: 2 })) >= 100, true);
  for (const wrong of [{}, { count: 0 }, { count: 1, sides: 1 }, { count: 1, more: 1 }]) {
    t.true(
      (await client.result('tools/call', { name: 'dice_roll', arguments: wrong }))['isError'],
      JSON.stringify(wrong),
    );
  }
});

test('a server of the SDK is registered as it is', async (t) => {
  const proxy = await withPlugins(t, { plugins: { http: { port: 0 }, './sdk-server.mjs': {} } });
  for (const era of ['old', 'new'] as const) {
    const client = await rawClient(era, proxy.url);
    t.regex(await client.call('clock_now'), /^\d{4}-\d\d-\d\dT.*Z$/);
  }
});

test('a policy on arguments refuses with its reason, and lets everything else pass', async (t) => {
  const proxy = await withPlugins(t, { plugins: { http: { port: 0 }, memory: {}, './no-secrets.mjs': {} } });
  for (const era of ['old', 'new'] as const) {
    const client = await rawClient(era, proxy.url);
    const call = (query: string) => client.result('tools/call', { name: 'memory_search_nodes', arguments: { query } });
    const refused = await call(['-----BEGIN', 'PRIVATE KEY-----'].join(' '));
    t.true(refused['isError']);
    t.deepEqual(refused['content'], [{ type: 'text', text: 'Private keys do not leave this machine.' }]);
    t.not((await call('PUBLIC KEY'))['isError'], true);
  }
});

test('every plugin of the page is run by a test above', (t) => {
  const files = blocksOf(writing).flatMap(({ language, file }) => (language === 'js' ? [file] : []));
  t.deepEqual(files.toSorted(), ['deny-list.mjs', 'dice.mjs', 'no-secrets.mjs', 'sdk-server.mjs']);
});

// Commands of README.md and docs/getting-started.md.

test('the commands about the demo do what they say, typed as they stand there', async (t) => {
  const folder = await workFolder(t);
  cpSync(path.join(root, 'docs', 'demo'), folder, { recursive: true });
  const port = await freePort();
  const file = path.join(folder, 'plugboard.yaml');
  const demo = readFileSync(file, 'utf8')
    .replace('port: 8807', `port: ${port}`)
    .replace(/path: \S+demo-memory/, 'path: ./memory');
  t.true(demo.includes('./memory'));
  const proxy = await proxyFor(t, demo, { folder, args: [] });
  await proxy.ready();
  t.is(new URL(proxy.url).port, String(port));
  const hello = readFileSync(path.join(folder, 'workspace', 'hello.txt'), 'utf8');
  const expected: [RegExp, (typed: Typed) => boolean][] = [
    [/ servers /, ({ stdout }) => /filesystem.*ready/s.test(stdout) && /everything.*ready/s.test(stdout)],
    [
      / tools /,
      ({ stdout }) =>
        stdout.includes('filesystem_read_text_file') &&
        stdout.includes('everything_echo') &&
        stdout.includes('memory_read_graph'),
    ],
    [/read_text_file path=hello\.txt/, ({ stdout }) => stdout.trim() === hello.trim()],
    [/list_directory path=\./, ({ stdout }) => stdout.includes('[FILE] hello.txt')],
    [/get-sum a=2 b=3/, ({ stdout }) => /\b5\b/.test(stdout)],
  ];
  const lines = ['README.md', 'docs/getting-started.md'].flatMap((page) => commandsOf(page, /docs\/demo/));
  t.true(lines.length >= 6, lines.join('\n'));
  for (const line of new Set(lines)) {
    const typed = await type(line.replace('docs/demo/plugboard.yaml', file), folder);
    t.is(typed.code, 0, `${line}: ${typed.stderr}`);
    const check = expected.find(([pattern]) => pattern.test(line));
    t.true(check?.[1](typed), `${line}: ${typed.stdout}`);
  }
  // The tour: a tool is taken away while it runs; a misspelt key is refused with the nearest known one.
  const tour = /Add `(deny: [^`]+)` under `(tools:)`/.exec(read('README.md'));
  t.truthy(tour);
  const client = await rawClient('old', proxy.url);
  t.true((await client.toolNames()).includes('filesystem_write_file'));
  // Under the key that stands in the demo's file.
  const [, deny = '', key = ''] = tour ?? [];
  t.true(demo.includes(`\n${key}\n`));
  await proxy.configure(demo.replace(`\n${key}\n`, `\n${key}\n  ${deny}\n`));
  await until('the tool is gone', async () => !(await client.toolNames()).includes('filesystem_write_file'));
  await proxy.configure(demo.replace(`\n${key}\n`, `\n${key}\n  ${deny.replace('deny', 'denny')}\n`));
  await proxy.logged(/unknown key \\?"denny\\?".*nearest: deny/s);
  t.false((await client.toolNames()).includes('filesystem_write_file'));
});

test('the examples of docs/cli.md call what they say, typed as they stand there', async (t) => {
  const folder = await workFolder(t);
  const port = await freePort();
  const files = {
    'workspace/notes.txt': 'one\ntwo\nthree\nfour\n',
    'entities.json': JSON.stringify({ entities: [{ name: 'Grace', entityType: 'person', observations: [] }] }),
  };
  const plugins = { http: { port }, filesystem: { root: './workspace' }, memory: {} };
  const proxy = await proxyFor(t, { plugins }, { folder, files, args: [] });
  await proxy.ready();
  const lines = commandsOf('docs/cli.md', /^plugboard call/);
  t.is(lines.length, 4);
  for (const line of lines) {
    const { code, stdout, stderr } = await type(line, folder);
    t.is(code, 0, `${line}: ${stderr}`);
    if (line.includes('head=3')) t.is(stdout.trim(), 'one\ntwo\nthree');
  }
  const { stdout } = await type('plugboard call memory_read_graph', folder);
  t.deepEqual(
    (JSON.parse(stdout) as { entities: { name: string }[] }).entities.map(({ name }) => name),
    ['Ada', 'Grace'],
  );
});

test('the command is linked from a clone as the page says, and works in any folder', async (t) => {
  t.timeout(180_000);
  const base = await mkdtemp(path.join(tmpdir(), 'plugboard-linked-'));
  t.teardown(() => rm(base, { recursive: true, force: true }));
  const prefix = path.join(base, 'prefix');
  const folder = path.join(base, 'any');
  await mkdir(folder);
  const env = {
    PATH: `${path.join(prefix, 'bin')}${path.delimiter}${process.env['PATH'] ?? ''}`,
    HOME: base,
    npm_config_prefix: prefix,
    npm_config_offline: 'true',
  };
  const [link] = commandsOf('docs/getting-started.md', /npm link/);
  t.is(link, '(cd core && npm link)');
  const run = (line: string, cwd: string) =>
    new Promise<Typed>((resolve) => {
      execFile('sh', ['-c', line], { cwd, env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
  const linked = await run(link ?? '', root);
  t.is(linked.code, 0, linked.stderr);
  for (const line of ['npx plugboard init', 'plugboard list']) {
    const { code, stderr } = await run(line, folder);
    t.is(code, 0, `${line}: ${stderr}`);
  }
  t.true(existsSync(path.join(folder, 'plugboard.yaml')) && existsSync(path.join(folder, 'workspace')));
});

test('which Node is needed is said once, the same everywhere', (t) => {
  const said = [...pages.map(read), readFileSync(path.join(root, '.ci', 'bootstrap.mjs'), 'utf8')].flatMap((text) =>
    [...text.matchAll(/\(([\d, and or]+) are recommended\)/g)].map(([, versions]) => versions),
  );
  t.true(said.length >= 3);
  t.deepEqual([...new Set(said)], ['22 or 24']);
});

test('init, doctor, up: a configuration of one’s own, and all that it comments out', async (t) => {
  const folder = await workFolder(t);
  const lines = commandsOf('docs/getting-started.md', /^npx plugboard (init|doctor|up)/);
  t.deepEqual(lines, ['npx plugboard init', 'npx plugboard doctor', 'npx plugboard up']);
  t.is((await type('npx plugboard init', folder)).code, 0);
  const file = path.join(folder, 'plugboard.yaml');
  const written = readFileSync(file, 'utf8');
  const port = await freePort();
  await writeFile(file, written.replace('port: 8807', `port: ${port}`));
  const checked = await type('npx plugboard doctor', folder);
  t.is(checked.code, 0, checked.stdout);
  const proxy = await proxyFor(t, readFileSync(file, 'utf8'), { folder, args: [] });
  const servers = await proxy.ready();
  t.deepEqual(
    servers.map(({ name, state }) => [name, state]),
    [
      ['filesystem', 'ready'],
      ['memory', 'ready'],
    ],
  );
  t.is(new URL(proxy.url).port, String(port));
  await proxy.stop();
  // Without the comment signs in front of keys, it is a right configuration as well.
  const whole = written.replace(/^# (?= *\w+:(?: |$))/gm, '').replace('8807', String(port));
  t.true(/^grants:$/m.test(whole) && /^mcpServers:$/m.test(whole) && /^tools:$/m.test(whole));
  await writeFile(file, whole);
  const env = { GITHUB_TOKEN: 'a-token-of-sixteen-and-more', ALICE_TOKEN: 'another-token-of-sixteen' };
  const again = await type('npx plugboard doctor', folder, env);
  t.is(again.code, 0, again.stdout);
});

// Blocks and links of all pages.

/** Objects of Kubernetes are YAML, too; their own tests apply them. */
const configurations = blocks.filter(({ language, text }) => language === 'yaml' && !/^apiVersion:/m.test(text));

for (const { page, line, text, file } of configurations) {
  test(`the configuration at ${page}:${line} is right`, async (t) => {
    const folder = await workFolder(t);
    for (const each of blocksOf(page))
      if (each.language === 'js') await writeFile(path.join(folder, each.file), each.text);
    await writeFile(path.join(folder, 'plugboard.yaml'), text);
    // The folder that all pages let agents work in.
    await mkdir(path.join(folder, 'workspace'), { recursive: true });
    t.true(file === '' || file === 'plugboard.yaml');
    const names = [...text.matchAll(/\$\{env:(\w+)/g)].map(([, name]) => name ?? '');
    const env = Object.fromEntries(names.map((name, index) => [name, `a-token-of-sixteen-and-more-${index}`]));
    const { stdout, stderr } = await type('plugboard doctor --json', folder, env);
    const { checks } = JSON.parse(stdout === '' ? stderr : stdout) as {
      checks: { subject: string; result: string; text: string }[];
    };
    // What belongs to the machine is not the page's fault: a port that is taken, a program or folder that is not there.
    const wrong = checks.filter(({ subject, result }) => result === 'failure' && !/^(port|server) /.test(subject));
    t.deepEqual(wrong, []);
  });
}

test('the README names every key of the configuration', (t) => {
  const keys = [...read('docs/configuration.md').matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key ?? '');
  const named = read('README.md').split('## Configuration')[1]?.split('\n## ')[0] ?? '';
  t.true(keys.length >= 10);
  t.deepEqual(
    keys.filter((key) => !named.includes(`\`${key}\``)),
    [],
  );
});

test('JSON in the pages is JSON', (t) => {
  for (const { page, line, language, text } of blocks) {
    if (language === 'json') t.notThrows(() => JSON.parse(text) as unknown, `${page}:${line}`);
  }
  const inline = [...read('docs/getting-started.md').matchAll(/`(\{ "mcpServers".+?\})`$/gm)];
  t.true(inline.length >= 2);
  for (const [, text] of inline) t.notThrows(() => JSON.parse(text ?? '') as unknown, text);
});

test('links in the pages lead to files and headings that exist', (t) => {
  const broken: string[] = [];
  for (const page of pages) {
    const prose = read(page)
      .replace(/^```.*?^```$/gms, '')
      .replace(/`[^`\n]*`/g, '');
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const there = path.join(root, file === '' ? page : path.join(path.dirname(page), file));
      if (!existsSync(there)) broken.push(`${page}: ${target}: there is no such file`);
      else if (
        anchor !== undefined &&
        !(statSync(there).isFile() && headingsOf(readFileSync(there, 'utf8')).includes(anchor))
      )
        broken.push(`${page}: ${target}: there is no such heading`);
    }
  }
  t.deepEqual(broken, []);
});

/** Anchors of a page, as they are made of its headings. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
