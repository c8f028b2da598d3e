// The proxy as the chart deploys it: with the chart's configuration and account, against an API server, up to the tools that a pod's token opens.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parse, stringify } from 'yaml';
import type { JsonObject } from 'plugboard';
import { kubectl, startKubernetes, startProxy, testCertificate, until } from '@plugboard/test-kit';
import type { KubeObject } from '@plugboard/test-kit';
import { crds } from '../src/schema/crd.ts';
import { toolsOf } from './agent.ts';
import { helmProgram, render } from './helm.ts';
import { manifest } from './kubernetes-task.ts';

const withHelm = helmProgram === undefined ? test.skip : test;

const granted = ['memory_create_entities', 'memory_read_graph', 'task_request_tools'];

interface Injected {
  readonly spec: {
    readonly containers: readonly {
      readonly env?: readonly {
        readonly name: string;
        readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
      }[];
    }[];
  };
}

withHelm(
  'cluster: kubectl applies a TaskRun and a pod; the Secret that the pod refers to opens exactly the task’s tools',
  async (t) => {
    t.timeout(180_000);
    const cluster = await startKubernetes({ crds: crds() });
    t.teardown(() => cluster.stop());
    for (const name of ['tools', 'agents'])
      await cluster.create({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
      });
    const certificate = testCertificate(['rel-plugboard-webhook.tools.svc']);
    const caBundle = Buffer.from(certificate.cert).toString('base64');
    const webhook = { enabled: true, certificate: { source: 'given', secretName: 'tls', caBundle } };
    const { text, objects } = await render({
      image: { repository: 'node', tag: '22' },
      watchNamespace: 'agents',
      webhook,
    });
    const admin = (args: readonly string[], input = '') => kubectl(cluster.kubeconfig, args, { input });
    t.is((await admin(['apply', '-f', '-'], text)).code, 0);

    const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-deployment-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await writeFile(path.join(folder, 'tls.crt'), certificate.cert);
    await writeFile(path.join(folder, 'tls.key'), certificate.key);
    await writeFile(
      path.join(folder, 'kubeconfig'),
      cluster.kubeconfigFor('system:serviceaccount:tools:rel-plugboard'),
    );
    const { data } = objects.find(({ kind }) => kind === 'ConfigMap') as KubeObject & { data: Record<string, string> };
    const configuration = parse(
      (data['plugboard.yaml'] ?? '')
        .replaceAll('/var/lib/plugboard', path.join(folder, 'state'))
        .replaceAll('/etc/plugboard-webhook', folder),
    ) as { plugins: { http: JsonObject; taskrun: { kubernetes: JsonObject; webhook: JsonObject } } };
    const { http, taskrun } = configuration.plugins;
    http['host'] = '127.0.0.1';
    taskrun.kubernetes['kubeconfig'] = path.join(folder, 'kubeconfig');
    Object.assign(taskrun.webhook, { host: '127.0.0.1', port: 0 });
    const proxy = await startProxy(stringify({ ...configuration, log: { format: 'json' } }), { folder });
    t.teardown(() => proxy.close());
    const log = await proxy.logged(/webhook: listening/);
    const port = /"port":(\d+),"tls":true/.exec(log)?.[1] ?? '';
    cluster.address('tools/rel-plugboard-webhook', `https://127.0.0.1:${port}`);

    const pod = (name: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'agents', labels: { 'orchestrator.io/task': 'nine' } },
        spec: { containers: [{ name: 'agent', image: 'agent:1' }] },
      });
    const early = await admin(['create', '-f', '-'], pod('early'));
    t.regex(early.stderr, /no task "nine" runs in namespace "agents"/);
    t.is((await admin(['apply', '-f', '-'], JSON.stringify(manifest('nine')))).code, 0);
    const made = await until('the pod', async () => {
      const { code, stdout } = await admin(['create', '-o', 'json', '-f', '-'], pod('first'));
      return code === 0 && (JSON.parse(stdout) as Injected);
    });
    const reference = made.spec.containers[0]?.env?.find(({ name }) => name === 'PLUGBOARD_TOKEN')?.valueFrom
      ?.secretKeyRef;
    const secret = async () => {
      const { stdout } = await admin(['get', 'secret', reference?.name ?? '', '-n', 'agents', '-o', 'json']);
      const { data: kept = {}, stringData = {} } = JSON.parse(stdout) as {
        data?: Record<string, string>;
        stringData?: Record<string, string>;
      };
      const key = reference?.key ?? '';
      return stringData[key] ?? Buffer.from(kept[key] ?? '', 'base64').toString();
    };
    const token = await secret();
    t.regex(token, /^pbt_/);
    await proxy.ready();
    t.deepEqual(await toolsOf(proxy.url, token), granted);
    const files = await admin(['get', 'configmap', 'rex-billing-task7-v2-files', '-n', 'agents', '-o', 'json']);
    t.is(files.code, 0, files.stderr);
    t.false(files.stdout.includes(token));
    t.is((await admin(['create', '-f', '-'], pod('second'))).code, 0);
    t.is(await secret(), token, 'a second pod of the task does not lock out the first');
    t.false(proxy.log.includes(token));
    t.is((await admin(['delete', 'taskrun', 'nine', '-n', 'agents'])).code, 0);
    await until('the refusal', async () => {
      const refused = await toolsOf(proxy.url, token).then(
        () => false,
        () => true,
      );
      return refused;
    });
    t.regex((await admin(['create', '-f', '-'], pod('late'))).stderr, /no task "nine"/);
  },
);
