// The requests that clients make, each resolved in its grant's own listings and nowhere else. Tool calls: `tool-calls.ts`; the way to a server: `carrier.ts`.
import { Carrier, contextOf } from './carrier.ts';
import type { Exchange } from './exchange.ts';
import type { Forwarding } from './forward.ts';
import type { Hooks } from './hook.ts';
import type { Listeners } from './listeners.ts';
import { Answer, methodNotFound } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import { existsIn, isLogLevel, listKindOf } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Servers } from './servers.ts';
import { ResourceRoutes, unknownResource } from './resource-routes.ts';
import { Subscriptions } from './subscriptions.ts';
import { mixesTasks, TaskRoutes, undeclared } from './task-routes.ts';
import { ToolCalls } from './tool-calls.ts';
import { Listing } from './listing.ts';
import type { EntryOf } from './listing.ts';
import type { ListingMaker, View } from './toolset.ts';

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
  /** Who is told of changes of which resource. */
  readonly subscriptions: Subscriptions;
  readonly #routes: ResourceRoutes;
  readonly #tasks = new TaskRoutes();
  readonly #carrier: Carrier;
  readonly #calls: ToolCalls;
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(tools: RequestTools) {
    this.#tools = tools;
    this.#routes = new ResourceRoutes(tools);
    this.subscriptions = new Subscriptions({ ...tools, routes: this.#routes });
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
      ['resources/subscribe', (exchange) => this.subscriptions.subscribe(exchange)],
      ['resources/unsubscribe', (exchange) => this.subscriptions.unsubscribe(exchange)],
      ['completion/complete', (exchange) => this.#complete(exchange)],
      ['logging/setLevel', (exchange) => this.#setLevel(exchange)],
      ['ping', () => Answer.result({})],
      ...['tasks/get', 'tasks/update', 'tasks/cancel', 'tasks/result'].map((method): [string, Handler] => [
        method,
        (exchange) => this.#atTask(exchange),
      ]),
      ['tasks/list', (exchange) => this.#listTasks(exchange)],
    ]);
  }

  /** The answer to a request. Throws or rejects only with faults; refusals and failures of servers are answers. */
  answer(exchange: Exchange): Answer | Promise<Answer> {
    const { method } = exchange.request;
    if (method === 'tools/call') return this.#calls.call(exchange);
    if (!existsIn(method, exchange.caller.era)) return methodNotFound(method);
    if (this.#tools.hooks().onRequest.used && !listKindOf.has(method)) return this.#answerHooked(exchange);
    return this.#answerByTable(exchange);
  }

  async #answerHooked(exchange: Exchange): Promise<Answer> {
    const result = await this.#tools.hooks().onRequest.run(exchange.request, contextOf(exchange));
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
    const server = await this.#routes.serverOf(exchange.view, uri);
    return server === undefined ? unknownResource(uri, exchange) : this.#at(exchange, server, exchange.request.params);
  }

  async #complete(exchange: Exchange): Promise<Answer> {
    const { params } = exchange.request;
    const { type, name, uri } = isObject(params?.['ref']) ? params['ref'] : {};
    // Passed on is what was looked up and nothing beside it: a server may go by another member than the proxy did.
    if (type === 'ref/prompt' && typeof name === 'string') {
      const entry = await this.#find(exchange.view, 'prompts', name);
      if (entry === undefined) return Answer.error(rpcCode.invalidParams, `Unknown prompt: ${name}`);
      return this.#at(exchange, entry.server, { ...params, ref: { type, name: entry.prompt } });
    }
    if (type !== 'ref/resource' || typeof uri !== 'string')
      return Answer.error(rpcCode.invalidParams, 'completion/complete needs the ref of a prompt or of a resource');
    const server = await this.#routes.serverOf(exchange.view, uri);
    return server === undefined
      ? unknownResource(uri, exchange)
      : this.#at(exchange, server, { ...params, ref: { type, uri } });
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
    if (typeof taskId !== 'string') return Answer.error(rpcCode.invalidParams, `${request.method} needs a taskId`);
    const server =
      view.server === undefined
        ? this.#tasks.find(session.grant.id, taskId)
        : this.#atEndpoint(view, view.server, taskId);
    if (server !== undefined) return this.#at(exchange, server, request.params);
    const endpoint = view.server === undefined ? undefined : this.#tools.servers.find(view.server, view.grant);
    const refusal = endpoint?.era === 'new' ? undeclared(exchange.caller) : undefined;
    return refusal ?? Answer.error(rpcCode.invalidParams, `Unknown task: ${taskId}`);
  }

  /** The endpoint's one server, for a task that the grant has made there, or that can be no other grant's. */
  #atEndpoint(view: View, name: string, taskId: string): string | undefined {
    if (this.#tasks.has(view.grant.id, taskId, name)) return name;
    const server = this.#tools.servers.find(name, view.grant);
    return server === undefined || mixesTasks(server) ? undefined : this.#routes.wholeServer(view);
  }

  /** The tasks of a server; of one that mixes those of all grants, the caller's own. */
  async #listTasks(exchange: Exchange): Promise<Answer> {
    const { view, session } = exchange;
    const answer = await this.#atWholeServer(exchange);
    const server = view.server === undefined ? undefined : this.#tools.servers.find(view.server, session.grant);
    if (answer.failed || server === undefined || !mixesTasks(server)) return answer;
    const { result } = answer.message;
    const listed = Array.isArray(result?.['tasks']) ? result['tasks'].filter(isObject) : [];
    const tasks = listed.filter(({ taskId }) => this.#tasks.has(session.grant.id, String(taskId), server.name));
    return Answer.result({ ...result, tasks });
  }

  /** Methods of extensions go to the server of the endpoint, for grants that may use all of it: nobody knows what else they could reach. */
  async #atWholeServer(exchange: Exchange): Promise<Answer> {
    const server = this.#routes.wholeServer(exchange.view);
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
