// What NetworkPolicies let through, for tests of policies. No expectations live here.

interface Peer {
  readonly namespaceSelector?: Selector;
  readonly podSelector?: Selector;
}
interface Selector {
  readonly matchLabels?: Record<string, string>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string }[];
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port?: number; readonly protocol: string }[];
}
export interface Policy {
  readonly metadata: { readonly namespace: string };
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly string[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}
export interface Place {
  readonly namespace: string;
  readonly labels: Record<string, string>;
}

const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Record<string, string>) =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator }) => operator === 'Exists' && key in labels);

/** What NetworkPolicies say of one connection, by the rules of the documentation: allowed by both ends, each free when no policy selects it. */
export function passes(policies: readonly Policy[], from: Place, to: Place, port: number, protocol = 'TCP'): boolean {
  const side = (type: 'Ingress' | 'Egress', self: Place, other: Place) => {
    const own = policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === self.namespace &&
        spec.policyTypes.includes(type) &&
        selects(spec.podSelector, self.labels),
    );
    const rules = own.flatMap(({ spec }) => (type === 'Ingress' ? spec.ingress : spec.egress) ?? []);
    const fits = (peer: Peer) =>
      (peer.namespaceSelector === undefined
        ? self.namespace === other.namespace
        : selects(peer.namespaceSelector, { 'kubernetes.io/metadata.name': other.namespace })) &&
      (peer.podSelector === undefined || selects(peer.podSelector, other.labels));
    return (
      own.length === 0 ||
      rules.some(
        (rule) =>
          ((type === 'Ingress' ? rule.from : rule.to)?.some(fits) ?? true) &&
          (rule.ports?.some((each) => (each.port ?? port) === port && each.protocol === protocol) ?? true),
      )
    );
  };
  return side('Egress', from, to) && side('Ingress', to, from);
}
