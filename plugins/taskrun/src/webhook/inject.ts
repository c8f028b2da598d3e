// Puts what a task's pod needs into a pod: which container is the agent's, what gives way to what. Who may have it is decided in `admission.ts`.
import { containerAnnotation } from '../render/kubernetes-names.ts';
import { configVariable, type PodInjection } from '../render/kubernetes-pod.ts';
import { JsonPatch, type PatchOperation } from './json-patch.ts';
import type { ReviewedPod } from './review.ts';

const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/** Where the agent's files go when the pod has something else in their place. */
const otherConfigPath = '/plugboard-config';

/** The changes of a pod, and what its author should know. */
export interface Injected {
  readonly patch: readonly PatchOperation[];
  readonly warnings: readonly string[];
}

/**
 * The changes that give a pod what `injection` holds. A pod that has it all is not changed: the API server may ask again. Where the pod
 * says something else under one of our names, ours is taken, with a warning. Throws an Error when an annotation names no container.
 */
export function inject(pod: ReviewedPod, injection: PodInjection): Injected {
  const patch = new JsonPatch(pod);
  const warnings: string[] = [];
  const set = (path: readonly (string | number)[], item: { readonly name: string }) => {
    if (patch.setNamed(path, item))
      warnings.push(`plugboard: ${path.join('.')} "${item.name}" is the task's; what the pod said there was replaced`);
  };
  for (const volume of injection.volumes) set(['spec', 'volumes'], volume);
  for (const container of injection.initContainers) set(['spec', 'initContainers'], container);
  const index = agentContainer(pod);
  const agent = ['spec', 'containers', index];
  const mounts = freeMounts(pod, index, injection);
  for (const variable of injection.env) set([...agent, 'env'], mounts.variable(variable));
  for (const mount of mounts.list) {
    const path = [...agent, 'volumeMounts'];
    if (patch.setNamed(path, mount)) warnings.push(`plugboard: the mount of "${mount.name}" was replaced`);
  }
  for (const container of injection.containers) set(['spec', 'containers'], container);
  setLabels(patch, pod, injection);
  return { patch: patch.operations, warnings: [...mounts.warnings, ...warnings, ...doubts(pod, injection)] };
}

function agentContainer({ metadata, spec }: ReviewedPod): number {
  const named = metadata?.annotations?.[containerAnnotation];
  const usual = metadata?.annotations?.[defaultContainerAnnotation];
  const find = (name: string | undefined) => spec.containers.findIndex((each) => each.name === name);
  if (named === undefined) return Math.max(find(usual), 0);
  const index = find(named);
  if (index !== -1) return index;
  const names = spec.containers.map(({ name }) => name).join(', ');
  throw new Error(`annotation ${containerAnnotation}: the pod has no container "${named}" (it has: ${names})`);
}

/** The mounts that the container can take: a path holds one volume only, and the pod's own comes first. */
function freeMounts(pod: ReviewedPod, index: number, { mounts }: PodInjection) {
  const taken = new Map((pod.spec.containers[index]?.volumeMounts ?? []).map((mount) => [mount.mountPath, mount.name]));
  const isFree = (path: string, name: string) => !taken.has(path) || taken.get(path) === name;
  const warnings: string[] = [];
  let configPath: string | undefined;
  const list = mounts.flatMap((mount, number) => {
    if (isFree(mount.mountPath, mount.name)) return [mount];
    const has = `plugboard: the pod has a volume of its own at ${mount.mountPath}`;
    if (number === 0 && isFree(otherConfigPath, mount.name)) {
      configPath = otherConfigPath;
      warnings.push(`${has}; the task's files are at ${otherConfigPath} (${configVariable})`);
      return [{ ...mount, mountPath: otherConfigPath }];
    }
    warnings.push(`${has}; "${mount.name}" is not mounted`);
    return [];
  });
  const variable = <Variable extends { readonly name: string }>(each: Variable): Variable =>
    each.name === configVariable && configPath !== undefined ? { ...each, value: configPath } : each;
  return { list, warnings, variable };
}

/** A label that the pod has stays: its controller finds it by those. Only the one that names the task is ours. */
function setLabels(patch: JsonPatch<ReviewedPod>, pod: ReviewedPod, { labels, annotations }: PodInjection): void {
  for (const [name, value] of Object.entries(labels))
    if (pod.metadata?.labels?.[name] === undefined) patch.setMember(['metadata', 'labels'], name, value);
  for (const [name, value] of Object.entries(annotations)) patch.setMember(['metadata', 'annotations'], name, value);
}

/** What a pod gives away that has a proxy with credentials beside its agent. */
function doubts({ spec }: ReviewedPod, { layout }: PodInjection): string[] {
  if (layout !== 'sidecar') return [];
  const shared =
    'plugboard: shareProcessNamespace lets the agent read the environment of its proxy, credentials included';
  const host = 'plugboard: hostNetwork puts the proxy on the loopback address of the node, where other pods reach it';
  return [...(spec.shareProcessNamespace === true ? [shared] : []), ...(spec.hostNetwork === true ? [host] : [])];
}
