// One tool call that plugins have a say in: judged before it is sent, its result shown to them, and accounted for when it is over.
import type { ToolEntry } from './board-api.ts';
import { contextOf } from './carrier.ts';
import { isDenied } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { freezeDeep } from './freeze.ts';
import type { Hooks } from './hook.ts';
import type { CallContext, CallOutcome, ToolCall } from './hooks.ts';
import { toolError } from './local-server.ts';
import { Answer } from './protocol/answer.ts';
import type { JsonObject, ToolResult } from './protocol/messages.ts';

/** What a hooked call works with. */
export interface HookedCallParts {
  readonly hooks: Hooks;
  /** Told of taps of `onCallSettled` that fail. */
  readonly report: (error: unknown) => void;
  /** Carries the call to its server. Failures of servers are answers. */
  readonly send: () => Answer | Promise<Answer>;
}

/**
 * A tool call on its way through the hooks. Plugins judge a call, they do not change it: what they saw is what is sent. It waits only
 * where a plugin makes it wait: each turn of the event loop costs more than most taps.
 */
export class HookedCall {
  readonly #exchange: Exchange;
  readonly #parts: HookedCallParts;
  readonly #call: ToolCall;
  readonly #context: CallContext;
  /** Undefined where nobody asks, and when it is closed. */
  #account: Account | undefined;

  constructor(exchange: Exchange, entry: ToolEntry, args: JsonObject | undefined, parts: HookedCallParts) {
    const { name, server, tool } = entry;
    this.#exchange = exchange;
    this.#parts = parts;
    this.#call = Object.freeze({ name, server, tool, arguments: freezeDeep(args ?? {}), entry });
    this.#context = contextOf(exchange);
    this.#account = parts.hooks.onCallSettled.used ? new Account() : undefined;
  }

  /** The answer to the call. Throws or rejects only with faults; refusals of plugins are answers. */
  run(): Answer | Promise<Answer> {
    const { onCallTool } = this.#parts.hooks;
    try {
      const judged = onCallTool.used ? onCallTool.now(this.#call, this.#context) : undefined;
      return judged instanceof Promise
        ? judged.then((early) => this.#answer(early)).catch((error: unknown) => this.#failed(error))
        : this.#answer(judged);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #answer(early: ToolResult | undefined | void): Answer | Promise<Answer> {
    if (early !== undefined) return this.#show(Answer.result(early));
    const answer = this.#parts.send();
    if (!(answer instanceof Promise)) return this.#show(answer);
    return answer.then(
      (arrived) => this.#show(arrived),
      (error: unknown) => this.#failed(error),
    );
  }

  #show(answer: Answer): Answer | Promise<Answer> {
    const { onToolResult } = this.#parts.hooks;
    // What a server has sent may turn out to be no JSON wherever it is looked at, also for the account.
    try {
      if (!onToolResult.used || answer.failed) return this.#over(answer);
      const shown = answer.message.result;
      if (!isToolResult(shown)) return this.#over(answer);
      // Frozen, so that the same object is the same result, whose bytes need not be written again.
      const result = freezeDeep(shown);
      const changed = onToolResult.now(result, this.#call, this.#context);
      if (!(changed instanceof Promise)) return this.#over(changed === result ? answer : Answer.result(changed));
      return changed
        .then((settled) => this.#over(settled === result ? answer : Answer.result(settled)))
        .catch((error: unknown) => this.#failed(error));
    } catch (error) {
      return this.#failed(error);
    }
  }

  #over(answer: Answer): Answer {
    this.#account?.answered(answer, this.#exchange.cancelled);
    this.#settle();
    return answer;
  }

  #failed(error: unknown): Answer {
    this.#account?.threw(error);
    this.#settle();
    if (!isDenied(error)) throw error;
    return Answer.result(toolError(error.message));
  }

  /** Tells whoever keeps account; once. */
  #settle(): void {
    const account = this.#account;
    if (account === undefined) return;
    this.#account = undefined;
    const { grant, id } = this.#exchange.session;
    this.#parts.hooks.onCallSettled
      .run({ call: this.#call, grant: grant.id, session: id, ...account.close() })
      .catch(this.#parts.report);
  }
}

function isToolResult(result: JsonObject | undefined): result is ToolResult {
  return Array.isArray(result?.['content']);
}

/** What is noted of a call for `onCallSettled`; made only where somebody listens. */
class Account {
  readonly #started = performance.now();
  #outcome: CallOutcome = 'failed';
  #reason: string | undefined;

  answered(answer: Answer, cancelled: boolean): void {
    if (cancelled) this.#note('cancelled', 'the client has cancelled');
    else if (answer.failed) this.#note('failed', answer.message.error?.message);
    else if (answer.saysToolError) this.#note('tool-error', 'the tool reported an error');
    else this.#note('ok', undefined);
  }

  threw(error: unknown): void {
    this.#note(isDenied(error) ? 'refused' : 'failed', error instanceof Error ? error.message : String(error));
  }

  close(): { outcome: CallOutcome; reason: string | undefined; duration: number } {
    return { outcome: this.#outcome, reason: this.#reason, duration: performance.now() - this.#started };
  }

  #note(outcome: CallOutcome, reason: string | undefined): void {
    this.#outcome = outcome;
    this.#reason = reason;
  }
}
