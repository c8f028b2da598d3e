// The plugin in its surroundings: options, README, tokens by grant, GitHub Enterprise, a real proxy, the hosted server, many lives.
import { readFileSync } from 'node:fs';
import { startProxy } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { isPlugin, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import plugin from '../src/index.ts';
import { options } from '../src/options.ts';
import { Tokens } from '../src/tokens.ts';
import { allTools } from '../src/tools/index.ts';
import { Description } from './github/description.ts';
import { LocalGitHub } from './github/local-github.ts';
import { hostedServer, proxyClient, toolNames } from './proxy-client.ts';
import { checkGitHub, githubDescription, openFor, register, stand } from './stand.ts';

const repo = { owner: 'octocat', repo: 'Hello-World' };
const issue = { ...repo, issue_number: 1 };

test('the plugin keeps the contract, and refuses options that it does not know or cannot use', (t) => {
  t.true(isPlugin(plugin));
  t.is(plugin.id, 'github');
  t.true(options.safeParse({}).success);
  for (const wrong of [
    { tokn: 'x' },
    { name: 'a b' },
    { mode: 'both' },
    { token: '' },
    { token: 'a b' },
    { token: 'a\nX-Injected: 1' },
    { tokens: { 'task:1': 'a\r\n' } },
    { toolsets: [] },
    { toolsets: ['gists'] },
    { baseUrl: 'api.github.com' },
    { baseUrl: 'http://github.example/api/v3' },
    { baseUrl: 'https://user:pass@github.example' },
    { baseUrl: 'https://github.example/?x=1' },
    { url: 'ftp://github.example' },
    { timeout: 0 },
    { maxResultBytes: 10 },
    { mode: 'remote', toolsets: ['issues', 'releases'] },
  ]) {
    const { success, error } = options.safeParse(wrong);
    t.false(success, JSON.stringify(wrong));
    t.false(error?.message.includes('X-Injected') ?? false, 'a refused token is not quoted');
  }
  for (const right of [
    { baseUrl: 'https://github.example/api/v3/' },
    { baseUrl: 'http://127.0.0.1:8080' },
    { baseUrl: 'http://[::1]:8080' },
    { mode: 'remote', toolsets: ['issues'] },
  ])
    t.true(options.safeParse(right).success, JSON.stringify(right));
});

test('the README lists every option and every tool', (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const schema = z.toJSONSchema(options, { io: 'input' }) as {
    properties: Record<string, { default?: unknown; description: string }>;
  };
  const optionRows = Object.entries(schema.properties).map(([name, { default: initial, description }]) => {
    const shown = typeof initial === 'string' ? initial : JSON.stringify(initial);
    return `| \`${name}\` | ${shown === undefined ? '' : `\`${shown}\``} | ${description} |`;
  });
  const reference = JSON.parse(readFileSync(new URL('../../test/reference-tools.json', import.meta.url), 'utf8')) as {
    tools: { name: string }[];
  };
  const known = new Set(reference.tools.map(({ name }) => name));
  const toolRows = allTools.map(({ toolset, tool }) => {
    const { readOnlyHint, destructiveHint } = tool.annotations ?? {};
    const effect = readOnlyHint === true ? 'reads' : destructiveHint === true ? 'changes' : 'adds';
    return `| \`${tool.name}\` | ${toolset} | ${effect} | ${known.has(tool.name) ? '●' : ''} |`;
  });
  t.deepEqual(
    readme
      .split('\n')
      .filter(
        (line) => /^\| `[a-z]\w+` \|/i.test(line) && !/does not force|default branch|autoInit|download_url/.test(line),
      ),
    [...optionRows, ...toolRows],
  );
  t.true(readme.includes(`${allTools.length - known.size} more come with it`));
});

