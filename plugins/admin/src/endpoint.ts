// What the API is made of inside: routes as plugins add them, and the few endpoints that answer by something else than JSON.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor, Route, z } from 'plugboard';

/** What a raw endpoint is handed: the request, validated, and the response to write. */
export interface RawExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: unknown;
  readonly actor: Actor | undefined;
}

/** What a raw endpoint answers at once; undefined: it writes to the response itself. */
export interface RawAnswer {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A GET endpoint that answers with another media type. */
export interface RawEndpoint extends Omit<Route, 'run' | 'method' | 'params' | 'body'> {
  readonly method: 'GET';
  readonly media: string;
  /** Its group in the document; without it the first part of its path. */
  readonly group?: string;
  /** Headers of the request that it reads, for the document: name → meaning. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses of refusals beside the usual ones. */
  readonly refusals?: readonly number[];
  /** True when nobody needs a credential for it now. */
  readonly open?: () => boolean;
  respond(exchange: RawExchange): RawAnswer | undefined;
}

export type Endpoint = Route | RawEndpoint;

/** True for an endpoint that answers by itself. */
export function isRaw(endpoint: Endpoint): endpoint is RawEndpoint {
  return 'respond' in endpoint;
}

/** True when a request of the endpoint may change something. */
export function isWrite({ method }: Pick<Endpoint, 'method'>): boolean {
  return method !== 'GET';
}

/** The schemas of an endpoint by where their values stand. */
export function schemasOf(endpoint: Endpoint): {
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
} {
  const { query } = endpoint;
  return isRaw(endpoint)
    ? { params: undefined, query, body: undefined }
    : { params: endpoint.params, query, body: endpoint.body };
}
