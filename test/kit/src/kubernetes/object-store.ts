// All objects of the test API server in memory, their versions, and the history that watches are served from.
import { groupVersion, keyOf } from './kube-object.ts';
import type { KubeObject, Resource } from './kube-object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface Change {
  readonly revision: number;
  readonly resource: string;
  readonly type: ChangeType;
  readonly object: KubeObject;
  /** As it was before; undefined for new ones. */
  readonly before: KubeObject | undefined;
}

export class ObjectStore {
  /** Version of the newest change. */
  revision = 100;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #history: Change[] = [];
  /** Changes up to this revision are no longer known. */
  #forgotten = 100;

  get(resource: Resource, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#of(resource).get(keyOf(namespace, name));
  }

  /** In the order of their names, as etcd keeps them. */
  list(resource: Resource, namespace?: string): KubeObject[] {
    const all = [...this.#of(resource)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Keeps the object under a new version and tells who watches. Returns it as it is kept. */
  put(resource: Resource, object: KubeObject, type: 'ADDED' | 'MODIFIED'): KubeObject {
    return this.#commit(resource, object, type);
  }

  remove(resource: Resource, object: KubeObject): KubeObject {
    return this.#commit(resource, object, 'DELETED');
  }

  /** Changes after a revision, or undefined when they are no longer known. */
  since(revision: number): readonly Change[] | undefined {
    return revision < this.#forgotten ? undefined : this.#history.filter((change) => change.revision > revision);
  }

  /** Forgets the history: whoever watches from an earlier version gets 410. */
  forget(): void {
    this.revision++;
    this.#forgotten = this.revision;
    this.#history = [];
  }

  /** Calls for each change from now on. Returns the way to stop. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #commit(resource: Resource, given: KubeObject, type: ChangeType): KubeObject {
    const object = structuredClone(given);
    object.metadata.resourceVersion = String(++this.revision);
    const key = keyOf(object.metadata.namespace, object.metadata.name ?? '');
    const before = this.#of(resource).get(key);
    if (type === 'DELETED') this.#of(resource).delete(key);
    else this.#of(resource).set(key, object);
    const change = { revision: this.revision, resource: nameOf(resource), type, object, before };
    this.#history.push(change);
    for (const listener of [...this.#listeners]) listener(change);
    return object;
  }

  #of(resource: Resource): Map<string, KubeObject> {
    const name = nameOf(resource);
    let objects = this.#objects.get(name);
    if (objects === undefined) {
      objects = new Map();
      this.#objects.set(name, objects);
    }
    return objects;
  }
}

export const nameOf = (resource: Resource) => `${groupVersion(resource)}/${resource.plural}`;
