// From an object to the record of its task, and what a new version of the object means for it. Reading objects is the schema's business.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';
import type { Phase, SourceObject, TaskSpec } from '../task.ts';
import { journaled } from './record.ts';
import type { TaskRecord } from './record.ts';

/** An object, read. */
export interface ReadObject {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string | undefined;
  readonly spec: TaskSpec;
  readonly phase: Phase | undefined;
  readonly warnings: readonly string[];
}

/** Reads an object; never throws. */
export type Read = (object: unknown) => ReadObject | { readonly problems: readonly string[] };

/** The record with another phase, said by somebody. */
export function withPhase(record: TaskRecord, phase: Phase, message: string | undefined, by: string): TaskRecord {
  if (record.phase === phase && record.phaseMessage === message) return record;
  const next: TaskRecord = { ...record, phase, phaseMessage: message, phaseAt: Date.now() };
  return journaled(next, { by, action: 'phase', reason: message === undefined ? phase : `${phase}: ${message}` });
}

/** `metadata.name`; outside of the namespace `default` with the namespace in front. */
export function idOf({ namespace, name }: Pick<ReadObject, 'namespace' | 'name'>): string {
  return namespace === 'default' ? name : `${namespace}/${name}`;
}

/** Who a source is in a journal: sources speak for themselves, the API for whoever uses it. */
export function byOf({ source, origin }: SourceObject): string {
  return source === 'api' ? origin : source;
}

/** The record of a task that was not there before. */
export function newRecord(id: string, found: SourceObject, read: ReadObject): TaskRecord {
  const { name, namespace, uid, spec, phase } = read;
  const object = keptObject(found.object);
  const now = Date.now();
  const { source, origin } = found;
  const record: TaskRecord = {
    id,
    uid: uid ?? randomUUID(),
    namespace,
    name,
    source,
    origin,
    object,
    objectRevision: 1,
    live: [],
    contextVersion: spec.contextVersion,
    context: [],
    phase: phase ?? 'Pending',
    phaseAt: now,
    escalations: [],
    journaled: 0,
    outbox: [],
    revision: 1,
    createdAt: now,
  };
  return journaled(record, { by: byOf(found), action: 'created' });
}

/** True when a new delivery of an object says nothing new about its task. */
export function isSame(record: TaskRecord, { origin, object }: SourceObject, { phase }: ReadObject): boolean {
  return isSameObject(record, object) && (phase === undefined || phase === record.phase) && origin === record.origin;
}

export function isSameObject(record: TaskRecord, object: unknown): boolean {
  return isDeepStrictEqual(essence(record.object), essence(keptObject(object)));
}

/** The record with a new delivery of its object: what was changed live stays. */
export function renewed(record: TaskRecord, found: SourceObject, { spec, phase }: ReadObject): TaskRecord {
  const by = byOf(found);
  let next: TaskRecord = { ...record, origin: found.origin };
  if (!isSameObject(record, found.object)) {
    const contextVersion = Math.max(spec.contextVersion, record.contextVersion + 1);
    const object = keptObject(found.object);
    next = { ...next, object, objectRevision: record.objectRevision + 1, contextVersion };
    next = journaled(next, { by, action: 'changed' });
  }
  return phase === undefined ? next : withPhase(next, phase, undefined, by);
}

/** What is kept of an object: neither what an API server keeps for itself, nor the status, which others write. */
function keptObject(object: unknown): JsonObject {
  const { status: _, ...rest } = object as JsonObject;
  const { managedFields: __, ...metadata } = isObject(rest['metadata']) ? rest['metadata'] : {};
  return { ...rest, metadata };
}

/** What makes two deliveries of an object the same. */
function essence({ kind, spec, metadata }: JsonObject): unknown {
  return { kind, spec, labels: isObject(metadata) ? metadata['labels'] : undefined };
}
