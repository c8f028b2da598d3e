// Rendering for Kubernetes: the manifests by what an API server and kubectl make of them, the policies by what they let through.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import type { JsonObject } from 'plugboard';
import { kubectl, startKubernetes } from '@plugboard/test-kit';
import { dnsName, findTask, labelValue, taskLabels } from '../src/render/kubernetes-names.ts';
import { defaultPackages } from '../src/render/kubernetes-options.ts';
import { renderKubernetes, renderKubernetesFiles, toYaml, tokenPlaceholder } from '../src/render/kubernetes.ts';
import type { KubernetesObject, KubernetesRequest } from '../src/render/kubernetes.ts';
import { builtInPresets } from '../src/options.ts';
import { readObject } from '../src/schema/read.ts';
import { inputOf, manifest, taskOf } from './kubernetes-task.ts';
import { passes } from './network-policy.ts';
import type { Policy } from './network-policy.ts';

const token = 'pbt_a-token-that-must-stand-in-the-Secret-only';
const nine = taskOf(manifest('nine'));
const sidecar = { layout: 'sidecar', image: 'node:22', workspace: { name: 'work' } } as const;

function find<Kind extends object = JsonObject>(
  objects: readonly KubernetesObject[],
  kind: string,
  name: RegExp = /./,
): Kind {
  const found = objects.find((each) => each.kind === kind && name.test(each.metadata.name));
  if (found === undefined) throw new Error(`no ${kind} ${String(name)}`);
  return found as unknown as Kind;
}

test('service: ConfigMap, Secret and policies are what an API server takes', async (t) => {
  const cluster = await startKubernetes();
  t.teardown(() => cluster.stop());
  for (const name of ['agents', 'tools'])
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const apply = (input: string, ...flags: string[]) =>
    kubectl(cluster.kubeconfig, ['apply', '--validate=strict', ...flags, '-f', '-'], { input });
  for (const request of [
    { layout: 'service', token },
    { ...sidecar, token },
  ] as const) {
    const { 'manifests.yaml': text = '' } = renderKubernetesFiles(inputOf(nine), request);
    const dry = await apply(text, '--dry-run=server');
    t.is(dry.code, 0, dry.stderr);
    const applied = await apply(text);
    t.is(applied.code, 0, applied.stderr);
  }
  const get = (...what: string[]) =>
    kubectl(cluster.kubeconfig, ['get', '--namespace', 'agents', '-o', 'json', ...what]);
  const files = JSON.parse((await get('configmap', 'rex-billing-task7-v2-files')).stdout) as {
    data: Record<string, string>;
  };
  t.deepEqual(Object.keys(files.data).sort(), [
    'CLAUDE.md',
    'managed-settings.json',
    'mcp.json',
    'settings-local.json',
    'task.md',
  ]);
  t.regex(files.data['mcp.json'] ?? '', /\$\{PLUGBOARD_TOKEN\}/);
  t.notRegex(JSON.stringify(files), new RegExp(token));
  const secret = JSON.parse((await get('secret', 'nine-plugboard-token')).stdout) as {
    data?: object;
    stringData?: object;
  };
  const kept = { ...secret.data, ...secret.stringData } as { token: string };
  t.true([token, Buffer.from(token).toString('base64')].includes(kept.token));
  const labelled = await get(
    'configmap,secret,networkpolicy',
    '-l',
    'task-id=7,service-name=billing,agent-name=rex,context-version=2',
  );
  t.is((JSON.parse(labelled.stdout) as { items: object[] }).items.length, 4, 'files, token, configuration, policy');
});

test('the token stands in its Secret and nowhere else; without one there is a placeholder that opens nothing', (t) => {
  for (const request of [{ layout: 'service' }, sidecar] as const) {
    const objects = renderKubernetes(inputOf(nine), { ...request, token });
    const holders = objects.filter((each) => JSON.stringify(each).includes(token));
    t.deepEqual(
      holders.map(({ kind, metadata }) => [kind, metadata.name]),
      [['Secret', 'nine-plugboard-token']],
    );
    t.notRegex(renderKubernetesFiles(inputOf(nine), { ...request, token })['pod-patch.yaml'] ?? '', new RegExp(token));
    const empty = find<{ stringData: { token: string } }>(renderKubernetes(inputOf(nine), request), 'Secret', /token$/);
    t.is(empty.stringData.token, tokenPlaceholder);
    t.regex(empty.stringData.token, /\s/, 'no header carries it');
  }
});

