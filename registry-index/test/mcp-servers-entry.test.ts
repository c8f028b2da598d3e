// Entries of `mcpServers` made of the catalogue: accepted by the plugin that reads them, without a secret in them, and safe to resolve.
import test from 'ava';
import upstream from '@plugboard/upstream';
import { configFrom } from 'plugboard';
import { ChoiceError, serverEntrySchema, toMcpServersEntry } from '../src/index.ts';
import type { ServerEntry } from '../src/index.ts';
import { readEntries } from '../src/entry-files.ts';

const { servers } = await readEntries();
const find = (id: string) => servers.find((server) => server.id === id) as ServerEntry;

test('every way to start every server is an entry that the plugin upstream takes', (t) => {
  for (const server of servers) {
    for (const [start, { type }] of server.start.entries()) {
      const made = toMcpServersEntry(server, {
        start,
        include: server.permissions.secrets.filter((name) => includable(server, start, name)),
      });
      const checked = upstream.options?.safeParse({ servers: { [server.id]: made.entry } });
      t.true(checked?.success, `${server.id} ${start}: ${JSON.stringify(checked?.error?.issues)}`);
      t.is(made.entry.type, type);
      const references = [...JSON.stringify(made.entry).matchAll(/\$\{env:([A-Z0-9_]+)\}/g)].map(
        (match) => match[1] ?? '',
      );
      const needs = [...made.secrets, ...made.settings].map(({ name }) => name);
      t.deepEqual([...new Set(references)].sort(), [...new Set(needs)].sort(), server.id);
      t.deepEqual(made.optional, []);
    }
  }
});

function includable(server: ServerEntry, start: number, name: string): boolean {
  const { secrets, optional } = toMcpServersEntry(server, { start });
  return [...secrets, ...optional].some((need) => need.name === name);
}

test('npm: a pinned version, a folder, a secret', (t) => {
  const filesystem = toMcpServersEntry(find('filesystem-reference'), { values: { directory: ['/srv/a', '/srv/b'] } });
  t.is(filesystem.entry.command, 'npx');
  t.regex(
    filesystem.entry.args?.join(' ') ?? '',
    /^-y @modelcontextprotocol\/server-filesystem@\d+\.\d+\.\d+ \/srv\/a \/srv\/b$/,
  );
  t.deepEqual(filesystem.settings, []);
  const brave = toMcpServersEntry(find('brave-search'), { version: 'latest' });
  t.deepEqual(brave.entry.args, ['-y', '@brave/brave-search-mcp-server@latest']);
  t.deepEqual(brave.entry.env, { BRAVE_API_KEY: '${env:BRAVE_API_KEY}' });
  t.deepEqual(
    brave.secrets.map(({ name }) => name),
    ['BRAVE_API_KEY'],
  );
});

test('what is required and not given becomes a reference that is named', (t) => {
  const { entry, settings } = toMcpServersEntry(find('filesystem-reference'));
  t.is(entry.args?.at(-1), '${env:DIRECTORY}');
  t.deepEqual(
    settings.map(({ name }) => name),
    ['DIRECTORY'],
  );
});

test('PyPI, containers and flags', (t) => {
  t.deepEqual(toMcpServersEntry(find('git-reference'), { values: { repository: '/srv/repo' } }).entry.args, [
    'mcp-server-git',
    '--repository',
    '/srv/repo',
  ]);
  t.deepEqual(
    toMcpServersEntry(find('git-reference'), { version: '1.2.3', values: { repository: '.' } }).entry.args?.slice(0, 3),
    ['--from', 'mcp-server-git==1.2.3', 'mcp-server-git'],
  );
  const grafana = toMcpServersEntry(find('grafana'), {
    version: '1.0.0',
    values: { GRAFANA_URL: 'https://grafana.example' },
  }).entry;
  t.deepEqual(grafana.args, [
    'run',
    '-i',
    '--rm',
    '-e',
    'GRAFANA_URL',
    '-e',
    'GRAFANA_SERVICE_ACCOUNT_TOKEN',
    'docker.io/grafana/mcp-grafana:1.0.0',
    '-t',
    'stdio',
  ]);
  t.deepEqual(grafana.env, {
    GRAFANA_URL: 'https://grafana.example',
    GRAFANA_SERVICE_ACCOUNT_TOKEN: '${env:GRAFANA_SERVICE_ACCOUNT_TOKEN}',
  });
  const args = (value: string) => toMcpServersEntry(find('playwright'), { values: { headless: value } }).entry.args;
  t.is(args('true')?.at(-1), '--headless');
  t.not(args('false')?.at(-1), '--headless');
});

