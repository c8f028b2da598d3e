// From a request to whoever serves it, with the checks in one order: bound safely, Host and Origin, path, method, media types, identity, body, era.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLoopback, rpcCode } from 'plugboard';
import type { Grant, RequestId } from 'plugboard';
import { type BodyEnd, parseBody, readBody } from './body.ts';
import { classifyNotification, classifyRequest, isNew, type StandardHeaders, type Verdict } from './classify.ts';
import type { Exchange } from './exchange.ts';
import { Health } from './health.ts';
import { Identity } from './identity.ts';
import { idOf, sort } from './message.ts';
import { Mounts } from './mounts.ts';
import { NewEra } from './new-era.ts';
import { OldEra } from './old-era.ts';
import type { Context } from './context.ts';
import { accepts, isJson, RequestCheck } from './request-check.ts';
import { Sessions } from './sessions.ts';

/** An endpoint of MCP: all servers, or the one named. */
interface Endpoint {
  readonly server: string | undefined;
}

/** Different endpoint URLs remembered. */
const maxEndpoints = 1000;

export class Router {
  readonly mounts: Mounts;
  readonly sessions: Sessions;
  readonly newEra: NewEra;
  /** Set when the proxy stops: new requests are refused. */
  draining = false;
  readonly #context: Context;
  readonly #oldEra: OldEra;
  readonly #identity: Identity;
  readonly #health: Health;
  readonly #check: RequestCheck;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #needsProtection: boolean;

  constructor(context: Context) {
    const { options, board, responder, log } = context;
    this.#context = context;
    this.mounts = new Mounts([options.path, '/healthz', '/readyz']);
    this.sessions = new Sessions(context);
    this.#oldEra = new OldEra(context, this.sessions);
    this.#identity = new Identity(board, responder, log);
    this.newEra = new NewEra(context, this.#identity);
    this.#health = new Health(board, this.#identity, responder);
    this.#check = new RequestCheck(options);
    this.#needsProtection = !isLoopback(options.host);
  }

  /** Serves one request. Never throws. */
  readonly serve = (request: IncomingMessage, response: ServerResponse): void => {
    try {
      this.#route(request, response);
    } catch (error) {
      this.#failed(response, error);
    }
  };

  /** Serves one request whose sender waits for `100 Continue` before it sends the body. */
  readonly serveExpecting = (request: IncomingMessage, response: ServerResponse): void => {
    if (Number(request.headers['content-length'] ?? 0) <= this.#context.options.maxBodyBytes) response.writeContinue();
    this.serve(request, response);
  };

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { responder, board } = this.#context;
    if (this.draining) {
      responder.error(response, 503, rpcCode.serverGone, 'The proxy is stopping', {
        headers: ['Connection', 'close', 'Retry-After', '5'],
      });
      return;
    }
    if (this.#needsProtection && !board.protected) {
      responder.error(
        response,
        503,
        rpcCode.serverGone,
        'The proxy serves nobody beyond loopback until callers need a credential',
      );
      return;
    }
    const endpoint = this.#endpointOf(request.url ?? '/');
    const refusal = this.#check.refusal(request);
    if (refusal !== undefined) {
      responder.error(response, 403, rpcCode.invalidRequest, `Forbidden: ${refusal}`);
      return;
    }
    if (request.headers.origin !== undefined) this.#check.allowReading(request, response);
    if (endpoint === undefined) this.#elsewhere(request, response);
    else if (request.method === 'POST') this.#post(endpoint, request, response);
    else if (request.method === 'GET' || request.method === 'DELETE') this.#getOrDelete(endpoint, request, response);
    else if (request.method === 'OPTIONS') this.#preflight(request, response);
    else this.#notAllowed(response, 'GET, POST, DELETE');
  }

  #post(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): void {
    const { responder } = this.#context;
    const { headers } = request;
    if (!isJson(headers['content-type']) || (headers['content-encoding'] ?? 'identity') !== 'identity') {
      responder.error(
        response,
        415,
        rpcCode.invalidRequest,
        'Unsupported Media Type: send Content-Type: application/json, not compressed',
      );
      return;
    }
    // Clients of the new era are not held to it: which era it is shows only in the body, and the SDK's server does not ask them either.
    const version = headers['mcp-protocol-version'];
    const both = accepts(headers.accept, 'application/json') && accepts(headers.accept, 'text/event-stream');
    if (!both && !isNew(version)) {
      responder.error(
        response,
        406,
        rpcCode.invalidRequest,
        'Not Acceptable: send Accept: application/json, text/event-stream',
      );
      return;
    }
    this.#identify(endpoint, request, response, (exchange) => this.#read(exchange));
  }

