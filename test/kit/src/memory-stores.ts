// The service `store` without a disk: for tests of plugins that keep something. It passes the contract suite; what survives is only what `reopen` hands on.
import { StoreConflict } from 'plugboard';
import type { ListOptions, Storable, Store, StoreChange, Stored, Stores, StoreSchema, WriteOptions } from 'plugboard';

export interface MemoryLimits {
  /** Entries per namespace. */
  readonly maxEntries?: number | undefined;
  /** Bytes of one value as JSON. */
  readonly maxValueBytes?: number | undefined;
  /** Bytes of all keys and values of a namespace. */
  readonly maxBytes?: number | undefined;
}

export interface MemoryStores extends Stores {
  /** What a restarted program sees: the same entries, opened anew. */
  reopen(): MemoryStores;
}

interface Entry {
  readonly text: string;
  readonly version: number;
}

/** One namespace. A deleted key keeps its version, so that it goes on counting. */
interface Shelf {
  schemaVersion: number;
  readonly entries: Map<string, Entry>;
  readonly versions: Map<string, number>;
  readonly watchers: Set<(change: Change) => void>;
}

interface Change {
  readonly key: string;
  readonly text: string | undefined;
  readonly version: number;
}

/** A store in memory, empty. */
export function memoryStores(limits: MemoryLimits = {}): MemoryStores {
  return storesOver(new Map(), limits);
}

function storesOver(shelves: Map<string, Shelf>, limits: MemoryLimits): MemoryStores {
  return {
    async open<Value = Storable>(namespace: string, schema: StoreSchema = { version: 1 }): Promise<Store<Value>> {
      if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(namespace)) {
        throw new TypeError(`namespace ${JSON.stringify(namespace)}: must match [a-z0-9][a-z0-9._-]{0,63}`);
      }
      const shelf = shelves.get(namespace) ?? emptyShelf(schema.version);
      migrate(namespace, shelf, schema);
      shelves.set(namespace, shelf);
      return new MemoryStore<Value>(namespace, shelf, limits);
    },
    reopen() {
      const copies = [...shelves].map(([name, shelf]): [string, Shelf] => [
        name,
        { ...shelf, entries: new Map(shelf.entries), versions: new Map(shelf.versions), watchers: new Set() },
      ]);
      return storesOver(new Map(copies), limits);
    },
  };
}

function emptyShelf(schemaVersion: number): Shelf {
  return { schemaVersion, entries: new Map(), versions: new Map(), watchers: new Set() };
}

class MemoryStore<Value> implements Store<Value> {
  readonly #namespace: string;
  readonly #shelf: Shelf;
  readonly #limits: MemoryLimits;

  constructor(namespace: string, shelf: Shelf, limits: MemoryLimits) {
    this.#namespace = namespace;
    this.#shelf = shelf;
    this.#limits = limits;
  }

  async get(key: string): Promise<Stored<Value> | undefined> {
    const entry = this.#shelf.entries.get(checkedKey(key));
    return entry && this.#stored(key, entry);
  }

  async set(key: string, value: Value, options?: WriteOptions): Promise<Stored<Value>> {
    this.#expect(checkedKey(key), options);
    return this.#stored(key, this.#write(key, jsonOf(value, key)));
  }

  async update(
    key: string,
    change: (current: Value | undefined) => Value | undefined,
  ): Promise<Stored<Value> | undefined> {
    const current = this.#shelf.entries.get(checkedKey(key));
    const next = change(current && (JSON.parse(current.text) as Value));
    if (next !== undefined) return this.#stored(key, this.#write(key, jsonOf(next, key)));
    if (current !== undefined) this.#remove(key);
    return undefined;
  }

  async delete(key: string, options?: WriteOptions): Promise<boolean> {
    this.#expect(checkedKey(key), options);
    if (!this.#shelf.entries.has(key)) return false;
    this.#remove(key);
    return true;
  }

  async list(prefix: string, options: ListOptions = {}): Promise<readonly Stored<Value>[]> {
    const { after, limit } = options;
    if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
      throw new TypeError(`limit ${limit}: must be a whole number from 0`);
    }
    return [...this.#shelf.entries]
      .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .slice(0, limit)
      .map(([key, entry]) => this.#stored(key, entry));
  }

  watch(prefix: string, listener: (change: StoreChange<Value>) => void): () => void {
    const { watchers } = this.#shelf;
    const watcher = ({ key, text, version }: Change) => {
      if (!key.startsWith(prefix)) return;
      try {
        listener({ key, value: text === undefined ? undefined : (JSON.parse(text) as Value), version });
      } catch {
        // A watcher's fault is its own: the write has happened, and the other watchers must hear of it.
      }
    };
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }

  #stored(key: string, { text, version }: Entry): Stored<Value> {
    return { key, value: JSON.parse(text) as Value, version };
  }

  #expect(key: string, options: WriteOptions | undefined): void {
    const actual = this.#shelf.entries.get(key)?.version ?? 0;
    if (options?.expected !== undefined && !(Number.isSafeInteger(options.expected) && options.expected >= 0)) {
      throw new TypeError(`"${key}": expected version ${options.expected} is no whole number from 0`);
    }
    if (options?.expected !== undefined && options.expected !== actual) {
      throw new StoreConflict(key, options.expected, actual);
    }
  }

