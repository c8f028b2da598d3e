// The way in and out for objects: what sources bring and take away is checked here and becomes a change of the tasks. One object after the other for each id.
import type { BoardApi } from 'plugboard';
import type { Options } from '../options.ts';
import type { SourceName, SourceObject, TaskSink } from '../task.ts';
import type { TaskEntry } from './entry.ts';
import { checkVersion, unknownTask } from './finding.ts';
import { grantId } from './grant.ts';
import { byOf, idOf, isSame, isSameObject, newRecord, renewed } from './object.ts';
import type { Read, ReadObject } from './object.ts';
import { wrongSelectors } from './catalogue.ts';
import type { Tasks } from './tasks.ts';
import { workspaceOf } from './workspace.ts';
import type { WorkspaceSettings } from './workspace.ts';

export interface IntakeInit {
  readonly tasks: Tasks;
  readonly board: BoardApi;
  readonly options: Options;
  readonly workspaces: WorkspaceSettings;
  readonly read: Read;
}

const uidPattern = /^[A-Za-z0-9._-]{1,128}$/;

export class Intake implements TaskSink {
  readonly #init: IntakeInit;
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(init: IntakeInit) {
    this.#init = init;
  }

  async put(found: SourceObject): Promise<{ readonly id: string } | { readonly refused: string }> {
    const read = this.#init.read(found.object);
    if ('problems' in read) return { refused: read.problems.join('; ') };
    const id = idOf(read);
    return await this.#inTurn(id, async () => {
      const refused = await this.#put(id, found, read).catch((error: Error) => error.message);
      return refused === undefined ? { id } : { refused };
    });
  }

  async remove(source: SourceName, id: string): Promise<void> {
    const { tasks } = this.#init;
    await this.#inTurn(id, async () => {
      const entry = tasks.get(id);
      if (entry?.record.source === source) await tasks.remove(entry, source);
    });
  }

  async synchronized(source: SourceName, ids: ReadonlySet<string>): Promise<void> {
    for (const { id, record } of this.#init.tasks.all())
      if (record.source === source && !ids.has(id)) await this.remove(source, id);
  }

  /** Removes a task in somebody's name. Throws a `Problem` when it is another one by now. */
  async delete(entry: TaskEntry, by: string, expected?: string): Promise<void> {
    await this.#inTurn(entry.id, async () => {
      if (entry.gone) throw unknownTask(entry.id);
      if (expected !== undefined) checkVersion(entry.record, expected);
      await this.#init.tasks.remove(entry, by);
    });
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  /** Why the object was refused, or undefined when its task is in force. */
  async #put(id: string, found: SourceObject, read: ReadObject): Promise<string | undefined> {
    const { tasks, workspaces } = this.#init;
    const entry = tasks.get(id);
    const refusal = this.#refusal(id, found, read, entry);
    if (refusal !== undefined) return refusal;
    if (entry !== undefined && (read.uid === undefined || read.uid === entry.uid)) {
      await this.#replace(entry, found, read);
      return undefined;
    }
    const record = newRecord(id, found, read);
    await workspaceOf(workspaces, record, read.spec.workspace);
    // Nothing of an earlier task of this name may reach the new one.
    if (entry !== undefined) await tasks.remove(entry, byOf(found));
    await tasks.create(record, read);
    return undefined;
  }

  async #replace(entry: TaskEntry, found: SourceObject, read: ReadObject): Promise<void> {
    const { tasks, workspaces } = this.#init;
    if (read.phase === 'Running') entry.seenRunning = Date.now();
    if (isSame(entry.record, found, read)) return;
    if (!isSameObject(entry.record, found.object)) await workspaceOf(workspaces, entry.record, read.spec.workspace);
    await tasks.change(entry, (record) => renewed(record, found, read));
  }

  #refusal(id: string, found: SourceObject, read: ReadObject, entry: TaskEntry | undefined): string | undefined {
    const { board, options, tasks } = this.#init;
    const { limits } = options;
    const { uid, spec } = read;
    if (entry !== undefined && entry.record.source !== found.source)
      return `task ${id} belongs to source ${entry.record.source} (${entry.record.origin}): change it there, or delete it there first`;
    if (uid !== undefined && !uidPattern.test(uid)) return 'metadata.uid: must match [A-Za-z0-9._-]{1,128}';
    const lists = [spec.tools, spec.ceiling, spec.escalation].map(({ allow, deny }) => [...allow, ...deny]);
    const most = Math.max(...lists.map(({ length }) => length));
    if (most > limits.selectors)
      return `task ${id}: ${most} selectors (at most ${limits.selectors}); use globs such as "create_*"`;
    const wrong = wrongSelectors(board, grantId(id, entry?.uid ?? uid ?? id), lists.flat());
    if (wrong !== undefined) return `task ${id}: ${wrong}`;
    if (entry === undefined && tasks.all().length >= limits.tasks)
      return `task ${id}: there are ${limits.tasks} tasks already; delete some, or raise limits.tasks`;
    return undefined;
  }

  async #inTurn<Value>(id: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}