test('hosted: an optional token only when it is asked for', (t) => {
  const without = toMcpServersEntry(find('github-remote'));
  t.deepEqual(without.entry, { type: 'http', title: 'GitHub', url: 'https://api.githubcopilot.com/mcp/' });
  t.deepEqual(
    without.optional.map(({ name }) => name),
    ['GITHUB_PERSONAL_ACCESS_TOKEN'],
  );
  const token = toMcpServersEntry(find('github-remote'), {
    include: ['GITHUB_PERSONAL_ACCESS_TOKEN'],
    values: { 'X-MCP-Toolsets': 'repos' },
  });
  t.deepEqual(token.entry.headers, {
    Authorization: 'Bearer ${env:GITHUB_PERSONAL_ACCESS_TOKEN}',
    'X-MCP-Toolsets': 'repos',
  });
  const own = toMcpServersEntry(find('gitlab'), { values: { GITLAB_HOST: 'git.example' } });
  t.is(own.entry.url, 'https://git.example/api/v4/mcp');
  t.is(toMcpServersEntry(find('gitlab')).entry.url, 'https://gitlab.com/api/v4/mcp');
});

test('choices that do not fit are refused, and a secret is not taken as a value', (t) => {
  const brave = find('brave-search');
  t.throws(() => toMcpServersEntry(brave, { start: 7 }), { instanceOf: ChoiceError, message: /1 ways to start/ });
  t.throws(() => toMcpServersEntry(brave, { values: { NAME: 'x' } }), {
    message: /takes nothing called "NAME" \(BRAVE_API_KEY\)/,
  });
  const error = t.throws(() => toMcpServersEntry(brave, { values: { BRAVE_API_KEY: 'hunter2hunter2' } }), {
    instanceOf: ChoiceError,
  });
  t.false(error?.message.includes('hunter2'));
  t.throws(() => toMcpServersEntry(find('playwright'), { values: { browser: 'lynx' } }), {
    message: /must be one of: chrome/,
  });
});

test('an entry with a reference in it is not made into a configuration', (t) => {
  const [start] = find('everything').start;
  const evil = { ...find('everything'), start: [{ ...start, args: ['${file:/etc/passwd}'] }] } as ServerEntry;
  t.throws(() => toMcpServersEntry(evil), { instanceOf: ChoiceError, message: /would read as a reference/ });
});

test('a configuration resolves the secrets, and takes what a person gave as text', async (t) => {
  const github = toMcpServersEntry(find('github-remote'), { include: ['GITHUB_PERSONAL_ACCESS_TOKEN'] }).entry;
  const files = toMcpServersEntry(find('filesystem-reference'), {
    values: { directory: 'a${file:/etc/passwd}b' },
  }).entry;
  const config = await configFrom({ mcpServers: { github, files } }, process.cwd(), {
    env: { GITHUB_PERSONAL_ACCESS_TOKEN: 'tok-123' },
  });
  const options = config.plugins.find(({ key }) => key === 'upstream')?.options as {
    servers: Record<string, Record<string, unknown>>;
  };
  t.deepEqual(options.servers['github']?.['headers'], { Authorization: 'Bearer tok-123' });
  t.like(options.servers['files'], { args: [...(files.args ?? []).slice(0, -1), 'a${file:/etc/passwd}b'] });
  t.true(config.secrets.has('tok-123'));
});

test('an executable of another name', (t) => {
  const server = serverEntrySchema.parse({
    ...find('everything'),
    start: [
      {
        type: 'stdio',
        runner: 'npx',
        package: '@acme/many',
        version: '1.0.0',
        executable: 'one',
        args: ['go'],
        env: [],
      },
    ],
  });
  t.deepEqual(toMcpServersEntry(server).entry.args, ['-y', '-p', '@acme/many@1.0.0', 'one', 'go']);
});
