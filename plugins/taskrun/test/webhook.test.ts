// What the mutating admission webhook decides: which pods get what, and which are refused. Its listener has tests of its own.
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { admissionHandler } from '../src/webhook/admission.ts';
import type { TaskLookup } from '../src/webhook/admission.ts';
import { manifest, taskOf } from './kubernetes-task.ts';
import { decide, lookupOf, podOf, reviewOf } from './reviews.ts';
import type { Pod } from './reviews.ts';

const nine = taskOf(manifest('nine'));
const other = taskOf(manifest('nine', 'elsewhere'));
const label = { 'orchestrator.io/task': 'nine' };
const fromSecret = { secretKeyRef: { name: 'nine-plugboard-token', key: 'token' } };

test('a labelled pod gets address, token by reference and files, in the agent’s container only', async (t) => {
  const { allowed, uid, patchType, pod, admission } = await decide(lookupOf([other, nine]), podOf(label));
  t.true(allowed);
  t.is(uid, 'review-1');
  t.is(patchType, 'JSONPatch');
  t.is(admission.task, nine);
  const [agent, helper] = pod.spec.containers;
  t.deepEqual(agent?.env, [
    { name: 'MCP_PROXY_URL', value: 'http://plugboard.tools.svc:8807/mcp' },
    { name: 'PLUGBOARD_TOKEN', valueFrom: fromSecret },
    { name: 'PLUGBOARD_CONFIG_DIR', value: '/config' },
  ]);
  t.deepEqual(
    agent?.volumeMounts?.map(({ mountPath }) => mountPath),
    ['/config', '/etc/claude-code'],
  );
  t.deepEqual(helper, { name: 'helper', image: 'helper:1' }, 'other containers do not get the token');
  t.deepEqual(pod.spec.volumes?.[0], { name: 'plugboard-files', configMap: { name: 'rex-billing-task7-v2-files' } });
  t.is(pod.spec.initContainers, undefined);
  t.deepEqual(pod.metadata.labels, {
    ...label,
    'task-id': '7',
    'service-name': 'billing',
    'agent-name': 'rex',
    'context-version': '2',
  });
});

test('asked again it changes nothing, whatever defaults and other webhooks have added meanwhile', async (t) => {
  for (const input of [{}, { layout: 'sidecar', image: 'node:22', workspace: { name: 'work' } }] as const) {
    const lookup = lookupOf([nine], input);
    const first = await decide(lookup, podOf(label));
    t.true(first.operations.length > 5);
    t.deepEqual((await decide(lookup, first.pod)).operations, [], 'at once');
    const touched = structuredClone(first.pod) as unknown as {
      spec: { containers: JsonObject[]; initContainers?: JsonObject[] };
    };
    for (const container of [...touched.spec.containers, ...(touched.spec.initContainers ?? [])]) {
      container['terminationMessagePath'] = '/dev/termination-log';
      container['imagePullPolicy'] = 'Always';
      container['volumeMounts'] = [
        { name: 'mesh', mountPath: '/mesh' },
        ...((container['volumeMounts'] ?? []) as object[]),
      ];
      container['env'] = [...((container['env'] ?? []) as object[]), { name: 'MESH', value: 'on' }];
    }
    t.deepEqual((await decide(lookup, touched)).operations, [], 'after others');
    touched.spec.containers.push({ name: 'mesh', image: 'mesh:1' });
    t.deepEqual((await decide(lookup, touched)).operations, []);
  }
});

test('a pod never gets what belongs to a task of another namespace', async (t) => {
  const elsewhere = await decide(lookupOf([other]), podOf(label));
  t.false(elsewhere.allowed);
  t.regex(elsewhere.status?.message ?? '', /no task "nine" runs in namespace "agents"/);
  t.deepEqual(elsewhere.operations, []);
  // Even when whoever looks tasks up is wrong, and when the pod itself claims another namespace.
  const wrong: TaskLookup = { ...lookupOf([other]), task: () => other };
  t.false((await decide(wrong, podOf(label))).allowed);
  const claiming = { ...podOf(label), metadata: { labels: label, namespace: 'elsewhere' } };
  t.false((await decide(lookupOf([other]), claiming)).allowed);
  t.true((await decide(lookupOf([other]), podOf(label), { namespace: 'elsewhere' })).allowed);
});

test('unknown tasks are refused or warned of; other objects and operations pass untouched', async (t) => {
  const lookup = lookupOf([nine]);
  t.is((await decide(lookup, podOf({ 'orchestrator.io/task': 'ten' }))).status?.code, 403);
  const warned = await decide(lookup, podOf({ 'orchestrator.io/task': 'ten' }), {}, 'warn');
  t.true(warned.allowed);
  t.deepEqual(warned.operations, []);
  t.regex(warned.warnings?.[0] ?? '', /no task "ten".*starts without tools/);
  for (const [pod, request] of [
    [podOf({ app: 'web' }), {}],
    [podOf({ 'task-id': '7' }), {}],
    [podOf(label), { operation: 'UPDATE' }],
    [podOf(label), { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }],
    [{ metadata: { labels: label } }, {}],
  ] as const) {
    const { allowed, operations, warnings } = await decide(lookup, pod, request);
    t.deepEqual([allowed, operations, warnings], [true, [], undefined]);
  }
  for (const body of [
    undefined,
    null,
    [],
    {},
    'text',
    { ...reviewOf(podOf(label)), apiVersion: 'admission.k8s.io/v1beta1' },
  ])
    t.is(await admissionHandler(lookup, { unknownTask: 'deny' })(body), undefined);
  t.is(
    (await decide(lookup, podOf(label), { dryRun: true })).admission.task,
    undefined,
    'nothing is written for a dry run',
  );
});

