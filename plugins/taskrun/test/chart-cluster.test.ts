// The chart in use: what its roles permit, and which pods its webhook gets. Skipped where there is no helm.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import type { JsonObject } from 'plugboard';
import { kubectl, testCertificate, until } from '@plugboard/test-kit';
import { kubernetesSource } from '../src/kubernetes/source.ts';
import { findTask } from '../src/render/kubernetes-names.ts';
import { kubernetesOptions } from '../src/render/kubernetes-options.ts';
import { podInjection, renderKubernetes } from '../src/render/kubernetes.ts';
import { applyObjects } from '../src/webhook/apply.ts';
import { startWebhook } from '../src/webhook/webhook.ts';
import { helmProgram, render } from './helm.ts';
import { inputOf, manifest, taskOf } from './kubernetes-task.ts';
import { cluster, find } from './release.ts';
import { quiet } from './reviews.ts';

const withHelm = helmProgram === undefined ? test.skip : test;
const image = { repository: 'docker.io/library/node', tag: '22-bookworm-slim' };

withHelm('roles: the proxy’s account does its work with them, and nothing else', async (t) => {
  const server = await cluster();
  t.teardown(() => server.stop());
  const { text } = await render({
    image,
    watchNamespace: 'agents',
    webhook: { enabled: true, certificate: { source: 'given', secretName: 'x', caBundle: 'Zm9v' } },
  });
  const applied = await kubectl(server.kubeconfig, ['apply', '-f', '-'], { input: text });
  t.is(applied.code, 0, applied.stderr);
  const user = 'system:serviceaccount:tools:rel-plugboard';
  const kubeconfig = server.kubeconfigFor(user);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-chart-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, 'kubeconfig'), kubeconfig);

  // The real source of tasks, as this account.
  const made = await server.create(manifest('nine'));
  const nine = taskOf(made);
  const found: string[] = [];
  const source = kubernetesSource({ namespace: 'agents', kubeconfig: path.join(folder, 'kubeconfig') }, quiet);
  t.teardown(() => source.stop());
  await source.start({
    put: async ({ origin }) => (found.push(origin), { id: 'agents/nine' }),
    remove: async () => {},
    synchronized: async () => {},
  });
  source.report?.({ ...nine, status: { ...nine.status, calls: 3 } });
  for (let time = 0; time < 2; time += 1)
    source.event?.(nine, { type: 'Warning', reason: 'ToolRefused', message: 'memory_delete_entities' });
  const did = (method: string, url: RegExp) =>
    server.audit.some(
      (each) => each.user === user && each.method === method && url.test(each.url) && (each.status ?? 0) < 300,
    );
  await until(
    () => `status and event: ${JSON.stringify(server.audit.map(({ method, url, status }) => [method, url, status]))}`,
    () => did('PATCH', /taskruns\/nine\/status/) && did('POST', /events/) && did('PATCH', /events/),
  );
  await source.stop();
  t.is(found.length, 1);
  const own = server.audit.filter((each) => each.user === user);
  t.deepEqual(
    own.filter(({ status }) => status === 403),
    [],
    'nothing it does was refused',
  );

  // What pods refer to is written with it.
  const objects = renderKubernetes(inputOf(nine), { layout: 'service', token: 'pbt_secret' }).filter(
    ({ kind }) => kind !== 'NetworkPolicy',
  );
  const { ca, url } = server;
  const token = server.grantToken(user);
  await applyObjects(
    { request: (method, target, body, type) => send(`${url}${target}`, { method, body, type, token, ca }) },
    objects,
  );

  const can = async (...args: string[]) => (await kubectl(kubeconfig, args)).code === 0;
  t.true(await can('get', 'taskruns', '--namespace', 'agents'));
  t.true(await can('get', 'coderuns', '--namespace', 'agents'));
  for (const args of [
    ['get', 'taskruns', '--namespace', 'elsewhere'],
    ['get', 'taskruns', '--all-namespaces'],
    ['delete', 'taskrun', 'nine', '--namespace', 'agents'],
    ['get', 'secrets', '--namespace', 'agents'],
    ['get', 'secret', 'nine-plugboard-token', '--namespace', 'agents'],
    ['get', 'configmaps', '--namespace', 'agents'],
    ['delete', 'secret', 'nine-plugboard-token', '--namespace', 'agents'],
    ['get', 'pods', '--namespace', 'agents'],
    ['get', 'secrets', '--namespace', 'tools'],
  ])
    t.false(await can(...args), args.join(' '));

  const { objects: without } = await render({ image });
  t.notRegex(JSON.stringify(find(without, 'ClusterRole')), /secrets|configmaps/, 'no Secrets unless the webhook is on');
});

