// The two sides of an AdmissionReview (admission.k8s.io/v1): what is read of a request, and the answers there are. Decisions are made elsewhere.
import type { V1Pod } from '@kubernetes/client-node';
import { z } from 'plugboard';
import type { PatchOperation } from './json-patch.ts';

const version = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' } as const;

const request = z.looseObject({
  uid: z.string().min(1).max(256),
  kind: z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }),
  operation: z.string(),
  namespace: z.string().default(''),
  dryRun: z.boolean().default(false),
  object: z.unknown(),
});

const review = z.looseObject({
  apiVersion: z.literal(version.apiVersion),
  kind: z.literal(version.kind),
  request,
});

const container = z.looseObject({ name: z.string() });

const strings = z.record(z.string(), z.string());

/** As much of a pod as has to be right before anything is added to it. */
const pod = z.looseObject({
  metadata: z.looseObject({ labels: strings.optional(), annotations: strings.optional() }).optional(),
  spec: z.looseObject({ containers: z.array(container).min(1), initContainers: z.array(container).optional() }),
});

export type ReviewRequest = z.output<typeof request>;

/** A pod as it is read here. */
export type ReviewedPod = V1Pod & { spec: NonNullable<V1Pod['spec']> };

/** Reads a review, or undefined when it is none. */
export function readReview(body: unknown): ReviewRequest | undefined {
  const read = review.safeParse(body);
  return read.success ? read.data.request : undefined;
}

/** The pod that a request is about; undefined when it is about something else, or when that is no pod. */
export function readPod({ kind, operation, object }: ReviewRequest): ReviewedPod | undefined {
  const isPod = kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';
  return isPod && operation === 'CREATE' && pod.safeParse(object).success ? (object as ReviewedPod) : undefined;
}

/** An answer, as the API server reads it. */
export interface AdmissionReview {
  readonly apiVersion: string;
  readonly kind: string;
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: 'JSONPatch';
    /** Base64 of a JSON Patch (RFC 6902). */
    readonly patch?: string;
    readonly warnings?: readonly string[];
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  };
}

/** The request goes on, changed by the patch. Warnings are shown to whoever made the pod. */
export function allowed(
  { uid }: ReviewRequest,
  patch: readonly PatchOperation[] = [],
  warnings: readonly string[] = [],
): AdmissionReview {
  return {
    ...version,
    response: {
      uid,
      allowed: true,
      ...(patch.length === 0
        ? {}
        : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}

/** The request is refused. */
export function refused({ uid }: ReviewRequest, code: 403 | 422 | 500, message: string): AdmissionReview {
  const reason = { 403: 'Forbidden', 422: 'Invalid', 500: 'InternalError' }[code];
  return { ...version, response: { uid, allowed: false, status: { code, reason, message } } };
}
