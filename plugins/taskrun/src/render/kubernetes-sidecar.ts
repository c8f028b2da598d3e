// The proxy as a container beside the agent: the container, what installs it, its volumes, and its own configuration.
import type { V1Container, V1Probe, V1SecurityContext, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import { PlugboardError } from 'plugboard';
import type { JsonObject } from 'plugboard';
import type { Task } from '../task.ts';
import { proxySecretName, secretName } from './kubernetes-names.ts';
import { toYaml } from './kubernetes-objects.ts';
import { sidecarManifest } from './kubernetes-manifest.ts';
import { proxyPort } from './kubernetes-options.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';

/** Name of the proxy's container; `plugboard-install` puts the packages in place. */
export const proxyContainer = 'plugboard';

const paths = {
  program: '/opt/plugboard',
  configuration: '/etc/plugboard',
  state: '/var/lib/plugboard',
  temporary: '/tmp',
} as const;

/** Name of the environment variable, for agent and proxy, that holds the task's token. */
export const tokenVariable = 'PLUGBOARD_TOKEN';

/** What a pod gets for a proxy of its own. */
export interface Sidecar {
  readonly initContainers: readonly V1Container[];
  readonly containers: readonly V1Container[];
  readonly volumes: readonly V1Volume[];
}

/** The proxy's container for a task's pod. Throws REQUEST_FAILED when no image is named. */
export function sidecarOf(task: Task, options: KubernetesOptions): Sidecar {
  if (options.image === undefined)
    throw new PlugboardError('REQUEST_FAILED', 'layout sidecar: name an image for the proxy (option rendering.image)');
  const installs = options.packages.length > 0;
  const proxy = proxyOf(task, options, options.image);
  const install = installs ? [installOf(options, options.image)] : [];
  const native = options.container === 'native';
  const items = Object.entries(files).map(([key, path]) => ({ key, path }));
  return {
    initContainers: native ? [...install, { ...proxy, restartPolicy: 'Always' }] : install,
    containers: native ? [] : [proxy],
    volumes: [
      { name: 'plugboard-configuration', secret: { secretName: proxySecretName(task), items } },
      { name: 'plugboard-state', emptyDir: {} },
      { name: 'plugboard-temporary', emptyDir: {} },
      ...(installs ? [{ name: 'plugboard-program', emptyDir: {} }] : []),
    ],
  };
}

function installOf(options: KubernetesOptions, image: string): V1Container {
  const flags = ['--prefix', paths.program, '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'];
  return {
    name: 'plugboard-install',
    image,
    command: ['npm', 'install', ...flags, ...options.packages],
    env: temporaryHome,
    volumeMounts: [
      { name: 'plugboard-program', mountPath: paths.program },
      { name: 'plugboard-temporary', mountPath: paths.temporary },
    ],
    securityContext: securityContext(options.user),
    resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '1Gi' } },
  };
}

function proxyOf(task: Task, options: KubernetesOptions, image: string): V1Container {
  const installed = options.packages.length > 0;
  const program = installed ? ['node', `${paths.program}/node_modules/plugboard/bin/plugboard.js`] : ['plugboard'];
  const workspace = options.workspace;
  const mounts: V1VolumeMount[] = [
    { name: 'plugboard-configuration', mountPath: paths.configuration, readOnly: true },
    { name: 'plugboard-state', mountPath: paths.state },
    { name: 'plugboard-temporary', mountPath: paths.temporary },
    ...(installed ? [{ name: 'plugboard-program', mountPath: paths.program, readOnly: true }] : []),
    ...(workspace === undefined ? [] : [{ name: workspace.name, mountPath: workspace.mountPath }]),
  ];
  return {
    name: proxyContainer,
    image,
    command: [...program, 'up', '--config', `${paths.configuration}/plugboard.yaml`],
    env: [
      ...temporaryHome,
      { name: tokenVariable, valueFrom: { secretKeyRef: { name: secretName(task), key: 'token' } } },
    ],
    ...(options.credentials === undefined ? {} : { envFrom: [{ secretRef: { name: options.credentials } }] }),
    // The agent waits for /healthz, not for /readyz: one failed server must not keep it from starting.
    startupProbe: { ...probe('/healthz'), periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 20 },
    volumeMounts: mounts,
    securityContext: securityContext(options.user),
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
  };
}

/** The root file system is read-only, and so is the home of the image's user. */
const temporaryHome = [{ name: 'HOME', value: paths.temporary }];

/** Run in the container: the proxy listens on loopback, where the kubelet's own HTTP probes do not come. */
function probe(path: string): V1Probe {
  const script = `fetch('http://127.0.0.1:${proxyPort}${path}').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  return { exec: { command: ['node', '-e', script] }, timeoutSeconds: 5 };
}

function securityContext(user: number): V1SecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: user,
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Keys of the Secret with the proxy's own files, and where they lie below its configuration. */
const files = { 'plugboard.yaml': 'plugboard.yaml', 'task.yaml': 'tasks/task.yaml' } as const;

/** Files of the proxy beside the agent, for a Secret: servers of a task may carry credentials. */
export function sidecarFiles(task: Task, options: KubernetesOptions): Record<keyof typeof files, string> {
  return {
    'plugboard.yaml': toYaml([configurationOf(task, options)]),
    'task.yaml': toYaml([sidecarManifest(task, options)]),
  };
}

function configurationOf(task: Task, { configuration, workspace }: KubernetesOptions): JsonObject {
  const given = (configuration['plugins'] ?? {}) as JsonObject;
  const plugins: JsonObject = {
    'store-lowdb': { path: `${paths.state}/store` },
    memory: { path: `${paths.state}/memory` },
    ...(workspace === undefined ? {} : { filesystem: { root: workspace.mountPath } }),
    ...given,
    http: { ...(given['http'] as JsonObject | undefined), host: '127.0.0.1', port: proxyPort },
    taskrun: {
      workspaces: `${paths.state}/workspaces`,
      ...(workspace === undefined ? {} : { workspaceRoots: [workspace.mountPath] }),
      ...(given['taskrun'] as JsonObject | undefined),
      source: `${paths.configuration}/tasks`,
      tokens: { [task.id]: `\${env:${tokenVariable}}` },
    },
  };
  return { ...configuration, plugins };
}
