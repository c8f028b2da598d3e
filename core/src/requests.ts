// The requests that clients make, each resolved in its grant's own listings and nowhere else. Tool calls: `tool-calls.ts`; the way to a server: `carrier.ts`.
import { Carrier, contextOf } from './carrier.ts';
import type { Exchange } from './exchange.ts';
import type { Forwarding } from './forward.ts';
import type { Hooks } from './hooks.ts';
import { Lease } from './lease.ts';
import type { Listeners } from './listeners.ts';
import { Answer, methodNotFound } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import { existsIn, isLogLevel, listKindOf } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Servers } from './servers.ts';
import { TaskRoutes } from './task-routes.ts';
import { ToolCalls } from './tool-calls.ts';
import { Listing } from './listing.ts';
import type { EntryOf } from './listing.ts';
import type { ListingMaker, View } from './toolset.ts';
import { matchesTemplate } from './uri-template.ts';

/** What requests work with. */
export interface RequestTools {
  readonly servers: Servers;
  readonly maker: ListingMaker;
  readonly listeners: Listeners;
  readonly forwarding: Forwarding;
  readonly hooks: () => Hooks;
  /** How long (ms) an endpoint of one server waits for it to come up before it lists nothing. */
  readonly patience: number;
  readonly report: (error: unknown) => void;
}

type Handler = (exchange: Exchange) => Answer | Promise<Answer>;

/** Answers the requests that are neither the opening of a session nor a listen stream. */
export class Requests {
  readonly #tools: RequestTools;
  readonly #tasks = new TaskRoutes();
  readonly #carrier: Carrier;
  readonly #calls: ToolCalls;
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(tools: RequestTools) {
    this.#tools = tools;
    this.#carrier = new Carrier(tools.forwarding);
    this.#calls = new ToolCalls({ ...tools, carrier: this.#carrier, tasks: this.#tasks });
    const list = [...listKindOf].map(([method, kind]): [string, Handler] => [
      method,
      (exchange) => this.#list(exchange, kind),
    ]);
    this.#handlers = new Map<string, Handler>([
      ...list,
      ['prompts/get', (exchange) => this.#getPrompt(exchange)],
      ['resources/read', (exchange) => this.#atResource(exchange)],
      ['resources/subscribe', (exchange) => this.#subscribe(exchange, true)],
      ['resources/unsubscribe', (exchange) => this.#subscribe(exchange, false)],
      ['completion/complete', (exchange) => this.#complete(exchange)],
      ['logging/setLevel', (exchange) => this.#setLevel(exchange)],
      ['ping', () => Answer.result({})],
      ...['tasks/get', 'tasks/update', 'tasks/cancel', 'tasks/result'].map((method): [string, Handler] => [
        method,
        (exchange) => this.#atTask(exchange),
      ]),
    ]);
  }

  /** The answer to a request. Throws or rejects only with faults; refusals and failures of servers are answers. */
  answer(exchange: Exchange): Answer | Promise<Answer> {
    const { method } = exchange.request;
    if (method === 'tools/call') return this.#calls.call(exchange);
    if (!existsIn(method, exchange.caller.era)) return methodNotFound(method);
    if (this.#tools.hooks().used('onRequest') && !listKindOf.has(method)) return this.#answerHooked(exchange);
    return this.#answerByTable(exchange);
  }

  async #answerHooked(exchange: Exchange): Promise<Answer> {
    const result = await this.#tools.hooks().run('onRequest', exchange.request, contextOf(exchange));
    return result === undefined ? this.#answerByTable(exchange) : Answer.result(result);
  }

  #answerByTable(exchange: Exchange): Answer | Promise<Answer> {
    return this.#handlers.get(exchange.request.method)?.(exchange) ?? this.#atWholeServer(exchange);
  }

  async #list(exchange: Exchange, kind: ListKind): Promise<Answer> {
    const { view, request, caller } = exchange;
    if (request.params?.['cursor'] !== undefined)
      return Answer.error(rpcCode.invalidParams, 'Invalid cursor: lists are given whole, without cursors');
    if (view.server !== undefined)
      await this.#tools.servers.find(view.server, view.grant)?.settled(this.#tools.patience);
    const listing = await view.list(kind);
    exchange.session.onShown?.(kind, listing.digest);
    return Answer.written(listing.written(caller.era));
  }

  /** The entry of a name in the view's current listing. Waiting is for listings that are being made. */
  async #find<Kind extends ListKind>(view: View, kind: Kind, name: string): Promise<EntryOf[Kind] | undefined> {
    const listing = view.list(kind);
    return (listing instanceof Listing ? listing : await listing).byName.get(name);
  }

  async #getPrompt(exchange: Exchange): Promise<Answer> {
    const { params } = exchange.request;
    const name = String(params?.['name']);
    const entry = await this.#find(exchange.view, 'prompts', name);
    if (entry === undefined) return Answer.error(rpcCode.invalidParams, `Unknown prompt: ${name}`);
    return this.#at(exchange, entry.server, { ...params, name: entry.prompt });
  }