test('a grant works with its own token', async (t) => {
  const tokens = new Tokens('all', { 'task:7': 'seven', 'task:*': 'tasks', 'task:release-*': 'releases', '*:x': 'x' });
  const of = (grant: string) => tokens.of(grant);
  t.deepEqual(['default', 'task:7', 'task:8', 'task:release-1', 'grant:x', 'task:', 'xtask:8'].map(of), [
    'all',
    'seven',
    'tasks',
    'releases',
    'x',
    'tasks',
    'all',
  ]);
  t.is(new Tokens(undefined, { 'a.b': 'x', 'a.*': 'y' }).of('aXb'), undefined);
  const { github, open } = await stand(t, {
    token: 'for-all',
    tokens: { 'task:7': 'for-seven', 'task:*': 'for-tasks' },
  });
  for (const grant of ['default', 'task:7', 'task:8']) await (await open(grant)).call('get_issue', issue);
  t.deepEqual(
    github.requests.map(({ headers }) => headers.authorization),
    ['token for-all', 'token for-seven', 'token for-tasks'],
  );
  checkGitHub(t, github);
});

test('GitHub Enterprise Server: everything goes below its address, as its own description wants it', async (t) => {
  t.timeout(240_000);
  const github = await LocalGitHub.start(new Description('ghes-3.19.json'), '/api/v3');
  t.teardown(() => github.close());
  const client = await openFor(t, await register({ baseUrl: `${github.url}/`, token: 'x' }), 'default');
  const calls: [string, JsonObject][] = [
    ['get_issue', issue],
    ['list_pull_requests', repo],
    ['search_issues', { q: 'bug' }],
    ['create_issue', { ...repo, title: 'x' }],
    ['get_file_contents', { ...repo, path: '' }],
    ['list_check_runs', { ...repo, ref: 'main' }],
  ];
  for (const [tool, args] of calls) {
    const { failed, text } = await client.call(tool, args);
    t.false(failed, `${tool}: ${text}`);
  }
  t.is(github.requests.length, calls.length);
  // Its published examples are not looked at closely here.
  t.deepEqual(
    github.violations.filter((each) => !each.startsWith('answered')),
    [],
  );
});

/** A proxy with this plugin in front of a GitHub of its own. */
async function proxied(t: ExecutionContext, config: (github: LocalGitHub) => JsonObject) {
  t.timeout(240_000);
  const github = await LocalGitHub.start(githubDescription());
  t.teardown(() => github.close());
  const proxy = await startProxy(config(github), {
    env: { GITHUB_TOKEN: 'token-of-all', TASK_TOKEN: 'token-of-the-task' },
  });
  t.teardown(() => proxy.close());
  await proxy.ready();
  return { github, proxy };
}

const aliceToken = 'alice-has-a-token-of-her-own';

test('through a proxy: a narrow grant reaches its tools with its token, and nothing else', async (t) => {
  const { github, proxy } = await proxied(t, (github) => ({
    plugins: {
      http: {},
      github: { baseUrl: github.url, token: '${env:GITHUB_TOKEN}', tokens: { 'grant:al*': '${env:TASK_TOKEN}' } },
    },
    grants: {
      alice: {
        token: aliceToken,
        tools: { allow: ['github:get_issue', 'github:list_*'], deny: ['github:list_notifications'] },
      },
    },
  }));
  const request = await proxyClient(proxy.url, aliceToken);
  const names = await toolNames(request);
  t.true(names.includes('github_get_issue') && names.includes('github_list_labels'));
  t.true(
    names.every((name) => /^github_(?:get_issue$|list_(?!notifications))/.test(name)),
    names.join(' '),
  );
  const { result } = await request('tools/call', { name: 'github_get_issue', arguments: issue });
  t.like(result, { structuredContent: { number: 1347 } });
  t.is(github.requests[0]?.headers.authorization, 'token token-of-the-task');
  for (const { tool } of allTools) {
    if (names.includes(`github_${tool.name}`)) continue;
    for (const name of [`github_${tool.name}`, tool.name]) {
      const refused = await request('tools/call', {
        name,
        arguments: { ...issue, pull_number: 1, name: 'x', title: 'x' },
      });
      t.regex(refused.error?.message ?? '', /Unknown tool/, name);
    }
  }
  const sly = { ...issue, owner: '../../user/repos?x=', repo: '..' };
  t.is((await request('tools/call', { name: 'github_get_issue', arguments: sly })).result?.['isError'], true);
  t.is(github.requests.length, 1);
  t.false(proxy.log.includes('token-of'), proxy.log);
  checkGitHub(t, github);
});

