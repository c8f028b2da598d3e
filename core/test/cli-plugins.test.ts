// `plugboard add`, `remove`, `list`, `update`, `search` and `info` as far as they need no registry: real processes in a folder of their own. With one: test/e2e.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { exitCodes } from '../src/cli/exit-codes.ts';

const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder, and the program that runs in it without a terminal. */
async function stand(t: ExecutionContext, text?: string) {
  t.timeout(180_000);
  const cwd = await mkdtemp(path.join(tmpdir(), 'plugboard-plugins-'));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  const file = path.join(cwd, 'plugboard.yaml');
  if (text !== undefined) await writeFile(file, text);
  const env = { PATH: process.env['PATH'] ?? '', HOME: cwd };
  const run = async (args: readonly string[], more: Record<string, string> = {}): Promise<Ran> =>
    await promisify(execFile)(process.execPath, [main, ...args], { cwd, env: { ...env, ...more } }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ran) => ({ code, stdout, stderr }),
    );
  /** Starts the proxy; resolves when it follows its file. */
  const up = async () => {
    const child = spawn(process.execPath, [main, 'up', '--json', '--port', '0'], { cwd, env });
    t.teardown(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const trace = path.join(cwd, '.plugboard', 'run-plugboard.json');
    while ((await readFile(trace, 'utf8').catch(() => '')) === '')
      await new Promise((resolve) => setTimeout(resolve, 50));
  };
  return { cwd, file, run, up, text: () => readFile(file, 'utf8') };
}

test('list knows plugins that nobody had to install, and says of one that is missing that it is', async (t) => {
  const { run } = await stand(t, 'plugins: { http: {}, nosuch: {} }\nmcpServers: { a: { command: node } }\n');
  const { stdout } = await run(['list', '--json']);
  const { plugins } = JSON.parse(stdout) as { plugins: { id: string; version?: string; state: string }[] };
  t.deepEqual(
    plugins.map(({ id, state }) => [id, state]),
    [
      ['http', 'in use, comes with Plugboard'],
      ['nosuch', 'not installed here'],
      ['upstream', 'in use, comes with Plugboard'],
    ],
  );
  t.regex(plugins[0]?.version ?? '', /^\d+\.\d+\.\d+/);
});

test('commands that need a configuration say so; names that nobody installed are no success', async (t) => {
  const { run, file } = await stand(t);
  for (const command of [['list'], ['update'], ['outdated'], ['install'], ['remove', 'http']])
    t.regex((await run(command)).stderr, /CONFIG_NOT_FOUND/, command[0]);
  await writeFile(file, 'plugins: { http: {} }\n');
  const unknown = await run(['update', 'nosuch']);
  t.is(unknown.code, exitCodes.usage);
  t.regex(unknown.stderr, /has no installed plugin "nosuch"/);
  t.regex((await run(['update', 'http'])).stderr, /was not installed by `node \S+ add`/);
  t.is((await run(['update'])).code, exitCodes.ok);
});

test('add prints one JSON document, and leaves everything of the file where it was; remove takes back what add wrote', async (t) => {
  const { run, text, cwd } = await stand(t);
  t.is((await run(['init'])).code, 0);
  const before = await text();
  const { stdout } = await run(['add', 'fetch', 'everything', '--json']);
  t.like(JSON.parse(stdout), {
    installed: [],
    configured: ['fetch'],
    servers: [{ name: 'everything', unset: [] }],
    live: false,
  });
  const lines = (await text()).split('\n');
  let last = -1;
  for (const line of before.trimEnd().split('\n')) {
    const at = lines.indexOf(line, last + 1);
    t.true(at > last, `kept in its place: ${line}`);
    last = at;
  }
  t.is((await run(['remove', 'fetch', 'everything'])).code, 0);
  t.is((await text()).trimEnd(), before.trimEnd());
  const left = (await readdir(cwd)).filter((name) => !name.startsWith('.'));
  t.deepEqual(left.sort(), ['plugboard.yaml', 'workspace']);
  t.regex((await run(['remove', 'nosuch'])).stderr, /has no plugin and no server "nosuch"/);
});

