// The journal of a task: entries are written with the record that they are about, then moved to keys of their own.
import type { Log, Store } from 'plugboard';
import type { JournalEntry } from '../task.ts';
import type { TaskEntry } from './entry.ts';
import { journalKey, journalPrefix } from './record.ts';

export class Journal {
  readonly #store: Store<JournalEntry>;
  readonly #keep: number;
  readonly #log: Log;
  readonly #writing = new Map<string, Promise<void>>();

  /** `keep`: entries kept of one task. */
  constructor(store: Store<JournalEntry>, keep: number, log: Log) {
    this.#store = store;
    this.#keep = keep;
    this.#log = log;
  }

  /** Gives entries that stand in the record keys of their own. Nobody has to wait: the record holds them until that has happened. */
  move(entry: TaskEntry): void {
    const { uid } = entry;
    const before = this.#writing.get(uid) ?? Promise.resolve();
    const writing = before
      .then(() => this.#write(entry))
      .catch((error: unknown) => {
        this.#log.error(`${entry.id}: its journal cannot be written`, { error });
      });
    this.#writing.set(uid, writing);
    void writing.then(() => this.#writing.get(uid) === writing && this.#writing.delete(uid));
  }

  async #write(entry: TaskEntry): Promise<void> {
    const { uid, record } = entry;
    for (const each of record.outbox) {
      if (entry.gone) return;
      if (each.number <= entry.kept) continue;
      await this.#store.set(journalKey(uid, each.number), each);
      entry.kept = each.number;
      if (each.number > this.#keep) await this.#store.delete(journalKey(uid, each.number - this.#keep));
    }
  }

  /** Entries behind a number, oldest first. */
  async list(entry: TaskEntry, after: number, limit: number): Promise<JournalEntry[]> {
    const { uid, record } = entry;
    const stored = await this.#store.list(journalPrefix(uid), { after: journalKey(uid, after), limit });
    const entries = new Map(stored.map(({ value }) => [value.number, value]));
    for (const each of record.outbox) if (each.number > after) entries.set(each.number, each);
    return [...entries.values()].sort((a, b) => a.number - b.number).slice(0, limit);
  }

  /** Forgets the journal of a task that is gone. */
  async delete(uid: string): Promise<void> {
    await this.#writing.get(uid);
    for (const { key } of await this.#store.list(journalPrefix(uid))) await this.#store.delete(key);
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await Promise.all(this.#writing.values());
  }
}
