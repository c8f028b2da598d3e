// Writes the Secret and the ConfigMap that a task's pods refer to. What they hold is made in `render/`; when they are written is not decided here.
import type { KubernetesObject } from '../render/kubernetes-objects.ts';
import { dnsName, taskLabel } from '../render/kubernetes-names.ts';

/** As much of a client as is needed. */
export interface Requester {
  request(method: 'PATCH', path: string, body: object, contentType: string): Promise<unknown>;
}

const plurals: Readonly<Record<string, string>> = { ConfigMap: 'configmaps', Secret: 'secrets' };

/**
 * Applies objects (server-side apply), which needs the verbs create and patch and reads nothing. Each task writes under a name of its own
 * and takes nothing over from others: rejects with the API server's 409 where somebody else has written something else.
 */
export async function applyObjects(cluster: Requester, objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects) {
    const { name, namespace, labels } = object.metadata;
    const plural = plurals[object.kind];
    if (plural === undefined) throw new Error(`a ${object.kind} is not applied here`);
    const manager = dnsName(`plugboard-${labels[taskLabel] ?? ''}`, 128);
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`;
    await cluster.request('PATCH', `${path}?fieldManager=${manager}`, object, 'application/apply-patch+yaml');
  }
}
