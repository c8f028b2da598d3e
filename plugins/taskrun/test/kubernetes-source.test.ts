// Tasks from a Kubernetes API server: real informers and real kubectl against the test API server. The engine is a list of what it was told.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { guardChild, kubectl, startKubernetes, until } from '@plugboard/test-kit';
import type { Kubernetes } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Log } from 'plugboard';
import { kubernetesSource } from '../src/kubernetes/source.ts';
import type { KubernetesOptions } from '../src/kubernetes/source.ts';
import { crds } from '../src/schema/crd.ts';
import { isUnreadable, readObject } from '../src/schema/read.ts';
import type { ReadTask } from '../src/schema/read.ts';
import type { SourceObject, Task, TaskSink, TaskStatus } from '../src/task.ts';

const finalizer = 'orchestrator.io/plugboard';
const merge = 'application/merge-patch+json';

const user = 'system:serviceaccount:agents:plugboard';

/** All that the source needs: what a chart must grant it. */
const rules = [
  { apiGroups: ['orchestrator.io'], resources: ['taskruns'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: ['agents.platform'], resources: ['coderuns'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: ['orchestrator.io'], resources: ['taskruns/status'], verbs: ['patch'] },
  { apiGroups: ['agents.platform'], resources: ['coderuns/status'], verbs: ['patch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'get', 'patch'] },
];

const taskRun = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'orchestrator.io/v1',
  kind: 'TaskRun',
  metadata: { name, ...metadata },
  spec: {
    taskId: 7,
    serviceName: 'billing',
    agentName: 'rex',
    contextVersion: 1,
    toolConfig: { mcpServers: [{ name: 'github' }] },
    ...spec,
  },
});

const codeRun = (name: string) => ({
  apiVersion: 'agents.platform/v1',
  kind: 'CodeRun',
  metadata: { name, namespace: 'agents' },
  spec: { taskId: 8, service: 'billing', remoteTools: 'github_create_issue' },
});

interface Put extends SourceObject {
  readonly read: ReadTask;
}

/** What an engine would have: tasks by their id, and a list of all that it was told. */
class Engine implements TaskSink {
  readonly tasks = new Map<string, Put>();
  readonly told: string[] = [];
  readonly synchronizations: string[][] = [];

  async put(found: SourceObject) {
    const read = readObject(found.object, { presets: {} });
    if (isUnreadable(read)) return { refused: read.problems.join('; ') };
    if (read.spec.agentName === 'nobody') return { refused: 'agentName: nobody is not an agent' };
    const id = read.namespace === 'default' ? read.name : `${read.namespace}/${read.name}`;
    this.tasks.set(id, { ...found, read });
    this.told.push(`put ${id} v${read.spec.contextVersion}`);
    return { id };
  }

  async remove(_source: string, id: string) {
    this.tasks.delete(id);
    this.told.push(`remove ${id}`);
  }

  async synchronized(_source: string, ids: ReadonlySet<string>) {
    this.synchronizations.push([...ids].sort());
    for (const id of this.tasks.keys()) if (!ids.has(id)) this.tasks.delete(id);
  }

  /** The task as the engine would report it. */
  task(id: string, status: Partial<TaskStatus> = {}): Task {
    const put = this.tasks.get(id);
    if (put === undefined) throw new Error(`no task ${id}`);
    const { read } = put;
    const whole: TaskStatus = {
      phase: 'Running',
      message: undefined,
      conditions: [],
      tools: [],
      calls: 0,
      refusals: 0,
      lastActivity: undefined,
      contextVersion: 1,
      pendingEscalations: 0,
      tokenExpiresAt: undefined,
      ...status,
    };
    return {
      id,
      uid: read.uid ?? '',
      name: read.name,
      namespace: read.namespace,
      spec: read.spec,
      status: whole,
    } as unknown as Task;
  }
}

class Lines {
  readonly lines: string[] = [];
  readonly log: Log = {
    debug: () => {},
    info: (message) => this.lines.push(`info ${message}`),
    warn: (message, fields) => this.lines.push(`warn ${message} ${JSON.stringify(fields ?? {})}`),
    error: (message) => this.lines.push(`error ${message}`),
  };
  get text(): string {
    return this.lines.join('\n');
  }
}

/** A cluster with the definitions, the role above and a token of the service account. */
async function cluster(t: ExecutionContext, definitions: readonly object[] = crds()) {
  const kubernetes = await startKubernetes({ crds: definitions });
  t.teardown(() => kubernetes.stop());
  const rbac = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: 'plugboard' };
  await kubernetes.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'agents' } });
  await kubernetes.create({ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'plugboard' }, rules });
  await kubernetes.create({
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'plugboard' },
    roleRef,
    subjects: [{ kind: 'ServiceAccount', name: 'plugboard', namespace: 'agents' }],
  });
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-kubernetes-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const kubeconfig = path.join(folder, 'kubeconfig');
  const renew = async () => {
    const token = kubernetes.grantToken(user);
    await writeFile(kubeconfig, kubernetes.kubeconfigFor(user, token), { mode: 0o600 });
    return token;
  };
  const token = await renew();
  return { kubernetes, folder, kubeconfig, token, renew };
}

