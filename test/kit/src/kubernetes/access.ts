// Who may do what: bearer tokens, and the roles that are kept as objects. The first token may do everything.
import { ApiError } from './api-error.ts';
import { qualifiedName } from './kube-object.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import type { ObjectStore } from './object-store.ts';
import type { Resources } from './resources.ts';

const administrator = 'admin';

/** What a request wants to do. */
export interface Attempt {
  readonly verb: string;
  readonly resource: Resource;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

interface Rule {
  readonly verbs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export class Access {
  readonly #users = new Map<string, string>();
  readonly #store: ObjectStore;
  readonly #resources: Resources;

  constructor(token: string, store: ObjectStore, resources: Resources) {
    this.#users.set(token, administrator);
    this.#store = store;
    this.#resources = resources;
  }

  /** A token for somebody else, e.g. `system:serviceaccount:agents:plugboard`. */
  grant(token: string, user: string): void {
    this.#users.set(token, user);
  }

  /** The token is unknown from now on. */
  revoke(token: string): void {
    this.#users.delete(token);
  }

  /** The name of whoever sent the header `Authorization`. Throws 401. */
  authenticate(header: string | undefined): string {
    const user = this.#users.get(/^Bearer (.+)$/i.exec(header ?? '')?.[1] ?? '');
    if (user === undefined) throw new ApiError('Unauthorized', 'Unauthorized');
    return user;
  }

  /** Throws 403 unless a role allows it. */
  authorize(user: string, attempt: Attempt): void {
    if (user === administrator) return;
    const { verb, resource, subresource, namespace, name } = attempt;
    const wanted = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
    const allows = ({ verbs = [], apiGroups = [], resources = [], resourceNames = [] }: Rule) =>
      has(verbs, verb) &&
      has(apiGroups, resource.group) &&
      has(resources, wanted) &&
      (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)));
    if ([...this.#rules(user, namespace)].some(allows)) return;
    const place = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    const what = `resource "${wanted}" in API group "${resource.group}" ${place}`;
    throw new ApiError('Forbidden', `${qualifiedName(resource)} is forbidden: User "${user}" cannot ${verb} ${what}`);
  }

  *#rules(user: string, namespace: string | undefined): Iterable<Rule> {
    for (const binding of this.#list('clusterrolebindings')) {
      if (isBound(binding, user)) yield* this.#rulesOf(binding, undefined);
    }
    if (namespace === undefined) return;
    for (const binding of this.#list('rolebindings', namespace)) {
      if (isBound(binding, user)) yield* this.#rulesOf(binding, namespace);
    }
  }

  #rulesOf(binding: KubeObject, namespace: string | undefined): readonly Rule[] {
    const { kind, name } = binding['roleRef'] as { kind: string; name: string };
    const role =
      kind === 'ClusterRole'
        ? this.#store.get(this.#resources.builtIn('clusterroles'), undefined, name)
        : this.#store.get(this.#resources.builtIn('roles'), namespace, name);
    return (role?.['rules'] ?? []) as readonly Rule[];
  }

  #list(plural: string, namespace?: string): KubeObject[] {
    return this.#store.list(this.#resources.builtIn(plural), namespace);
  }
}

const has = (list: readonly string[], value: string) => list.includes(value) || list.includes('*');

function isBound({ subjects = [] }: KubeObject & { subjects?: readonly Subject[] }, user: string): boolean {
  return subjects.some(({ kind, name, namespace }) =>
    kind === 'ServiceAccount'
      ? user === `system:serviceaccount:${namespace}:${name}`
      : kind === 'User' && user === name,
  );
}