interface Template {
  readonly spec: { readonly template: { readonly metadata: { labels: object }; readonly spec: PodSpec } };
}

interface PodSpec {
  readonly containers: readonly {
    readonly name: string;
    readonly image: string;
    readonly env?: readonly { name: string }[];
  }[];
  readonly initContainers?: readonly { readonly name: string; readonly restartPolicy?: string }[];
  readonly volumes?: readonly { readonly name: string }[];
}

test('the patch fits any pod template: kubectl puts it into a Job without touching the rest', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-patch-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const container = { name: 'claude', image: 'agent:1', env: [{ name: 'OWN', value: 'stays' }] };
  const spec = {
    restartPolicy: 'Never',
    containers: [container, { name: 'logs', image: 'logs:1' }],
    volumes: [{ name: 'work', emptyDir: {} }],
  };
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'run' }, spec: { template: { spec } } };
  await writeFile(path.join(folder, 'job.yaml'), toYaml([job]));
  const patched = async (request: KubernetesRequest) => {
    const { 'pod-patch.yaml': patch = '' } = renderKubernetesFiles(inputOf(nine), request, 'claude');
    await writeFile(path.join(folder, 'patch.yaml'), patch);
    const files = ['-f', path.join(folder, 'job.yaml'), '--patch-file', path.join(folder, 'patch.yaml')];
    const { code, stdout, stderr } = await kubectl('', [
      'patch',
      '--local',
      '--type',
      'strategic',
      '-o',
      'json',
      ...files,
    ]);
    t.is(code, 0, stderr);
    return (JSON.parse(stdout) as Template).spec.template;
  };
  const shared = await patched({ layout: 'service' });
  t.deepEqual(
    shared.spec.containers.map(({ name, image }) => [name, image]),
    [
      ['claude', 'agent:1'],
      ['logs', 'logs:1'],
    ],
  );
  const variables = shared.spec.containers[0]?.env?.map(({ name }) => name).sort();
  t.deepEqual(variables, ['MCP_PROXY_URL', 'OWN', 'PLUGBOARD_CONFIG_DIR', 'PLUGBOARD_TOKEN']);
  t.is(shared.spec.containers[1]?.env, undefined);
  t.like(shared.metadata.labels, taskLabels(nine));
  const own = await patched(sidecar);
  t.deepEqual(
    own.spec.initContainers?.map(({ name, restartPolicy }) => [name, restartPolicy]),
    [
      ['plugboard-install', undefined],
      ['plugboard', 'Always'],
    ],
  );
  t.true(own.spec.volumes?.some(({ name }) => name === 'work'));
  const plain = await patched({ ...sidecar, container: 'plain', packages: [] });
  t.deepEqual(plain.spec.containers.map(({ name }) => name).sort(), ['claude', 'logs', 'plugboard']);
});

