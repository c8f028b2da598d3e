// What a task says of itself, and what stands around it: preflight, counters, servers of its own, its folder, the agent's hook, rendering, other options.
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@plugboard/test-kit';
import test from 'ava';
import { configFrom } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { version } from '../src/start.ts';
import { connect, manifest, stand, tools } from './stand.ts';

interface Status {
  readonly phase: string;
  readonly conditions: { type: string; status: string; reason: string; message: string }[];
  readonly tools: { selector: string; state: string; tools: string[]; nearest: string[]; reason?: string }[];
  readonly calls: number;
  readonly refusals: number;
  readonly lastActivity?: string;
}

test('preflight: each selector is ready or says why not, in the status and in the condition ToolsReady', async (t) => {
  const proxy = await stand(t);
  const statusOf = async (id: string) => (await proxy.ok('GET', `/tasks/${id}`))['status'] as Status;
  const ready = (status: Status) => status.conditions.find(({ type }) => type === 'ToolsReady');
  const { token } = await proxy.task(manifest('good', tools(['github:get_issue', 'docs'])));
  t.like(ready(await statusOf('good')), {
    status: 'True',
    reason: 'Ready',
    message: '3 tools of 2 selectors can be called',
  });
  const object = manifest('bad', tools(['github:get_isue', 'docs:*', 'github:merge_pr'], ['docs']), {
    remoteTools: ['github_create_isue'],
  });
  await proxy.ok('PUT', '/tasks/bad', object);
  const bad = await statusOf('bad');
  t.like(ready(bad), { status: 'False', reason: 'SelectorsMatchNothing' });
  t.regex(ready(bad)?.message ?? '', /github:get_isue: the server offers no such tool \(nearest: github:get_issue\)/);
  t.deepEqual(
    bad.tools.map(({ selector, state }) => [selector, state]),
    [
      ['github:get_isue', 'unmatched'],
      ['docs:*', 'denied'],
      ['github:merge_pr', 'ready'],
      ['github_create_isue', 'unmatched'],
    ],
  );
  await proxy.board.stopServer('github');
  await until('its server is down', async () => ready(await statusOf('good'))?.reason === 'ServersFailed');
  proxy.board.startServer('github');
  await until('it is ready again', async () => ready(await statusOf('good'))?.status === 'True');

  const client = await connect(t, 'new', proxy.url, token);
  await client.call('github_get_issue');
  await client.call('docs_read');
  const status = await statusOf('good');
  t.is(status.calls, 2);
  t.true(Date.now() - Date.parse(status.lastActivity ?? '') < 60_000);
  const list = (await proxy.ok('GET', '/tasks?limit=1'))['items'] as JsonObject[];
  t.is(list.length, 1);
  t.is((await proxy.ok('GET', '/tasks?limit=1'))['next'], 'bad');
  t.deepEqual(((await proxy.ok('GET', '/tasks?phase=Running'))['items'] as JsonObject[]).length, 0);
  t.is((await proxy.api('GET', '/tasks/7')).status, 409, 'two tasks have this number');
  t.deepEqual(
    ((await proxy.ok('GET', '/tasks/good/tools'))['items'] as JsonObject[]).map(({ name }) => name),
    ['docs_read', 'docs_search', 'github_get_issue', 'task_request_tools'],
  );
});

test('servers of a task’s own: only it sees them, references are refused unless allowed, programs unless allowed', async (t) => {
  const server = createServer((_request, response) => {
    seen.push(String(_request.headers['x-key']));
    response.writeHead(500).end();
  });
  const seen: string[] = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  process.env['TASKRUN_TEST_ALLOWED'] = 'value-of-the-allowed-variable';
  process.env['TASKRUN_TEST_SECRET'] = 'value-of-another-variable';
  const echo = path.join(
    path.dirname(fileURLToPath(import.meta.url)),
    '..',
    '..',
    '..',
    '..',
    'node_modules',
    '@modelcontextprotocol',
    'server-everything',
    'dist',
    'index.js',
  );
  const own = (name: string, more: JsonObject) => ({ mcpServers: [{ name, tools: { allow: ['*'] }, ...more }] });
  const options = { allowedEnv: ['TASKRUN_TEST_ALLOWED'], allowCommands: true };
  const proxy = await stand(t, { options, plugins: { upstream: {} } });
  const conditions = async (id: string) => ((await proxy.ok('GET', `/tasks/${id}`))['status'] as Status).conditions;
  await proxy.ok(
    'PUT',
    '/tasks/allowed',
    manifest('allowed', own('jira', { type: 'http', url, headers: { 'x-key': '${env:TASKRUN_TEST_ALLOWED}' } })),
  );
  await until('the header is sent', () => seen.includes('value-of-the-allowed-variable'));
  for (const reference of ['${env:TASKRUN_TEST_SECRET}', '${file:/etc/passwd}']) {
    await proxy.ok(
      'PUT',
      '/tasks/stealing',
      manifest('stealing', own('jira', { type: 'http', url, headers: { 'x-key': reference } })),
    );
    const condition = (await conditions('stealing')).find(({ type }) => type === 'ServersReady');
    t.like(condition, { status: 'False', reason: 'NotRegistered' });
    t.regex(condition?.message ?? '', /allowedEnv|\$\{env:NAME\} only/);
  }
  const shown = await proxy.ok('GET', '/tasks/allowed');
  t.false(JSON.stringify(shown).includes('TASKRUN_TEST_ALLOWED'), 'values of headers are not shown');
  const { token } = await proxy.task(
    manifest('program', own('all', { command: process.execPath, args: [echo, 'stdio'] })),
  );
  const { token: neighbour } = await proxy.task(manifest('neighbour', tools(['*'])));
  const client = await connect(t, 'old', proxy.url, token);
  await until('its server is up', async () => (await client.names()).includes('all_echo'));
  t.regex(await client.call('all_echo', { message: 'hello' }), /hello/);
  const beside = await connect(t, 'old', proxy.url, neighbour);
  t.false((await beside.names()).some((name) => name.startsWith('all_')));
  t.false(seen.some((value) => value.includes('another')));
  await proxy.ok('DELETE', '/tasks/program');

  const cautious = await stand(t, { plugins: { upstream: {} } });
  await cautious.ok('PUT', '/tasks/program', manifest('program', own('all', { command: 'sh', args: ['-c', 'exit'] })));
  t.regex(JSON.stringify((await cautious.ok('GET', '/tasks/program'))['status']), /allowCommands/);
  const strict = await stand(t);
  await strict.ok('PUT', '/tasks/program', manifest('program', own('all', { command: 'sh', args: ['-c', 'exit'] })));
  t.regex(JSON.stringify((await strict.ok('GET', '/tasks/program'))['status']), /need the plugin upstream/);
});