test('the field’s own labels find a task, when they mean exactly one', async (t) => {
  const twin = taskOf(manifest('twin', 'agents', { agentName: 'blaze' }));
  const labels = { 'task-id': '7', 'service-name': 'billing', 'context-version': '1' };
  const { pod } = await decide(lookupOf([nine, other]), podOf(labels));
  t.is(pod.metadata.labels?.['orchestrator.io/task'], 'nine', 'policies select by it');
  t.is(pod.metadata.labels?.['context-version'], '1', 'what the pod says stays');
  t.false((await decide(lookupOf([nine, twin]), podOf(labels))).allowed, 'two tasks fit');
  const named = await decide(lookupOf([nine, twin]), podOf({ ...labels, 'agent-name': 'blaze' }));
  t.is(named.pod.metadata.labels?.['orchestrator.io/task'], 'twin');
});

test('ours is taken under our names, with a warning; the pod’s own mounts stay', async (t) => {
  const agent = {
    name: 'agent',
    image: 'agent:1',
    env: [{ name: 'PLUGBOARD_TOKEN', value: 'stolen-token-of-another-task' }],
    volumeMounts: [{ name: 'own', mountPath: '/config' }],
  };
  const volumes = [
    { name: 'own', emptyDir: {} },
    { name: 'plugboard-files', secret: { secretName: 'ten-plugboard-token' } },
  ];
  const lookup = lookupOf([nine]);
  const { pod, warnings = [] } = await decide(lookup, podOf(label, { containers: [agent], volumes }));
  t.deepEqual(pod.spec.containers[0]?.env?.[0], { name: 'PLUGBOARD_TOKEN', valueFrom: fromSecret });
  t.like(pod.spec.volumes?.[1], { name: 'plugboard-files', configMap: { name: 'rex-billing-task7-v2-files' } });
  t.false('secret' in (pod.spec.volumes?.[1] ?? {}));
  t.deepEqual(pod.spec.containers[0]?.volumeMounts?.slice(0, 2), [
    { name: 'own', mountPath: '/config' },
    { name: 'plugboard-files', mountPath: '/plugboard-config', readOnly: true } as never,
  ]);
  t.is(pod.spec.containers[0]?.env?.find(({ name }) => name === 'PLUGBOARD_CONFIG_DIR')?.value, '/plugboard-config');
  t.is(warnings.length, 3);
  t.notRegex(warnings.join(), /stolen/);
  t.deepEqual((await decide(lookup, pod)).operations, []);
});

test('annotations choose the agent’s container', async (t) => {
  const lookup = lookupOf([nine]);
  const has = ({ pod }: { readonly pod: Pod }) => pod.spec.containers.map(({ env }) => env !== undefined);
  t.deepEqual(has(await decide(lookup, podOf(label, {}, { 'orchestrator.io/agent-container': 'helper' }))), [
    false,
    true,
  ]);
  t.deepEqual(has(await decide(lookup, podOf(label, {}, { 'kubectl.kubernetes.io/default-container': 'helper' }))), [
    false,
    true,
  ]);
  const wrong = await decide(lookup, podOf(label, {}, { 'orchestrator.io/agent-container': 'nobody' }));
  t.is(wrong.status?.code, 422);
  t.regex(wrong.status?.message ?? '', /no container "nobody" \(it has: agent, helper\)/);
});

test('layout sidecar: a proxy without privileges beside the agent, native or plain', async (t) => {
  const input = { layout: 'sidecar', image: 'node:22', credentials: 'upstreams', workspace: { name: 'work' } } as const;
  const native = await decide(lookupOf([nine], input), podOf(label, { shareProcessNamespace: true }));
  const [install, proxy] = native.pod.spec.initContainers ?? [];
  t.deepEqual([install?.name, proxy?.name, proxy?.['restartPolicy']], ['plugboard-install', 'plugboard', 'Always']);
  for (const container of [install, proxy]) {
    t.like(container?.['securityContext'], {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
    });
  }
  t.deepEqual(proxy?.['envFrom'], [{ secretRef: { name: 'upstreams' } }]);
  t.is(native.pod.spec.containers[0]?.env?.[0]?.value, 'http://127.0.0.1:8807/mcp');
  t.is(native.pod.spec.containers[0]?.['envFrom'], undefined, 'credentials of servers stay with the proxy');
  const mounted = native.pod.spec.containers[0]?.volumeMounts?.map(({ name }) => name) ?? [];
  t.false(mounted.includes('plugboard-configuration'));
  t.regex(native.warnings?.join() ?? '', /shareProcessNamespace/);
  const plain = await decide(lookupOf([nine], { ...input, container: 'plain', packages: [] }), podOf(label));
  t.deepEqual(
    plain.pod.spec.containers.map(({ name }) => name),
    ['agent', 'helper', 'plugboard'],
  );
  t.is(plain.pod.spec.initContainers, undefined);
  const unnamed = await decide(lookupOf([nine], { layout: 'sidecar' }), podOf(label));
  t.is(unnamed.status?.code, 422);
  t.regex(unnamed.status?.message ?? '', /name an image/);
});