/** A source that is stopped when the test ends. */
function follow(t: ExecutionContext, options: KubernetesOptions) {
  const engine = new Engine();
  const lines = new Lines();
  const source = kubernetesSource(options, lines.log);
  t.teardown(() => source.stop());
  return { engine, lines, source, started: source.start(engine) };
}

function ask(kubernetes: Kubernetes, method: string, place: string, body?: object, type = 'application/json') {
  return new Promise<{ status: number; body: KubeView }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${kubernetes.token}`, 'content-type': type };
    const outgoing = request(
      kubernetes.url + place,
      { method, headers, ca: kubernetes.ca, agent: false },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) as KubeView }));
      },
    );
    outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

interface KubeView {
  readonly metadata: { readonly finalizers?: readonly string[]; readonly deletionTimestamp?: string };
  readonly items?: readonly EventView[];
  readonly status?: {
    readonly [member: string]: unknown;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message: string;
      readonly lastTransitionTime: string;
    }[];
  };
}

interface EventView {
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly type: string;
}

const placeOf = (name: string, namespace = 'default') =>
  `/apis/orchestrator.io/v1/namespaces/${namespace}/taskruns/${name}`;
const conditionOf = ({ body }: { body: KubeView }, type: string) =>
  body.status?.conditions?.find((each) => each.type === type);
const eventsOf = async (kubernetes: Kubernetes) =>
  (await ask(kubernetes, 'GET', '/api/v1/namespaces/default/events')).body.items ?? [];

test.serial('objects of both kinds come, change and go; kubectl delete waits for the removal', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('early'));
  await kubernetes.create(codeRun('code'));
  const { engine, lines, started } = follow(t, { kubeconfig });
  await started;
  t.deepEqual([...engine.tasks.keys()].sort(), ['agents/code', 'early']);
  t.deepEqual(engine.synchronizations, [['agents/code', 'early']]);
  t.is(engine.tasks.get('agents/code')?.origin, 'CodeRun agents/code');

  const run = (args: string[], input = '') => kubectl(kubernetes.kubeconfig, args, { input });
  const applied = await run(['apply', '-f', '-'], JSON.stringify(taskRun('late')));
  t.is(applied.code, 0, applied.stderr);
  await until('the new object was not seen', () => engine.tasks.has('late'), 10_000);
  const since = performance.now();
  await kubernetes.create(taskRun('third'));
  await until('the third object was not seen', () => engine.tasks.has('third'), 10_000);
  t.log(`a new object is delivered after ${Math.round(performance.now() - since)} ms`);
  await until('there is no finalizer', async () =>
    (await ask(kubernetes, 'GET', placeOf('late'))).body.metadata.finalizers?.includes(finalizer),
  );
  await run(['patch', 'tr', 'late', '--type=merge', '-p', '{"spec":{"contextVersion":2}}']);
  await until('the change was not seen', () => engine.told.includes('put late v2'), 10_000);
  await until(
    'it is not accepted',
    async () => conditionOf(await ask(kubernetes, 'GET', placeOf('late')), 'Accepted')?.status === 'True',
  );
  t.is((await run(['wait', '--for=condition=Accepted', '--timeout=30s', 'tr/early', 'tr/late'])).code, 0);

  const deleted = await run(['delete', 'tr', 'late', '--timeout=60s']);
  t.is(deleted.code, 0, deleted.stderr);
  t.false(engine.tasks.has('late'), 'the object went after the task');
  t.is(engine.told.filter((line) => line === 'put late v2').length, 1, 'a status that changes brings no put');
  await run(['delete', 'tr', 'early', '--wait=false']);
  await until('it is still there', async () => (await ask(kubernetes, 'GET', placeOf('early'))).status === 404);
  t.deepEqual(
    lines.lines.filter((line) => !line.startsWith('info')),
    [],
  );
});

test.serial('one namespace only, when it is asked for', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('here', {}, { namespace: 'agents' }));
  await kubernetes.create(taskRun('elsewhere'));
  const { engine, started } = follow(t, { kubeconfig, namespace: 'agents' });
  await started;
  t.deepEqual([...engine.tasks.keys()], ['agents/here']);
});

test.serial('what is refused says so in its status and in an event, until it is corrected', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a', { agentName: 'nobody' }));
  await kubernetes.create({ ...codeRun('a'), metadata: { name: 'a', namespace: 'default' } });
  const { engine, lines, started } = follow(t, { kubeconfig });
  await started;
  await until(
    'the refusal is not in the status',
    async () => conditionOf(await ask(kubernetes, 'GET', placeOf('a')), 'Accepted')?.status === 'False',
  );
  t.is(
    conditionOf(await ask(kubernetes, 'GET', placeOf('a')), 'Accepted')?.message,
    'agentName: nobody is not an agent',
  );
  await until('there is no event', async () =>
    (await eventsOf(kubernetes)).some(({ reason, type }) => reason === 'Refused' && type === 'Warning'),
  );
  t.regex(lines.text, /TaskRun default\/a is refused: agentName: nobody/);
  t.is(engine.tasks.get('a')?.read.spec.kind, 'CodeRun', 'the name is free for the other one');

  await ask(kubernetes, 'PATCH', placeOf('a'), { spec: { agentName: 'rex' } }, merge);
  const taken = async () =>
    conditionOf(await ask(kubernetes, 'GET', placeOf('a')), 'Accepted')?.message.includes(
      'CodeRun default/a has this name',
    );
  await until('the name is not taken', taken);
  await ask(kubernetes, 'DELETE', '/apis/agents.platform/v1/namespaces/default/coderuns/a');
  await until(
    'it was not accepted',
    async () => conditionOf(await ask(kubernetes, 'GET', placeOf('a')), 'Accepted')?.status === 'True',
  );
  t.is(engine.tasks.get('a')?.read.spec.kind, 'TaskRun');
});

test.serial('the status shows the task and leaves to others what is theirs', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const controller = {
    phase: 'Running',
    jobName: 'rex-billing-7',
    message: 'theirs',
    conditions: [{ type: 'JobCreated', status: 'True' }],
  };
  await ask(kubernetes, 'PATCH', `${placeOf('a')}/status`, { status: controller }, merge);
  const { engine, source, started } = follow(t, { kubeconfig });
  await started;
  const ready = {
    type: 'ToolsReady',
    status: 'False',
    reason: 'Unmatched',
    message: 'one is not',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
  const tools = [
    { selector: 'github:*', state: 'ready', tools: ['github:a', 'github:b'], reason: undefined, nearest: [] },
    { selector: 'github:crate', state: 'unmatched', tools: [], reason: 'matches nothing', nearest: ['github:create'] },
  ] as const;
  const status = (calls: number) => ({
    calls,
    tools,
    conditions: [ready],
    contextVersion: 4,
    message: 'ours',
    lastActivity: '2026-01-01T00:00:01Z',
  });
  const written = () =>
    kubernetes.audit.filter(({ method, url }) => method === 'PATCH' && url === `${placeOf('a')}/status`).length;
  const before = written();
  const began = performance.now();
  for (let calls = 1; calls <= 50; calls++) {
    source.report?.(engine.task('a', status(calls)));
    await sleep(20);
  }
  const current = async () => (await ask(kubernetes, 'GET', placeOf('a'))).body.status;
  await until('the status is not written', async () => (await current())?.['calls'] === 50);
  const seconds = (performance.now() - began) / 1000;
  t.true(written() - before <= 2 + seconds, `${written() - before} writes in ${seconds} s`);
  const shown = await current();
  t.like(shown, {
    phase: 'Running',
    jobName: 'rex-billing-7',
    message: 'theirs',
    contextVersion: 4,
    lastActivity: '2026-01-01T00:00:01Z',
  });
  t.deepEqual(shown?.['tools'], [
    { selector: 'github:crate', state: 'unmatched', tools: 0, reason: 'matches nothing', nearest: ['github:create'] },
    { selector: 'github:*', state: 'ready', tools: 2 },
  ]);
  t.deepEqual(
    shown?.conditions?.map(({ type, status: state }) => `${type} ${state}`),
    ['JobCreated True', 'Accepted True', 'ToolsReady False'],
  );
  t.is(shown?.conditions?.at(-1)?.lastTransitionTime, '2026-01-01T00:00:00Z');

  // The controller writes at the same time: its conditions and ours are both there in the end.
  const other = {
    ...controller,
    phase: 'Succeeded',
    conditions: [...(shown?.conditions ?? []), { type: 'Complete', status: 'True' }],
  };
  source.report?.(engine.task('a', { ...status(51), conditions: [{ ...ready, status: 'True', message: '' }] }));
  await ask(kubernetes, 'PATCH', `${placeOf('a')}/status`, { status: other }, merge);
  await until('something was lost', async () => {
    const now = await current();
    const states = now?.conditions?.map(({ type, status: state }) => `${type} ${state}`) ?? [];
    return now?.['calls'] === 51 && states.includes('Complete True') && states.includes('ToolsReady True');
  });
  t.is((await current())?.['phase'], 'Succeeded');
  await until('the phase was not delivered', () => engine.tasks.get('a')?.read.phase === 'Succeeded');

  // What says nothing new is not written.
  const settled = written();
  for (let again = 0; again < 5; again++)
    source.report?.(engine.task('a', { ...status(51), conditions: [{ ...ready, status: 'True', message: '' }] }));
  source.report?.(engine.task('a', { ...status(52), conditions: [{ ...ready, status: 'True', message: '' }] }));
  await until('the last one is not written', async () => (await current())?.['calls'] === 52);
  t.true(written() - settled <= 2, `${written() - settled} writes`);
});

test.serial('a write from an old version is a conflict, and is made again from the new one', async (t) => {
  const { kubernetes, folder } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  // Without the right to watch, the source sees each object once: its view is surely old.
  const rbac = 'rbac.authorization.k8s.io';
  const blind = rules.map((rule) => ({ ...rule, verbs: rule.verbs.filter((verb) => verb !== 'watch') }));
  await kubernetes.create({ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'blind' }, rules: blind });
  await kubernetes.create({
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'blind' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'blind' },
    subjects: [{ kind: 'User', name: 'blind' }],
  });
  const kubeconfig = path.join(folder, 'blind');
  await writeFile(kubeconfig, kubernetes.kubeconfigFor('blind'));
  const { engine, source, started } = follow(t, { kubeconfig });
  await started;
  await until(
    'it is not accepted',
    async () => conditionOf(await ask(kubernetes, 'GET', placeOf('a')), 'Accepted')?.status === 'True',
  );
  const { body } = await ask(kubernetes, 'GET', placeOf('a'));
  const conditions = [...(body.status?.conditions ?? []), { type: 'JobCreated', status: 'True' }];
  await ask(kubernetes, 'PATCH', `${placeOf('a')}/status`, { status: { conditions } }, merge);
  source.report?.(
    engine.task('a', {
      calls: 1,
      conditions: [
        {
          type: 'ToolsReady',
          status: 'True',
          reason: 'Ready',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    }),
  );
  await until(
    'it was not written',
    async () => (await ask(kubernetes, 'GET', placeOf('a'))).body.status?.['calls'] === 1,
  );
  t.true(
    kubernetes.audit.some(
      ({ method, url, status }) => method === 'PATCH' && url.endsWith('/a/status') && status === 409,
    ),
  );
  const shown = (await ask(kubernetes, 'GET', placeOf('a'))).body.status?.conditions?.map(({ type }) => type);
  t.deepEqual(shown?.toSorted(), ['Accepted', 'JobCreated', 'ToolsReady']);
});

test.serial('events tell, count what is repeated, and do not flood; as many at once as come are no leak', async (t) => {
  const warnings: string[] = [];
  const keep = (warning: Error) => void warnings.push(warning.message);
  process.on('warning', keep);
  t.teardown(() => process.off('warning', keep));
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const { engine, lines, source, started } = follow(t, { kubeconfig });
  await started;
  const refused = {
    type: 'Warning',
    reason: 'ToolRefused',
    message: 'github:delete_repo is not among the tools of this task',
  } as const;
  const task = engine.task('a');
  for (let count = 0; count < 40; count++) source.event?.(task, refused);
  await until(
    'they were not counted',
    async () => (await eventsOf(kubernetes)).find(({ reason }) => reason === 'ToolRefused')?.count === 40,
  );
  for (let count = 0; count < 200; count++)
    source.event?.(task, { type: 'Normal', reason: 'EscalationRequested', message: `tool ${count}` });
  await until('nobody was told that there are too many', () => /too many events/.test(lines.text));
  const { stdout } = await kubectl(kubernetes.kubeconfig, ['describe', 'tr', 'a']);
  t.regex(stdout, /Warning +ToolRefused +\S+ \(x40 over \S+\) +\S+ +github:delete_repo is not among/);
  await until('some were lost', async () => (await eventsOf(kubernetes)).length >= 25);
  t.true((await eventsOf(kubernetes)).length <= 26);

  // Another proxy, or this one after a restart, counts on.
  await source.stop();
  const second = follow(t, { kubeconfig });
  await second.started;
  second.source.event?.(second.engine.task('a'), refused);
  await until(
    'it was not counted on',
    async () => (await eventsOf(kubernetes)).find(({ reason }) => reason === 'ToolRefused')?.count === 41,
  );
  t.deepEqual(warnings, []);
});

test.serial('dropped connections are resumed, and nothing is listed again', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const { engine, lines, started } = follow(t, { kubeconfig });
  await started;
  const lists = () =>
    kubernetes.audit.filter(({ method, url }) => method === 'GET' && url.endsWith('/taskruns')).length;
  t.is(lists(), 1);
  for (const name of ['b', 'c', 'd']) {
    kubernetes.dropConnections();
    await kubernetes.create(taskRun(name));
    await until(`${name} was not seen`, () => engine.tasks.has(name), 20_000);
  }
  t.is(lists(), 1);
  t.is(engine.synchronizations.length, 1);
  t.deepEqual(
    lines.lines.filter((line) => line.startsWith('error')),
    [],
  );
});

test.serial(
  '410 and a revoked token: said once, then everything is listed again and what went meanwhile is gone',
  async (t) => {
    const { kubernetes, kubeconfig, token, renew } = await cluster(t);
    await kubernetes.create(taskRun('stays'));
    await kubernetes.create(taskRun('goes'));
    const { engine, lines, started } = follow(t, { kubeconfig });
    await started;
    t.deepEqual([...engine.tasks.keys()].sort(), ['goes', 'stays']);
    kubernetes.revokeToken(token);
    kubernetes.dropConnections();
    await until('it was not said', () =>
      /taskruns.*refuses the credentials \(401\): the token has expired or was revoked/.test(lines.text),
    );
    await ask(kubernetes, 'PATCH', placeOf('goes'), { metadata: { finalizers: null } }, merge);
    await ask(kubernetes, 'DELETE', placeOf('goes'));
    await kubernetes.create(taskRun('comes'));
    kubernetes.forget();
    t.deepEqual([...engine.tasks.keys()].sort(), ['goes', 'stays'], 'nothing is lost as long as nobody knows better');
    await renew();
    await until('it did not recover', () => engine.tasks.has('comes') && !engine.tasks.has('goes'), 60_000);
    t.true(engine.tasks.has('stays'));
    await until('it was not synchronized', () => engine.synchronizations.length > 1);
    t.deepEqual(engine.synchronizations.at(-1), ['comes', 'stays']);
    await until('the recovery was not said', () => /info kubernetes: taskruns.*followed again/.test(lines.text));
    t.is(lines.lines.filter((line) => /error.*taskruns.*401/.test(line)).length, 1);
    t.false(lines.text.includes(token), 'no token in the log');
  },
);

test.serial(
  'an API server that is away: the start goes on, tasks stay, and it is taken up when it is back',
  async (t) => {
    const { kubernetes, kubeconfig } = await cluster(t);
    await kubernetes.create(taskRun('a'));
    kubernetes.goAway();
    const { engine, lines, started } = follow(t, { kubeconfig });
    engine.tasks.set('kept', {} as Put);
    await started;
    await until('it was not said', () => /cannot be reached/.test(lines.text));
    t.deepEqual(engine.synchronizations, []);
    kubernetes.comeBack();
    await until('it was not taken up', () => engine.tasks.has('a') && engine.synchronizations.length > 0, 60_000);
    t.false(engine.tasks.has('kept'), 'its object is gone');
  },
);

test.serial('an object that is deleted while the proxy is down goes when it is back', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const first = follow(t, { kubeconfig });
  await first.started;
  await first.source.stop();
  await ask(kubernetes, 'DELETE', placeOf('a'));
  t.is((await ask(kubernetes, 'GET', placeOf('a'))).status, 200, 'the finalizer holds it');
  const second = follow(t, { kubeconfig });
  await second.started;
  t.is(second.engine.told[0], 'remove a');
  t.false(second.engine.told.some((line) => line.startsWith('put')));
  await until('it is still there', async () => (await ask(kubernetes, 'GET', placeOf('a'))).status === 404);
});

test.serial('an object of the same name is another task', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const { engine, started } = follow(t, { kubeconfig });
  await started;
  const uid = engine.tasks.get('a')?.read.uid;
  await ask(kubernetes, 'PATCH', placeOf('a'), { metadata: { finalizers: null } }, merge);
  await ask(kubernetes, 'DELETE', placeOf('a'));
  await until('it is still there', async () => (await ask(kubernetes, 'GET', placeOf('a'))).status === 404);
  await kubernetes.create(taskRun('a', { contextVersion: 5 }));
  await until('the new one was not seen', () => engine.tasks.get('a')?.read.spec.contextVersion === 5);
  t.not(engine.tasks.get('a')?.read.uid, uid);
  t.true(engine.told.indexOf('remove a') < engine.told.indexOf('put a v5'));
});

test.serial('a kind that is not installed, and rights that are missing, are said in words', async (t) => {
  const [taskRuns = {}] = crds();
  const { kubernetes, kubeconfig, folder } = await cluster(t, [taskRuns]);
  await kubernetes.create(taskRun('a'));
  const { engine, lines, started } = follow(t, { kubeconfig });
  await started;
  t.deepEqual([...engine.tasks.keys()], ['a']);
  t.is(engine.synchronizations.length, 1);
  t.regex(lines.text, /info kubernetes: coderuns\.agents\.platform: this kind is not installed/);

  const stranger = path.join(folder, 'stranger');
  await writeFile(stranger, kubernetes.kubeconfigFor('stranger'));
  const other = follow(t, { kubeconfig: stranger });
  await other.started;
  t.regex(other.lines.text, /taskruns.*forbids it \(403\).*User "stranger" cannot list/);
});

test.serial('credentials come from the pod, from a file, or are asked for', async (t) => {
  const { kubernetes, folder, token } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  const mounted = path.join(folder, 'var/run/secrets/kubernetes.io/serviceaccount');
  await mkdir(mounted, { recursive: true });
  await writeFile(path.join(mounted, 'token'), token);
  await writeFile(path.join(mounted, 'ca.crt'), kubernetes.ca);
  const { hostname, port } = new URL(kubernetes.url);
  const environment = {
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    HOME: folder,
    KUBECONFIG: '',
  };
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  Object.assign(process.env, environment);
  const inPod = follow(t, { podRoot: folder });
  await inPod.started;
  t.deepEqual([...inPod.engine.tasks.keys()], ['a']);

  delete process.env['KUBERNETES_SERVICE_HOST'];
  await t.throwsAsync(follow(t, {}).started, {
    message: /no credentials for Kubernetes: set `kubernetes\.kubeconfig`/,
  });
  const broken = path.join(folder, 'broken');
  await writeFile(broken, 'clusters: {');
  await t.throwsAsync(follow(t, { kubeconfig: broken }).started, { message: /kubeconfig .*broken is not readable/ });
  await t.throwsAsync(follow(t, { kubeconfig: path.join(folder, 'missing') }).started, {
    message: /missing is not readable: ENOENT/,
  });
  process.env['KUBECONFIG'] = path.join(folder, 'kubeconfig');
  const fromFile = follow(t, {});
  await fromFile.started;
  t.deepEqual([...fromFile.engine.tasks.keys()], ['a']);
});

test.serial('after a stop nothing is left that keeps a process alive', async (t) => {
  const { kubernetes, kubeconfig } = await cluster(t);
  await kubernetes.create(taskRun('a'));
  // Takes connections and never says a word.
  let connections = 0;
  const silent = createServer(() => connections++);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.close());
  const hanging = `${kubeconfig}-hanging`;
  const { port } = silent.address() as AddressInfo;
  await writeFile(hanging, kubernetes.kubeconfig.replace(kubernetes.url, `https://127.0.0.1:${port}`));
  const program = fileURLToPath(new URL('source-process.js', import.meta.url));
  for (const when of ['started', 'hanging', 'away']) {
    if (when === 'away') kubernetes.goAway();
    const file = when === 'hanging' ? hanging : kubeconfig;
    const child = spawn(process.execPath, [program, file, when], { stdio: ['pipe', 'pipe', 'inherit'] });
    guardChild(child);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    let code: number | null | undefined;
    child.once('close', (ended) => (code = ended));
    child.stdin.on('error', () => {});
    if (when === 'hanging') await until('it did not ask', () => connections >= 2, 60_000);
    child.stdin.write('stop\n');
    await until(
      () => `it did not stop (${when}): ${output}`,
      () => output.includes('stopped'),
      60_000,
    );
    // A request gives up after 30 s by itself: ending sooner is the stop's doing.
    await until(`the process goes on (${when})`, () => code !== undefined, 15_000);
    t.is(code, 0, when);
  }
});
