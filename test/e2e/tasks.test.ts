// The life of a task, from kubectl to the agent and back: with the real kubectl, real informers, real SDK clients, and a proxy that is killed.
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { commandLine, kubectl, kubectlMinor, startKubernetes, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { parse } from 'yaml';
import { sendHttp } from './support/raw-http.ts';
import type { SdkClient } from './support/sdk-clients.ts';
import { clientFor, folderFor, proxyFor, root, scripted } from './support/stand.ts';

/** A plugboard command about the tasks of a running proxy. */
async function plugboard(proxy: ProxyProcess, ...args: string[]): Promise<JsonObject> {
  const { command, args: start } = commandLine('task', ...args, '--json', '--config', proxy.configFile);
  const { stdout } = await promisify(execFile)(command, start, { maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as JsonObject;
}

async function tokenOf(proxy: ProxyProcess, id: string): Promise<{ authorization: string }> {
  const { token } = await plugboard(proxy, 'token', id);
  return { authorization: `Bearer ${String(token)}` };
}

const plugins = {
  http: {},
  filesystem: { root: '.' },
  memory: {},
  'store-lowdb': { path: 'state' },
  admin: {},
};

const taskRun = (name: string, spec: JsonObject) => ({
  apiVersion: 'orchestrator.io/v1',
  kind: 'TaskRun',
  metadata: { name },
  spec: { taskId: 7, serviceName: 'billing', agentName: 'rex', contextVersion: 1, ...spec },
});

const toolConfig = {
  mcpServers: [
    { name: 'memory', tools: { allow: ['create_entities', 'read_graph'] } },
    { name: 'filesystem', tools: { allow: ['read_*', 'write_file'], deny: ['read_media_file'] } },
    { name: 'works', tools: { allow: ['echo'] } },
  ],
};

const expected = [
  'filesystem_read_file',
  'filesystem_read_multiple_files',
  'filesystem_read_text_file',
  'filesystem_write_file',
  'memory_create_entities',
  'memory_read_graph',
  'works_echo',
];

/** Names of a list without those of the proxy's own server for tasks. */
const names = async (client: SdkClient) =>
  (await client.toolNames()).filter((name) => !name.startsWith('task_')).sort();

async function connect(
  t: ExecutionContext,
  proxy: ProxyProcess,
  headers: Record<string, string>,
): Promise<SdkClient[]> {
  return [
    await clientFor(t, 'v1', { url: proxy.url, headers }),
    await clientFor(t, 'v2 new', { url: proxy.url, headers }),
  ];
}

/** HTTP status of one list request with a credential. */
async function statusOf(proxy: ProxyProcess, headers: Record<string, string>): Promise<number> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'probe', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  return (await sendHttp(proxy.url, { method: 'POST', path: '/mcp', headers, body })).status;
}

test('from kubectl apply to kubectl delete: exactly the tools, changed while the agent works, kept over kill -9', async (t) => {
  const minor = await kubectlMinor().catch(() => undefined);
  if (minor === undefined) {
    t.log('skipped: there is no kubectl on PATH; install Debian’s package kubernetes-client');
    t.pass();
    return;
  }
  const crd: unknown = parse(
    await readFile(path.join(root, 'plugins', 'taskrun', 'crds', 'taskruns.orchestrator.io.yaml'), 'utf8'),
  );
  const other: unknown = parse(
    await readFile(path.join(root, 'plugins', 'taskrun', 'crds', 'coderuns.agents.platform.yaml'), 'utf8'),
  );
  const cluster = await startKubernetes({ crds: [crd as object, other as object] });
  t.teardown(() => cluster.stop());
  const proxy = await proxyFor(
    t,
    {
      plugins: { ...plugins, taskrun: { kubernetes: { kubeconfig: 'kubeconfig' } } },
      mcpServers: { works: scripted() },
    },
    { files: { kubeconfig: cluster.kubeconfig } },
  );
  await proxy.ready();

  const applied = await kubectl(cluster.kubeconfig, ['apply', '-f', '-'], {
    input: JSON.stringify(taskRun('task-7', { toolConfig })),
  });
  t.is(applied.code, 0, applied.stderr);
  await until('kubectl shows that its tools are ready', async () => {
    const { stdout } = await kubectl(cluster.kubeconfig, ['get', 'taskrun', 'task-7', '-o', 'json']);
    const { status } = JSON.parse(stdout) as { status?: { conditions?: { type: string; status: string }[] } };
    return status?.conditions?.some(({ type, status: is }) => type === 'ToolsReady' && is === 'True');
  });
  const headers = await tokenOf(proxy, 'task-7');
  const clients = await connect(t, proxy, headers);
  for (const client of clients) {
    t.deepEqual(await names(client), expected);
    await client.watch([]);
  }
  await clients[0]?.call('memory_create_entities', {
    entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote this'] }],
  });

  const before = clients.map(({ heard }) => heard.changed.tools);
  const started = Date.now();
  const changed = await plugboard(
    proxy,
    'context',
    'task-7',
    '--enable',
    'works:pid',
    '--disable',
    'filesystem:write_file',
    '--message',
    'Look at it again.',
    '--reason',
    'review',
  );
  const answered = Date.now();
  t.is(changed['contextVersion'], 2);
  const next = [...expected.filter((name) => name !== 'filesystem_write_file'), 'works_pid'];
  for (const [index, client] of clients.entries()) {
    await until('the open client is told', () => client.heard.changed.tools > (before[index] ?? 0), 10_000);
    t.deepEqual(await names(client), next);
    t.regex((await client.call('works_pid')).text, /^\d+$/);
    await t.throwsAsync(client.call('filesystem_write_file', { path: 'x', content: 'y' }), { message: /Unknown tool/ });
  }
  t.log(
    `told, listed and called in both eras ${Date.now() - answered} ms after the command had its answer (${answered - started} ms for the command)`,
  );

  await proxy.kill();
  await proxy.start();
  const again = await connect(t, proxy, headers);
  for (const client of again) {
    await until('the same tools', async () => JSON.stringify(await names(client)) === JSON.stringify(next));
    t.regex((await client.call('memory_read_graph')).text, /Ada/);
    const [context] = await client.read('task://context');
    t.regex(String(context?.['text']), /Look at it again\./);
  }
  const { entries } = (await plugboard(proxy, 'journal', 'task-7')) as { entries: JsonObject[] };
  const change = entries.find(({ action }) => action === 'context');
  t.deepEqual(
    [change?.['enabled'], change?.['disabled'], change?.['reason'], change?.['contextVersion']],
    [['works:pid'], ['filesystem:write_file'], 'review', 2],
  );

  t.is(await statusOf(proxy, headers), 200);
  const deleting = kubectl(cluster.kubeconfig, ['delete', 'taskrun', 'task-7', '--wait=false']);
  const gone = deleting.then(async () => {
    const since = Date.now();
    await until('the next request is refused', async () => (await statusOf(proxy, headers)) === 401);
    return Date.now() - since;
  });
  t.is((await deleting).code, 0);
  t.log(`refused ${await gone} ms after kubectl delete had its answer`);
  await until('the finalizer lets the object go', async () => {
    const { code } = await kubectl(cluster.kubeconfig, ['get', 'taskrun', 'task-7']);
    return code !== 0;
  });
});

test('a restarted proxy lists at once what it listed before, byte for byte, while its servers come up', async (t) => {
  const signal = path.join(await folderFor(t), 'come');
  await writeFile(signal, '');
  const mcpServers = { slow: scripted(`--until=${signal}`), quick: scripted() };
  const proxy = await proxyFor(t, { plugins, mcpServers });
  await proxy.ready();
  const initialize = async () => {
    const client = await clientFor(t, 'v2 new', { url: proxy.url });
    const tools = JSON.stringify(await client.tools());
    await client.close();
    return tools;
  };
  const before = await initialize();
  t.true(before.includes('slow_echo'));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await proxy.kill();
  await rm(signal);
  await proxy.start();
  t.is(await initialize(), before);
  const client = await clientFor(t, 'v1', { url: proxy.url });
  const call = client.call('slow_echo', { at: 'last' });
  await writeFile(signal, '');
  t.is((await call).text, '{"at":"last"}', 'a call waits for the server that is coming up');
});

test('the design’s example runs as written; selectors that match nothing are told with the nearest names', async (t) => {
  const folder = await folderFor(t);
  await mkdir(path.join(folder, 'tasks'));
  await writeFile(
    path.join(folder, 'tasks', 'example.yaml'),
    `apiVersion: orchestrator.io/v1
kind: TaskRun
metadata: { name: example }
spec:
  taskId: 3
  serviceName: billing
  agentName: rex
  contextVersion: 1
  toolConfig:
    internalTools: { permissions: { allow: ["*"], deny: ["WebFetch", "Bash(rm:*)"] } }
    mcpServers:
      - { name: github,     enabled: true, tools: { allow: [create_issue, list_issues], deny: [] } }
      - { name: filesystem, enabled: true, tools: { allow: ["*"], deny: [write_file] } }
      - { name: jira, type: http, url: "https://jira.invalid/mcp", headers: {Authorization: "\${env:JIRA}"}, tools: { allow: ["get_*"] } }
`,
  );
  const proxy = await proxyFor(
    t,
    {
      plugins: { ...plugins, taskrun: { source: path.join(folder, 'tasks'), allowedEnv: ['JIRA'] } },
      mcpServers: { githup: scripted('--tools=create_issue,list_issues') },
    },
    { env: { JIRA: 'Bearer of-jira-0123456789' } },
  );
  await proxy.ready();
  const { tasks } = (await until('the task is there', async () => {
    const found = await plugboard(proxy, 'list').catch(() => undefined);
    return (found?.['tasks'] as unknown[] | undefined)?.length === 1 && found;
  })) as { tasks: JsonObject[] };
  t.is(tasks[0]?.['id'], 'example');
  const shown = JSON.stringify(await plugboard(proxy, 'show', 'example'));
  t.regex(shown, /"selector":"github:create_issue","state":"unmatched"[^}]*"nearest":\["githup/);
  t.false(shown.includes('of-jira-0123456789'));
  const headers = await tokenOf(proxy, 'example');
  const [client] = await connect(t, proxy, headers);
  const listed = await names(client as SdkClient);
  t.true(listed.includes('filesystem_read_file'));
  t.false(listed.includes('filesystem_write_file'));
  const rendered = (await plugboard(proxy, 'render', 'example', '--for', 'claude')) as {
    files: Record<string, string>;
  };
  const settings = JSON.parse(rendered.files['settings.json'] ?? '{}') as { permissions: { deny: string[] } };
  t.true(settings.permissions.deny.includes('WebFetch') && settings.permissions.deny.includes('Bash(rm:*)'));
  t.false(JSON.stringify(rendered).includes(headers.authorization.slice(7)));
});
