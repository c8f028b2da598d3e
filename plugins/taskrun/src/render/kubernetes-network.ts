// NetworkPolicies of the layout with one shared proxy: what a task's pods reach, and who reaches the proxy.
import type { Task } from '../task.ts';
import { dnsName, taskLabel, taskLabels } from './kubernetes-names.ts';
import { metadataOf } from './kubernetes-objects.ts';
import type { KubernetesObject } from './kubernetes-objects.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';

const networking = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' } as const;

const dns = {
  to: [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    },
  ],
  ports: [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ],
};

/** Namespace of a Service by its URL (`http://NAME.NAMESPACE.svc:PORT/…`). */
function namespaceOf(url: string): string | undefined {
  return /^[^.]+\.([a-z0-9-]+)\.svc(?:\.|$)/.exec(new URL(url).hostname)?.[1];
}

/**
 * Two policies. The task's pods accept nothing, and reach the proxy, DNS and what `egress` adds. The proxy's pods accept pods that belong
 * to a task; this one is the same for all tasks. `url` is the proxy's, as agents reach it.
 */
export function networkPolicies(task: Task, url: string, options: KubernetesOptions): KubernetesObject[] {
  const namespace = options.proxyNamespace ?? namespaceOf(url) ?? task.namespace;
  // Policies are held against pods, behind the Service's own port.
  const ports = [{ protocol: 'TCP', port: options.proxyPort }];
  const proxyPods = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    podSelector: { matchLabels: options.proxyLabels },
  };
  const agents = {
    ...networking,
    metadata: metadataOf(task, dnsName(`${task.name}-plugboard-agent`)),
    spec: {
      podSelector: { matchLabels: { [taskLabel]: taskLabels(task)[taskLabel] } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
      egress: [{ to: [proxyPods], ports }, dns, ...options.egress],
    },
  };
  const proxy = {
    ...networking,
    metadata: {
      name: 'plugboard-from-tasks',
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'plugboard' },
    },
    spec: {
      podSelector: { matchLabels: options.proxyLabels },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: taskLabel, operator: 'Exists' }] } },
          ],
          ports,
        },
      ],
    },
  };
  return [agents, proxy];
}
