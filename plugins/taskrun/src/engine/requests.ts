// What people and agents ask of a task, put to its policy and its bounds: add-context, requests for tools, decisions, tokens, the phase.
import { Problem } from 'plugboard';
import type { BoardApi, Grant, Rules, SelectorReport } from 'plugboard';
import type { Options } from '../options.ts';
import { checkInternalRule } from '../render/internal-tools.ts';
import type { Escalation, Phase } from '../task.ts';
import { catalogueOf, reportsOn, wrongSelectors } from './catalogue.ts';
import { changeContext, inOrder } from './change.ts';
import type { TaskEntry } from './entry.ts';
import { asSelectors, decide, judge, newEscalationId, request, unknownEscalation } from './escalation.ts';
import type { Verdict } from './escalation.ts';
import { ceilingsOf } from './grant.ts';
import { isInternal, marked, ruleOf } from './internal.ts';
import { journaled } from './record.ts';
import type { TaskRecord } from './record.ts';
import type { TaskListener, Tasks } from './tasks.ts';
import { withPhase } from './object.ts';
import { newToken } from './tokens.ts';

/** add-context as it was asked for. */
export interface ContextRequest {
  readonly additional_context?: string | undefined;
  readonly enable_tools?: readonly string[] | undefined;
  readonly disable_tools?: readonly string[] | undefined;
  readonly reason?: string | undefined;
}

/** Who asks, and which version of the task they have seen. */
export interface Asker {
  readonly by: string;
  readonly expected?: string | undefined;
}

/** What became of add-context. */
export interface ContextOutcome {
  readonly id: string;
  readonly contextVersion: number;
  /** Selectors of this call. */
  readonly enabled: readonly string[];
  readonly disabled: readonly string[];
  /** What does not do all that it says: beyond the ceiling in part, or standing for nothing. */
  readonly warnings: readonly string[];
}

/** What became of an agent's request. */
export interface Outcome {
  readonly granted: readonly string[];
  readonly present: readonly string[];
  readonly refused: readonly { readonly tool: string; readonly why: string }[];
  readonly pending: { readonly id: string; readonly tools: readonly string[] } | undefined;
}

/** Requests for tools that one agent may make. */
const mostPerMinute = 20;

/** Tools beyond the ceiling that a warning names. */
const named = 10;

export interface RequestsInit {
  readonly tasks: Tasks;
  readonly board: BoardApi;
  readonly options: Options;
  readonly listener: TaskListener;
}

export class Requests {
  readonly #init: RequestsInit;

  constructor(init: RequestsInit) {
    this.#init = init;
  }