test('a folder of its own for each task, or the one it names below an allowed root; links lead nowhere else', async (t) => {
  const proxy = await stand(t, { options: { workspaceRoots: ['shared'] }, plugins: { filesystem: { root: '.' } } });
  const at = (...parts: string[]) => path.join(proxy.folder, ...parts);
  await mkdir(at('shared', 'repo'), { recursive: true });
  await mkdir(at('private'));
  await symlink(at('private'), at('shared', 'link'));
  await writeFile(at('shared', 'repo', 'code.txt'), 'code');
  const allow = ['filesystem'];
  const list = async (id: string, more: JsonObject) => {
    const { token } = await proxy.task(manifest(id, tools(allow, [], more)));
    return await (await connect(t, 'new', proxy.url, token)).call('filesystem_list_allowed_directories');
  };
  t.regex(await list('named', { workspace: at('shared', 'repo') }), /shared\/repo/);
  t.regex(await list('own', {}), /\.plugboard\/workspaces\/own-/);
  for (const workspace of [
    at('shared'),
    at('private'),
    at('shared', 'link'),
    at('shared', 'repo', '..', '..', 'private'),
    at('missing'),
  ]) {
    const answer = await proxy.api('PUT', '/tasks/wrong', manifest('wrong', tools(allow, [], { workspace })));
    t.is(answer.status, 422, workspace);
    t.regex(String(answer.body['detail']), /workspace/);
  }
  const wide = await stand(t, { options: { workspaceRoots: ['.'] }, plugins: { filesystem: { root: '.' } } });
  for (const name of ['free', '.plugboard/workspaces']) await mkdir(path.join(wide.folder, name), { recursive: true });
  await wide.task(manifest('free', tools(allow, [], { workspace: path.join(wide.folder, 'free') })));
  for (const name of ['.plugboard', '.plugboard/workspaces']) {
    const workspace = path.join(wide.folder, name);
    const answer = await wide.api('PUT', '/tasks/own', manifest('own', tools(allow, [], { workspace })));
    t.is(answer.status, 422, workspace);
    t.regex(String(answer.body['detail']), /files of the proxy itself/);
  }
});