test('a server with a variable that is not set: without a proxy and with a running one it is said what becomes of it', async (t) => {
  const { run, up, text } = await stand(t, 'plugins: { http: { port: 0 } }\n');
  const cold = await run(['add', 'brave-search']);
  t.is(cold.code, 0);
  t.regex(cold.stderr, /set BRAVE_API_KEY in the environment of the proxy/);
  t.regex(cold.stderr, /until BRAVE_API_KEY is set the proxy will not start/);
  t.is((await run(['remove', 'brave-search'])).code, 0);
  await up();
  const warm = await run(['add', 'brave-search']);
  t.regex(
    warm.stderr,
    /the running proxy refuses the file and goes on as it was: .*BRAVE_API_KEY.*start it again with BRAVE_API_KEY set/,
  );
  t.regex(await text(), /brave-search/);
  t.regex((await run(['remove', 'brave-search'])).stdout, /removed, the running proxy goes on without/);
  t.regex((await run(['add', 'fetch'])).stdout, /and the running proxy has taken it/);
  const kept = await text();
  // Nobody needs a credential here.
  const refused = await run(['add', 'websocket', '--options', '{"serve": true, "host": "0.0.0.0", "port": 0}']);
  t.is(refused.code, exitCodes.error);
  t.regex(refused.stderr, /INSTALL_FAILED: the running proxy refuses it, and everything is as it was: /);
  t.is(await text(), kept);
});

test('options that are missing are named, and nothing is written', async (t) => {
  const { run, file, cwd } = await stand(t);
  const { code, stderr } = await run(['add', 'git']);
  t.is(code, exitCodes.error);
  t.regex(stderr, /git: plugins\.git\.root: is missing.*--options '\{"root": …\}'/);
  await t.throwsAsync(readFile(file), { code: 'ENOENT' });
  t.false((await readdir(cwd)).includes('plugboard.yaml'));
});

test('a package is installed only where somebody was asked or --yes was said; what fails leaves nothing behind', async (t) => {
  const { run, cwd } = await stand(t, 'plugins: {}\n');
  const unasked = await run(['add', '@no/such@1.2.3']);
  t.is(unasked.code, exitCodes.usage);
  t.regex(unasked.stderr, /nobody can be asked here whether @no\/such shall be installed: say --yes/);
  t.regex(unasked.stderr, /whether its registry has signed it is not known before the download/);
  t.regex(unasked.stderr, /what it needs is not known before the download/);
  const registry = { npm_config_registry: 'http://127.0.0.1:1/', npm_config_fetch_retries: '0' };
  const failed = await run(['add', '@no/such@1.2.3', '--yes'], registry);
  t.is(failed.code, exitCodes.error);
  t.regex(failed.stderr, /INSTALL_FAILED/);
  t.deepEqual(await readdir(path.join(cwd, '.plugboard', 'plugins')), []);
});

test('search knows its kinds and says when nothing is found; info says how a server is started and what is here of a plugin', async (t) => {
  const { run } = await stand(t, 'plugins: {}\n');
  const unknown = await run(['search', '--kind', 'servr']);
  t.is(unknown.code, exitCodes.usage);
  t.regex(unknown.stderr, /there is no kind "servr" \(nearest: server\)/);
  t.regex((await run(['search', 'no-such-word-anywhere'])).stderr, /nothing has all of this/);
  const server = (await run(['info', 'brave-search'])).stdout;
  t.regex(server, /^Brave Search {2}mcp server brave-search, active/);
  t.regex(server, /start: npx -y @brave\/brave-search-mcp-server@/);
  t.regex(server, /BRAVE_API_KEY +yes/);
  t.regex(server, /reaches: api\.search\.brave\.com; no files/);
  t.regex((await run(['info', 'sqlite-reference'])).stdout, /replaced by dbhub/);
  const plugin = (await run(['info', 'filesystem'])).stdout;
  t.regex(plugin, /here: version \d+\.\d+\.\d+, which comes with Plugboard/);
  t.regex(plugin, /root +required +The folder that tools work below/);
  t.regex(plugin, /^tool +permissions +what it does\n/m);
  t.regex(plugin, /^read_text_file +read +Read/m);
  t.regex(plugin, /^write_file +write, destructive +\w/m);
});
