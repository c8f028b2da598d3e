// The entries of one namespace in memory: values as JSON text, versions, the keys in order. Files, promises and waiting are elsewhere.

/** The value as JSON text: every reader gets a copy of its own by parsing it. */
export interface Entry {
  readonly text: string;
  readonly version: number;
}

/** One change; text undefined: the entry is deleted. */
export interface Change {
  readonly key: string;
  readonly text: string | undefined;
  readonly version: number;
}

/** So many deleted keys are remembered one by one. */
const maxDeleted = 10_000;

export class Contents {
  readonly #entries = new Map<string, Entry>();
  /** Versions of deleted keys, oldest deletion first. */
  readonly #deleted = new Map<string, number>();
  #keys: string[] | undefined;
  /** No key that is forgotten had a higher version: a new entry starts behind it, so that no version ever comes again. */
  floor = 0;
  /** How many changes there have been, ever. */
  changes = 0;
  /** Of all keys and values. */
  bytes = 0;

  /** Contents as they were kept. */
  static of(kept: {
    readonly entries: readonly (readonly [key: string, entry: Entry])[];
    readonly deleted: readonly (readonly [key: string, version: number])[];
    readonly floor: number;
    readonly changes: number;
  }): Contents {
    const contents = new Contents();
    contents.floor = kept.floor;
    for (const [key, version] of kept.deleted) contents.#remember(key, version);
    for (const [key, { text, version }] of kept.entries) contents.apply({ key, text, version });
    contents.changes = kept.changes;
    return contents;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Version of the last change of a key. */
  lastVersion(key: string): number {
    return this.#entries.get(key)?.version ?? this.#deleted.get(key) ?? this.floor;
  }

  apply({ key, text, version }: Change): void {
    const old = this.#entries.get(key);
    this.changes += 1;
    this.bytes += sizeOf(key, text) - sizeOf(key, old?.text);
    if (text === undefined) {
      this.#entries.delete(key);
      this.#remember(key, version);
      if (old !== undefined && this.#keys !== undefined) this.#keys.splice(positionOf(this.#keys, key), 1);
    } else {
      this.#entries.set(key, { text, version });
      this.#deleted.delete(key);
      if (old === undefined && this.#keys !== undefined) this.#keys.splice(positionOf(this.#keys, key), 0, key);
    }
  }

  /** Keeps the version of a deleted key. */
  #remember(key: string, version: number): void {
    this.#deleted.delete(key);
    this.#deleted.set(key, version);
    if (this.#deleted.size <= maxDeleted) return;
    for (const [oldest, last] of this.#deleted) {
      this.#deleted.delete(oldest);
      this.floor = Math.max(this.floor, last);
      break;
    }
  }

  /** Entries with the prefix, by key, behind a key, at most so many. */
  list(prefix: string, after: string | undefined, limit: number): [string, Entry][] {
    // Without arguments the order is that of code units.
    this.#keys ??= [...this.#entries.keys()].sort();
    const found: [string, Entry][] = [];
    let at = positionOf(this.#keys, prefix);
    if (after !== undefined) {
      const behind = positionOf(this.#keys, after);
      at = Math.max(at, this.#keys[behind] === after ? behind + 1 : behind);
    }
    for (; at < this.#keys.length && found.length < limit; at += 1) {
      const key = this.#keys[at] ?? '';
      const entry = this.#entries.get(key);
      if (!key.startsWith(prefix)) break;
      if (entry !== undefined) found.push([key, entry]);
    }
    return found;
  }

  /** All entries, and the versions of deleted keys, as they are now: changes that come later do not reach them. */
  copy(): { entries: [string, Entry][]; deleted: [string, number][] } {
    return { entries: [...this.#entries], deleted: [...this.#deleted] };
  }
}

export function sizeOf(key: string, text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(key) + Buffer.byteLength(text);
}

/** Where a key is among sorted ones, or would be. */
function positionOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
