// The test API server and kubectl for tests. Loaded when they are used: the schemas of all kinds take a second.
import type { Schema } from './kube-object.ts';
import type { Kubernetes, KubernetesOptions } from './kubernetes.ts';

export { testCertificate } from './certificate.ts';
export type { TestCertificate } from './certificate.ts';
export { structuralProblems } from './structural-rules.ts';
export { kubectl, kubectlMinor } from './kubectl.ts';
export type { KubectlOptions, KubectlResult } from './kubectl.ts';
export type { KubeObject } from './kube-object.ts';
export type { Kubernetes, KubernetesOptions } from './kubernetes.ts';
export type { AuditEntry } from './server.ts';

/** Starts a Kubernetes API server on a free port of 127.0.0.1: good enough for kubectl and for informers; nothing runs on it. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<Kubernetes> {
  const { start } = await import('./kubernetes.ts');
  return start(options);
}

/** What an API server finds wrong with a custom resource, `field: message` each: the schema of its definition, CEL rules, lists with keys. */
export async function customResourceProblems(crd: object, object: object, old?: object): Promise<string[]> {
  const [{ validate }, { addDefaults, prune }] = await Promise.all([import('./validation.ts'), import('./fields.ts')]);
  const { versions } = (crd as { spec: { versions: readonly { schema: { openAPIV3Schema: Schema } }[] } }).spec;
  const schema = versions[0]?.schema.openAPIV3Schema ?? {};
  const [value, before] = [object, old].map((each) => structuredClone(each));
  const metadata = { metadata: { 'x-kubernetes-preserve-unknown-fields': true } };
  const unknown = prune(value, { ...schema, properties: { ...schema.properties, ...metadata } });
  for (const each of [value, before]) addDefaults(each, schema);
  const causes = validate(value, schema, before);
  return [
    ...unknown.map((field) => `${field}: unknown field`),
    ...causes.map(({ field, message }) => `${field}: ${message}`),
  ];
}
