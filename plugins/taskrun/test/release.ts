// A release of the chart: an object of it by its kind, and an API server that it can be applied to. No expectations live here.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { JsonObject } from 'plugboard';
import { kubectl, startKubernetes } from '@plugboard/test-kit';
import type { KubeObject, Kubernetes } from '@plugboard/test-kit';
import { certManagerCrds } from './cert-manager.ts';
import { chart } from './helm.ts';

export function find<Found extends object = JsonObject>(
  objects: readonly KubeObject[],
  kind: string,
): KubeObject & Found {
  const found = objects.find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found as KubeObject & Found;
}

const crds = () =>
  readdirSync(path.join(chart, 'crds')).map(
    (file) => parse(readFileSync(path.join(chart, 'crds', file), 'utf8')) as object,
  );

export async function cluster(): Promise<Kubernetes> {
  const started = await startKubernetes({ crds: [...crds(), ...certManagerCrds] });
  for (const name of ['tools', 'agents', 'elsewhere']) {
    const labels = { 'kubernetes.io/metadata.name': name };
    await started.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  }
  // A real API server puts this label on every namespace.
  await kubectl(started.kubeconfig, ['label', 'namespace', 'kube-system', 'kubernetes.io/metadata.name=kube-system']);
  return started;
}
