// The contract of the service `store`: what a plugin may expect of persistence, whoever provides it. Types only, and the error of a lost race.
import { hasBrand } from './errors.ts';

/** What can be kept: plain JSON. `undefined` members are left out, as JSON does. */
export type Storable =
  | string
  | number
  | boolean
  | null
  | readonly Storable[]
  | { readonly [member: string]: Storable | undefined };

/** An entry as it is kept. */
export interface Stored<Value> {
  readonly key: string;
  /** A copy: changing it changes nothing in the store. */
  readonly value: Value;
  /** 1 for a new entry, one more with every change. A key that was deleted and set again goes on counting. */
  readonly version: number;
}

/** One change, as watchers hear of it, in the order in which changes took effect. */
export interface StoreChange<Value> {
  readonly key: string;
  /** Undefined: the entry was deleted. */
  readonly value: Value | undefined;
  readonly version: number;
}

export interface WriteOptions {
  /**
   * Write only when the entry has this version; 0: only when it does not exist. Otherwise the write rejects with {@link StoreConflict}.
   * Undefined: whatever it is.
   */
  readonly expected?: number | undefined;
}

export interface ListOptions {
  /** Only keys behind this one. */
  readonly after?: string | undefined;
  /** At most so many entries. Default: all. */
  readonly limit?: number | undefined;
}

/**
 * The entries of one namespace. Keys are non-empty strings of at most 512 characters. A write that has resolved survives the end of the
 * process, however it ends (how far also a crash of the machine is the provider's option). Reads see every write that was called before.
 */
export interface Store<Value = Storable> {
  get(key: string): Promise<Stored<Value> | undefined>;
  /** Writes an entry; resolves with it when it is kept. Rejects with {@link StoreConflict}. */
  set(key: string, value: Value, options?: WriteOptions): Promise<Stored<Value>>;
  /**
   * Changes an entry by a pure function of its current value (undefined: there is none), which may run more than once when others write
   * too. Returning undefined deletes the entry. Resolves with the new entry; what the function throws rejects, and nothing is written.
   */
  update(key: string, change: (current: Value | undefined) => Value | undefined): Promise<Stored<Value> | undefined>;
  /** True when there was one. Rejects with {@link StoreConflict}. */
  delete(key: string, options?: WriteOptions): Promise<boolean>;
  /** Entries whose keys begin with the prefix (`''`: all), by key in the order of code units. */
  list(prefix: string, options?: ListOptions): Promise<readonly Stored<Value>[]>;
  /** Calls `listener` after each change of a key with the prefix, from now on. Returns the way to stop. */
  watch(prefix: string, listener: (change: StoreChange<Value>) => void): () => void;
}

/** How the values of a namespace look, and how older ones become so. */
export interface StoreSchema {
  /** Version of the values that this program writes; starts at 1. A namespace written by a newer version is refused, not touched. */
  readonly version: number;
  /** By the version they start from: a value of version n → one of version n + 1. Undefined drops the entry. */
  readonly migrations?: Readonly<Record<number, (value: Storable, key: string) => Storable | undefined>>;
}

/** The service `store`. */
export interface Stores {
  /** Opens a namespace (usually the plugin's id) and migrates what it holds. Rejects when that is impossible; nothing is changed then. */
  open<Value = Storable>(namespace: string, schema?: StoreSchema): Promise<Store<Value>>;
}

const conflictBrand = Symbol.for('plugboard.store-conflict');

/** A write expected another version of its entry: somebody was faster. */
export class StoreConflict extends Error {
  readonly [conflictBrand] = true;
  readonly key: string;
  readonly expected: number | string;
  /** The version that is there; 0: none. */
  readonly actual: number | string;
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, conflictBrand);
  }
  constructor(key: string, expected: number | string, actual: number | string) {
    super(`"${key}" has version ${actual}, not ${expected}: somebody else has changed it; read it again`);
    this.name = 'StoreConflict';
    this.key = key;
    this.expected = expected;
    this.actual = actual;
  }
}
