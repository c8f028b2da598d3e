// The plugin as the host and its clients see it: options, lists, README, leases, a real proxy.
import test from 'ava';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProxy } from '@plugboard/test-kit';
import { leaseKey } from '@plugboard/test-kit/stand';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isPlugin, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import plugin from '../src/index.ts';
import { version } from '../src/server.ts';
import { author, connect, folders, gitTest, mustGit, register, repository, write } from './stand.ts';

// Of this file alone, to see what is left in it.
const temporary = mkdtempSync(join(tmpdir(), 'git-plugin-test-'));
process.env['TMPDIR'] = temporary;
test.after.always(() => rmSync(temporary, { recursive: true, force: true }));

const leftovers = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('plugboard-git-'));

const textOf = (url: string) => readFileSync(new URL(url, import.meta.url), 'utf8');

/** The tools of `mcp-server-git`: their arguments, `?` behind those that may be left out. */
const reference: Record<string, string> = {
  git_status: 'repo_path',
  git_diff_unstaged: 'repo_path context_lines?',
  git_diff_staged: 'repo_path context_lines?',
  git_diff: 'repo_path target context_lines?',
  git_commit: 'repo_path message',
  git_add: 'repo_path files',
  git_reset: 'repo_path',
  git_log: 'repo_path max_count? start_timestamp? end_timestamp?',
  git_create_branch: 'repo_path branch_name base_branch?',
  git_checkout: 'repo_path branch_name',
  git_show: 'repo_path revision',
  git_branch: 'repo_path branch_type contains? not_contains?',
};

test('the plugin keeps the contract, and refuses options that it does not know', (t) => {
  t.true(isPlugin(plugin));
  t.is((JSON.parse(textOf('../../package.json')) as { version: string }).version, version);
  t.deepEqual(plugin.options?.parse({ root: 'x' }), {
    root: 'x',
    name: 'git',
    readOnly: false,
    program: 'git',
    timeout: 30_000,
    maxOutput: 100_000,
  });
  for (const wrong of [
    {},
    { root: '' },
    { root: 'x', rot: 1 },
    { root: 'x', name: 'a b' },
    { root: 'x', author: { name: 'x' } },
    { root: 'x', author: { name: 'a <b>', email: 'x' } },
    { root: 'x', author: { name: 'a\nb', email: 'x' } },
    { root: 'x', author: { name: '...', email: 'x' } },
    { root: 'x', maxOutput: 1 },
  ])
    t.false(plugin.options?.safeParse(wrong).success, JSON.stringify(wrong));
});

