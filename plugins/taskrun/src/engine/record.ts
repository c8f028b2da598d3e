// A task as it is kept in the store. What is made of it while the proxy runs is in `entry.ts`.
import type { JsonObject } from 'plugboard';
import { shortUid } from './grant.ts';
import type { Condition, Escalation, JournalEntry, Phase, SourceName } from '../task.ts';

/** A selector that was switched on or off since the object was written. The later one wins where two mean the same tool. */
export interface LiveChange {
  /** Of a tool; with `internal:` in front, a permission rule of an internal tool. */
  readonly selector: string;
  readonly on: boolean;
}

export interface TokenRecord {
  /** SHA-256, hex. The token itself is nowhere. */
  readonly hash: string;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** The one before it, while it overlaps. */
  readonly previous?: { readonly hash: string; readonly until: number } | undefined;
}

export interface ContextPart {
  readonly at: string;
  readonly by: string;
  readonly version: number;
  readonly text: string;
}

export interface TaskRecord {
  readonly id: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly source: SourceName;
  readonly origin: string;
  readonly object: JsonObject;
  /** One more whenever the object was replaced. */
  readonly objectRevision: number;
  /** In the order in which they were made. */
  readonly live: readonly LiveChange[];
  readonly contextVersion: number;
  readonly context: readonly ContextPart[];
  readonly phase: Phase;
  readonly phaseMessage?: string | undefined;
  /** When the phase was last said or changed; ms since the epoch. */
  readonly phaseAt: number;
  readonly token?: TokenRecord | undefined;
  /** Requests for tools: those that wait, and the newest that were decided. */
  readonly escalations: readonly Escalation[];
  /** Number of the newest journal entry. */
  readonly journaled: number;
  /** Journal entries that are part of this write and not yet kept under keys of their own. */
  readonly outbox: readonly JournalEntry[];
  /** One more with every change. */
  readonly revision: number;
  readonly createdAt: number;
}

/** What changes with every call. It is kept now and then; a crash loses the last second of it. */
export interface ActivityRecord {
  readonly calls: number;
  readonly refusals: number;
  /** ms since the epoch. */
  readonly lastActivity?: number | undefined;
  readonly conditions: readonly Condition[];
}

export const schemaVersion = 1;

export const taskKey = (id: string) => `task/${id}`;
export const activityKey = (uid: string) => `activity/${uid}`;
export const journalPrefix = (uid: string) => `journal/${uid}/`;
export const journalKey = (uid: string, number: number) => journalPrefix(uid) + String(number).padStart(10, '0');

/** Version of a task for `ETag` and `If-Match`: another one of the same name never has the same. */
export const versionOf = ({ uid, revision }: Pick<TaskRecord, 'uid' | 'revision'>) => `${shortUid(uid)}-${revision}`;

type NewEntry = Pick<JournalEntry, 'by' | 'action'> & Partial<Pick<JournalEntry, 'reason' | 'enabled' | 'disabled'>>;

/** The record with one more journal entry, which is written together with it. */
export function journaled(record: TaskRecord, { by, action, reason, enabled, disabled }: NewEntry): TaskRecord {
  const entry: JournalEntry = {
    number: record.journaled + 1,
    at: new Date().toISOString(),
    by,
    action,
    reason,
    contextVersion: record.contextVersion,
    ...(enabled !== undefined && enabled.length > 0 && { enabled }),
    ...(disabled !== undefined && disabled.length > 0 && { disabled }),
  };
  return { ...record, journaled: entry.number, outbox: [...record.outbox, entry] };
}