test('policies: an agent reaches the proxy and DNS only; the proxy is reached by tasks only', (t) => {
  const policiesOf = (request: KubernetesRequest) =>
    renderKubernetes(inputOf(nine), request).filter(({ kind }) => kind === 'NetworkPolicy') as unknown as Policy[];
  const policies = policiesOf({ layout: 'service', serviceUrl: 'http://proxy.tools.svc.cluster.local:80/mcp' });
  const agent = { namespace: 'agents', labels: taskLabels(nine) };
  const stranger = { namespace: 'agents', labels: { app: 'web' } };
  const proxy = { namespace: 'tools', labels: { 'app.kubernetes.io/name': 'plugboard', more: 'labels' } };
  const dns = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
  t.true(passes(policies, agent, proxy, 8807), 'the port of the pods, whatever the Service’s');
  t.true(passes(policies, agent, dns, 53, 'UDP'));
  const own = policies.filter(({ metadata }) => metadata.namespace === 'agents');
  t.deepEqual(
    [passes(own, agent, proxy, 8807), passes(own, agent, proxy, 8843)],
    [true, false],
    'whatever the proxy accepts',
  );
  const others = { ...agent, labels: { 'orchestrator.io/task': 'other' } };
  t.deepEqual([passes(policies, others, proxy, 8807), passes(policies, others, proxy, 8843)], [true, false]);
  t.false(passes(policies, agent, { ...proxy, namespace: 'agents' }, 8807), 'a look-alike in another namespace');
  t.false(passes(policies, agent, { namespace: 'tools', labels: { app: 'db' } }, 8807));
  t.false(passes(policies, agent, stranger, 443));
  t.false(passes(policies, stranger, agent, 8080), 'nobody reaches an agent');
  t.false(passes(policies, stranger, proxy, 8807));
  t.true(passes(policies, stranger, dns, 53, 'UDP'), 'others are left alone');
  const model = { namespace: 'gateway', labels: { app: 'model' } };
  const to = [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'gateway' } },
      podSelector: { matchLabels: { app: 'model' } },
    },
  ];
  const wider = policiesOf({ layout: 'service', egress: [{ to, ports: [{ protocol: 'TCP', port: 443 }] }] });
  t.false(passes(policies, agent, model, 443));
  t.true(passes(wider, agent, model, 443));
  t.deepEqual(policiesOf({ layout: 'service', networkPolicy: false }), []);
  t.deepEqual(policiesOf(sidecar), []);
});

test('sidecar: its proxy gets the task as it stands, live changes and workspace included', (t) => {
  const object = manifest('nine', 'agents', {
    toolConfig: { mcpServers: [{ name: 'memory', tools: { allow: ['*'], deny: ['delete_entities', 'read_graph'] } }] },
  });
  const task = taskOf(object, {
    enabled: ['memory:delete_entities'],
    disabled: ['memory:create_*'],
    contextVersion: 5,
  });
  const objects = renderKubernetes(inputOf(task), {
    ...sidecar,
    configuration: { mcpServers: { git: { command: 'git-mcp' } }, plugins: { upstream: {} } },
  });
  const { stringData } = find<{ stringData: Record<string, string> }>(objects, 'Secret', /proxy$/);
  const configuration = parse(stringData['plugboard.yaml'] ?? '') as {
    plugins: Record<string, JsonObject>;
    mcpServers: object;
  };
  t.deepEqual(configuration.mcpServers, { git: { command: 'git-mcp' } });
  t.deepEqual(configuration.plugins['http'], { host: '127.0.0.1', port: 8807 });
  t.deepEqual(configuration.plugins['filesystem'], { root: '/workspace' });
  const read = readObject(parse(stringData['task.yaml'] ?? ''), { presets: builtInPresets });
  if (!('spec' in read)) throw new Error(read.problems.join());
  t.is(read.spec.contextVersion, 5);
  t.is(read.spec.workspace, '/workspace');
  const { allow, deny } = read.spec.tools;
  t.true(allow.includes('memory:delete_entities'));
  t.deepEqual([...deny].sort(), ['memory:create_*', 'memory:read_graph']);
  const files = find<{ data: Record<string, string> }>(objects, 'ConfigMap');
  t.regex(files.data['mcp.json'] ?? '', /http:\/\/127\.0\.0\.1:8807\/mcp/);
  t.notRegex(JSON.stringify(files), /tools\.svc/, 'nothing leads to the shared proxy');
  t.throws(() => renderKubernetesFiles(inputOf(task), { layout: 'sidecar' }), { code: 'REQUEST_FAILED' });
  t.throws(() => renderKubernetes(inputOf(task), { layout: 'service', imagge: 'x' } as never), { message: /imagge/ });
});

