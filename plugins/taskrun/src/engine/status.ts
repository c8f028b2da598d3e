// How tasks stand: conditions made of what the board says of their selectors, and counters. Looked at when somebody asks or listens; kept now and then.
import type { BoardApi, Log, SelectorReport, Store } from 'plugboard';
import type { Condition } from '../task.ts';
import { reportsOn } from './catalogue.ts';
import type { TaskEntry } from './entry.ts';
import { isInternal } from './internal.ts';
import { activityKey } from './record.ts';
import type { ActivityRecord } from './record.ts';
import { literal } from './toolset.ts';

/** ms between looks at what must be kept and told. */
const pace = 1000;
/** Tasks that are looked at in one go, so that a change of the catalogue does not hold up a thousand calls. */
const slice = 25;

export interface StatusKeeperInit {
  readonly board: BoardApi;
  readonly store: Store<ActivityRecord>;
  readonly log: Log;
  /** Name of the server that tasks have in any case. */
  readonly server: string;
  /** True when somebody wants to hear of the task's status without asking. */
  readonly followed: (entry: TaskEntry) => boolean;
  /** `status`: its conditions say something else; `counted`: only counters do. */
  readonly changed: (entry: TaskEntry, what: 'status' | 'counted') => void;
}

export class StatusKeeper {
  readonly #init: StatusKeeperInit;
  readonly #unsaved = new Set<TaskEntry>();
  readonly #unseen = new Set<TaskEntry>();
  readonly #timer: NodeJS.Timeout;
  #busy: Promise<void> = Promise.resolve();

  constructor(init: StatusKeeperInit) {
    this.#init = init;
    this.#timer = setInterval(() => {
      this.#busy = this.#busy.then(() => this.#work());
    }, pace);
    this.#timer.unref();
  }

  /** Something that is counted has happened to a task. */
  touched(entry: TaskEntry): void {
    this.#unsaved.add(entry);
    if (this.#init.followed(entry)) this.#unseen.add(entry);
  }

  /** What a task's conditions depend on has changed. */
  outdated(entry: TaskEntry): void {
    entry.stale = true;
    if (this.#init.followed(entry)) this.#unseen.add(entry);
  }

  /** Brings conditions up to date. */
  refresh(entry: TaskEntry): void {
    if (!entry.stale) return;
    entry.stale = false;
    const before = entry.conditions;
    const { board, server } = this.#init;
    const own = `${literal(server)}:*`;
    const reports = board.inspect(entry.grant).filter(({ selector }) => selector !== own);
    entry.tools = [...reports, ...switchedOff(board, entry, reports)];
    entry.conditions = conditionsOf(entry, reports).map((condition) => settle(condition, before));
    if (differ(entry.conditions, before)) this.#unsaved.add(entry);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#busy;
    await this.#save();
  }

  async #work(): Promise<void> {
    try {
      await this.#tell();
      await this.#save();
    } catch (error) {
      this.#init.log.error('the status of tasks cannot be kept', { error });
    }
  }

  async #tell(): Promise<void> {
    const entries = [...this.#unseen];
    this.#unseen.clear();
    for (const [index, entry] of entries.entries()) {
      if (index % slice === slice - 1) await new Promise((resolve) => setImmediate(resolve));
      if (entry.gone) continue;
      const before = entry.conditions;
      this.refresh(entry);
      this.#init.changed(entry, differ(entry.conditions, before) ? 'status' : 'counted');
    }
  }

  async #save(): Promise<void> {
    const entries = [...this.#unsaved].filter(({ gone }) => !gone);
    this.#unsaved.clear();
    await Promise.all(entries.map((entry) => this.#init.store.set(activityKey(entry.uid), entry.activity())));
  }
}

/** Selectors that a person switched on and that stand for nothing are in the grant's own report; those switched off are told too. */
function switchedOff(board: BoardApi, entry: TaskEntry, shown: readonly SelectorReport[]): SelectorReport[] {
  const known = new Set(shown.map(({ selector }) => selector));
  const off = entry.record.live.flatMap(({ selector, on }) =>
    on || isInternal(selector) || known.has(selector) ? [] : [selector],
  );
  if (off.length === 0) return [];
  return reportsOn(board, entry.grant.id, off).map((report) =>
    report.state === 'unmatched'
      ? report
      : { ...report, state: 'denied', tools: [], reason: 'it was switched off', nearest: [] },
  );
}

/** Selectors that a message names; the others are counted. */
const named = 10;

function differ(now: readonly Condition[], before: readonly Condition[]): boolean {
  return now.length !== before.length || now.some((condition) => !before.includes(condition));
}

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

function conditionsOf(entry: TaskEntry, reports: readonly SelectorReport[]): NewCondition[] {
  const conditions = [toolsReady(reports)];
  if (entry.servers.count > 0 || entry.servers.problems.length > 0) conditions.push(serversReady(entry));
  const { warnings, workspaceProblem } = entry;
  const all = [...(workspaceProblem === undefined ? [] : [workspaceProblem]), ...warnings];
  if (all.length > 0)
    conditions.push({
      type: 'Warnings',
      status: 'True',
      reason: 'WithoutEffect',
      message: all.slice(0, 2 * named).join('; '),
    });
  return conditions;
}

function serversReady({ servers }: TaskEntry): NewCondition {
  const { problems } = servers;
  return problems.length === 0
    ? { type: 'ServersReady', status: 'True', reason: 'Registered', message: 'the servers of its own are registered' }
    : { type: 'ServersReady', status: 'False', reason: 'NotRegistered', message: problems.join('; ') };
}

const reasons = {
  unmatched: 'SelectorsMatchNothing',
  failed: 'ServersFailed',
  denied: 'ToolsDenied',
  waiting: 'ServersStarting',
} as const;

function toolsReady(reports: readonly SelectorReport[]): NewCondition {
  const type = 'ToolsReady';
  const unready = reports.filter(({ state }) => state !== 'ready');
  if (unready.length === 0) {
    const tools = new Set(reports.flatMap((report) => report.tools)).size;
    return {
      type,
      status: 'True',
      reason: 'Ready',
      message: `${tools} tools of ${reports.length} selectors can be called`,
    };
  }
  const told = unready.slice(0, named).map(({ selector, reason, nearest }) => {
    const hint = nearest.length === 0 ? '' : ` (nearest: ${nearest.join(', ')})`;
    return `${selector}: ${reason ?? 'not ready'}${hint}`;
  });
  const rest = unready.length - told.length;
  const message = rest > 0 ? [...told, `and ${rest} more`].join('; ') : told.join('; ');
  for (const state of ['unmatched', 'failed', 'denied'] as const)
    if (unready.some((report) => report.state === state))
      return { type, status: 'False', reason: reasons[state], message };
  return { type, status: 'Unknown', reason: reasons.waiting, message };
}

/** The condition with the time of its last transition; the same object when nothing about it has changed. */
function settle(condition: NewCondition, before: readonly Condition[]): Condition {
  const last = before.find(({ type }) => type === condition.type);
  if (last === undefined || last.status !== condition.status)
    return { ...condition, lastTransitionTime: new Date().toISOString() };
  if (last.reason === condition.reason && last.message === condition.message) return last;
  return { ...condition, lastTransitionTime: last.lastTransitionTime };
}
