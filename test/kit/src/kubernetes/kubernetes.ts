// A Kubernetes API server for tests: objects, schemas, watches and tokens, but no controllers; nothing runs. What tests do with it is here.
import { randomBytes } from 'node:crypto';
import { ApiServer } from './server.ts';
import type { AuditEntry } from './server.ts';
import type { KubeObject } from './kube-object.ts';

export interface KubernetesOptions {
  /** Custom resource definitions, as objects. More can be applied later, with kubectl as well. */
  readonly crds?: readonly object[];
  /** Bearer token that may do everything. Default: a random one. */
  readonly token?: string;
  /** Version that it claims; kubectl's dispatcher picks its own by it. Default: `1.32`. */
  readonly version?: string;
}

export interface Kubernetes {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  readonly token: string;
  /** PEM of the authority that clients must trust. */
  readonly ca: string;
  /** Text of a kubeconfig for {@link Kubernetes.token}. */
  readonly kubeconfig: string;
  /** All requests so far, oldest first. */
  readonly audit: readonly AuditEntry[];
  /** Creates an object without HTTP, in `default` unless it names a namespace. */
  create(object: object): Promise<KubeObject>;
  /** A kubeconfig for somebody else: who may do what roles and their bindings allow. */
  kubeconfigFor(user: string, token?: string): string;
  /** A token for somebody else, e.g. `system:serviceaccount:NAMESPACE:NAME`. */
  grantToken(user: string, token?: string): string;
  /** The token is answered 401 from now on. */
  revokeToken(token: string): void;
  /** Where a service is reached, for webhooks: `namespace/name` and an origin. */
  address(service: string, origin: string): void;
  /** Ends all connections and watches; clients may connect again. */
  dropConnections(): void;
  /** Forgets the history: a watch from an earlier version gets 410. */
  forget(): void;
  /** Ends all connections and refuses new ones until {@link Kubernetes.comeBack}. */
  goAway(): void;
  comeBack(): void;
  stop(): Promise<void>;
}

/** Starts a test API server on a free port of 127.0.0.1; whoever starts it stops it. */
export async function start({
  crds = [],
  token = randomBytes(16).toString('hex'),
  version = '1.32',
}: KubernetesOptions): Promise<Kubernetes> {
  const server = new ApiServer(token, version);
  const url = await server.listen();
  const ca = server.certificate.cert;
  for (const crd of crds) await server.create(crd);
  const grantToken = (user: string, granted = randomBytes(16).toString('hex')) => {
    server.access.grant(granted, user);
    return granted;
  };
  return {
    url,
    token,
    ca,
    kubeconfig: kubeconfigOf(url, ca, token),
    audit: server.audit,
    create: (object) => server.create(object),
    grantToken,
    kubeconfigFor: (user, granted) => kubeconfigOf(url, ca, grantToken(user, granted)),
    revokeToken: (revoked) => server.access.revoke(revoked),
    address: (service, origin) => server.services.set(service, origin),
    dropConnections: () => server.dropConnections(),
    forget: () => server.store.forget(),
    goAway: () => {
      server.present = false;
      server.dropConnections();
    },
    comeBack: () => (server.present = true),
    stop: () => server.close(),
  };
}

function kubeconfigOf(server: string, ca: string, token: string): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'default' } }],
    'current-context': 'test',
  });
}
