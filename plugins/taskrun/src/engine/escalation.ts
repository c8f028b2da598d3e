// Requests of agents for more tools: what the policy of the task answers, and how a person's decision is put into the record.
// Tools are granted one by one, never as patterns: a tool that a server offers tomorrow was not asked for today.
import { randomBytes } from 'node:crypto';
import { Problem } from 'plugboard';
import type { SelectorReport } from 'plugboard';
import type { Options } from '../options.ts';
import type { Escalation, EscalationPolicy } from '../task.ts';
import { switched } from './change.ts';
import { journaled } from './record.ts';
import type { TaskRecord } from './record.ts';
import { literal } from './toolset.ts';

/** Decided requests that a record keeps. */
const keptDecided = 20;

/** What the policy says of one request. */
export interface Verdict {
  /** Tools (`server:tool`) to enable now. */
  readonly granted: readonly string[];
  /** Selectors, as asked for, that a person must decide on. */
  readonly pending: readonly string[];
  readonly refused: readonly { readonly tool: string; readonly why: string }[];
  /** Callable already. */
  readonly present: readonly string[];
}

/** What the verdict depends on. */
export interface Circumstances {
  readonly policy: EscalationPolicy;
  /** By selector: what it means, without any bound, and within the ceilings. */
  report(selector: string): SelectorReport | undefined;
  within(selector: string): SelectorReport | undefined;
  /** The tools that some selectors stand for. */
  meaning(selectors: readonly string[]): ReadonlySet<string>;
  /** Tools that the task may call now. */
  readonly callable: ReadonlySet<string>;
  /** Tools that a person switched off, and that the object denies. */
  readonly switchedOff: ReadonlySet<string>;
  readonly denied: ReadonlySet<string>;
}

/** Judges a request, selector by selector. */
export function judge(tools: readonly string[], about: Circumstances): Verdict {
  const granted = new Set<string>();
  const pending: string[] = [];
  const present: string[] = [];
  const refused: { tool: string; why: string }[] = [];
  const never = about.meaning(about.policy.deny);
  const listed = about.meaning(about.policy.allow);
  for (const tool of new Set(tools)) {
    const meant = about.report(tool)?.tools ?? [];
    const possible = (about.within(tool)?.tools ?? []).filter((each) => !never.has(each));
    const missing = possible.filter((each) => !about.callable.has(each));
    if (meant.length === 0) refused.push({ tool, why: unknown(about.report(tool)) });
    else if (possible.length === 0) refused.push({ tool, why: 'it is beyond what this task may ever have' });
    else if (missing.length === 0) present.push(tool);
    else if (about.policy.mode === 'review') pending.push(tool);
    else {
      const allowed = missing.filter((each) => mayGrant(each, about, listed));
      for (const each of allowed) granted.add(each);
      if (allowed.length < missing.length) refused.push({ tool, why: reason(allowed.length, about) });
    }
  }
  return { granted: [...granted], pending, refused, present };
}

/** What a person took away, or the object denies, comes back through a person only, unless the allow list names it. */
function mayGrant(tool: string, { policy, switchedOff, denied }: Circumstances, listed: ReadonlySet<string>): boolean {
  if (switchedOff.has(tool)) return false;
  return policy.mode === 'allowlist' ? listed.has(tool) : !denied.has(tool);
}

function reason(granted: number, { policy }: Circumstances): string {
  const which = granted === 0 ? 'it is' : 'the rest of it is';
  return policy.mode === 'allowlist'
    ? `${which} not among the tools that this task may ask for`
    : `${which} denied to this task; a person can enable it`;
}

function unknown(report: SelectorReport | undefined): string {
  const nearest = report?.nearest ?? [];
  return `there is no such tool${nearest.length === 0 ? '' : `; nearest: ${nearest.join(', ')}`}`;
}

