// The requests that clients make, each resolved in its grant's own listings and nowhere else, then carried to its server.
import type { ToolEntry } from './board-api.ts';
import { isDenied } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { failureAnswer, forward } from './forward.ts';
import type { Forwarding } from './forward.ts';
import type { CallContext, CallOutcome, Hooks, ToolCall } from './hooks.ts';
import { Lease } from './lease.ts';
import type { Listeners } from './listeners.ts';
import { toolError } from './local-server.ts';
import { Answer, methodNotFound } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject, Tool, ToolResult } from './protocol/messages.ts';
import { existsIn, isLogLevel, listKindOf } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import { checkParamHeaders, scanHeaders } from './protocol/param-headers.ts';
import type { Server } from './server.ts';
import type { Servers } from './servers.ts';
import { TaskRoutes, wantsTask } from './task-routes.ts';
import { Listing } from './toolset.ts';
import type { EntryOf, ListingMaker, View } from './toolset.ts';
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
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(tools: RequestTools) {
    this.#tools = tools;
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
    if (method === 'tools/call') return this.#callTool(exchange);
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

  #callTool(exchange: Exchange): Answer | Promise<Answer> {
    const { params } = exchange.request;
    const name = params?.['name'];
    const args = params?.['arguments'];
    if (typeof name !== 'string') return Answer.error(rpcCode.invalidParams, 'tools/call needs the name of a tool');
    if (args !== undefined && !isObject(args))
      return Answer.error(rpcCode.invalidParams, 'arguments must be an object');
    const listing = exchange.view.list('tools');
    return listing instanceof Listing
      ? this.#callListed(exchange, listing, name, args)
      : listing.then((made) => this.#callListed(exchange, made, name, args));
  }

  #callListed(
    exchange: Exchange,
    listing: Listing<ToolEntry>,
    name: string,
    args: JsonObject | undefined,
  ): Answer | Promise<Answer> {
    const entry = listing.byName.get(name);
    if (entry === undefined) return Answer.error(rpcCode.invalidParams, `Unknown tool: ${name}`);
    if (exchange.headers !== undefined) {
      const scan = scanHeaders(entry.definition.inputSchema);
      const wrong = scan.fault === undefined ? checkParamHeaders(scan.declarations, args, exchange.headers) : undefined;
      if (wrong !== undefined) return Answer.error(rpcCode.headerMismatch, `Bad Request: ${wrong}`, undefined, 400);
    }
    const hooks = this.#tools.hooks();
    if (hooks.used('onCallTool') || hooks.used('onToolResult') || hooks.used('onCallSettled'))
      return this.#callHooked(exchange, entry, args ?? {}, hooks);
    return this.#callAt(exchange, entry, exchange.request.params as JsonObject);
  }

  /** The entry of a name in the view's current listing. Waiting is for listings that are being made. */
  async #find<Kind extends ListKind>(view: View, kind: Kind, name: string): Promise<EntryOf[Kind] | undefined> {
    const listing = view.list(kind);
    return (listing instanceof Listing ? listing : await listing).byName.get(name);
  }

  /** Carries a tool call to its server. Ends with an answer in every case but a fault of this code. */
  #callAt(exchange: Exchange, entry: ToolEntry, params: JsonObject): Answer | Promise<Answer> {
    const server = this.#tools.servers.find(entry.server, exchange.session.grant);
    if (server === undefined) return Answer.error(rpcCode.invalidParams, `Unknown tool: ${entry.name}`);
    const atServer = entry.tool === params['name'] ? params : { ...params, name: entry.tool };
    const answer = this.#carry(exchange, server, 'tools/call', atServer, entry.definition);
    return wantsTask(exchange.caller, exchange.request) ? this.#learnTask(exchange, entry.server, answer) : answer;
  }

  async #learnTask(exchange: Exchange, server: string, answering: Answer | Promise<Answer>): Promise<Answer> {
    const answer = await answering;
    this.#tasks.learn(exchange.session.grant.id, server, exchange.caller, answer);
    return answer;
  }

  /** Sends a request to its server, or continues the call that waits there for this retry. */
  #carry(
    exchange: Exchange,
    server: Server,
    method: string,
    params: JsonObject | undefined,
    tool?: Tool,
  ): Answer | Promise<Answer> {
    if (params?.['requestState'] !== undefined && exchange.caller.era === 'new' && server.era !== 'new')
      return this.#resume(exchange);
    const failed = (failure: unknown) => failureAnswer(failure, server.name);
    try {
      return forward(exchange, { server, method, params, tool }, this.#tools.forwarding).catch(failed);
    } catch (failure) {
      return failed(failure);
    }
  }

  #resume(exchange: Exchange): Promise<Answer> | Answer {
    const parked = this.#tools.forwarding.parking.find(exchange.request.params?.['requestState'], exchange);
    return (
      parked?.resume(exchange) ??
      Answer.error(rpcCode.invalidParams, 'requestState is not valid or has expired: send the request again without it')
    );
  }

  async #callHooked(exchange: Exchange, entry: ToolEntry, args: JsonObject, hooks: Hooks): Promise<Answer> {
    const started = performance.now();
    const call: ToolCall = { name: entry.name, server: entry.server, tool: entry.tool, arguments: args, entry };
    const context = contextOf(exchange);
    let outcome: CallOutcome = 'failed';
    let reason: string | undefined;
    try {
      const early = hooks.used('onCallTool') ? await hooks.run('onCallTool', call, context) : undefined;
      let answer =
        early === undefined
          ? await this.#callAt(exchange, entry, exchange.request.params as JsonObject)
          : Answer.result(early);
      if (hooks.used('onToolResult') && !answer.failed && isToolResult(answer.message.result)) {
        answer = Answer.result(await hooks.run('onToolResult', answer.message.result, call, context));
      }
      [outcome, reason] = outcomeOf(answer, exchange, hooks);
      return answer;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      if (!isDenied(error)) throw error;
      outcome = 'refused';
      return Answer.result(toolError(error.message));
    } finally {
      if (hooks.used('onCallSettled')) {
        const { session } = exchange;
        const record = {
          call,
          grant: session.grant.id,
          session: session.id,
          outcome,
          reason,
          duration: performance.now() - started,
        };
        hooks.run('onCallSettled', record).catch(this.#tools.report);
      }
    }
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
      : this.#carry(exchange, server, exchange.request.method, params);
  }
}

/** The context of hooks for a request. */
export function contextOf(exchange: Exchange): CallContext {
  return {
    session: exchange.session,
    grant: exchange.session.grant,
    get signal() {
      return exchange.signal;
    },
  };
}

function isToolResult(result: JsonObject | undefined): result is ToolResult {
  return Array.isArray(result?.['content']);
}

function outcomeOf(answer: Answer, exchange: Exchange, hooks: Hooks): [CallOutcome, string | undefined] {
  if (exchange.cancelled) return ['cancelled', 'the client has cancelled'];
  if (answer.failed) return ['failed', answer.message.error?.message];
  // Whether a tool reports an error is known only by parsing: done only where somebody listens.
  if (!hooks.used('onCallSettled')) return ['ok', undefined];
  return answer.message.result?.['isError'] === true ? ['tool-error', 'the tool reported an error'] : ['ok', undefined];
}

function unknownResource(uri: string, { caller }: Exchange): Answer {
  return Answer.error(
    caller.era === 'old' ? rpcCode.resourceNotFound : rpcCode.invalidParams,
    `Resource not found: ${uri}`,
    { uri },
  );
}
