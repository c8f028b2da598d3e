// From a task to what a cluster needs for it: manifests, and the patch of the pod template. Each kind of object has a file of its own beside.
import type { JsonObject } from 'plugboard';
import type { RenderInput, Task } from '../task.ts';
import { renderClaude } from './claude.ts';
import { filesData } from './kubernetes-files.ts';
import { configMapName, proxySecretName, secretName } from './kubernetes-names.ts';
import { networkPolicies } from './kubernetes-network.ts';
import { metadataOf, toYaml } from './kubernetes-objects.ts';
import type { KubernetesObject } from './kubernetes-objects.ts';
import { kubernetesOptions } from './kubernetes-options.ts';
import type { KubernetesInput, KubernetesOptions } from './kubernetes-options.ts';
import { addressProblem, forLayout, templatePatch } from './kubernetes-pod.ts';
import { sidecarFiles } from './kubernetes-sidecar.ts';

export { toYaml } from './kubernetes-objects.ts';
export type { KubernetesObject } from './kubernetes-objects.ts';
export { kubernetesOptions } from './kubernetes-options.ts';
export type { KubernetesInput, KubernetesOptions } from './kubernetes-options.ts';
export { podInjection } from './kubernetes-pod.ts';
export type { PodInjection } from './kubernetes-pod.ts';

/** Stands in a Secret until the token is filled in. No token has spaces, so it opens nothing. */
export const tokenPlaceholder = 'put the output of: plugboard task token';

/** What is said for one rendering, beside the options of the plugin. */
export interface KubernetesRequest extends KubernetesInput {
  /** The task's token, when the Secret is to be ready for use. Secret. */
  readonly token?: string | undefined;
}

/**
 * The manifests of a task: the ConfigMap with the agent's files, the Secret of its token; with a shared proxy its NetworkPolicies, with a
 * proxy in the pod that one's configuration (a Secret). The token stands in the Secret only. Throws a ZodError for options that are none,
 * REQUEST_FAILED for files that are too large.
 */
export function renderKubernetes(input: RenderInput, request: KubernetesRequest): KubernetesObject[] {
  const { token, ...given } = request;
  const options = kubernetesOptions.parse(given);
  const { task } = input;
  const local = forLayout(input, options);
  return [
    filesOf(local),
    secretOf(task, secretName(task), { token: token ?? tokenPlaceholder }),
    ...(options.layout === 'sidecar' ? [secretOf(task, proxySecretName(task), sidecarFiles(task, options))] : []),
    ...(options.layout === 'service' && options.networkPolicy ? networkPolicies(task, local.url, options) : []),
  ];
}

/**
 * The same as files: `manifests.yaml` to apply, and `pod-patch.yaml`, the strategic merge patch for the pod template of the agent's Job or
 * Deployment, whose container is named `container`. Throws REQUEST_FAILED also when a proxy in the pod has no image.
 */
export function renderKubernetesFiles(
  input: RenderInput,
  request: KubernetesRequest,
  container = 'agent',
): Record<string, string> {
  const { token: _, ...given } = request;
  return {
    'manifests.yaml': toYaml(renderKubernetes(input, request)),
    'pod-patch.yaml': toYaml([renderPatch(input, given, container)]),
  };
}

/** What does not do in a cluster although it is rendered, and what to do about it. */
export function kubernetesWarnings(input: RenderInput, given: KubernetesInput): string[] {
  const problem = addressProblem(input, kubernetesOptions.parse(given));
  return problem === undefined ? [] : [problem];
}

/** The patch alone, as an object. */
export function renderPatch(input: RenderInput, given: KubernetesInput, container = 'agent'): JsonObject {
  return templatePatch(input, kubernetesOptions.parse(given), container);
}

/** The Secret of a task's token, for whoever keeps it in the cluster up to date. */
export function tokenSecret(task: Task, token: string): KubernetesObject {
  return secretOf(task, secretName(task), { token });
}

/** The ConfigMap of the agent's files and, with a proxy in the pod, the Secret of its configuration: what a pod needs besides the token. */
export function podObjects(input: RenderInput, options: KubernetesOptions): KubernetesObject[] {
  const { task } = input;
  const own = options.layout === 'sidecar' ? [secretOf(task, proxySecretName(task), sidecarFiles(task, options))] : [];
  return [filesOf(forLayout(input, options)), ...own];
}

function filesOf(input: RenderInput): KubernetesObject {
  const { task } = input;
  const { files } = renderClaude(input);
  const data = filesData(files, task.spec.markdownFiles);
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadataOf(task, configMapName(task)), data };
}

function secretOf(task: Task, name: string, stringData: Readonly<Record<string, string>>): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: metadataOf(task, name), type: 'Opaque', stringData };
}
