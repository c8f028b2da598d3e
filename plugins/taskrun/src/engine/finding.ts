// Which task somebody means, and the problems of meaning one that is gone, or has changed since it was looked at.
import { Problem } from 'plugboard';
import type { TaskEntry } from './entry.ts';
import { versionOf } from './record.ts';
import type { TaskRecord } from './record.ts';

/** The task of an id, or of the number of its task where only one has it. Throws a `Problem`. */
export function findTask(tasks: ReadonlyMap<string, TaskEntry>, reference: string): TaskEntry {
  const named = tasks.get(reference) ?? tasks.get(reference.replace(/^default\//, ''));
  if (named !== undefined) return named;
  const number = /^\d+$/.test(reference) ? Number(reference) : undefined;
  const numbered = number === undefined ? [] : [...tasks.values()].filter(({ spec }) => spec.taskId === number);
  if (numbered.length > 1) {
    const ids = numbered.slice(0, 10).map(({ id }) => id);
    const text = `taskId ${reference} belongs to several tasks: ${ids.join(', ')}; name one of them`;
    throw new Problem(409, 'task-ambiguous', text);
  }
  const [only] = numbered;
  if (only === undefined) throw unknownTask(reference);
  return only;
}

/** Throws the `Problem` of a lost race: somebody has changed the task since it was looked at. */
export function checkVersion(record: TaskRecord, expected: string): void {
  const version = versionOf(record);
  if (version !== expected)
    throw new Problem(
      412,
      'version-mismatch',
      `task ${record.id} has version ${version}, not ${expected}: read it again`,
    );
}

export function unknownTask(id: string): Problem {
  return new Problem(404, 'task-unknown', `there is no task "${id}"; \`plugboard task list\` or GET /tasks lists them`);
}
