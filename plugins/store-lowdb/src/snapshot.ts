// The snapshot of a namespace: what stands in `<namespace>.json`, read with all care, and the lowdb adapter over it. When one is written is decided elsewhere.
import { readFile } from 'node:fs/promises';
import type { Adapter } from 'lowdb';
import { DamagedFile } from './damaged-file.ts';
import { codeOf, replaceFile, writeError } from './durable-file.ts';
import { faultOf } from './plain-json.ts';
import type { Entry } from './contents.ts';

const format = 'plugboard-store';
const formatVersion = 1;

export interface Snapshot {
  readonly namespace: string;
  readonly schemaVersion: number;
  /** Goes with the log of the same number: the log holds what came after the snapshot. */
  readonly generation: number;
  /** How many changes there had been. */
  readonly changes: number;
  /** See {@link Contents.floor}. */
  readonly floor: number;
  readonly deleted: readonly [key: string, version: number][];
  readonly entries: readonly [key: string, entry: Entry][];
}

export function emptySnapshot(namespace: string, schemaVersion: number): Snapshot {
  return { namespace, schemaVersion, generation: 0, changes: 0, floor: 0, deleted: [], entries: [] };
}

/** Where the snapshot before this one is kept. */
export function backupOf(path: string): string {
  return `${path}.bak`;
}

/** Reads and writes one snapshot file for lowdb. */
export class SnapshotFile implements Adapter<Snapshot> {
  readonly path: string;
  readonly #namespace: string;

  constructor(path: string, namespace: string) {
    this.path = path;
    this.#namespace = namespace;
  }

  /** Null when there is no file. Throws {@link DamagedFile}, or an Error when a newer program wrote it. */
  async read(): Promise<Snapshot | null> {
    return (await readSnapshot(this.path, this.#namespace)) ?? null;
  }

  /** Replaces the file; the old one becomes the backup. */
  async write(snapshot: Snapshot): Promise<void> {
    try {
      await replaceFile(this.path, linesOf(snapshot), backupOf(this.path));
    } catch (error) {
      throw writeError(this.path, error);
    }
  }
}

/** Undefined when there is no file. Throws {@link DamagedFile}, or an Error when a newer program wrote it. */
async function readSnapshot(path: string, namespace: string): Promise<Snapshot | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const at = faultOf(text);
    const before = text.slice(0, at).split('\n');
    const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    throw new DamagedFile(path, place, at >= text.length ? 'the file ends too early' : 'this is not JSON');
  }
  return new SnapshotReader(path, namespace).snapshot(value);
}

/** A piece per some hundred entries: a large file shall hold up neither the memory nor other work. */
function* linesOf(snapshot: Snapshot): Generator<string> {
  const { entries, deleted, namespace, ...rest } = snapshot;
  const head = { format: `${format}/${formatVersion}`, namespace, saved: new Date().toISOString(), ...rest };
  yield JSON.stringify(head, undefined, 2).replace(/\n\}$/, ',\n');
  yield '  "deleted": [';
  yield* listed(deleted, ([key, version]) => `{ "key": ${JSON.stringify(key)}, "version": ${version} }`);
  yield '],\n  "entries": [';
  const sorted = entries.toSorted(([left], [right]) => (left < right ? -1 : 1));
  yield* listed(sorted, ([key, { version, text }]) => {
    return `{ "key": ${JSON.stringify(key)}, "version": ${version}, "value": ${text} }`;
  });
  yield ']\n}\n';
}

const pieceLength = 256 * 1024;

function* listed<Item>(items: readonly Item[], line: (item: Item) => string): Generator<string> {
  let piece = '';
  for (const [index, item] of items.entries()) {
    piece += `${index === 0 ? '' : ','}\n    ${line(item)}`;
    if (piece.length >= pieceLength) {
      yield piece;
      piece = '';
    }
  }
  if (items.length > 0) yield `${piece}\n  `;
}

type Members = Readonly<Record<string, unknown>>;

/** Checks a parsed file member by member. People may edit these files, so every fault is named by its place. */
class SnapshotReader {
  readonly #path: string;
  readonly #namespace: string;

  constructor(path: string, namespace: string) {
    this.#path = path;
    this.#namespace = namespace;
  }

  snapshot(value: unknown): Snapshot {
    const file = this.#members(value, 'its top level');
    this.#checkFormat(file['format']);
    if (file['namespace'] !== this.#namespace) throw this.#damaged('"namespace"', `it is not "${this.#namespace}"`);
    const seen = new Set<string>();
    const entries = this.#list(file, 'entries').map((each, index): [string, Entry] => {
      const [place, entry] = [`"entries[${index}]"`, this.#members(each, `"entries[${index}]"`)];
      if (entry['value'] === undefined) throw this.#damaged(place, 'it has no value');
      const version = this.#count(entry, 'version', 1, place);
      return [this.#key(entry, place, seen), { text: JSON.stringify(entry['value']), version }];
    });
    const deleted = this.#list(file, 'deleted').map((each, index): [string, number] => {
      const [place, entry] = [`"deleted[${index}]"`, this.#members(each, `"deleted[${index}]"`)];
      return [this.#key(entry, place, seen), this.#count(entry, 'version', 1, place)];
    });
    return {
      namespace: this.#namespace,
      schemaVersion: this.#count(file, 'schemaVersion', 1),
      generation: this.#count(file, 'generation', 0),
      changes: this.#count(file, 'changes', 0),
      floor: this.#count(file, 'floor', 0),
      deleted,
      entries,
    };
  }

  #checkFormat(value: unknown): void {
    const [name, version] = typeof value === 'string' ? value.split('/') : [];
    if (name !== format || !/^\d+$/.test(version ?? ''))
      throw this.#damaged('"format"', `it is not "${format}/${formatVersion}"`);
    if (Number(version) <= formatVersion) return;
    throw new Error(
      `${this.#path} has format ${format}/${version}, which a newer store-lowdb wrote; this one knows ${formatVersion}. ` +
        'Nothing was changed: use the newer one',
    );
  }

  #members(value: unknown, place: string): Members {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#damaged(place, 'it is no object');
    return value as Members;
  }

  #list(file: Members, name: string): readonly unknown[] {
    const value = file[name];
    if (!Array.isArray(value)) throw this.#damaged(`"${name}"`, 'it is no list');
    return value as readonly unknown[];
  }

  #count(members: Members, name: string, least: number, place = 'its top level'): number {
    const value = members[name];
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    throw this.#damaged(place, `"${name}" is no whole number from ${least}`);
  }

  #key(members: Members, place: string, seen: Set<string>): string {
    const { key } = members;
    if (typeof key !== 'string' || key.length === 0) throw this.#damaged(place, '"key" is no text');
    if (seen.has(key)) throw this.#damaged(place, 'its key stands there twice');
    seen.add(key);
    return key;
  }

  #damaged(place: string, why: string): DamagedFile {
    return new DamagedFile(this.#path, place, why);
  }
}