test('names and labels: valid whatever a task says, and never the same for two', (t) => {
  const texts = [
    'rex',
    'Rex',
    'r_e_x',
    'r-e-x',
    'rex.1',
    'rex-1',
    'ähm',
    '日本',
    '-x-',
    'x'.repeat(300),
    `${'x'.repeat(299)}y`,
    '../..',
    'a b',
  ];
  for (const [make, pattern, max] of [
    [dnsName, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 253],
    [labelValue, /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/, 63],
  ] as const) {
    const made = texts.map((text) => make(text));
    for (const each of made) t.true(pattern.test(each) && each.length <= max, each);
    t.is(new Set(made).size, texts.length);
  }
  const odd = taskOf(
    manifest('nine', 'agents', { agentName: 'Rex & Söhne', serviceName: `Billing/${'v'.repeat(240)}` }),
  );
  const name = find<{ metadata: { name: string } }>(renderKubernetes(inputOf(odd), { layout: 'service' }), 'ConfigMap')
    .metadata.name;
  t.regex(name, /^rex-s-hne-billing-v+-[0-9a-f]{8}$/);
  t.is(name.length, 253);
  t.is(findTask([odd], 'agents', { 'task-id': '7', 'service-name': taskLabels(odd)['service-name'] ?? '' }), odd);
  t.is(findTask([odd], 'agents', { 'task-id': '7' }), undefined);
});

test('documents become files beside the agent’s own, never in their place; too much is refused', (t) => {
  const files = [
    { filename: 'mcp.json', content: '{"evil": true}' },
    { filename: 'settings.json', content: 'mine' },
    { filename: 'CLAUDE.md', content: '# Ours' },
    { filename: 'notes.md', content: 'one' },
    { filename: 'notes.md', content: 'two' },
  ];
  const task = taskOf(manifest('nine', 'agents', { markdownFiles: files }));
  const { data } = find<{ data: Record<string, string> }>(
    renderKubernetes(inputOf(task), { layout: 'service' }),
    'ConfigMap',
  );
  t.regex(data['mcp.json'] ?? '', /PLUGBOARD_TOKEN/);
  t.is(data['mcp-2.json'], '{"evil": true}');
  t.is(data['settings-local-2.json'], 'mine');
  t.regex(data['CLAUDE.md'] ?? '', /# Ours/);
  t.is(data['CLAUDE-2.md'], undefined);
  t.deepEqual([data['notes.md'], data['notes-2.md']], ['one', 'two']);
  const big = taskOf(
    manifest('nine', 'agents', { markdownFiles: [{ filename: 'big.md', content: 'é'.repeat(300_000) }] }),
  );
  t.throws(() => renderKubernetes(inputOf(big), { layout: 'service' }), { message: /a ConfigMap holds 1048576/ });
});

test('YAML: what YAML 1.1 reads as something else stays text, by kubectl’s own reading', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-yaml-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const texts = [
    'on',
    'yes',
    'No',
    'y',
    '~',
    'null',
    '1e3',
    '0o17',
    '0x1f',
    '012',
    '1_000',
    '12:30',
    '2001-01-01',
    '.inf',
    '=',
    '<<',
    '',
    ' a',
    '#x',
    'a: b',
    '|',
    "it's",
    '"q"',
    'tab\t',
    'ünï',
    'a\nb\n',
    '\u2028',
    'a\u2029b',
    '\u0085',
    '\ufeffx',
    '- x',
    '{}',
    '%x',
    '@x',
    '`x',
  ];
  const data = Object.fromEntries(texts.map((text, index) => [`k${index}`, text]));
  const file = path.join(folder, 'map.yaml');
  await writeFile(file, toYaml([{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data }]));
  const { code, stdout, stderr } = await kubectl('', ['annotate', '--local', '-o', 'json', '-f', file, 'seen=yes']);
  t.is(code, 0, stderr);
  t.deepEqual((JSON.parse(stdout) as { data: object }).data, data);
  t.is(parseAllDocuments(toYaml([{ a: 1 }, { b: 2 }])).length, 2);
});

test('the packages that a plain image installs are this workspace’s, in its versions', (t) => {
  const load = createRequire(import.meta.url);
  for (const each of defaultPackages) {
    const [, name = '', version = ''] = /^(.+)@([^@]+)$/.exec(each) ?? [];
    const folder = name === 'plugboard' ? '../../../../core' : `../../../${name.replace('@plugboard/', '')}`;
    t.is((load(`${folder}/package.json`) as { version: string }).version, version, name);
  }
});
