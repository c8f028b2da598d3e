// Objects as the rows that `kubectl get` prints.
import type { KubeObject, Resource } from './kube-object.ts';
import { valueAt } from './selection.ts';

/** A Table of meta.k8s.io/v1. */
export function tableOf(
  resource: Resource,
  objects: readonly KubeObject[],
  resourceVersion: string,
  full: boolean,
): object {
  const columns = [{ name: 'Name', type: 'string', format: 'name', description: '', priority: 0 }].concat(
    resource.columns.map(({ name, type, priority = 0 }) => ({ name, type, format: '', description: '', priority })),
  );
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion },
    columnDefinitions: columns,
    rows: objects.map((object) => ({
      cells: [
        object.metadata.name,
        ...resource.columns.map(({ type, jsonPath }) => cell(valueAt(object, jsonPath), type)),
      ],
      object: full
        ? object
        : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
    })),
  };
}

function cell(value: unknown, type: string): unknown {
  if (value === undefined) return type === 'string' || type === 'date' ? '' : null;
  return type === 'date' ? age(String(value)) : value;
}

function age(since: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)}m` : `${Math.floor(seconds / 3600)}h`;
}
