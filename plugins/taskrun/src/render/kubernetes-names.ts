// Names and labels of what belongs to a task in a cluster, and which task a pod belongs to. What the objects hold lives in the files beside.
import { createHash } from 'node:crypto';
import type { Task } from '../task.ts';

/** The label that binds a pod to its task: the name of the task's object. */
export const taskLabel = 'orchestrator.io/task';

/** Set on pods that were changed by the webhook: the layout. */
export const injectedAnnotation = 'orchestrator.io/injected';

/** Names the container of the agent; without it, kubectl's default container, else the first one. */
export const containerAnnotation = 'orchestrator.io/agent-container';

const maxName = 253;
const maxLabel = 63;

/** Letters of the hash that tells apart what reads the same once it is shortened or cleaned. */
const hashLength = 8;

/**
 * A name for an object in Kubernetes (RFC 1123, lower case, at most `max` characters). Text that is a name already stays as it is; what
 * has to be changed gets a hash of the original, so that two texts never become one name.
 */
export function dnsName(text: string, max: number = maxName): string {
  const clean = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return clean === text && clean.length <= max ? clean : shortened(clean, text, max);
}

/** A value for a label (at most 63 characters), by the same rule as {@link dnsName}. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const clean = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[._-]+|[._-]+$/g, '');
  return shortened(clean, text, maxLabel);
}

function shortened(clean: string, original: string, max: number): string {
  const hash = createHash('sha256').update(original).digest('hex').slice(0, hashLength);
  const start = clean.slice(0, max - hashLength - 1).replace(/[._-]+$/, '');
  return start === '' ? hash : `${start}-${hash}`;
}

/** ConfigMap of the agent's files: `{agent}-{service}-task{id}-v{contextVersion}-files`. */
export function configMapName(task: Task): string {
  const { agentName, serviceName, taskId } = task.spec;
  return dnsName(`${agentName}-${serviceName}-task${taskId}-v${task.contextVersion}-files`);
}

/** Secret of the task's token. Made of the object's own name, which no other task of the namespace has. */
export function secretName(task: Task): string {
  return dnsName(`${task.name}-plugboard-token`);
}

/** Secret of the configuration of the task's own proxy (layout `sidecar`). */
export function proxySecretName(task: Task): string {
  return dnsName(`${task.name}-plugboard-proxy`);
}

/** Labels of a task's pods and of all that is made for them. */
export function taskLabels(task: Task): Record<string, string> {
  const { taskId, serviceName, agentName } = task.spec;
  return {
    [taskLabel]: labelValue(task.name),
    'task-id': String(taskId),
    'service-name': labelValue(serviceName),
    'agent-name': labelValue(agentName),
    'context-version': String(task.contextVersion),
  };
}

/**
 * The task that a pod belongs to: the one that its label {@link taskLabel} names, else the only one with its `task-id` and `service-name`
 * (and `agent-name`, where the pod has that). Tasks of other namespaces are never taken; undefined when none fits, or more than one.
 */
export function findTask(
  tasks: Iterable<Task>,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): Task | undefined {
  const wanted = [taskLabel, 'task-id', 'service-name', 'agent-name'].filter((name) => labels[name] !== undefined);
  const named = labels[taskLabel] === undefined ? wanted : [taskLabel];
  if (labels[taskLabel] === undefined && !(wanted.includes('task-id') && wanted.includes('service-name')))
    return undefined;
  const found: Task[] = [];
  for (const task of tasks) {
    if (task.namespace !== namespace) continue;
    const own = taskLabels(task);
    if (named.every((name) => own[name] === labels[name])) found.push(task);
  }
  return found.length === 1 ? found[0] : undefined;
}

/** True when the labels of a pod say that it is a task's. */
export function namesTask(labels: Readonly<Record<string, string>>): boolean {
  return labels[taskLabel] !== undefined || (labels['task-id'] !== undefined && labels['service-name'] !== undefined);
}
