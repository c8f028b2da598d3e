// What all routes work with: the tasks, what can be asked of them, and who may change which.
import { Problem } from 'plugboard';
import type { BoardApi } from 'plugboard';
import type { TaskEntry } from '../engine/entry.ts';
import type { Intake } from '../engine/intake.ts';
import type { Read } from '../engine/object.ts';
import type { Requests } from '../engine/requests.ts';
import type { Tasks } from '../engine/tasks.ts';
import type { ApiSource } from '../sources/api.ts';
import type { RenderInput, SourceName } from '../task.ts';

export interface DeskInit {
  readonly tasks: Tasks;
  readonly requests: Requests;
  readonly board: BoardApi;
  readonly api: ApiSource;
  readonly read: Read;
  readonly intake: Intake;
  /** Sources that run now. */
  readonly sources: () => ReadonlySet<SourceName>;
  /** What rendering needs to know of a task. Throws a `Problem` when the proxy cannot be reached over HTTP. */
  readonly renderInput: (entry: TaskEntry) => Promise<RenderInput>;
}

export class Desk {
  readonly tasks: Tasks;
  readonly requests: Requests;
  readonly board: BoardApi;
  readonly read: Read;
  readonly intake: Intake;
  readonly renderInput: DeskInit['renderInput'];
  readonly #init: DeskInit;

  constructor(init: DeskInit) {
    this.#init = init;
    this.tasks = init.tasks;
    this.requests = init.requests;
    this.board = init.board;
    this.read = init.read;
    this.intake = init.intake;
    this.renderInput = init.renderInput;
  }

  /** The entry with its conditions up to date. */
  current(entry: TaskEntry): TaskEntry {
    this.tasks.status.refresh(entry);
    return entry;
  }

  /** Creates or replaces the task of a manifest that was read already. */
  async apply(object: unknown, actor: string): Promise<TaskEntry> {
    const put = await this.#init.api.apply(object, actor);
    const entry = 'id' in put ? this.tasks.get(put.id) : undefined;
    if (entry === undefined)
      throw new Problem(422, 'task-refused', 'refused' in put ? put.refused : 'it was deleted meanwhile');
    return this.current(entry);
  }

  /** Throws the `Problem` of a task that another source answers for, with the way out. */
  mayChange({ id, record }: TaskEntry, what: 'change' | 'delete'): void {
    const { source, origin } = record;
    // What a source left behind that is no longer configured can be deleted here, and nowhere else.
    if (source === 'api' || (what === 'delete' && !this.#init.sources().has(source))) return;
    const where = source === 'folder' ? `the file ${origin}` : `its object in Kubernetes (${origin})`;
    throw new Problem(
      409,
      'task-of-source',
      `task ${id} comes from source ${source}: ${what} ${where}; tools, context and token can be changed here`,
      {
        source,
        origin,
      },
    );
  }
}