test('through a proxy: a call that waits for GitHub does not keep the proxy from ending', async (t) => {
  const { github, proxy } = await proxied(t, (github) => ({
    plugins: { http: {}, github: { baseUrl: github.url, token: '${env:GITHUB_TOKEN}' } },
  }));
  const request = await proxyClient(proxy.url);
  const asked = new Promise<void>((resolve) => {
    const headers = { 'content-type': 'application/json', 'retry-after': '40' };
    github.answer('issues/get', {
      handle: (_request, response) => {
        response.writeHead(403, headers).end(JSON.stringify({ message: 'You have exceeded a secondary rate limit' }));
        resolve();
      },
    });
  });
  const call = request('tools/call', { name: 'github_get_issue', arguments: issue }).catch(() => {});
  await asked;
  const started = Date.now();
  t.is(await proxy.stop(), 0);
  // The wait alone is longer than this.
  t.true(Date.now() - started < 35_000);
  await call;
});

test('remote: the hosted server is asked with the token of each grant', async (t) => {
  const hosted = await hostedServer(t);
  const remote = {
    mode: 'remote',
    url: hosted.url,
    token: '${env:GITHUB_TOKEN}',
    tokens: { 'grant:alice': '${env:TASK_TOKEN}' },
  };
  const { proxy, github } = await proxied(t, () => ({
    plugins: { http: {}, upstream: {}, github: { ...remote, toolsets: ['issues', 'users'], readOnly: true } },
    tools: { allow: ['*'] },
    grants: { alice: { token: aliceToken, tools: { allow: ['*'] } } },
  }));
  const expected: [string | undefined, string][] = [
    [undefined, 'Bearer token-of-all'],
    [aliceToken, 'Bearer token-of-the-task'],
  ];
  for (const [token, authorization] of expected) {
    const request = await proxyClient(proxy.url, token);
    // The hosted server does not hide what writes; the plugin does.
    t.deepEqual(await toolNames(request), ['github_get_me']);
    const { result } = await request('tools/call', { name: 'github_get_me', arguments: {} });
    t.deepEqual(result?.['content'], [{ type: 'text', text: 'hosted get_me' }]);
    const refused = await request('tools/call', { name: 'github_create_issue', arguments: {} });
    t.regex(refused.error?.message ?? '', /Unknown tool/);
    t.like(hosted.calls.filter((each) => each['x-test-method'] === 'tools/call').at(-1), {
      authorization,
      'x-mcp-toolsets': 'issues,users',
      'x-mcp-readonly': 'true',
    });
  }
  t.is(github.requests.length, 0);
  t.false(proxy.log.includes('token-of'));
});

test('remote: without its upstream, or without a token for a grant, it says what to do', async (t) => {
  await t.throwsAsync(register({ mode: 'remote' }), { message: /add `upstream: \{\}` to plugins/ });
  const opened: JsonObject[] = [];
  const upstream = {
    define: (name: string, entry: JsonObject) => ({
      name,
      kind: 'http',
      isolation: 'task',
      open: async () => void opened.push(entry),
    }),
  };
  const server = await register({ mode: 'remote', tokens: { 'task:7': 'seven' } }, { upstream });
  await t.throwsAsync(openFor(t, server, 'task:8'), {
    message: /no token is configured for task:8: add it to the option tokens/,
  });
  await server.open(
    { kind: 'task', id: 'x', grant: 'task:7', capabilities: {}, clientInfo: undefined },
    {} as never,
    new AbortController().signal,
  );
  t.deepEqual(opened[0]?.['headers'], { Authorization: 'Bearer seven' });
  t.false(JSON.stringify(server.fingerprint).includes('seven'));
});

test('many lives leave no timers and no connections of their own behind', async (t) => {
  const { github, open } = await stand(t);
  const held = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const live = async () => {
    const client = await open();
    t.false((await client.call('get_issue', issue)).failed);
    await client.connection.close();
  };
  await live();
  const before = held();
  for (let lives = 0; lives < 300; lives += 1) await live();
  // One more or less may be the test's own.
  t.true(held() <= before + 2, `${before} → ${held()}`);
  checkGitHub(t, github);
});
