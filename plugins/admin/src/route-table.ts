// All endpoints there are: adding, taking back, finding the one for a request. Koa's router matches; what an endpoint does is not known here.
import { Router } from '@koa/router';
import type { Middleware, ParameterizedContext } from 'koa';
import { isRaw } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';

/** Where the API begins. */
export const base = '/api/v1';

/** Runs an endpoint for a request; `params` are percent-decoded. */
export type Serve = (
  context: ParameterizedContext,
  endpoint: Endpoint,
  params: Readonly<Record<string, string>>,
) => Promise<void>;

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** The table. A router cannot forget a route, so every change makes a new one. */
export class RouteTable {
  readonly #serve: Serve;
  #endpoints: readonly Endpoint[] = [];
  #middleware: Middleware = (_context, next) => next();
  /** Changes with the endpoints, for whoever keeps something made of them. */
  version = 0;

  constructor(serve: Serve) {
    this.#serve = serve;
  }

  /** All endpoints, in the order in which they were added. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Adds endpoints, all or none. Returns the way to take them back. Throws when one is there already, or is not well-formed. */
  add(added: readonly Endpoint[]): () => void {
    const places = new Set(this.#endpoints.map(placeOf));
    const operations = new Set(this.#endpoints.map(({ operation }) => operation));
    for (const endpoint of added) {
      const { method, path, operation } = endpoint;
      const fault = faultOf(endpoint);
      if (fault !== undefined) throw new TypeError(`route ${method} ${path}: ${fault}`);
      if (places.has(placeOf(endpoint))) throw new Error(`route ${method} ${path}: there is such a route already`);
      if (operations.has(operation))
        throw new Error(`route ${method} ${path}: another one has the operation "${operation}"`);
      places.add(placeOf(endpoint));
      operations.add(operation);
    }
    this.#become([...this.#endpoints, ...added]);
    let there = true;
    return () => {
      if (!there) return;
      there = false;
      this.#become(this.#endpoints.filter((each) => !added.includes(each)));
    };
  }

  /** Serves a request, or passes it on with `context['matched']` set when only its method is wrong. */
  readonly middleware: Middleware = (context, next) => this.#middleware(context, next);

  #become(endpoints: readonly Endpoint[]): void {
    // The endpoint with the fewest parameters wins: /tasks/import before /tasks/:id.
    const router = new Router({ prefix: base, sensitive: true, strict: true, exclusive: 'specificity' });
    for (const endpoint of endpoints)
      router.register(endpoint.path, [endpoint.method], (context) => this.#serve(context, endpoint, context.params));
    this.#endpoints = endpoints;
    this.#middleware = router.routes() as Middleware;
    this.version += 1;
  }
}

/** Methods that the endpoints of a path take, from what the router has matched; empty when there is no such path. */
export function allowedMethods(matched: unknown): string[] {
  const layers = Array.isArray(matched) ? (matched as { methods: string[] }[]) : [];
  return [...new Set(layers.flatMap((layer) => layer.methods))].sort();
}

/** Two endpoints at one place differ in nothing but the names of their parameters. */
function placeOf({ method, path }: Endpoint): string {
  return `${method} ${path.replace(/:\w+/g, ':')}`;
}

/** Names of the parameters of a path, in order. */
export function parametersOf(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '');
}

function faultOf(endpoint: Endpoint): string | undefined {
  const { method, path, operation } = endpoint;
  if (!methods.includes(method)) return `the method must be one of ${methods.join(', ')}`;
  if (!/^(?:\/(?::[A-Za-z]\w*|[A-Za-z0-9._~-]+))+$/.test(path))
    return 'a path looks like /tasks/:id/context, and is relative to the API';
  const names = parametersOf(path);
  if (new Set(names).size < names.length) return 'a parameter stands twice in the path';
  if (!/^[a-z][A-Za-z0-9]*$/.test(operation)) return `"${operation}" is no name of an operation (like listTasks)`;
  if (isRaw(endpoint)) return undefined;
  if (names.length > 0 && endpoint.params === undefined) return 'its parameters have no schema `params`';
  if (method === 'GET' && endpoint.body !== undefined) return 'a GET request has no body';
  return undefined;
}
