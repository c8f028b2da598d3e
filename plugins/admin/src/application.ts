// The way of a request through the API, in one order: headers, who is asking, which endpoint, may it, does it fit, was it done before, run, answer.
import type { IncomingMessage, RequestListener } from 'node:http';
import Koa from 'koa';
import type { Context, Middleware, ParameterizedContext } from 'koa';
import { Problem } from 'plugboard';
import type { Actor, Log, Route, RouteResult } from 'plugboard';
import { hasBody, readJson, usualMaxBody } from './body.ts';
import { mayDo } from './credentials.ts';
import { isRaw, isWrite, schemasOf } from './endpoint.ts';
import type { Endpoint, RawEndpoint } from './endpoint.ts';
import { readKey } from './idempotency.ts';
import type { Answer, Idempotency } from './idempotency.ts';
import { demandVersion, entityTag, matchesNone, readIfMatch, weakTag } from './preconditions.ts';
import { problemType, ProblemWithHeaders, showProblem } from './problems.ts';
import { allowedMethods, base, RouteTable } from './route-table.ts';
import { checkPath, fit, readQuery } from './validation.ts';

export interface ApplicationInit {
  readonly log: Log;
  readonly idempotency: Idempotency;
  /** Who sends a request. Throws a {@link Problem}: 401, 429. */
  readonly identify: (request: IncomingMessage) => Actor;
  /** Why a request is refused before anything else (Host, Origin), or undefined. */
  readonly refusal?: ((request: IncomingMessage) => string | undefined) | undefined;
}

