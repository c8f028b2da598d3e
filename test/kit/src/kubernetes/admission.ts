// Mutating admission webhooks, as MutatingWebhookConfiguration objects describe them. Which objects are admitted is decided there.
import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import { ApiError } from './api-error.ts';
import { isObject } from './kube-object.ts';
import type { KubeObject } from './kube-object.ts';
import type { ObjectStore } from './object-store.ts';
import type { Admit, Write } from './operations.ts';
import { jsonPatch } from './patches.ts';
import type { Resources } from './resources.ts';
import { selection } from './selection.ts';

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: {
    readonly url?: string;
    readonly service?: {
      readonly name: string;
      readonly namespace: string;
      readonly path?: string;
      readonly port?: number;
    };
    readonly caBundle?: string;
  };
  readonly rules?: readonly {
    readonly operations: readonly string[];
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
  }[];
  readonly namespaceSelector?: Selector;
  readonly objectSelector?: Selector;
  readonly failurePolicy?: 'Fail' | 'Ignore';
  readonly timeoutSeconds?: number;
}

/** Where services are reached here: `namespace/name` to an origin such as `https://127.0.0.1:8443`. */
export type ServiceAddresses = ReadonlyMap<string, string>;

/** Sends new objects through all webhooks that want them, in the order of their names. */
export function admission(store: ObjectStore, resources: Resources, services: ServiceAddresses): Admit {
  return async (write, given) => {
    let object = given;
    for (const configuration of store.list(resources.builtIn('mutatingwebhookconfigurations'))) {
      for (const webhook of (configuration['webhooks'] ?? []) as readonly Webhook[]) {
        if (!wants(webhook, write, object, store, resources)) continue;
        object = await callWebhook(webhook, write, object, services);
      }
    }
    return object;
  };
}

function wants(
  webhook: Webhook,
  { resource, namespace }: Write,
  object: KubeObject,
  store: ObjectStore,
  resources: Resources,
): boolean {
  const matches = (list: readonly string[], value: string) => list.includes(value) || list.includes('*');
  const byRule = (webhook.rules ?? []).some(
    (rule) =>
      matches(rule.operations, 'CREATE') &&
      matches(rule.apiGroups, resource.group) &&
      matches(rule.resources, resource.plural),
  );
  if (!byRule || !selects(webhook.objectSelector, object)) return false;
  const place = namespace === undefined ? undefined : store.get(resources.builtIn('namespaces'), undefined, namespace);
  return place === undefined || selects(webhook.namespaceSelector, place);
}

const operators: Readonly<Record<string, string>> = { In: 'in', NotIn: 'notin' };

function selects(selector: Selector | undefined, object: KubeObject): boolean {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    return operator === 'DoesNotExist' ? `!${key}` : `${key} ${operators[operator]} (${values.join(',')})`;
  });
  return selection(new URLSearchParams({ labelSelector: [...labels, ...expressions].join(',') }))(object);
}

async function callWebhook(
  webhook: Webhook,
  write: Write,
  object: KubeObject,
  services: ServiceAddresses,
): Promise<KubeObject> {
  let response: Record<string, unknown>;
  try {
    response = await review(webhook, write, object, services);
  } catch (error) {
    if (webhook.failurePolicy === 'Ignore') return object;
    throw new ApiError('InternalError', `failed calling webhook "${webhook.name}": ${String(error)}`);
  }
  for (const text of (response['warnings'] ?? []) as readonly string[]) write.warn(text);
  if (response['allowed'] !== true) {
    const status = response['status'] as { message?: string } | undefined;
    throw new ApiError('Forbidden', `admission webhook "${webhook.name}" denied the request: ${status?.message ?? ''}`);
  }
  if (typeof response['patch'] !== 'string') return object;
  const patch: unknown = JSON.parse(Buffer.from(response['patch'], 'base64').toString());
  return jsonPatch(object, patch) as KubeObject;
}

async function review(
  webhook: Webhook,
  write: Write,
  object: KubeObject,
  services: ServiceAddresses,
): Promise<Record<string, unknown>> {
  const { group, version, kind, plural } = write.resource;
  const uid = randomUUID();
  const { namespace } = write;
  const body = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group, version, kind },
      resource: { group, version, resource: plural },
      operation: 'CREATE',
      ...(namespace === undefined ? {} : { namespace }),
      name: object.metadata.name ?? '',
      userInfo: { username: 'test' },
      object,
      oldObject: null,
      dryRun: write.dryRun,
      options: null,
    },
  };
  const answer: unknown = JSON.parse(await post(webhook, JSON.stringify(body), services));
  const response = isObject(answer) ? answer['response'] : undefined;
  if (!isObject(response) || response['uid'] !== uid)
    throw new Error('its answer has no response with the uid of the request');
  return response;
}

function post(
  { clientConfig, timeoutSeconds = 10 }: Webhook,
  body: string,
  services: ServiceAddresses,
): Promise<string> {
  const { url, service, caBundle } = clientConfig;
  const origin = service === undefined ? undefined : services.get(`${service.namespace}/${service.name}`);
  if (url === undefined && origin === undefined) throw new Error('its service has no address here');
  const address = url ?? new URL(service?.path ?? '/', origin).href;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      address,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        timeout: timeoutSeconds * 1000,
        agent: false,
        ...(caBundle === undefined ? {} : { ca: Buffer.from(caBundle, 'base64') }),
        // The API server checks the certificate against the name of the service, wherever it runs.
        ...(service === undefined ? {} : { servername: `${service.name}.${service.namespace}.svc` }),
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () =>
          incoming.statusCode === 200 ? resolve(text) : reject(new Error(`HTTP ${incoming.statusCode}`)),
        );
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutSeconds} s`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