  /** add-context: resolves when it is kept and in force. Rejects with a `Problem`; nothing has changed then. */
  async addContext(entry: TaskEntry, wanted: ContextRequest, { by, expected }: Asker): Promise<ContextOutcome> {
    const { tasks, options } = this.#init;
    const enable = [...new Set((wanted.enable_tools ?? []).map(marked))];
    const disable = [...new Set((wanted.disable_tools ?? []).map(marked))];
    const text = wanted.additional_context?.trim() === '' ? undefined : wanted.additional_context;
    if (enable.length + disable.length === 0 && text === undefined)
      throw new Problem(422, 'nothing-to-do', 'give additional_context, enable_tools or disable_tools');
    const both = enable.find((selector) => disable.includes(selector));
    if (both !== undefined)
      throw new Problem(422, 'contradiction', `${both} stands in enable_tools and in disable_tools`);
    const warnings = this.#checkSelectors(entry, enable, disable);
    const selectors = [...enable, ...disable].filter((selector) => !isInternal(selector));
    const catalogue = selectors.length === 0 ? undefined : catalogueOf(this.#init.board, entry.grant.id, selectors);
    const live = inOrder(enable, disable, (selector) => catalogue?.meaning(selector) ?? new Set());
    const change = { by, text, reason: wanted.reason, live };
    const record = await tasks.change(entry, (current) => changeContext(current, change, options.limits), expected);
    if (live.length > 0) this.#tell(entry, 'ToolsChanged', `${by} changed the tools: ${summary(enable, disable)}`);
    return { id: entry.id, contextVersion: record.contextVersion, enabled: enable, disabled: disable, warnings };
  }

  /** An agent asks for tools: the policy of its task answers at once. */
  async request(entry: TaskEntry, tools: readonly string[], reason: string): Promise<Outcome> {
    const { options, tasks, board } = this.#init;
    const { limits } = options;
    if (tools.length > limits.requestedTools)
      throw new Problem(
        422,
        'too-many-tools',
        `${tools.length} tools in one request (at most ${limits.requestedTools})`,
      );
    const wrong = wrongSelectors(board, entry.grant.id, tools);
    if (wrong !== undefined) throw new Problem(422, 'selector-invalid', wrong);
    const repeated = waiting(entry, tools);
    if (repeated !== undefined) return { granted: [], present: [], refused: [], pending: repeated };
    slowDown(entry);
    const callable = new Set((await board.tools(entry.grant)).map(({ server, tool }) => `${server}:${tool}`));
    const verdict = this.#judge(entry, tools, callable);
    const id = newEscalationId();
    const nothing = verdict.granted.length + verdict.pending.length + verdict.refused.length === 0;
    // Asking for what is there already changes nothing and is not worth a line.
    if (!nothing) {
      const granted = { ...verdict, granted: asSelectors(verdict.granted) };
      await tasks.change(entry, (record) => request(record, { id, tools, reason }, granted, limits));
      this.#tell(entry, 'EscalationRequested', `the agent asked for ${tools.join(', ')}: ${reason}`);
    }
    if (verdict.refused.length > 0) {
      const refused = verdict.refused.map(({ tool }) => tool).join(', ');
      this.#tell(entry, 'EscalationRefused', `refused to the agent: ${refused}`, 'Warning');
    }
    const pending = verdict.pending.length > 0 ? { id, tools: verdict.pending } : undefined;
    return { granted: verdict.granted, present: verdict.present, refused: verdict.refused, pending };
  }

  /** A person decides about a request that waits. */
  async decide(
    id: string,
    decision: { readonly grant: boolean; readonly comment: string | undefined },
    { by }: Asker,
  ): Promise<Escalation> {
    const { tasks, options } = this.#init;
    const entry = tasks.all().find(({ record }) => record.escalations.some((each) => each.id === id));
    if (entry === undefined) throw unknownEscalation(id);
    const record = await tasks.change(entry, (current) => decide(current, { id, by, ...decision }, options.limits));
    const decided = record.escalations.find((each) => each.id === id);
    if (decided === undefined) throw unknownEscalation(id);
    this.#tell(
      entry,
      decision.grant ? 'EscalationGranted' : 'EscalationRefused',
      `${by} ${decided.state} ${decided.tools.join(', ')}`,
    );
    return decided;
  }

  /** Makes a token, in place of the one before if there is one. The token is in the answer and nowhere else. */
  async mint(
    entry: TaskEntry,
    { overlap }: { readonly overlap?: number | undefined },
    { by, expected }: Asker,
  ): Promise<string> {
    const { tasks, options } = this.#init;
    const { token, hash } = newToken();
    await tasks.change(
      entry,
      (record) => {
        const before = record.token;
        const ms = overlap ?? options.token.overlap;
        const until = Date.now() + ms;
        const previous = before !== undefined && ms > 0 ? { hash: before.hash, until } : undefined;
        const next: TaskRecord = { ...record, token: { hash, createdAt: Date.now(), previous } };
        return journaled(next, { by, action: before === undefined ? 'token-created' : 'token-rotated' });
      },
      expected,
    );
    return token;
  }