/** Headers of every answer. A page may neither read nor frame nor keep it. */
const securityHeaders: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** The API as a request handler. */
export class Application {
  readonly routes = new RouteTable((context, endpoint, params) => this.#serve(context, endpoint, params));
  readonly handler: RequestListener;
  readonly #init: ApplicationInit;
  #underWay = 0;
  #changing = 0;
  #stopping = false;
  #idle: (() => void)[] = [];

  constructor(init: ApplicationInit) {
    this.#init = init;
    const koa = new Koa();
    koa.use(this.#guard);
    koa.use(this.#checkOrigin);
    koa.use(this.routes.middleware);
    koa.use(this.#nothing);
    koa.on('error', (error: unknown) => this.#writeFailed(error));
    const handle = koa.callback();
    this.handler = (request, response) => void handle(request, response);
  }

  /** True while a request changes the configuration. */
  get changing(): boolean {
    return this.#changing > 0;
  }

  /** Notes that a request changes the configuration, for which this plugin may have to stop. Returns the way to say that it is done. */
  beginChange(): () => void {
    this.#changing += 1;
    this.#wake();
    return () => {
      this.#changing -= 1;
    };
  }

  /** Resolves when no request is under way but those that change the configuration, at the latest after `limit` ms. */
  async stop(limit: number): Promise<void> {
    this.#stopping = true;
    if (this.#underWay <= this.#changing) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    if (this.#underWay <= this.#changing) for (const idle of this.#idle.splice(0)) idle();
  }

  /** First and last: headers, and a problem document for whatever is thrown further in. */
  readonly #guard: Middleware = async (context, next) => {
    this.#underWay += 1;
    try {
      // The listener may let configured origins read its answers; these are not for pages.
      for (const name of context.res.getHeaderNames()) if (name.startsWith('access-control-')) context.remove(name);
      context.set(securityHeaders);
      await next();
    } catch (error) {
      this.#refuse(context, error);
    } finally {
      if (this.#stopping && !context.headerSent) context.set('Connection', 'close');
      this.#underWay -= 1;
      this.#wake();
    }
  };

  readonly #checkOrigin: Middleware = async (context, next) => {
    const refusal = this.#init.refusal?.(context.req);
    if (refusal !== undefined) throw new Problem(403, 'origin-refused', refusal);
    checkPath(context.path);
    await next();
  };

  /** Behind the routes: nobody serves this request. Who has no credential does not learn that. */
  readonly #nothing: Middleware = (context) => {
    this.#init.identify(context.req);
    const allowed = allowedMethods((context as { matched?: unknown }).matched);
    if (allowed.length > 0) {
      const detail = `${context.method} is not possible here; possible are ${allowed.join(', ')}.`;
      throw new ProblemWithHeaders(
        405,
        'method-not-allowed',
        detail,
        { Allow: allowed.join(', ') },
        { allow: allowed },
      );
    }
    throw new Problem(
      404,
      'path-unknown',
      `There is nothing at this path; ${base}/openapi.json describes what there is.`,
    );
  };

  async #serve(context: Context, endpoint: Endpoint, params: Readonly<Record<string, string>>): Promise<void> {
    const open = isRaw(endpoint) && endpoint.open?.() === true;
    const actor = open ? undefined : this.#init.identify(context.req);
    if (actor !== undefined && !mayDo(actor.role, endpoint.role)) {
      const detail = `This needs the role "${endpoint.role}"; the token "${actor.name}" has the role "${actor.role}".`;
      throw new Problem(403, 'role', detail, { needed: endpoint.role, role: actor.role });
    }
    const schemas = schemasOf(endpoint);
    const fitting = {
      params: await fit('path', schemas.params, schemas.params === undefined ? {} : params),
      query: await fit('query', schemas.query, readQuery(context.req.url ?? '')),
    };
    if (isRaw(endpoint)) this.#serveRaw(context, endpoint, fitting.query, actor);
    else if (actor !== undefined) await this.#serveRoute(context, endpoint, fitting, actor);
  }

  #serveRaw(context: Context, endpoint: RawEndpoint, query: unknown, actor: Actor | undefined): void {
    const answer = endpoint.respond({ request: context.req, response: context.res, query, actor });
    if (answer === undefined) {
      context.respond = false;
      return;
    }
    context.status = 200;
    context.set({ 'Content-Type': endpoint.media, ...answer.headers });
    context.body = answer.body;
  }

  async #serveRoute(
    context: Context,
    route: Route,
    { params, query }: { params: unknown; query: unknown },
    actor: Actor,
  ): Promise<void> {
    const { req, method } = context;
    const ifMatch = readIfMatch(req.headers['if-match']);
    const key = isWrite(route) ? readKey(headerOf(req, 'idempotency-key')) : undefined;
    if (route.body === undefined && hasBody(req))
      throw new Problem(400, 'body-unexpected', 'This request takes no body; send it without one.');
    const json = await readJson(req, route.maxBody ?? usualMaxBody);
    const body = await fit('body', route.body, json.value);
    const signal = signalOf(context);
    const run = async (): Promise<Answer> => {
      const result = await route.run({ params, query, body, actor, ifMatch, signal });
      if (!isWrite(route) && result.version !== undefined) demandVersion(ifMatch, String(result.version));
      return answerOf(result);
    };
    if (key === undefined) {
      send(context, await run());
      return;
    }
    const request = [method, req.url, req.headers['if-match'], json.text];
    const attempt = { actor: actor.name, key, request, secret: route.secret === true };
    const { answer, replayed } = await this.#init.idempotency.once(attempt, run);
    if (replayed) context.set('Idempotency-Replayed', 'true');
    send(context, answer);
  }

  #refuse(context: ParameterizedContext, error: unknown): void {
    const { method, path } = context;
    const { status, headers, document } = showProblem(error, this.#init.log, { method, path });
    if (context.headerSent) {
      context.res.destroy();
      return;
    }
    // Whoever is still sending a body that nobody reads is not listened to any longer.
    if (hasBody(context.req) && !context.req.complete) context.set('Connection', 'close');
    context.status = status;
    context.set(headers);
    context.body = JSON.stringify(document);
    context.set('Content-Type', problemType);
  }

  /** Koa tells of answers that could not be written; a client that has gone is no fault. */
  #writeFailed(error: unknown): void {
    const { code } = error as { code?: unknown };
    if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    this.#init.log.warn('an answer could not be written', { error });
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Aborted when the client goes before it has its answer. */
function signalOf({ res }: Context): AbortSignal {
  const controller = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) controller.abort();
  });
  return controller.signal;
}

function answerOf({ body, status, version, location }: RouteResult): Answer {
  const headers: Record<string, string> = {};
  if (version !== undefined) headers['ETag'] = entityTag(String(version));
  if (location !== undefined) headers['Location'] = `${base}${location}`;
  return {
    status: status ?? (body === undefined ? 204 : 200),
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}

function send(context: Context, { status, headers, body }: Answer): void {
  const isGet = context.method === 'GET' || context.method === 'HEAD';
  const etag = headers['ETag'] ?? (isGet && body !== undefined ? weakTag(body) : undefined);
  context.set(headers);
  if (etag !== undefined) context.set('ETag', etag);
  if (isGet && etag !== undefined && matchesNone(context.req.headers['if-none-match'], etag)) {
    context.status = 304;
    return;
  }
  context.status = status;
  if (body === undefined) return;
  context.body = body;
  context.set('Content-Type', 'application/json; charset=utf-8');
}
