// The store as plugins see it: keys and options checked, values copied in and out. Order and durability are namespace.ts.
import type { ListOptions, Log, Store, StoreChange, Stored, WriteOptions } from 'plugboard';
import type { Namespace } from './namespace.ts';
import { jsonOf } from './plain-json.ts';

const maxKeyLength = 512;

/** A namespace as one of those sees it who opened it, with the schema version they know. */
export class NamespaceStore<Value> implements Store<Value> {
  readonly #namespace: Namespace;
  readonly #schemaVersion: number;
  readonly #log: () => Log;

  constructor(namespace: Namespace, schemaVersion: number, log: () => Log) {
    this.#namespace = namespace;
    this.#schemaVersion = schemaVersion;
    this.#log = log;
  }

  async get(key: string): Promise<Stored<Value> | undefined> {
    this.#check(key);
    const entry = await this.#namespace.read(key);
    return entry && { key, value: valueOf<Value>(entry.text), version: entry.version };
  }

  async set(key: string, value: Value, options?: WriteOptions): Promise<Stored<Value>> {
    this.#check(key, options);
    const text = jsonOf(value, this.#placeOf(key));
    this.#namespace.expect(key, options?.expected);
    const version = await this.#namespace.write(key, text);
    return { key, value: valueOf(text), version };
  }

  async update(
    key: string,
    change: (current: Value | undefined) => Value | undefined,
  ): Promise<Stored<Value> | undefined> {
    this.#check(key);
    const current = this.#namespace.latest(key);
    // Nothing can come between: from reading to queueing there is no waiting.
    const next = change(current && valueOf<Value>(current.text));
    if (next === undefined && current === undefined) return undefined;
    const text = next === undefined ? undefined : jsonOf(next, this.#placeOf(key));
    const version = await this.#namespace.write(key, text);
    return text === undefined ? undefined : { key, value: valueOf(text), version };
  }

  async delete(key: string, options?: WriteOptions): Promise<boolean> {
    this.#check(key, options);
    this.#namespace.expect(key, options?.expected);
    if (this.#namespace.latest(key) === undefined) return false;
    await this.#namespace.write(key, undefined);
    return true;
  }

  async list(prefix: string, { after, limit }: ListOptions = {}): Promise<readonly Stored<Value>[]> {
    this.#namespace.check(this.#schemaVersion);
    if (typeof prefix !== 'string') throw new TypeError(`${this.#placeOf('list')}: the prefix must be a string`);
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw new TypeError(`namespace "${this.#namespace.name}": limit ${limit} is no whole number from 0`);
    }
    const entries = await this.#namespace.list(prefix, after, limit ?? Number.POSITIVE_INFINITY);
    return entries.map(([key, { text, version }]) => ({ key, value: valueOf<Value>(text), version }));
  }

  watch(prefix: string, listener: (change: StoreChange<Value>) => void): () => void {
    this.#namespace.check(this.#schemaVersion);
    return this.#namespace.watch(({ key, text, version }) => {
      if (!key.startsWith(prefix)) return;
      try {
        listener({ key, value: text === undefined ? undefined : valueOf<Value>(text), version });
      } catch (error) {
        // The write has happened, and other listeners must hear of it.
        const why = error instanceof Error ? error.message : String(error);
        this.#log().error(`${this.#placeOf(key)}: a listener failed: ${why}`);
      }
    });
  }

  #check(key: string, options?: WriteOptions): void {
    this.#namespace.check(this.#schemaVersion);
    if (typeof key !== 'string' || key.length === 0 || key.length > maxKeyLength) {
      const what =
        typeof key === 'string' ? `${JSON.stringify(key.slice(0, 40))} (${key.length} characters)` : typeof key;
      throw new TypeError(
        `namespace "${this.#namespace.name}": key ${what}: must be a string of 1 to ${maxKeyLength} characters`,
      );
    }
    const expected = options?.expected;
    if (expected !== undefined && !(Number.isSafeInteger(expected) && expected >= 0)) {
      throw new TypeError(`${this.#placeOf(key)}: expected version ${expected} is no whole number from 0`);
    }
  }

  #placeOf(key: string): string {
    return `namespace "${this.#namespace.name}", key ${JSON.stringify(key)}`;
  }
}

function valueOf<Value>(text: string): Value {
  return JSON.parse(text) as Value;
}
