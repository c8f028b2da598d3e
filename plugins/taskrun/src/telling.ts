// Tells sources and the event stream of what happens to tasks.
import type { Management } from 'plugboard';
import type { TaskEntry } from './engine/entry.ts';
import { versionOf } from './engine/record.ts';
import type { TaskListener } from './engine/tasks.ts';
import type { SourceName, TaskEvent, TaskSource } from './task.ts';

export class Telling implements TaskListener {
  readonly #management: Management | undefined;
  readonly #sources: ReadonlyMap<SourceName, TaskSource>;

  constructor(management: Management | undefined, sources: ReadonlyMap<SourceName, TaskSource>) {
    this.#management = management;
    this.#sources = sources;
  }

  changed(entry: TaskEntry, what: 'created' | 'changed' | 'status' | 'counted'): void {
    if (what === 'status' || what === 'counted') this.#sources.get(entry.record.source)?.report?.(entry.view());
    // Whoever watches all tasks wants no line for every call.
    if (what === 'counted') return;
    const { contextVersion, phase } = entry.record;
    const data = { version: versionOf(entry.record), contextVersion, phase };
    this.#management?.publish({ type: `task.${what}`, subject: entry.id, data });
  }

  removed({ id }: TaskEntry, by: string): void {
    this.#management?.publish({ type: 'task.deleted', subject: id, data: { by } });
  }

  event(entry: TaskEntry, event: TaskEvent): void {
    this.#sources.get(entry.record.source)?.event?.(entry.view(), event);
    this.#management?.publish({ type: 'task.event', subject: entry.id, data: { ...event } });
  }

  followed({ record }: TaskEntry): boolean {
    return this.#management !== undefined || this.#sources.get(record.source)?.report !== undefined;
  }
}
