// The kinds that the test API server serves: a table of those that are built in, and those that custom resource definitions add.
import { builtInSchema } from './built-in-schema.ts';
import { groupVersion, isObject } from './kube-object.ts';
import type { Column, KubeObject, Resource, Schema } from './kube-object.ts';

const yes = true;
const no = false;

/** Group and version, kind, plural, short names, namespaced, with status. */
const builtIn: readonly (readonly [string, string, string, readonly string[], boolean, boolean])[] = [
  ['v1', 'Namespace', 'namespaces', ['ns'], no, yes],
  ['v1', 'Pod', 'pods', ['po'], yes, yes],
  ['v1', 'ConfigMap', 'configmaps', ['cm'], yes, no],
  ['v1', 'Secret', 'secrets', [], yes, no],
  ['v1', 'Service', 'services', ['svc'], yes, yes],
  ['v1', 'ServiceAccount', 'serviceaccounts', ['sa'], yes, no],
  ['v1', 'Event', 'events', ['ev'], yes, no],
  ['v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', ['pvc'], yes, yes],
  ['apps/v1', 'Deployment', 'deployments', ['deploy'], yes, yes],
  ['apps/v1', 'StatefulSet', 'statefulsets', ['sts'], yes, yes],
  ['batch/v1', 'Job', 'jobs', [], yes, yes],
  ['networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', ['netpol'], yes, no],
  ['networking.k8s.io/v1', 'Ingress', 'ingresses', ['ing'], yes, yes],
  ['policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', ['pdb'], yes, yes],
  ['coordination.k8s.io/v1', 'Lease', 'leases', [], yes, no],
  ['rbac.authorization.k8s.io/v1', 'Role', 'roles', [], yes, no],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings', [], yes, no],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', [], no, no],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', [], no, no],
  ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', 'mutatingwebhookconfigurations', [], no, no],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', ['crd', 'crds'], no, yes],
];

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** The kinds of the server; definitions come and go. */
export class Resources {
  readonly #custom = new Map<string, Resource>();
  readonly #builtIn: readonly Resource[] = builtIn.map(([version, kind, plural, shortNames, namespaced, status]) => ({
    ...splitVersion(version),
    kind,
    plural,
    singular: kind.toLowerCase(),
    shortNames,
    categories: [],
    namespaced,
    statusSubresource: status,
    custom: false,
    columns: [age],
    schema: builtInSchema(kind),
  }));

  get all(): readonly Resource[] {
    return [...this.#builtIn, ...this.#custom.values()];
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.all.find((each) => each.group === group && each.version === version && each.plural === plural);
  }

  /** A kind that is surely there. */
  builtIn(plural: string): Resource {
    const found = this.#builtIn.find((each) => each.plural === plural);
    if (found === undefined) throw new Error(`${plural} are not built in`);
    return found;
  }

  /** Takes over a definition, or takes it away. Only the first version that is served counts. */
  define(crd: KubeObject, present: boolean): void {
    const resource = customResource(crd);
    if (present) this.#custom.set(crd.metadata.name ?? '', resource);
    else this.#custom.delete(crd.metadata.name ?? '');
  }
}

interface CrdVersion {
  readonly name: string;
  readonly schema?: { readonly openAPIV3Schema?: Schema };
  readonly subresources?: { readonly status?: object };
  readonly additionalPrinterColumns?: readonly Column[];
}

interface CrdNames {
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

function customResource({ spec = {} }: KubeObject): Resource {
  const [version] = spec['versions'] as readonly CrdVersion[];
  const names = spec['names'] as CrdNames;
  if (version === undefined || !isObject(names)) throw new Error('a definition without versions or names');
  return {
    group: String(spec['group']),
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: spec['scope'] === 'Namespaced',
    statusSubresource: version.subresources?.status !== undefined,
    custom: true,
    columns: version.additionalPrinterColumns ?? [age],
    schema: version.schema?.openAPIV3Schema,
  };
}

function splitVersion(text: string): { group: string; version: string } {
  const [first = '', second] = text.split('/');
  return second === undefined ? { group: '', version: first } : { group: first, version: second };
}

/** The kinds of one group and version, by `v1` or `apps/v1`. */
export function byGroupVersion(resources: readonly Resource[]): Map<string, Resource[]> {
  const groups = new Map<string, Resource[]>();
  for (const resource of resources) {
    const name = groupVersion(resource);
    groups.set(name, [...(groups.get(name) ?? []), resource]);
  }
  return groups;
}
