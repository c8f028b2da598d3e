// Tool calls: found in the caller's own list and nowhere else, and carried to their server, through the hooks where plugins tap them.
import type { ToolEntry } from './board-api.ts';
import type { Carrier } from './carrier.ts';
import type { Exchange } from './exchange.ts';
import type { Hooks } from './hook.ts';
import { HookedCall } from './hooked-call.ts';
import { Answer } from './protocol/answer.ts';
import { paramsNamed } from './protocol/call-params.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import { checkParamHeaders, scanHeaders } from './protocol/param-headers.ts';
import type { Servers } from './servers.ts';
import { wantsTask } from './task-routes.ts';
import type { TaskRoutes } from './task-routes.ts';
import { Listing } from './listing.ts';

/** What tool calls work with. */
export interface ToolCallParts {
  readonly servers: Servers;
  readonly carrier: Carrier;
  readonly tasks: TaskRoutes;
  readonly hooks: () => Hooks;
  readonly report: (error: unknown) => void;
}

/** Characters of a name that nobody lists, as it is kept: a client may send anything. */
const longestName = 200;

/** Answers `tools/call`. */
export class ToolCalls {
  readonly #parts: ToolCallParts;

  constructor(parts: ToolCallParts) {
    this.#parts = parts;
  }

  /** The answer to a call. Throws or rejects only with faults; refusals are answers. */
  call(exchange: Exchange): Answer | Promise<Answer> {
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
    if (entry === undefined) return this.#refuseUnlisted(exchange, name);
    if (exchange.headers !== undefined) {
      const scan = scanHeaders(entry.definition.inputSchema);
      const wrong = scan.fault === undefined ? checkParamHeaders(scan.declarations, args, exchange.headers) : undefined;
      if (wrong !== undefined) return Answer.error(rpcCode.headerMismatch, `Bad Request: ${wrong}`, undefined, 400);
    }
    const hooks = this.#parts.hooks();
    const params = exchange.request.params as JsonObject;
    if (hooks.onCallTool.used || hooks.onToolResult.used || hooks.onCallSettled.used) {
      const { report } = this.#parts;
      return new HookedCall(exchange, entry, args, {
        hooks,
        report,
        send: () => this.#callAt(exchange, entry, params),
      }).run();
    }
    return this.#callAt(exchange, entry, params);
  }

  /** Carries a tool call to its server. Ends with an answer in every case but a fault of this code. */
  #callAt(exchange: Exchange, entry: ToolEntry, params: JsonObject): Answer | Promise<Answer> {
    const server = this.#parts.servers.find(entry.server, exchange.session.grant);
    if (server === undefined) return Answer.error(rpcCode.invalidParams, `Unknown tool: ${entry.name}`);
    const atServer = paramsNamed(params, entry.tool);
    const answer = this.#parts.carrier.carry(exchange, server, 'tools/call', atServer, entry.definition);
    return wantsTask(exchange.caller, exchange.request) ? this.#learnTask(exchange, entry.server, answer) : answer;
  }

  async #learnTask(exchange: Exchange, server: string, answering: Answer | Promise<Answer>): Promise<Answer> {
    const answer = await answering;
    this.#parts.tasks.learn(exchange.session.grant.id, server, exchange.caller, answer);
    return answer;
  }

  /** A tool that is not listed does not exist for the caller; whoever keeps account is told that it was tried. */
  #refuseUnlisted({ session }: Exchange, name: string): Answer {
    const text = `Unknown tool: ${name}`;
    const { onCallSettled } = this.#parts.hooks();
    if (onCallSettled.used) {
      const call = { name: name.slice(0, longestName), server: '', tool: '' };
      const reason = text.slice(0, longestName + 20);
      const who = { grant: session.grant.id, session: session.id };
      onCallSettled.run({ call, ...who, outcome: 'refused', reason, duration: 0 }).catch(this.#parts.report);
    }
    return Answer.error(rpcCode.invalidParams, text);
  }
}