test('the README lists every option with its default and meaning, and every tool', async (t) => {
  const schema = z.toJSONSchema(plugin.options ?? z.object({}), { io: 'input' }) as {
    properties: Record<string, { default?: unknown; description: string }>;
  };
  const rows = Object.entries(schema.properties).map(([name, { default: initial, description }]) => {
    const shown =
      initial === undefined ? '—' : `\`${typeof initial === 'string' ? initial : JSON.stringify(initial)}\``;
    return `| \`${name}\` | ${shown} | ${description} |`;
  });
  const sections = textOf('../../README.md').split(/^## /m);
  const tableOf = (title: string) =>
    sections
      .find((section) => section.startsWith(title))
      ?.split('\n')
      .filter((line) => line.startsWith('| `')) ?? [];
  t.deepEqual(tableOf('Options'), rows);
  const tools = await listTools();
  t.deepEqual(
    tableOf('Tools').map((line) => /^\| `(\w+)`/.exec(line)?.[1]),
    tools.map(({ name }) => name),
  );
  for (const line of tableOf('Tools')) {
    const [, name, args = ''] = /^\| `(\w+)` \| (.*?) \|/.exec(line) ?? [];
    const input = tools.find((tool) => tool.name === name)?.inputSchema;
    const written = [...args.matchAll(/`(\w+)(\?)?`/g)].map(([, arg, mark]) => [arg, mark === undefined]);
    const real = Object.keys(input?.properties ?? {}).filter((arg) => arg !== 'repo_path');
    t.deepEqual(
      written,
      real.map((arg) => [arg, input?.required?.includes(arg) === true]),
      name,
    );
  }
});

interface Tool {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly annotations: JsonObject;
  readonly inputSchema: { properties: Record<string, JsonObject>; required?: string[] };
  readonly outputSchema?: JsonObject;
}

async function listTools(options: JsonObject = {}): Promise<Tool[]> {
  // Lists need neither a root nor the program.
  const server = await register({ root: '/nowhere', program: 'none', ...options });
  const client = await connect(server, leaseKey(undefined));
  const tools = await client.list();
  await client.close();
  return tools as unknown as Tool[];
}

test('every call of the reference server is one here', async (t) => {
  const tools = await listTools();
  for (const [name, args] of Object.entries(reference)) {
    const tool = tools.find((each) => each.name === name);
    for (const arg of args.split(' ')) t.truthy(tool?.inputSchema.properties[arg.replace('?', '')], `${name} ${arg}`);
    for (const needed of tool?.inputSchema.required ?? [])
      t.true(args.split(' ').includes(needed), `${name} ${needed}`);
  }
});

test('every tool says what it is and does; readOnly leaves those that change nothing', async (t) => {
  const tools = await listTools();
  t.is(tools.length, 16);
  for (const { name, title, description, annotations, outputSchema, inputSchema } of tools) {
    t.true(title !== undefined && description.length > 40 && outputSchema !== undefined, name);
    const hints = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'];
    t.deepEqual(Object.keys(annotations), hints);
    for (const [arg, schema] of Object.entries(inputSchema.properties))
      t.truthy(schema['description'], `${name} ${arg}`);
  }
  const left = await listTools({ readOnly: true });
  t.deepEqual(
    left.map(({ name }) => name),
    tools.filter(({ annotations }) => annotations['readOnlyHint'] === true).map(({ name }) => name),
  );
  t.is(left.length, 9);
});

gitTest('a task works in its own folder, and leaves nothing when it ends', async (t) => {
  const { root, outside } = folders(t);
  repository(join(root, 'common'));
  const [one, two] = [join(outside, 'task-1'), join(outside, 'task-2')];
  mkdirSync(one);
  repository(one);
  const server = await register({ root, author });
  const first = await connect(server, { ...leaseKey('task:1'), workspace: one });
  const second = await connect(server, { ...leaseKey('task:2'), workspace: two });
  const third = await connect(server, leaseKey('task:3'));
  write(one, { 'mine.txt': 'x' });
  await first.result('git_add', { files: ['mine.txt'] });
  await first.result('git_commit', { message: 'Mine' });
  t.is(mustGit(one, 'log', '-1', '--format=%s'), 'Mine');
  t.true(existsSync(two), 'the folder of a task is made for it');
  t.regex(await second.refused('git_status'), /no git repository/);
  for (const repo_path of [one, '../task-1', join(root, 'common')])
    t.regex(await second.refused('git_status', { repo_path }), /outside of the root/);
  t.regex(await first.refused('git_status', { repo_path: join(root, 'common') }), /outside of the root/);
  t.is((await third.result('git_status', { repo_path: 'common' }))['branch'], 'main');
  // At once, on one repository: none is refused, and nothing is lost.
  const names = Array.from({ length: 8 }, (_, index) => `branch-${index}`);
  await Promise.all(
    names.map((branch_name) => third.result('git_create_branch', { repo_path: 'common', branch_name })),
  );
  t.is(mustGit(join(root, 'common'), 'branch', '--list', 'branch-*').split('\n').length, 8);
  await Promise.all([first.close(), second.close(), third.close()]);
  t.deepEqual(leftovers(temporary), []);
  await t.throwsAsync(connect(await register({ root: join(root, 'nowhere') })), {
    message: /^the root .*nowhere cannot be used: create it/,
  });
});

gitTest('through a proxy: the tools are offered and work', async (t) => {
  t.timeout(180_000);
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  const proxy = await startProxy(
    { plugins: { http: { port: 0 }, git: { root, author } } },
    { env: { TMPDIR: outside } },
  );
  t.teardown(() => proxy.close());
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(proxy.url)));
  t.teardown(() => client.close());
  // Prefix of the server and name of the tool.
  const call = (name: string, args: JsonObject) =>
    client.callTool({ name: `git_git_${name}`, arguments: { repo_path: 'repo', ...args } });
  write(repo, { 'new.txt': 'x' });
  const status = await call('status', {});
  t.like(status['structuredContent'], { branch: 'main', untracked: ['new.txt'] });
  t.falsy((await call('add', { files: ['new.txt'] }))['isError']);
  t.falsy((await call('commit', { message: 'Through the proxy' }))['isError']);
  t.true(leftovers(outside).length > 0, 'it keeps what it needs again');
  t.is(mustGit(repo, 'log', '-1', '--format=%s %an'), 'Through the proxy Task Agent');
  t.true((await call('status', { repo_path: '..' }))['isError']);
  await client.close();
  await proxy.stop();
  t.deepEqual(leftovers(outside), []);
});