/** Puts a request with its verdict into the record. The id is that of the escalation that waits, if one does. */
export function request(
  record: TaskRecord,
  asked: { readonly id: string; readonly tools: readonly string[]; readonly reason: string },
  verdict: Verdict,
  limits: Options['limits'],
): TaskRecord {
  const { id, tools, reason: why } = asked;
  let next = journaled(record, { by: 'agent', action: 'escalation-requested', reason: why, enabled: tools });
  if (verdict.granted.length > 0) next = grantTools(next, verdict.granted, { by: 'proxy', reason: why }, limits);
  if (verdict.refused.length > 0) {
    const refused = verdict.refused.map(({ tool }) => tool);
    next = journaled(next, {
      by: 'proxy',
      action: 'escalation-refused',
      reason: verdict.refused[0]?.why,
      disabled: refused,
    });
  }
  const now = new Date().toISOString();
  const base = { task: record.id, reason: why, requestedAt: now };
  const add: Escalation[] = [];
  if (verdict.pending.length > 0) {
    const waiting = record.escalations.filter(({ state }) => state === 'pending').length;
    if (waiting >= limits.pendingEscalations)
      throw new Problem(
        429,
        'too-many-escalations',
        `${waiting} requests wait for a decision already; go on without, or wait`,
      );
    add.push({
      ...base,
      id,
      tools: verdict.pending,
      state: 'pending',
      decidedBy: undefined,
      decidedAt: undefined,
      comment: undefined,
    });
  } else {
    const state = verdict.granted.length > 0 ? 'granted' : 'refused';
    add.push({ ...base, id, tools, state, decidedBy: 'policy', decidedAt: now, comment: undefined });
  }
  return { ...next, escalations: bounded([...next.escalations, ...add]) };
}

/** A person's decision. Throws a `Problem` when it has been made already. */
export function decide(
  record: TaskRecord,
  decided: { readonly id: string; readonly grant: boolean; readonly by: string; readonly comment: string | undefined },
  limits: Options['limits'],
): TaskRecord {
  const found = record.escalations.find(({ id }) => id === decided.id);
  if (found === undefined) throw unknownEscalation(decided.id);
  if (found.state !== 'pending')
    throw new Problem(
      409,
      'escalation-decided',
      `${decided.id} was ${found.state} by ${found.decidedBy ?? 'somebody'} already`,
    );
  const { by, comment, grant } = decided;
  const reason = comment ?? found.reason;
  const next = grant
    ? grantTools(record, found.tools, { by, reason }, limits)
    : journaled(record, { by, action: 'escalation-refused', reason, disabled: found.tools });
  const state = grant ? 'granted' : 'refused';
  const settled: Escalation = { ...found, state, decidedBy: by, decidedAt: new Date().toISOString(), comment };
  return { ...next, escalations: bounded(next.escalations.map((each) => (each === found ? settled : each))) };
}

export function unknownEscalation(id: string): Problem {
  return new Problem(
    404,
    'escalation-unknown',
    `there is no escalation "${id}"; \`plugboard task escalations\` or GET /escalations lists them`,
  );
}

export const newEscalationId = () => `esc-${randomBytes(8).toString('hex')}`;

function grantTools(
  record: TaskRecord,
  tools: readonly string[],
  { by, reason: why }: { readonly by: string; readonly reason: string },
  limits: Options['limits'],
): TaskRecord {
  const live = switched(
    record.live,
    tools.map((selector) => ({ selector, on: true })),
  );
  if (live.length > limits.liveSelectors)
    throw new Problem(
      422,
      'too-many-selectors',
      `${record.id}: live changes would hold ${live.length} selectors (at most ${limits.liveSelectors})`,
    );
  const next = { ...record, live, contextVersion: record.contextVersion + 1 };
  return journaled(next, { by, action: 'escalation-granted', reason: why, enabled: tools });
}

/** All that wait, and the newest that are decided. */
function bounded(escalations: readonly Escalation[]): Escalation[] {
  const decided = escalations.filter(({ state }) => state !== 'pending').slice(-keptDecided);
  return escalations.filter((each) => each.state === 'pending' || decided.includes(each));
}

/** `server:tool` names as selectors. */
export const asSelectors = (tools: readonly string[]) => tools.map(literal);
