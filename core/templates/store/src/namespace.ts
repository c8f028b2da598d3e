// One namespace: all of it in memory, written to its file after each change. Changes of the same moment share one write.
import { StoreConflict } from 'plugboard';
import type { ListOptions, Log, Storable, Store, StoreChange, Stored, WriteOptions } from 'plugboard';
import { writeContents } from './file.ts';
import type { Contents, Entry } from './file.ts';
import { toJson } from './plain-json.ts';

export interface Limits {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly maxValueBytes: number;
}

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: StoreChange<Storable>) => void;
}

export class Namespace implements Store {
  readonly contents: Contents;
  readonly #name: string;
  readonly #file: string;
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #watchers = new Set<Watcher>();
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(name: string, file: string, contents: Contents, limits: Limits, log: Log) {
    this.#name = name;
    this.#file = file;
    this.contents = contents;
    this.#limits = limits;
    this.#log = log;
  }

  async get(key: string): Promise<Stored<Storable> | undefined> {
    return stored(key, this.contents.entries.get(checkKey(key)));
  }

  async set(key: string, value: Storable, options?: WriteOptions): Promise<Stored<Storable>> {
    this.#expect(checkKey(key), options);
    return (await this.#change(key, this.#toText(key, value))) as Stored<Storable>;
  }

  async update(
    key: string,
    change: (current: Storable | undefined) => Storable | undefined,
  ): Promise<Stored<Storable> | undefined> {
    const current = stored(checkKey(key), this.contents.entries.get(key));
    const next = change(current?.value);
    if (next === undefined && current === undefined) return undefined;
    return await this.#change(key, next === undefined ? undefined : this.#toText(key, next));
  }

  async delete(key: string, options?: WriteOptions): Promise<boolean> {
    this.#expect(checkKey(key), options);
    if (this.contents.entries.get(key)?.text === undefined) return false;
    await this.#change(key, undefined);
    return true;
  }

  async list(prefix: string, { after, limit }: ListOptions = {}): Promise<readonly Stored<Storable>[]> {
    if (limit !== undefined && !isCount(limit)) throw new TypeError(`limit ${limit}: must be a whole number from 0`);
    return [...this.contents.entries]
      .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .flatMap(([key, entry]) => stored(key, entry) ?? [])
      .slice(0, limit);
  }

  watch(prefix: string, listener: (change: StoreChange<Storable>) => void): () => void {
    const watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Takes migrated values, all at once. */
  async adopt(changes: ReadonlyMap<string, string | undefined>, schema: number): Promise<void> {
    const { entries } = this.contents;
    for (const [key, text] of changes) entries.set(key, { text, version: (entries.get(key)?.version ?? 0) + 1 });
    this.contents.schema = schema;
    await this.flush();
  }

  /** Resolves when everything that was changed before is on the disk. */
  flush(): Promise<void> {
    // A write that has failed does not keep the next one from being tried.
    this.#next ??= this.#writing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#writing = writeContents(this.#file, this.contents);
        return this.#writing;
      });
    return this.#next;
  }

  async #change(key: string, text: string | undefined): Promise<Stored<Storable> | undefined> {
    const { entries } = this.contents;
    const entry: Entry = { text, version: (entries.get(key)?.version ?? 0) + 1 };
    entries.set(key, entry);
    await this.flush();
    this.#tell(key, entry);
    return stored(key, entry);
  }

  #tell(key: string, { text, version }: Entry): void {
    for (const watcher of this.#watchers) {
      if (!key.startsWith(watcher.prefix)) continue;
      try {
        watcher.listener({ key, value: text === undefined ? undefined : (JSON.parse(text) as Storable), version });
      } catch (error) {
        this.#log.error('a watcher failed', { namespace: this.#name, error });
      }
    }
  }

  #expect(key: string, options: WriteOptions | undefined): void {
    const expected = options?.expected;
    if (expected === undefined) return;
    if (!isCount(expected)) throw new TypeError(`"${key}": expected version ${expected} is no whole number from 0`);
    const entry = this.contents.entries.get(key);
    const actual = entry?.text === undefined ? 0 : entry.version;
    if (expected !== actual) throw new StoreConflict(key, expected, actual);
  }

  #toText(key: string, value: Storable): string {
    const where = `namespace "${this.#name}", key "${key}"`;
    const text = toJson(value, where);
    const { maxEntries, maxBytes, maxValueBytes } = this.#limits;
    if (Buffer.byteLength(text) > maxValueBytes)
      throw new Error(`${where}: the value is longer than ${maxValueBytes} bytes`);
    let [count, size] = [1, sizeOf(key, text)];
    for (const [other, entry] of this.contents.entries) {
      if (other === key || entry.text === undefined) continue;
      count += 1;
      size += sizeOf(other, entry.text);
    }
    if (count > maxEntries) throw new Error(`${where}: there are ${maxEntries} entries already`);
    if (size > maxBytes) throw new Error(`${where}: the namespace would be larger than ${maxBytes} bytes`);
    return text;
  }
}

function stored(key: string, entry: Entry | undefined): Stored<Storable> | undefined {
  if (entry?.text === undefined) return undefined;
  return { key, value: JSON.parse(entry.text) as Storable, version: entry.version };
}

function sizeOf(key: string, text: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(text);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkKey(key: string): string {
  if (typeof key === 'string' && key.length > 0 && key.length <= 512) return key;
  throw new TypeError(`key ${JSON.stringify(key)?.slice(0, 80)}: must be a string of 1 to 512 characters`);
}
