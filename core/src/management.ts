// The contract of the service `management`: how any plugin adds routes and events to the management API. Types, and the error of a route.
import { hasBrand } from './errors.ts';
import type { JsonObject } from './protocol/messages.ts';
import type * as z from './z.ts';

/** What a credential of the management API may do; each role may do all that the ones before it may. */
export type Role = 'viewer' | 'operator' | 'admin';

/** Who makes a request of the management API. */
export interface Actor {
  /** Name of the token, for journals; never the token. */
  readonly name: string;
  readonly role: Role;
}

/** One request, validated by the schemas of its route. */
export interface RouteRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly actor: Actor;
  /** Version that `If-Match` demands (without quotes), or undefined when the header is not there or `*`. */
  readonly ifMatch: string | undefined;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

/** What a route answers. */
export interface RouteResult {
  readonly body?: unknown;
  /** Default: 200, or 204 without a body. */
  readonly status?: number;
  /** Version of what is shown: becomes `ETag`. */
  readonly version?: string | number | undefined;
  /** Path below the API of what was created: becomes `Location`. */
  readonly location?: string;
}

/** One route of the management API, below `/api/v1`. The OpenAPI document is made of these. */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** E.g. `/tasks/:id/context`. A parameter is one segment, percent-decoded. */
  readonly path: string;
  /** The least role that may use it. */
  readonly role: Role;
  /** `listTasks`: unique, for clients made of the document. */
  readonly operation: string;
  readonly summary: string;
  readonly description?: string;
  /** Strict objects of strings (coerced by the schema where needed). Left out: none are taken. */
  readonly params?: Params;
  readonly query?: Query;
  /** Of a JSON body. Left out: none is taken. */
  readonly body?: Body;
  /** Of the answer's body; documents it. */
  readonly result?: z.ZodType;
  /** Bytes of the largest body; default 1 MiB. */
  readonly maxBody?: number;
  /** True when the answer holds a secret: it is neither kept for a repeated `Idempotency-Key` nor cached. */
  readonly secret?: boolean;
  run(request: RouteRequest<z.output<Params>, z.output<Query>, z.output<Body>>): RouteResult | Promise<RouteResult>;
}

/** Gives a route's `run` the types of its own schemas. */
export function route<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(
  definition: Route<Params, Query, Body>,
): Route {
  return definition;
}

/** The query of every list, as a part of its schema: page size and where to go on. */
export interface PageQuery {
  readonly limit: number;
  readonly after?: string | undefined;
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Value of `after` for the next page; undefined: this is the last. */
  readonly next: string | undefined;
}

/** One page of what is all there: items sorted by key. */
export function pageOf<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  { limit, after }: PageQuery,
): Page<Item> {
  const rest = [...items]
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .filter((item) => after === undefined || key(item) > after);
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, next: rest.length > shown.length && last !== undefined ? key(last) : undefined };
}

/** Something that happened, for the event stream. */
export interface ManagementEvent {
  /** `task.changed`, `server.changed`, `session.started`, … */
  readonly type: string;
  /** What it happened to. */
  readonly subject: string;
  /** No secrets. */
  readonly data?: JsonObject | undefined;
}

/** The service `management`. */
export interface Management {
  /** Adds routes. Returns the way to take them back. Throws when one is there already. */
  add(routes: readonly Route[]): () => void;
  /** Puts an event on the stream. */
  publish(event: ManagementEvent): void;
}

const problemBrand = Symbol.for('plugboard.problem');

/** An error of a route: becomes a problem document (RFC 9457). */
export class Problem extends Error {
  readonly [problemBrand] = true;
  readonly status: number;
  /** Short name of the kind of problem, e.g. `task-unknown`: the last part of `type`. */
  readonly code: string;
  /** More members of the document. */
  readonly extra: JsonObject;
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, problemBrand);
  }
  /** `detail` says what is wrong and what to do now. */
  constructor(status: number, code: string, detail: string, extra: JsonObject = {}) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}
