// One task of the running proxy: its record, what was made of it, and what is counted. Changing it is the business of `tasks.ts`.
import type { LocalNotifier, SelectorReport } from 'plugboard';
import type { Condition, Task, TaskSpec, TaskStatus } from '../task.ts';
import { grantId, TaskGrant } from './grant.ts';
import type { OwnServers } from './own-servers.ts';
import type { ActivityRecord, TaskRecord } from './record.ts';

export interface TokenLife {
  /** ms. */
  readonly ttl: number;
  readonly grace: number;
}

export interface EntryInit {
  readonly record: TaskRecord;
  /** Version of the record in the store. */
  readonly stored: number;
  readonly spec: TaskSpec;
  readonly warnings: readonly string[];
  readonly grant: TaskGrant;
  readonly servers: OwnServers;
  readonly life: TokenLife;
}

export class TaskEntry {
  record: TaskRecord;
  stored: number;
  spec: TaskSpec;
  /** What its object says that is probably not meant. */
  warnings: readonly string[];
  readonly grant: TaskGrant;
  readonly servers: OwnServers;
  readonly life: TokenLife;
  /** Hashes by which its tokens are known. */
  readonly hashes: string[] = [];
  /** Connections of its agent to the server of tasks. */
  readonly ears = new Set<LocalNotifier>();
  /** True when the task was removed: whoever still holds the entry finds nothing allowed. */
  gone = false;
  /** True while its sessions have been ended because its token has expired. */
  closed = false;
  /** When its source last said that it runs; ms since the epoch. */
  seenRunning = 0;
  /** True when its rules must be made again as soon as the catalogue changes. */
  volatile = false;
  /** Number of the newest journal entry that is kept under a key of its own. */
  kept = 0;
  /** Why its workspace could not be prepared. */
  workspaceProblem: string | undefined;
  calls = 0;
  refusals = 0;
  /** ms since the epoch. */
  lastActivity: number | undefined;
  conditions: readonly Condition[] = [];
  tools: readonly SelectorReport[] = [];
  /** When its agent asked for tools of late; ms since the epoch. */
  asked: readonly number[] = [];
  /** True when the status must be looked at again. */
  stale = true;

  constructor({ record, stored, spec, warnings, grant, servers, life }: EntryInit) {
    this.record = record;
    this.stored = stored;
    this.spec = spec;
    this.warnings = warnings;
    this.grant = grant;
    this.servers = servers;
    this.life = life;
  }

  get id(): string {
    return this.record.id;
  }

  get uid(): string {
    return this.record.uid;
  }

  /** ms since the epoch at which its token expires; infinite: not while it runs; undefined: it has none. */
  get expiresAt(): number | undefined {
    const { token, phase, phaseAt, source } = this.record;
    if (token === undefined) return undefined;
    if (phase === 'Succeeded' || phase === 'Failed') return Math.max(phaseAt, token.createdAt) + this.life.grace;
    // There a controller answers for the phase: it says so when the run is over.
    if (phase === 'Running' && source === 'kubernetes') return Number.POSITIVE_INFINITY;
    return Math.max(token.createdAt, phaseAt, this.seenRunning, this.lastActivity ?? 0) + this.life.ttl;
  }

  activity(): ActivityRecord {
    const { calls, refusals, lastActivity, conditions } = this;
    return { calls, refusals, lastActivity, conditions };
  }

  resume({ calls, refusals, lastActivity, conditions }: ActivityRecord): void {
    Object.assign(this, { calls, refusals, lastActivity, conditions });
  }

  status(): TaskStatus {
    const { phase, phaseMessage, contextVersion, escalations } = this.record;
    return {
      phase,
      message: phaseMessage,
      conditions: this.conditions,
      tools: this.tools,
      calls: this.calls,
      refusals: this.refusals,
      lastActivity: isoOf(this.lastActivity),
      contextVersion,
      pendingEscalations: escalations.filter(({ state }) => state === 'pending').length,
      tokenExpiresAt: isoOf(this.expiresAt),
    };
  }

  /** The task as others see it; a new object every time. */
  view(): Task {
    const { id, uid, namespace, name, source, origin, object, live, contextVersion, context, revision } = this.record;
    const switched = (on: boolean) => live.filter((change) => change.on === on).map(({ selector }) => selector);
    return {
      id,
      uid,
      namespace,
      name,
      source,
      origin,
      object,
      spec: this.spec,
      enabled: switched(true),
      disabled: switched(false),
      contextVersion,
      context,
      status: this.status(),
      version: revision,
    };
  }
}

/** The grants of the tasks of one board, kept while the plugin is applied again: sessions hold on to them. */
export class Grants {
  /** Instances of the plugin that have used them. */
  users = 0;
  readonly #grants = new Map<string, TaskGrant>();

  of({ id, uid }: Pick<TaskRecord, 'id' | 'uid'>): TaskGrant {
    const key = grantId(id, uid);
    const grant = this.#grants.get(key) ?? new TaskGrant(key);
    this.#grants.set(key, grant);
    return grant;
  }

  delete(grant: TaskGrant): void {
    this.#grants.delete(grant.id);
  }

  all(): TaskGrant[] {
    return [...this.#grants.values()];
  }
}

function isoOf(time: number | undefined): string | undefined {
  return time === undefined || !Number.isFinite(time) ? undefined : new Date(time).toISOString();
}
