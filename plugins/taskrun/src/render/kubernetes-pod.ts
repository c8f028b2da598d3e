// What a task's pod gets, in one shape for the patch of a manifest and for the webhook: variables, volumes, mounts, the proxy's container.
import type { V1Container, V1EnvVar, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { JsonObject } from 'plugboard';
import type { RenderInput } from '../task.ts';
import { configMapName, injectedAnnotation, secretName, taskLabels } from './kubernetes-names.ts';
import { proxyPort } from './kubernetes-options.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';
import { sidecarOf, tokenVariable } from './kubernetes-sidecar.ts';

/** What is added to a pod. Everything in it is found again by its name. */
export interface PodInjection {
  readonly layout: 'service' | 'sidecar';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** For the agent's container. The token comes from the Secret only. */
  readonly env: readonly V1EnvVar[];
  readonly mounts: readonly V1VolumeMount[];
  readonly volumes: readonly V1Volume[];
  readonly initContainers: readonly V1Container[];
  readonly containers: readonly V1Container[];
}

/** Name of the volume with the agent's files. */
export const filesVolume = 'plugboard-files';

/** Variable that says where the agent's files are, for the command that starts it. */
export const configVariable = 'PLUGBOARD_CONFIG_DIR';

/** Where Claude Code looks for settings that no user and no project can override (Linux), and the file there. */
const managedPath = '/etc/claude-code';
const managedSettings = 'managed-settings.json';
const managedVolume = 'plugboard-managed-settings';

/** The URL of the proxy as the task's agent reaches it. */
export function agentUrl(input: RenderInput, { layout, serviceUrl }: KubernetesOptions): string {
  if (layout === 'service') return serviceUrl ?? input.url;
  return `http://127.0.0.1:${proxyPort}${new URL(input.url).pathname}`;
}

/** What is wrong with the address that agents are given: a pod's loopback is its own, and the proxy is not there. */
export function addressProblem(input: RenderInput, options: KubernetesOptions): string | undefined {
  const url = agentUrl(input, options);
  const { hostname } = new URL(url);
  if (options.layout !== 'service' || !/^(?:localhost|127(?:\.\d+){3}|\[::1\]|0\.0\.0\.0|\[::\])$/.test(hostname))
    return undefined;
  return (
    `agents in pods do not reach the proxy at ${url}: set rendering.serviceUrl of the plugin taskrun to the address of /mcp in the ` +
    'cluster, or use the layout sidecar'
  );
}

/** The input with the addresses of the layout. */
export function forLayout(input: RenderInput, options: KubernetesOptions): RenderInput {
  const url = agentUrl(input, options);
  const hook = new URL(input.hookUrl);
  return { ...input, url, hookUrl: new URL(`${hook.pathname}${hook.search}`, url).href };
}

/** What the pod of a task gets. Throws as {@link sidecarOf} does. */
export function podInjection(input: RenderInput, options: KubernetesOptions): PodInjection {
  const { task } = input;
  const sidecar =
    options.layout === 'sidecar' ? sidecarOf(task, options) : { initContainers: [], containers: [], volumes: [] };
  const files = { name: configMapName(task) };
  const managed = options.managedSettings;
  const items = [{ key: managedSettings, path: managedSettings }];
  return {
    layout: options.layout,
    labels: taskLabels(task),
    annotations: { [injectedAnnotation]: options.layout },
    env: [
      { name: 'MCP_PROXY_URL', value: agentUrl(input, options) },
      { name: tokenVariable, valueFrom: { secretKeyRef: { name: secretName(task), key: 'token' } } },
      { name: configVariable, value: options.configPath },
    ],
    mounts: [
      { name: filesVolume, mountPath: options.configPath, readOnly: true },
      ...(managed ? [{ name: managedVolume, mountPath: managedPath, readOnly: true }] : []),
    ],
    volumes: [
      { name: filesVolume, configMap: files },
      ...(managed ? [{ name: managedVolume, configMap: { ...files, items } }] : []),
      ...sidecar.volumes,
    ],
    initContainers: sidecar.initContainers,
    containers: sidecar.containers,
  };
}

/**
 * A strategic merge patch for whatever has a pod template (Job, Deployment …): `kubectl patch --local -f job.yaml --type strategic
 * --patch-file patch.yaml -o yaml`. `container`: name of the agent's container.
 */
export function templatePatch(input: RenderInput, options: KubernetesOptions, container: string): JsonObject {
  const { labels, annotations, env, mounts, volumes, initContainers, containers } = podInjection(input, options);
  const agent = { name: container, env, volumeMounts: mounts };
  return {
    spec: {
      template: {
        metadata: { labels, annotations },
        spec: {
          ...(initContainers.length === 0 ? {} : { initContainers }),
          containers: [agent, ...containers],
          volumes,
        },
      },
    },
  };
}