interface Sendable {
  readonly method: string;
  readonly body: object;
  readonly type: string;
  readonly token: string;
  readonly ca: string;
}

async function send(url: string, { method, body, type, token, ca }: Sendable): Promise<void> {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { 'content-type': type, authorization: `Bearer ${token}` };
    const outgoing = request(url, { method, headers, ca, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    outgoing.on('error', reject).end(JSON.stringify(body));
  });
  if (status !== 200 && status !== 201) throw new Error(`${method} ${url}: ${status}`);
}

withHelm('the webhook as the chart installs it: which pods it gets, and what becomes of them', async (t) => {
  const server = await cluster();
  t.teardown(() => server.stop());
  const certificate = testCertificate(['rel-plugboard-webhook.tools.svc']);
  const caBundle = Buffer.from(certificate.cert).toString('base64');
  const { text, objects } = await render({
    image,
    webhook: { enabled: true, certificate: { source: 'given', secretName: 'tls', caBundle } },
  });
  t.is((await kubectl(server.kubeconfig, ['apply', '-f', '-'], { input: text })).code, 0);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-chart-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const certFile = path.join(folder, 'tls.crt');
  const keyFile = path.join(folder, 'tls.key');
  await writeFile(certFile, certificate.cert);
  await writeFile(keyFile, certificate.key);
  const { taskrun } = (
    parse(find<{ data: Record<string, string> }>(objects, 'ConfigMap').data['plugboard.yaml'] ?? '') as {
      plugins: { taskrun: { webhook: JsonObject; rendering: JsonObject } };
    }
  ).plugins;
  const nine = taskOf(manifest('nine'));
  const webhook = await startWebhook(
    { ...taskrun.webhook, host: '127.0.0.1', port: 0, certFile, keyFile },
    {
      task: (namespace, labels) => findTask([nine], namespace, labels),
      render: (task) => podInjection(inputOf(task), kubernetesOptions.parse(taskrun.rendering)),
    },
    quiet,
  );
  t.teardown(() => webhook.stop());
  server.address('tools/rel-plugboard-webhook', `https://127.0.0.1:${webhook.port}`);
  let number = 0;
  const make = async (namespace: string, labels: Record<string, string>) => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${++number}`, labels },
      spec: { containers: [{ name: 'agent', image: 'x' }] },
    };
    const made = await kubectl(server.kubeconfig, ['create', '-n', namespace, '-o', 'json', '-f', '-'], {
      input: JSON.stringify(pod),
    });
    return made.code === 0
      ? (JSON.parse(made.stdout) as { spec: { containers: { env?: { name: string; value?: string }[] }[] } })
      : made.stderr;
  };
  const byLabel = await make('agents', { 'orchestrator.io/task': 'nine' });
  const byField = await make('agents', { 'task-id': '7', 'service-name': 'billing' });
  for (const pod of [byLabel, byField]) {
    if (typeof pod === 'string') throw new Error(pod);
    t.is(pod.spec.containers[0]?.env?.[0]?.value, 'http://rel-plugboard.tools.svc:8807/mcp');
  }
  t.regex(String(await make('elsewhere', { 'orchestrator.io/task': 'nine' })), /denied the request.*no task "nine"/);
  for (const [namespace, labels] of [
    ['agents', { app: 'web' }],
    ['kube-system', { 'orchestrator.io/task': 'nine' }],
  ] as const) {
    const pod = await make(namespace, labels);
    t.is(typeof pod === 'string' ? pod : pod.spec.containers[0]?.env, undefined, `left alone in ${namespace}`);
  }
  await webhook.stop();
  t.regex(
    String(await make('agents', { 'orchestrator.io/task': 'nine' })),
    /failed calling webhook/,
    'failurePolicy: Fail',
  );
  t.not(typeof (await make('agents', { app: 'web' })), 'string', 'other pods do not depend on it');
});