test('the hook of the agent answers by the task as it stands: internal tools and tools of the proxy, live', async (t) => {
  const proxy = await stand(t);
  const permissions = { allow: ['Read', 'Bash(npm run test:*)'], deny: ['WebFetch'] };
  const { token } = await proxy.task(
    manifest('hooked', tools(['github:get_issue'], [], { internalTools: { permissions } })),
  );
  const url = new URL('/hooks/pre-tool-use', proxy.url);
  const ask = async (
    tool_name: string,
    tool_input: JsonObject = {},
    headers: Record<string, string> = { authorization: `Bearer ${token}` },
  ) => {
    const body = JSON.stringify({ session_id: 's', hook_event_name: 'PreToolUse', tool_name, tool_input });
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    const text = await response.text();
    return response.status === 200
      ? (JSON.parse(text) as { hookSpecificOutput: { permissionDecision: string } }).hookSpecificOutput
          .permissionDecision
      : String(response.status);
  };
  t.is(await ask('Bash', { command: 'npm run test -- --watch' }), 'allow');
  t.is(await ask('WebFetch', { url: 'https://example.com' }), 'deny');
  t.is(await ask('mcp__plugboard__github_get_issue'), 'allow');
  t.is(await ask('mcp__github__get_issue'), 'allow');
  t.is(await ask('mcp__plugboard__github_merge_pr'), 'deny');
  t.is(await ask('mcp__elsewhere__anything'), 'deny');
  await proxy.ok('POST', '/tasks/hooked/context', {
    enable_tools: ['WebFetch', 'github:merge_pr'],
    disable_tools: ['internal:Read', 'github:get_issue'],
  });
  t.is(await ask('WebFetch', { url: 'https://example.com' }), 'allow');
  t.is(await ask('Read', { file_path: '/workspace/a' }), 'deny');
  t.is(await ask('mcp__plugboard__github_merge_pr'), 'allow');
  t.is(await ask('mcp__plugboard__github_get_issue'), 'deny');
  t.is((await proxy.api('POST', '/tasks/hooked/context', { enable_tools: ['internal:Bash(rm'] })).status, 422);
  for (const authorization of ['', 'Bearer pbt_wrong', 'Basic x', `Bearer ${token}x`])
    t.is(await ask('Read', {}, { authorization }), '401');
  t.is((await fetch(url)).status, 405);
  t.is((await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: 'no' })).status, 400);
  t.is(
    (
      await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: 'x'.repeat(9 * 1024 * 1024),
      }).catch(() => ({ status: 413 }))
    ).status,
    413,
  );
  t.true(((await proxy.ok('GET', '/tasks/hooked'))['status'] as Status).refusals >= 4);

  const { files } = (await proxy.ok('GET', '/tasks/hooked/render?for=claude')) as { files?: Record<string, string> };
  const all = JSON.stringify(files);
  t.regex(all, /hooks\/pre-tool-use/);
  t.true(all.includes(proxy.url));
  t.false(all.includes(token));
  const kubernetes = await proxy.ok('GET', '/tasks/hooked/render?for=kubernetes');
  t.regex(JSON.stringify(kubernetes), /ConfigMap[^]*Secret/);
  // This proxy listens on loopback, and a pod has a loopback of its own.
  t.regex(String(kubernetes['warnings']), /^agents in pods do not reach the proxy at .*set rendering\.serviceUrl/);
  const rendering = { serviceUrl: 'http://plugboard.plugboard.svc:8807/mcp' };
  const reached = await stand(t, { options: { rendering } });
  await reached.ok('PUT', '/tasks/hooked', manifest('hooked', tools(['github'])));
  t.is((await reached.ok('GET', '/tasks/hooked/render?for=kubernetes'))['warnings'], undefined);
  await proxy.ok('DELETE', '/tasks/hooked');
  t.is(await ask('Read'), '401');
});

test('with other options the plugin is applied again: sessions, tokens and live changes go on', async (t) => {
  const proxy = await stand(t);
  const { token } = await proxy.task(manifest('stays', tools(['github:get_issue', 'docs:read'])));
  const client = await connect(t, 'old', proxy.url, token);
  await client.names();
  await client.watch(['task://context']);
  const plugins = {
    http: { port: 0 },
    'store-lowdb': { fsync: 'never' },
    admin: {},
    './echo.js': {},
    taskrun: { ceiling: { allow: ['docs'], deny: [] } },
  };
  await proxy.host.reload(await configFrom({ plugins }, proxy.folder));
  // A client that has listed anew by itself misses nothing, and is not told: so it waits here.
  await until('the open session is told', () => client.changed.length > 0);
  await until('the ceiling is in force', async () => (await client.names()).join() === 'docs_read,task_request_tools');
  await proxy.ok('POST', '/tasks/stays/context', { additional_context: 'after', enable_tools: ['docs:search'] });
  t.deepEqual(await client.names(), ['docs_read', 'docs_search', 'task_request_tools']);
  t.regex(await client.read('task://context'), /after/);
  t.deepEqual(
    proxy.lines.filter((line) => line.startsWith('error')),
    [],
  );
});

test('the version is that of the package; options with selectors that are none are refused; agents cannot talk the journal full', async (t) => {
  const file = new URL('../../package.json', import.meta.url);
  t.is((JSON.parse(await readFile(file, 'utf8')) as { version: string }).version, version);
  await t.throwsAsync(stand(t, { options: { ceiling: { allow: ['github:'], deny: [] } } }), {
    message: /option ceiling: .*github:/,
  });
  const proxy = await stand(t);
  const { token } = await proxy.task(manifest('chatty', tools(['docs'], [], { escalationPolicy: { mode: 'review' } })));
  const client = await connect(t, 'new', proxy.url, token);
  const ask = (wanted: string) => client.call('task_request_tools', { tools: [wanted], reason: 'x' });
  const first = /esc-[0-9a-f]+/.exec(await ask('github:get_issue'))?.[0];
  t.is(/esc-[0-9a-f]+/.exec(await ask('github:get_issue'))?.[0], first, 'the same request waits once');
  let answer = '';
  for (let number = 0; number < 25; number++) answer = await ask(`github:x${number}`);
  t.regex(answer, /requests for tools within a minute/);
  t.true(((await proxy.ok('GET', '/tasks/chatty/journal?limit=1000'))['items'] as unknown[]).length < 50);
});
