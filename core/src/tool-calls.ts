// Tool calls: found in the caller's own list and nowhere else, through the hooks, and to their server.
import type { ToolEntry } from './board-api.ts';
import { contextOf } from './carrier.ts';
import type { Carrier } from './carrier.ts';
import { isDenied } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { freezeDeep } from './freeze.ts';
import type { CallOutcome, CallRecord, Hooks, ToolCall } from './hooks.ts';
import { toolError } from './local-server.ts';
import { Answer } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { JsonObject, ToolResult } from './protocol/messages.ts';
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

/** What is known of a call when it is over, without who made it. */
type SettledCall = Omit<CallRecord, 'grant' | 'session'>;

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
    if (hooks.used('onCallTool') || hooks.used('onToolResult') || hooks.used('onCallSettled'))
      return this.#callHooked(exchange, entry, args ?? {}, hooks);
    return this.#callAt(exchange, entry, exchange.request.params as JsonObject);
  }

  /** Carries a tool call to its server. Ends with an answer in every case but a fault of this code. */
  #callAt(exchange: Exchange, entry: ToolEntry, params: JsonObject): Answer | Promise<Answer> {
    const server = this.#parts.servers.find(entry.server, exchange.session.grant);
    if (server === undefined) return Answer.error(rpcCode.invalidParams, `Unknown tool: ${entry.name}`);
    const atServer = entry.tool === params['name'] ? params : { ...params, name: entry.tool };
    const answer = this.#parts.carrier.carry(exchange, server, 'tools/call', atServer, entry.definition);
    return wantsTask(exchange.caller, exchange.request) ? this.#learnTask(exchange, entry.server, answer) : answer;
  }

  async #learnTask(exchange: Exchange, server: string, answering: Answer | Promise<Answer>): Promise<Answer> {
    const answer = await answering;
    this.#parts.tasks.learn(exchange.session.grant.id, server, exchange.caller, answer);
    return answer;
  }

  async #callHooked(exchange: Exchange, entry: ToolEntry, args: JsonObject, hooks: Hooks): Promise<Answer> {
    const { name, server, tool } = entry;
    // Plugins judge a call, they do not change it: what they saw is what is sent.
    const call: ToolCall = Object.freeze({ name, server, tool, arguments: freezeDeep(args), entry });
    const context = contextOf(exchange);
    const account = hooks.used('onCallSettled') ? new Account(call) : undefined;
    try {
      // Awaited only where a plugin makes one wait: each turn of the event loop costs more than most taps.
      const judged = hooks.used('onCallTool') ? hooks.runNow('onCallTool', call, context) : undefined;
      const early = judged instanceof Promise ? await judged : judged;
      let answer =
        early === undefined
          ? await this.#callAt(exchange, entry, exchange.request.params as JsonObject)
          : Answer.result(early);
      if (hooks.used('onToolResult') && !answer.failed && isToolResult(answer.message.result)) {
        // Frozen, so that the same object is the same result, whose bytes need not be written again.
        const result = freezeDeep(answer.message.result);
        const returned = hooks.runNow('onToolResult', result, call, context);
        const changed = returned instanceof Promise ? await returned : returned;
        if (changed !== result) answer = Answer.result(changed);
      }
      account?.answered(answer, exchange.cancelled);
      return answer;
    } catch (error) {
      account?.threw(error);
      if (!isDenied(error)) throw error;
      return Answer.result(toolError(error.message));
    } finally {
      if (account !== undefined) this.#settle(exchange, account.close());
    }
  }

  /** A tool that is not listed does not exist for the caller; whoever keeps account is told that it was tried. */
  #refuseUnlisted(exchange: Exchange, name: string): Answer {
    const text = `Unknown tool: ${name}`;
    const call = { name: name.slice(0, longestName), server: '', tool: '' };
    this.#settle(exchange, { call, outcome: 'refused', reason: text.slice(0, longestName + 20), duration: 0 });
    return Answer.error(rpcCode.invalidParams, text);
  }

  #settle({ session }: Exchange, settled: SettledCall): void {
    const hooks = this.#parts.hooks();
    if (!hooks.used('onCallSettled')) return;
    const record: CallRecord = { ...settled, grant: session.grant.id, session: session.id };
    hooks.run('onCallSettled', record).catch(this.#parts.report);
  }
}

function isToolResult(result: JsonObject | undefined): result is ToolResult {
  return Array.isArray(result?.['content']);
}

/** What is noted of a call for `onCallSettled`; made only where somebody listens. */
class Account {
  readonly #call: ToolCall;
  readonly #started = performance.now();
  #outcome: CallOutcome = 'failed';
  #reason: string | undefined;

  constructor(call: ToolCall) {
    this.#call = call;
  }

  answered(answer: Answer, cancelled: boolean): void {
    if (cancelled) this.#note('cancelled', 'the client has cancelled');
    else if (answer.failed) this.#note('failed', answer.message.error?.message);
    else if (answer.message.result?.['isError'] === true) this.#note('tool-error', 'the tool reported an error');
    else this.#note('ok', undefined);
  }

  threw(error: unknown): void {
    this.#note(isDenied(error) ? 'refused' : 'failed', error instanceof Error ? error.message : String(error));
  }

  close(): SettledCall {
    return {
      call: this.#call,
      outcome: this.#outcome,
      reason: this.#reason,
      duration: performance.now() - this.#started,
    };
  }

  #note(outcome: CallOutcome, reason: string | undefined): void {
    this.#outcome = outcome;
    this.#reason = reason;
  }
}
