// The Helm chart as text: rendered by the real helm, taken by an API server, its parts held against each other. Skipped where there is no helm.
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import type { JsonObject } from 'plugboard';
import { kubectl } from '@plugboard/test-kit';
import { taskLabels } from '../src/render/kubernetes-names.ts';
import { kubernetesOptions } from '../src/render/kubernetes-options.ts';
import { renderKubernetes } from '../src/render/kubernetes.ts';
import { webhookOptions } from '../src/webhook/options.ts';
import { chart, helm, helmProgram, render } from './helm.ts';
import { inputOf, manifest, taskOf } from './kubernetes-task.ts';
import { passes } from './network-policy.ts';
import type { Policy } from './network-policy.ts';
import { cluster, find } from './release.ts';

const withHelm = helmProgram === undefined ? test.skip : test;
const image = { repository: 'docker.io/library/node', tag: '22-bookworm-slim' };
const crdFolder = path.join(chart, '../crds');

/** Values that between them reach every template and every branch. */
const variants: Readonly<Record<string, JsonObject>> = {
  plain: { image },
  own: {
    image: { repository: 'registry.example.com/plugboard', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
    imagePullSecrets: [{ name: 'pull' }],
    install: { enabled: false },
    fullnameOverride: 'tools',
    serviceAccount: { create: false, name: 'existing' },
    rbac: { create: false },
    persistence: { enabled: false },
    networkPolicy: { enabled: false },
    service: { type: 'LoadBalancer', port: 80, annotations: { a: 'b' } },
    priorityClassName: 'high',
  },
  all: {
    image,
    install: { npmrcSecret: 'npmrc' },
    watchNamespace: 'agents',
    credentials: 'upstreams',
    env: [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=512' }],
    allowedHosts: ['tools.example.com'],
    config: {
      name: 'tools',
      mcpServers: { git: { command: 'git-mcp' } },
      plugins: { memory: false, taskrun: { token: { ttl: 1 } } },
    },
    persistence: { storageClass: 'fast', accessModes: ['ReadWriteOncePod'], size: '10Gi', annotations: { a: 'b' } },
    management: {
      enabled: true,
      tokenSecret: 'admin',
      from: [{ podSelector: { matchLabels: { app: 'controller' } } }],
    },
    webhook: {
      enabled: true,
      certificate: { source: 'given', secretName: 'tls', caBundle: 'Zm9v' },
      namespaceSelector: { matchLabels: { a: 'b' } },
    },
    rendering: { layout: 'sidecar', image: 'node:22' },
    networkPolicy: { from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
    podDisruptionBudget: { enabled: true },
    podAnnotations: { a: 'b' },
    podLabels: { team: 'x' },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'x', operator: 'Exists' }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }],
        },
      },
    },
  },
  issued: { image, webhook: { enabled: true, certificate: { issuerRef: { name: 'ca', kind: 'ClusterIssuer' } } } },
  selfSigned: { image, webhook: { enabled: true } },
};

test('the definitions in the chart are the plugin’s', (t) => {
  const files = readdirSync(crdFolder).filter((file) => file.endsWith('.yaml'));
  t.true(files.length >= 2);
  t.deepEqual(readdirSync(path.join(chart, 'crds')).sort(), files.sort());
  for (const file of files) {
    const same =
      readFileSync(path.join(chart, 'crds', file), 'utf8') === readFileSync(path.join(crdFolder, file), 'utf8');
    t.true(same, `chart/crds/${file} is old: cp crds/*.yaml chart/crds/`);
  }
});

test('the packages that the chart installs are this workspace’s, in its versions', async (t) => {
  const load = createRequire(import.meta.url);
  const { install } = parse(await readFile(path.join(chart, 'values.yaml'), 'utf8')) as {
    install: { packages: string[] };
  };
  for (const each of install.packages) {
    const [, name = '', version = ''] = /^(.+)@([^@]+)$/.exec(each) ?? [];
    const folder = name === 'plugboard' ? '../../../../core' : `../../../${name.replace('@plugboard/', '')}`;
    t.is((load(`${folder}/package.json`) as { version: string }).version, version, name);
  }
});

withHelm('helm finds nothing wrong, and an API server takes every manifest as it is', async (t) => {
  const server = await cluster();
  t.teardown(() => server.stop());
  for (const [name, values] of Object.entries(variants)) {
    const lint = await helm(['lint', '--strict', chart], values);
    t.is(lint.code, 0, `${name}: ${lint.stdout}`);
    const { text } = await render(values, '--include-crds');
    const args = ['apply', '--validate=strict', '--dry-run=server', '-f', '-'];
    const applied = await kubectl(server.kubeconfig, args, { input: text });
    t.is(applied.code, 0, `${name}: ${applied.stderr}`);
    t.is(applied.stdout.trim().split('\n').length, parseAllDocuments(text).length, name);
  }
  const wrong = (await render({ image })).text.replace('terminationGracePeriodSeconds', 'terminationGracePeriod');
  const refused = await kubectl(server.kubeconfig, ['apply', '--validate=strict', '--dry-run=server', '-f', '-'], {
    input: wrong,
  });
  t.regex(refused.stderr, /unknown field "spec\.template\.spec\.terminationGracePeriod"/, 'the API server looks');
});

withHelm('values are checked: what is missing, misspelt or half given is refused with its place', async (t) => {
  for (const [values, expected] of [
    [{}, /image\.repository/],
    [{ image: { repository: 'node' } }, /image/],
    [{ image, imagge: {} }, /imagge/],
    [{ image, webhook: { enabled: true, failPolicy: 'Fail' } }, /failPolicy/],
    [{ image, webhook: { certificate: { source: 'given', secretName: 'tls' } } }, /caBundle/],
    [{ image, management: { enabled: true } }, /tokenSecret/],
    [{ image, persistence: { size: 'big' } }, /persistence\.size/],
  ] as const) {
    const { code, stderr } = await helm(['template', 'rel', chart], values);
    t.not(code, 0, JSON.stringify(values));
    t.regex(stderr, expected);
  }
});

interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: { readonly type: string };
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec };
  };
}

interface PodSpec {
  readonly securityContext: JsonObject;
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
}

interface Probe {
  readonly httpGet: { readonly port: string; readonly httpHeaders: readonly { readonly value: string }[] };
}

interface Container {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: JsonObject;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

withHelm('one replica without privileges; parts refer to each other by the right names', async (t) => {
  for (const [name, values] of Object.entries(variants)) {
    const { objects } = await render(values);
    const { spec } = find<Deployment>(objects, 'Deployment');
    t.deepEqual([spec.replicas, spec.strategy.type], [1, 'Recreate'], 'the store has one writer');
    const { labels } = spec.template.metadata;
    const service = find<{ spec: { selector: Record<string, string>; ports: { targetPort: string }[] } }>(
      objects,
      'Service',
    );
    for (const selector of [spec.selector.matchLabels, service.spec.selector])
      for (const [key, value] of Object.entries(selector)) t.is(labels[key], value);
    const pod = spec.template.spec;
    t.like(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    const volumes = pod.volumes.map((each) => each.name);
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      t.like(container.securityContext, {
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        privileged: false,
      });
      t.deepEqual(container.securityContext['capabilities'], { drop: ['ALL'] });
      for (const mount of container.volumeMounts) t.true(volumes.includes(mount.name), `${name}: ${mount.name}`);
    }
    const [proxy] = pod.containers;
    t.true(proxy?.ports.some((port) => port.name === service.spec.ports[0]?.targetPort));
    const { plugins } = parse(
      find<{ data: Record<string, string> }>(objects, 'ConfigMap').data['plugboard.yaml'] ?? '',
    ) as {
      plugins: { http: { allowedHosts: string[]; port: number } };
    };
    for (const probe of [proxy?.startupProbe, proxy?.livenessProbe, proxy?.readinessProbe])
      t.true(
        plugins.http.allowedHosts.includes(probe?.httpGet.httpHeaders[0]?.value ?? ''),
        'the proxy answers its probes',
      );
    t.is(proxy?.ports.find((port) => port.name === 'http')?.containerPort, plugins.http.port);
    t.deepEqual(pod.initContainers === undefined ? 'plugboard' : 'node', proxy?.command[0]);
  }
});

withHelm(
  'the configuration: what the values say over what the chart makes; options that the plugin takes; no secret in it',
  async (t) => {
    const { objects } = await render(variants['all'] ?? {});
    const text = find<{ data: Record<string, string> }>(objects, 'ConfigMap').data['plugboard.yaml'] ?? '';
    const { name, plugins } = parse(text) as { name: string; plugins: Record<string, JsonObject | false> };
    t.is(name, 'tools');
    t.is(plugins['memory'], false);
    const taskrun = plugins['taskrun'] as JsonObject;
    t.deepEqual(taskrun['kubernetes'], { namespace: 'agents' });
    t.deepEqual(taskrun['token'], { ttl: 1 });
    t.like(kubernetesOptions.parse(taskrun['rendering']), { layout: 'sidecar', proxyNamespace: 'tools' });
    t.like(webhookOptions.parse(taskrun['webhook']), { port: 8843, unknownTask: 'deny' });
    t.like(plugins['admin'], {
      localCredential: false,
      tokens: [{ name: 'chart', role: 'admin', token: '${env:PLUGBOARD_ADMIN_TOKEN}' }],
    });
    const [proxy] = find<Deployment>(objects, 'Deployment').spec.template.spec.containers;
    t.deepEqual(
      proxy?.env.find((each) => each.name === 'PLUGBOARD_ADMIN_TOKEN'),
      {
        name: 'PLUGBOARD_ADMIN_TOKEN',
        valueFrom: { secretKeyRef: { name: 'admin', key: 'token' } },
      } as never,
    );
  },
);

withHelm('policies of the chart and of a task fit together', async (t) => {
  const { objects } = await render({
    image,
    webhook: { enabled: true },
    management: { enabled: true, tokenSecret: 'admin' },
  });
  const nine = taskOf(manifest('nine'));
  const rendering = (
    parse(find<{ data: Record<string, string> }>(objects, 'ConfigMap').data['plugboard.yaml'] ?? '') as {
      plugins: { taskrun: { rendering: JsonObject } };
    }
  ).plugins.taskrun.rendering;
  const ofTask = renderKubernetes(inputOf(nine), rendering).filter(({ kind }) => kind === 'NetworkPolicy');
  const policies = [...objects.filter(({ kind }) => kind === 'NetworkPolicy'), ...ofTask] as unknown as Policy[];
  t.is(policies.length, 3);
  const proxy = { namespace: 'tools', labels: find<Deployment>(objects, 'Deployment').spec.template.metadata.labels };
  const agent = { namespace: 'agents', labels: taskLabels(nine) };
  const apiServer = { namespace: '', labels: {} };
  t.true(passes(policies, agent, proxy, 8807));
  for (const pod of [agent, { ...agent, labels: { 'orchestrator.io/task': 'other' } }])
    t.false(passes(policies, pod, proxy, 8808), 'agents do not reach the management API');
  t.false(passes(policies, agent, proxy, 8843));
  t.true(passes(policies, apiServer, proxy, 8843));
  t.false(passes(policies, { namespace: 'agents', labels: {} }, proxy, 8807));
});