  #getOrDelete(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): void {
    const sessionId = request.headers['mcp-session-id'];
    if (typeof sessionId !== 'string' || isNew(request.headers['mcp-protocol-version'])) {
      this.#notAllowed(response, 'POST');
      return;
    }
    this.#identify(endpoint, request, response, (exchange) => {
      if (request.method === 'GET') this.#oldEra.get(sessionId, exchange);
      else this.#oldEra.delete(sessionId, exchange);
    });
  }

  /** Finds out who asks, and whether the endpoint exists for them. */
  #identify(
    endpoint: Endpoint,
    request: IncomingMessage,
    response: ServerResponse,
    next: (exchange: Exchange) => void,
  ): void {
    const { server } = endpoint;
    const known = (grant: Grant): void => {
      if (server === undefined || this.#context.board.hasServer(grant, server))
        next({ request, response, server, grant });
      else this.#notFound(response);
    };
    let grant: Grant | Promise<Grant>;
    try {
      grant = this.#identity.grantOf(request);
    } catch (error) {
      this.#identity.refuse(request, response, error);
      return;
    }
    if (!(grant instanceof Promise)) known(grant);
    else {
      grant
        .then(known, (error: unknown) => this.#identity.refuse(request, response, error))
        .catch((error: unknown) => this.#failed(response, error));
    }
  }

  #read(exchange: Exchange): void {
    readBody(exchange.request, this.#context.options.maxBodyBytes, (body, end) => {
      try {
        if (end === 'complete') this.#dispatch(body, exchange);
        else this.#tooLarge(exchange.response, end);
      } catch (error) {
        this.#failed(exchange.response, error);
      }
    });
  }

  #dispatch(body: Buffer, exchange: Exchange): void {
    let parsed: unknown;
    try {
      parsed = parseBody(body);
    } catch (error) {
      const why = error instanceof SyntaxError ? error.message : 'the body cannot be read';
      this.#context.responder.error(exchange.response, 400, rpcCode.parseError, `Parse error: ${why}`);
      return;
    }
    if (Array.isArray(parsed)) {
      this.#oldEra.batch(parsed, exchange);
      return;
    }
    const sorted = sort(parsed);
    if (sorted.kind === 'request') {
      const verdict = classifyRequest(sorted.message, standardHeaders(exchange.request));
      if (verdict === 'new') this.newEra.request(sorted.message, exchange);
      else if (verdict !== 'old') this.#reject(exchange, verdict, sorted.message.id);
      else if (sorted.message.method === 'initialize') this.#oldEra.initialize(sorted.message, exchange);
      else this.#oldEra.message(sorted, exchange);
    } else if (sorted.kind === 'notification') {
      const verdict = classifyNotification(sorted.message, standardHeaders(exchange.request));
      if (verdict === 'new') this.newEra.notification(sorted.message, exchange);
      else if (verdict === 'old') this.#oldEra.message(sorted, exchange);
      else this.#reject(exchange, verdict, undefined);
    } else if (sorted.kind === 'response') this.#oldEra.message(sorted, exchange);
    else {
      const text = `Invalid Request: ${sorted.why}`;
      this.#context.responder.error(exchange.response, 400, rpcCode.invalidRequest, text, { id: idOf(parsed) });
    }
  }

  #reject(exchange: Exchange, verdict: Exclude<Verdict, string>, id: RequestId | undefined): void {
    this.#context.responder.error(exchange.response, verdict.status, verdict.code, verdict.message, {
      id,
      data: verdict.data,
    });
  }

  /** What is not MCP: health, the mounts of other plugins, nothing. */
  #elsewhere(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request.url ?? '/');
    if (path === '/healthz' || path === '/readyz') {
      if (request.method !== 'GET' && request.method !== 'HEAD') this.#notAllowed(response, 'GET, HEAD');
      else if (path === '/healthz') this.#health.live(response);
      else this.#health.ready(request, response).catch((error: unknown) => this.#failed(response, error));
      return;
    }
    const mounted = this.mounts.find(path);
    if (mounted === undefined) this.#notFound(response);
    else Promise.resolve(mounted(request, response)).catch((error: unknown) => this.#failed(response, error));
  }

  #endpointOf(url: string): Endpoint | undefined {
    const known = this.#endpoints.get(url);
    if (known !== undefined) return known;
    const { path: base } = this.#context.options;
    const path = pathOf(url);
    if (path !== base && !path.startsWith(`${base}/`)) return undefined;
    const server = path.slice(base.length + 1);
    if (path !== base && !/^[A-Za-z0-9_-]{1,40}$/.test(server)) return undefined;
    const endpoint = { server: path === base ? undefined : server };
    if (this.#endpoints.size >= maxEndpoints) this.#endpoints.clear();
    this.#endpoints.set(url, endpoint);
    return endpoint;
  }

  #preflight(request: IncomingMessage, response: ServerResponse): void {
    const headers = this.#check.preflight(request);
    if (headers === undefined) this.#notAllowed(response, 'GET, POST, DELETE');
    else response.writeHead(204, headers).end();
  }

  #tooLarge(response: ServerResponse, end: BodyEnd): void {
    const text = `The body is larger than ${this.#context.options.maxBodyBytes} bytes`;
    const headers = end === 'aborted' ? ['Connection', 'close'] : [];
    this.#context.responder.error(response, 413, rpcCode.invalidRequest, text, { headers });
  }

  #notFound(response: ServerResponse): void {
    const { path } = this.#context.options;
    this.#context.responder.error(
      response,
      404,
      rpcCode.invalidRequest,
      `Not found; MCP is served at ${path} and ${path}/<server>`,
    );
  }

  #notAllowed(response: ServerResponse, allow: string): void {
    this.#context.responder.error(response, 405, rpcCode.invalidRequest, 'Method not allowed', {
      headers: ['Allow', allow],
    });
  }

  #failed(response: ServerResponse, error: unknown): void {
    this.#context.log.error('a request failed inside the proxy', { error });
    this.#context.responder.fault(response);
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** Node trims these values and joins repeated ones, so each is one string. */
function standardHeaders({ headers }: IncomingMessage): StandardHeaders {
  return {
    version: headers['mcp-protocol-version'] as string | undefined,
    method: headers['mcp-method'] as string | undefined,
    name: headers['mcp-name'] as string | undefined,
  };
}
