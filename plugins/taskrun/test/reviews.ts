// Pods, reviews of them, and what the webhook's handler makes of them, for tests. No expectations live here.
import type { JsonObject, Log } from 'plugboard';
import { findTask } from '../src/render/kubernetes-names.ts';
import { kubernetesOptions } from '../src/render/kubernetes-options.ts';
import type { KubernetesInput } from '../src/render/kubernetes-options.ts';
import { podInjection } from '../src/render/kubernetes-pod.ts';
import { admissionHandler } from '../src/webhook/admission.ts';
import type { TaskLookup } from '../src/webhook/admission.ts';
import type { Task } from '../src/task.ts';
import { inputOf } from './kubernetes-task.ts';

export interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [member: string]: unknown;
}

export interface Pod {
  readonly metadata: { labels?: Record<string, string>; annotations?: Record<string, string>; name?: string };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly { readonly name: string; readonly [source: string]: unknown }[];
    readonly [member: string]: unknown;
  };
}

export interface Operation {
  readonly op: 'add' | 'replace';
  readonly path: string;
  readonly value: unknown;
}

/** RFC 6902, as far as add and replace go, written from the RFC: strict about what has to exist. */
export function applyPatch<Value>(value: Value, operations: readonly Operation[]): Value {
  const root = { document: structuredClone(value) as unknown };
  for (const { op, path: pointer, value: added } of operations) {
    const keys = pointer
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    let holder = root.document as Record<string, unknown>;
    for (const key of keys) {
      if (!(key in holder)) throw new Error(`${pointer}: there is no ${key}`);
      holder = holder[key] as Record<string, unknown>;
    }
    if (typeof holder !== 'object' || holder === null) throw new Error(`${pointer}: not in an object`);
    if (op === 'replace' && !(last in holder)) throw new Error(`${pointer}: nothing to replace`);
    if (!Array.isArray(holder)) holder[last] = structuredClone(added);
    else if (op === 'add') holder.splice(last === '-' ? holder.length : Number(last), 0, structuredClone(added));
    else holder[Number(last)] = structuredClone(added);
  }
  return root.document as Value;
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function lookupOf(tasks: readonly Task[], input: KubernetesInput = {}): TaskLookup {
  const options = kubernetesOptions.parse(input);
  return {
    task: (namespace, labels) => findTask(tasks, namespace, labels),
    render: (task) => podInjection(inputOf(task), options),
  };
}

export function reviewOf(pod: unknown, request: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'review-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      operation: 'CREATE',
      namespace: 'agents',
      dryRun: false,
      object: pod,
      ...request,
    },
  };
}

export function podOf(
  labels: Record<string, string>,
  changes: Partial<Pod['spec']> = {},
  annotations?: Record<string, string>,
): Pod {
  return {
    metadata: { labels, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      containers: [
        { name: 'agent', image: 'agent:1' },
        { name: 'helper', image: 'helper:1' },
      ],
      ...changes,
    },
  };
}

/** Asks the handler and applies its patch. */
export async function decide(
  lookup: TaskLookup,
  pod: unknown,
  request: JsonObject = {},
  unknownTask: 'deny' | 'warn' = 'deny',
) {
  const admission = await admissionHandler(lookup, { unknownTask })(reviewOf(pod, request));
  if (admission === undefined) throw new Error('the review was not read');
  const { response } = admission.review;
  const text = response.patch === undefined ? '[]' : Buffer.from(response.patch, 'base64').toString();
  const operations = JSON.parse(text) as Operation[];
  return { ...response, admission, operations, text, pod: applyPatch(pod, operations) as Pod };
}