  #write(key: string, text: string): Entry {
    this.#checkLimits(key, text);
    const entry = { text, version: (this.#shelf.versions.get(key) ?? 0) + 1 };
    this.#shelf.entries.set(key, entry);
    this.#tell({ key, ...entry });
    return entry;
  }

  #remove(key: string): void {
    this.#shelf.entries.delete(key);
    this.#tell({ key, text: undefined, version: (this.#shelf.versions.get(key) ?? 0) + 1 });
  }

  #tell(change: Change): void {
    this.#shelf.versions.set(change.key, change.version);
    // Later, and each in its turn: a listener that writes must not be called again before it has returned.
    const watchers = [...this.#shelf.watchers];
    queueMicrotask(() => {
      for (const watcher of watchers) if (this.#shelf.watchers.has(watcher)) watcher(change);
    });
  }

  #checkLimits(key: string, text: string): void {
    const none = Number.POSITIVE_INFINITY;
    const { maxEntries = none, maxValueBytes = none, maxBytes = none } = this.#limits;
    const { entries } = this.#shelf;
    const where = `namespace "${this.#namespace}", key "${key}"`;
    if (Buffer.byteLength(text) > maxValueBytes)
      throw new Error(`${where}: the value is longer than ${maxValueBytes} bytes`);
    if (!entries.has(key) && entries.size >= maxEntries)
      throw new Error(`${where}: there are ${maxEntries} entries already`);
    const others = [...entries].filter(([name]) => name !== key).map(([name, entry]) => sizeOf(name, entry.text));
    if (others.reduce((sum, size) => sum + size, sizeOf(key, text)) > maxBytes) {
      throw new Error(`${where}: the namespace would be larger than ${maxBytes} bytes`);
    }
  }
}

function sizeOf(key: string, text: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(text);
}

/** All or nothing: the shelf changes when the last migration has succeeded. */
function migrate(namespace: string, shelf: Shelf, schema: StoreSchema): void {
  if (shelf.schemaVersion > schema.version) {
    throw new Error(
      `namespace "${namespace}" was written by version ${shelf.schemaVersion}; this program knows ${schema.version}`,
    );
  }
  if (shelf.schemaVersion === schema.version) return;
  const migrated: [string, string | undefined][] = [];
  for (const [key, { text }] of shelf.entries) {
    let value: Storable | undefined = JSON.parse(text) as Storable;
    for (let from = shelf.schemaVersion; from < schema.version && value !== undefined; from++) {
      const step = schema.migrations?.[from];
      if (step === undefined) throw new Error(`namespace "${namespace}": there is no migration from version ${from}`);
      value = step(value, key);
    }
    migrated.push([key, value === undefined ? undefined : jsonOf(value, `namespace "${namespace}", key "${key}"`)]);
  }
  for (const [key, text] of migrated) {
    const version = (shelf.versions.get(key) ?? 0) + 1;
    shelf.versions.set(key, version);
    if (text === undefined) shelf.entries.delete(key);
    else shelf.entries.set(key, { text, version });
  }
  shelf.schemaVersion = schema.version;
}

function checkedKey(key: string): string {
  if (typeof key !== 'string' || key.length === 0 || key.length > 512) {
    throw new TypeError(`key ${JSON.stringify(key)?.slice(0, 80)}: must be a string of 1 to 512 characters`);
  }
  return key;
}

/** The value as JSON text; throws where JSON would leave something out or make something else of it. */
function jsonOf(value: unknown, key: string): string {
  checkPlain(value, key, 0);
  return JSON.stringify(value);
}

function checkPlain(value: unknown, place: string, depth: number): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return;
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  if (depth > 200) throw new TypeError(`${place}: nested deeper than 200 levels`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) checkPlain(value[index], `${place}[${index}]`, depth + 1);
  } else if (prototype === Object.prototype || prototype === null) {
    for (const [name, member] of Object.entries(value as object)) {
      if (member !== undefined) checkPlain(member, `${place}.${name}`, depth + 1);
    }
  } else
    throw new TypeError(
      `${place}: only JSON can be kept, not ${typeof value === 'object' ? 'this object' : String(value)}`,
    );
}
