// What every object for a task in a cluster has in common, and how objects become YAML that kubectl reads as it was meant.
import { Document, visit } from 'yaml';
import type { JsonObject } from 'plugboard';
import type { Task } from '../task.ts';
import { taskLabels } from './kubernetes-names.ts';

/** A manifest as a plain object. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly JsonObject[];
  };
  readonly [member: string]: unknown;
}

/** Metadata of an object in the task's namespace; it goes when the task's object goes, where that is in the cluster. */
export function metadataOf(task: Task, name: string): KubernetesObject['metadata'] {
  const owner = ownerOf(task);
  return {
    name,
    namespace: task.namespace,
    labels: { ...taskLabels(task), 'app.kubernetes.io/managed-by': 'plugboard' },
    ...(owner === undefined ? {} : { ownerReferences: [owner] }),
  };
}

function ownerOf({ source, object, name }: Task): JsonObject | undefined {
  const { apiVersion, kind, metadata } = object as { apiVersion?: string; kind?: string; metadata?: { uid?: string } };
  const uid = metadata?.uid;
  if (source !== 'kubernetes' || apiVersion === undefined || kind === undefined || uid === undefined) return undefined;
  return { apiVersion, kind, name, uid };
}

/** Line breaks of YAML 1.1 (and the byte order mark) that YAML 1.2 takes for ordinary characters. */
const oldBreaks = /[\u0085\u2028\u2029\ufeff]/g;

/** Objects as one YAML stream. What YAML 1.1 (kubectl's) takes for something else, such as `on`, is quoted. */
export function toYaml(objects: readonly object[]): string {
  return objects.map(yamlOf).join('---\n');
}

function yamlOf(object: object): string {
  const document = new Document(object, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && node.value.search(oldBreaks) !== -1) node.type = 'QUOTE_DOUBLE';
    },
  });
  const text = document.toString({ lineWidth: 0 });
  // They stand in double quotes only, where they may be escaped.
  return text.replace(oldBreaks, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
