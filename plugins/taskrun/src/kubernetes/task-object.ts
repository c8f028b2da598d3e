// What is read of a task's object in the API server, and where it is found there.
import type { Kind } from '../schema/kinds.ts';

/** The finalizer that lets the proxy revoke a task's token before its object is gone. */
export const finalizer = 'orchestrator.io/plugboard';

export interface TaskObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Path of all objects of a kind, in a namespace or in all. */
export function listPath({ group, version, plural }: Kind, namespace: string | undefined): string {
  const place = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `/apis/${group}/${version}${place}/${plural}`;
}

/** Path of one object. */
export function objectPath(kind: Kind, { metadata }: TaskObject): string {
  return `${listPath(kind, metadata.namespace)}/${encodeURIComponent(metadata.name)}`;
}

/** The id of the task that an object describes. */
export function taskId({ metadata }: TaskObject): string {
  return metadata.namespace === 'default' ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** For messages. */
export function labelOf(kind: Kind, { metadata }: TaskObject): string {
  return `${kind.kind} ${metadata.namespace}/${metadata.name}`;
}