  /** Refuses the task's token from now on. */
  async revoke(entry: TaskEntry, { by, expected }: Asker): Promise<void> {
    await this.#init.tasks.change(
      entry,
      ({ token, ...record }) => (token === undefined ? record : journaled(record, { by, action: 'token-revoked' })),
      expected,
    );
  }

  async setPhase(
    entry: TaskEntry,
    phase: Phase,
    message: string | undefined,
    { by, expected }: Asker,
  ): Promise<TaskRecord> {
    if (phase === 'Running') entry.seenRunning = Date.now();
    return await this.#init.tasks.change(entry, (record) => withPhase(record, phase, message, by), expected);
  }

  /** Throws for selectors that are none and for those that enable nothing; returns what else should be said of them. */
  #checkSelectors(entry: TaskEntry, enable: readonly string[], disable: readonly string[]): string[] {
    const { board, options } = this.#init;
    const { id, grant } = entry;
    if (enable.length + disable.length > options.limits.liveSelectors)
      throw new Problem(
        422,
        'too-many-selectors',
        `${enable.length + disable.length} selectors (at most ${options.limits.liveSelectors})`,
      );
    const ofServers = (selectors: readonly string[]) => selectors.filter((selector) => !isInternal(selector));
    const wrong = wrongSelectors(board, grant.id, ofServers([...enable, ...disable]));
    if (wrong !== undefined) throw new Problem(422, 'selector-invalid', wrong);
    const wrongRule = [...enable, ...disable]
      .filter(isInternal)
      .map((selector) => checkInternalRule(ruleOf(selector)))
      .find((problem) => problem !== undefined);
    if (wrongRule !== undefined) throw new Problem(422, 'selector-invalid', wrongRule);
    const all = this.#reports(entry, ofServers(enable));
    const bounded = this.#reports(entry, ofServers(enable), this.#ceilings(entry));
    const warnings: string[] = [];
    for (const [index, { selector, tools, state, nearest }] of all.entries()) {
      // What every task has in any case says nothing about the ceiling.
      const others = tools.filter((tool) => !tool.startsWith(`${options.server}:`));
      const inside = new Set(bounded[index]?.tools ?? []);
      const beyond = others.filter((tool) => !inside.has(tool));
      if (state === 'unmatched') warnings.push(unmatched(selector, nearest));
      else if (others.length > 0 && beyond.length === others.length)
        throw new Problem(
          422,
          'beyond-ceiling',
          `${selector} is beyond the ceiling of task ${id}: nothing was changed`,
          { selector },
        );
      else if (beyond.length > 0) warnings.push(limitedTo(selector, others, beyond));
    }
    for (const { selector, state, nearest } of this.#reports(entry, ofServers(disable)))
      if (state === 'unmatched') warnings.push(unmatched(selector, nearest));
    return warnings;
  }

  #judge(entry: TaskEntry, tools: readonly string[], callable: ReadonlySet<string>): Verdict {
    const { spec, record, grant } = entry;
    const { allow, deny } = spec.escalation;
    const off = record.live.flatMap(({ selector, on }) => (on || isInternal(selector) ? [] : [selector]));
    const catalogue = catalogueOf(this.#init.board, grant.id, [...allow, ...deny, ...off, ...spec.tools.deny]);
    const meaning = (selectors: readonly string[]) =>
      new Set(selectors.flatMap((each) => [...catalogue.meaning(each)]));
    const bySelector = (reports: readonly SelectorReport[]) => new Map(reports.map((each) => [each.selector, each]));
    const all = bySelector(this.#reports(entry, tools));
    const bounded = bySelector(this.#reports(entry, tools, this.#ceilings(entry)));
    return judge(tools, {
      policy: spec.escalation,
      report: (selector) => all.get(selector),
      within: (selector) => bounded.get(selector),
      meaning,
      callable,
      switchedOff: meaning(off),
      denied: meaning(spec.tools.deny),
    });
  }

  #ceilings({ spec, record, grant }: TaskEntry): readonly Rules[] {
    const { options, board } = this.#init;
    return ceilingsOf(grant.id, { spec, live: record.live, ceiling: options.ceiling, server: options.server }, board)
      .within;
  }

  /** What selectors mean, whatever the task may use now. */
  #reports({ grant }: TaskEntry, selectors: readonly string[], within?: readonly Rules[]): readonly SelectorReport[] {
    if (selectors.length === 0) return [];
    if (within === undefined) return reportsOn(this.#init.board, grant.id, selectors);
    const bounded: Grant = { id: grant.id, tools: { allow: selectors, deny: [] }, within };
    return this.#init.board.inspect(bounded);
  }

  #tell(entry: TaskEntry, reason: string, message: string, type: 'Normal' | 'Warning' = 'Normal'): void {
    this.#init.listener.event(entry, { type, reason, message: message.slice(0, 1000) });
  }
}

/** The request that waits for a decision about the same tools. */
function waiting({ record }: TaskEntry, tools: readonly string[]): Escalation | undefined {
  const same = (each: Escalation) => each.state === 'pending' && each.tools.join('\n') === tools.join('\n');
  return record.escalations.find(same);
}

/** Each request is a line of the journal, and the journal is finite: nobody may talk it full. Throws a `Problem`. */
function slowDown(entry: TaskEntry): void {
  const now = Date.now();
  const recent = entry.asked.filter((at) => now - at < 60_000);
  if (recent.length >= mostPerMinute)
    throw new Problem(
      429,
      'too-many-requests',
      `${mostPerMinute} requests for tools within a minute: go on with what you have`,
    );
  entry.asked = [...recent, now];
}

function unmatched(selector: string, nearest: readonly string[]): string {
  const hint = nearest.length === 0 ? '' : ` (nearest: ${nearest.join(', ')})`;
  return `${selector} stands for no tool${hint}`;
}

function limitedTo(selector: string, tools: readonly string[], beyond: readonly string[]): string {
  const shown = beyond.slice(0, named).join(', ');
  const more = beyond.length > named ? ` and ${beyond.length - named} more` : '';
  return `${selector} stands for ${tools.length} tools; beyond the ceiling and not enabled: ${shown}${more}`;
}

function summary(enable: readonly string[], disable: readonly string[]): string {
  return [...enable.map((selector) => `+${selector}`), ...disable.map((selector) => `-${selector}`)]
    .slice(0, 20)
    .join(' ');
}
