// One open namespace: which write comes when, what readers see, who is told. Files are namespace-files.ts; types of values are store.ts.
import { StoreConflict } from 'plugboard';
import type { StoreSchema } from 'plugboard';
import type { Change, Contents, Entry } from './contents.ts';
import { sizeOf } from './contents.ts';
import { migrated } from './migrate.ts';
import { NamespaceFiles } from './namespace-files.ts';
import type { Place } from './namespace-files.ts';

/** A change on its way to the disk. */
interface Write extends Change {
  readonly schemaVersion: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Bytes that are written to the log at once, at most, unless one change alone is longer. */
const maxBatchBytes = 8 * 1024 * 1024;

export class Namespace {
  readonly name: string;
  readonly #place: Place;
  readonly #files: NamespaceFiles;
  /** What is durable. */
  #contents: Contents;
  #schemaVersion: number;
  /** The last write of each key that is not durable yet. Later writes build on it; readers wait for it. */
  readonly #pending = new Map<string, Write>();
  #queue: Write[] = [];
  /** Entries and bytes once the queue is written. */
  #size: number;
  #bytes: number;
  readonly #watchers = new Set<(change: Change) => void>();
  /** Whatever touches the files waits for its turn. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(name: string, place: Place, files: NamespaceFiles, contents: Contents, schemaVersion: number) {
    this.name = name;
    this.#place = place;
    this.#files = files;
    this.#contents = contents;
    this.#schemaVersion = schemaVersion;
    this.#size = contents.size;
    this.#bytes = contents.bytes;
  }

  static async open(name: string, place: Place, schema: StoreSchema): Promise<Namespace> {
    const { files, contents } = await NamespaceFiles.open(place, name, schema);
    return new Namespace(name, place, files, contents, schema.version);
  }

  /** Throws when the namespace is closed, or has been migrated beyond the version that the caller knows. */
  check(schemaVersion: number): void {
    if (this.#closed) throw new Error(`namespace "${this.name}" is closed: the store has been stopped; open it anew`);
    if (schemaVersion !== this.#schemaVersion) throw this.#outdated(schemaVersion);
  }

  /** The entry as the next write finds it, durable or not. */
  latest(key: string): Entry | undefined {
    const pending = this.#pending.get(key);
    if (pending === undefined) return this.#contents.get(key);
    return pending.text === undefined ? undefined : { text: pending.text, version: pending.version };
  }

  /** Throws a {@link StoreConflict} when the entry, as the next write finds it, has another version. */
  expect(key: string, expected: number | undefined): void {
    const actual = this.latest(key)?.version ?? 0;
    if (expected !== undefined && expected !== actual) throw new StoreConflict(key, expected, actual);
  }

  /** A durable entry, once all writes of it that were called before are. */
  async read(key: string): Promise<Entry | undefined> {
    await this.#pending.get(key)?.done.catch(() => {});
    return this.#contents.get(key);
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<[string, Entry][]> {
    const writes = [...this.#pending.values()].filter(({ key }) => key.startsWith(prefix));
    if (writes.length > 0) await Promise.allSettled(writes.map(({ done }) => done));
    return this.#contents.list(prefix, after, limit);
  }

  /** Queues a change; text undefined deletes. Resolves with the entry's version when it is durable. Throws when it passes a limit. */
  async write(key: string, text: string | undefined): Promise<number> {
    const old = this.latest(key);
    const growth = sizeOf(key, text) - sizeOf(key, old?.text);
    const added = (text === undefined ? 0 : 1) - (old === undefined ? 0 : 1);
    this.#checkLimits(key, text, added, growth);
    const version = (this.#pending.get(key)?.version ?? this.#contents.lastVersion(key)) + 1;
    const { promise: done, resolve, reject } = deferred();
    const write: Write = { key, text, version, schemaVersion: this.#schemaVersion, done, resolve, reject };
    this.#size += added;
    this.#bytes += growth;
    this.#pending.set(key, write);
    this.#queue.push(write);
    // One turn for all writes of this moment.
    if (this.#queue.length === 1) void this.#take(() => this.#drain());
    await done;
    return version;
  }

  watch(watcher: (change: Change) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Brings the namespace to a schema version, if it has an older one. Stores of the older one are of no more use then. */
  migrate(schema: StoreSchema): Promise<void> {
    return this.#take(async () => {
      await this.#drain();
      const contents = migrated(this.name, this.#contents, this.#schemaVersion, schema.version, schema);
      if (this.#schemaVersion === schema.version) return;
      await this.#files.migrate(contents, schema.version);
      const before = this.#schemaVersion;
      this.#contents = contents;
      this.#schemaVersion = schema.version;
      this.#watchers.clear();
      this.#refuse(this.#outdated(before));
    });
  }

  /** Waits for all writes and closes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    // Its turn comes after those of all writes.
    await this.#take(() => this.#files.close(this.#contents));
  }

  #take<Result>(turn: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(turn);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Writes the queue to the disk, as much at a time as has gathered. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#files.append(batch, this.#contents.changes);
      } catch (error) {
        this.#place.log.error(`namespace "${this.name}": ${error instanceof Error ? error.message : String(error)}`);
        this.#refuse(error, batch);
        return;
      }
      for (const write of batch) this.#commit(write);
      await this.#files.compactWhenLong(this.#contents);
    }
  }

  #nextBatch(): Write[] {
    let bytes = 0;
    const rest = this.#queue.findIndex(({ key, text }, index) => {
      bytes += sizeOf(key, text);
      return index > 0 && bytes > maxBatchBytes;
    });
    return this.#queue.splice(0, rest < 0 ? this.#queue.length : rest);
  }

  #commit(write: Write): void {
    this.#contents.apply(write);
    if (this.#pending.get(write.key) === write) this.#pending.delete(write.key);
    // Watchers first: who waits for the write may rely on their having been told.
    for (const watcher of [...this.#watchers]) if (this.#watchers.has(watcher)) watcher(write);
    write.resolve();
  }

  /** Rejects a batch and all that is queued: each may build on one before it. The state is what is durable. */
  #refuse(error: unknown, batch: readonly Write[] = []): void {
    const refused = [...batch, ...this.#queue];
    this.#queue = [];
    this.#pending.clear();
    this.#size = this.#contents.size;
    this.#bytes = this.#contents.bytes;
    for (const { reject } of refused) reject(error);
  }

  #checkLimits(key: string, text: string | undefined, added: number, growth: number): void {
    const { maxEntries, maxBytes, maxValueBytes } = this.#place.settings;
    const bytes = text === undefined ? 0 : Buffer.byteLength(text);
    if (bytes > maxValueBytes)
      throw this.#beyond(`the value of ${JSON.stringify(key)} has ${bytes} bytes`, 'maxValueBytes', maxValueBytes);
    // What makes a full namespace smaller, or leaves it as it is, always passes.
    if (added > 0 && this.#size + added > maxEntries) {
      throw this.#beyond(`${JSON.stringify(key)} would be entry ${this.#size + added}`, 'maxEntries', maxEntries);
    }
    if (growth > 0 && this.#bytes + growth > maxBytes) {
      throw this.#beyond(
        `with ${JSON.stringify(key)} it would have ${this.#bytes + growth} bytes`,
        'maxBytes',
        maxBytes,
      );
    }
  }

  #beyond(what: string, option: string, limit: number): Error {
    return new RangeError(
      `namespace "${this.name}": ${what}; the option ${option} of plugin store-lowdb allows ${limit}: delete something, or raise it`,
    );
  }

  #outdated(schemaVersion: number): Error {
    return new Error(
      `namespace "${this.name}" has been migrated from schema version ${schemaVersion} to ${this.#schemaVersion} meanwhile: ` +
        'open it with the newer schema',
    );
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((onDone, onFault) => {
    resolve = onDone;
    reject = onFault;
  });
  return { promise, resolve, reject };
}