  async #atResource(exchange: Exchange): Promise<Answer> {
    const uri = exchange.request.params?.['uri'];
    if (typeof uri !== 'string') return Answer.error(rpcCode.invalidParams, `${exchange.request.method} needs a uri`);
    const server = await this.#serverOfUri(exchange.view, uri);
    return server === undefined ? unknownResource(uri, exchange) : this.#at(exchange, server, exchange.request.params);
  }

  /** The server of a URI: who lists it, whose template fits it, or the one server of the endpoint when it is open to the grant as a whole. */
  async #serverOfUri(view: View, uri: string): Promise<string | undefined> {
    const listed = await this.#find(view, 'resources', uri);
    if (listed !== undefined) return listed.server;
    const templates = await view.list('resourceTemplates');
    const fitting = templates.entries.find((entry) => entry.name === uri || matchesTemplate(entry.name, uri));
    return fitting?.server ?? this.#wholeServer(view);
  }

  #wholeServer(view: View): string | undefined {
    const { server, grant } = view;
    if (server === undefined || !this.#tools.maker.serversOf(grant).some(({ name }) => name === server))
      return undefined;
    return this.#tools.maker.wholeServer(grant, server) && grant.resources === undefined ? server : undefined;
  }

  async #subscribe(exchange: Exchange, on: boolean): Promise<Answer> {
    const { session, caller } = exchange;
    const uri = exchange.request.params?.['uri'];
    const name = typeof uri === 'string' ? await this.#serverOfUri(exchange.view, uri) : undefined;
    const server = name === undefined ? undefined : this.#tools.servers.find(name, session.grant);
    if (typeof uri !== 'string' || server === undefined) return unknownResource(String(uri), exchange);
    if (on && session.subscriptions.size >= 1000)
      return Answer.error(rpcCode.invalidRequest, 'at most 1000 subscriptions in one session');
    if (on) session.subscriptions.add(uri);
    else session.subscriptions.delete(uri);
    const leased = server.lease(session, caller);
    const lease = leased instanceof Lease ? leased : await leased;
    if (lease.connection.era === 'new') this.watchResources();
    else if (on) lease.subscribe(uri, session, caller);
    else lease.unsubscribe(uri, session, caller);
    return Answer.result({});
  }

  /**
   * Makes the servers of some URIs tell a `subscriptions/listen` stream of their changes; resolves when they have been asked, with the
   * way to undo it. URIs that nobody serves are left alone.
   */
  async watch(exchange: Exchange, uris: ReadonlySet<string>, subscriber: object): Promise<() => void> {
    const { session, caller, view } = exchange;
    const leases: (readonly [Lease, string])[] = [];
    for (const uri of uris) {
      const name = await this.#serverOfUri(view, uri);
      const server = name === undefined ? undefined : this.#tools.servers.find(name, session.grant);
      if (server !== undefined) leases.push([await server.lease(session, caller), uri]);
    }
    for (const [lease, uri] of leases) if (lease.connection.era === 'old') lease.subscribe(uri, subscriber, caller);
    this.watchResources();
    return () => {
      for (const [lease, uri] of leases) if (lease.connection.era === 'old') lease.unsubscribe(uri, subscriber, caller);
      this.watchResources();
    };
  }

  /** Tells new-era servers which resources anybody wants to hear of. */
  watchResources(): void {
    const uris = [...this.#tools.listeners.uris()];
    for (const server of this.#tools.servers.everywhere()) if (server.era === 'new') server.watchResources(uris);
  }

  async #complete(exchange: Exchange): Promise<Answer> {
    const { params } = exchange.request;
    const ref = isObject(params?.['ref']) ? params['ref'] : {};
    if (ref['type'] === 'ref/prompt') {
      const entry = await this.#find(exchange.view, 'prompts', String(ref['name']));
      if (entry === undefined) return Answer.error(rpcCode.invalidParams, `Unknown prompt: ${String(ref['name'])}`);
      return this.#at(exchange, entry.server, { ...params, ref: { ...ref, name: entry.prompt } });
    }
    const uri = String(ref['uri']);
    const server = await this.#serverOfUri(exchange.view, uri);
    return server === undefined ? unknownResource(uri, exchange) : this.#at(exchange, server, params);
  }

  #setLevel({ session, request, caller }: Exchange): Answer {
    const level = request.params?.['level'];
    if (!isLogLevel(level))
      return Answer.error(rpcCode.invalidParams, 'logging/setLevel needs one of the log levels of the specification');
    session.logLevel = level;
    for (const server of this.#tools.servers.of(session.grant)) {
      for (const lease of server.leases.open()) if (lease.sessions.has(session)) void lease.wantLogs(level, caller);
    }
    return Answer.result({});
  }

  async #atTask(exchange: Exchange): Promise<Answer> {
    const { view, session, request } = exchange;
    const taskId = request.params?.['taskId'];
    const server = this.#tasks.find(session.grant.id, taskId) ?? this.#wholeServer(view);
    if (server === undefined) return Answer.error(rpcCode.invalidParams, `Unknown task: ${String(taskId)}`);
    return this.#at(exchange, server, request.params);
  }

  /** Methods of extensions go to the server of the endpoint, for grants that may use all of it: nobody knows what else they could reach. */
  async #atWholeServer(exchange: Exchange): Promise<Answer> {
    const server = this.#wholeServer(exchange.view);
    if (server === undefined || exchange.request.method === 'initialize')
      return methodNotFound(exchange.request.method);
    return this.#at(exchange, server, exchange.request.params);
  }

  #at(exchange: Exchange, name: string, params: JsonObject | undefined): Answer | Promise<Answer> {
    const server = this.#tools.servers.find(name, exchange.session.grant);
    return server === undefined
      ? methodNotFound(exchange.request.method)
      : this.#carrier.carry(exchange, server, exchange.request.method, params);
  }
}

function unknownResource(uri: string, { caller }: Exchange): Answer {
  return Answer.error(
    caller.era === 'old' ? rpcCode.resourceNotFound : rpcCode.invalidParams,
    `Resource not found: ${uri}`,
    { uri },
  );
}
