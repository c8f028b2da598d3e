// Tasks from a folder of YAML and JSON files, watched. After each change the whole folder is looked at again, so that renamed, moved and
// half-written files come out right whatever the order of the notices.
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import { PlugboardError, readYamlDocuments } from 'plugboard';
import type { Log } from 'plugboard';
import { maxObjectBytes } from '../schema/bounds.ts';
import type { TaskSink, TaskSource } from '../task.ts';

export interface FolderSettings {
  /** Absolute. */
  readonly folder: string;
  readonly log: Log;
  /** Tasks that came from the folder before, with their files: what a file holds that is broken now stays. */
  readonly known: () => readonly { readonly id: string; readonly origin: string }[];
}

/** One object of a file. */
interface Found {
  /** `tasks.yaml:12`. */
  readonly origin: string;
  readonly object: unknown;
}

interface ReadFile {
  /** Changes when the file does. */
  readonly stamp: string;
  readonly found: readonly Found[];
  /** Why it holds nothing, with the name of the file. */
  readonly problem: string | undefined;
}

/** Bytes of the largest file; several objects may stand in one. */
const maxFileBytes = 2 * maxObjectBytes;
const maxObjects = 1000;
/** ms without a notice before the folder is looked at. */
const settle = 100;
/** ms between looks for a folder that is not there. */
const patience = 2000;
const extensions = new Set(['.yaml', '.yml', '.json']);

export class FolderSource implements TaskSource {
  readonly name = 'folder';
  readonly #settings: FolderSettings;
  readonly #files = new Map<string, ReadFile>();
  /** What is in force, by its object: unchanged objects need not be judged again. */
  readonly #inForce = new WeakMap<Found, string>();
  /** Which file a task is from. */
  readonly #ids = new Map<string, string>();
  #missing = false;
  #told = new Map<string, string>();
  #sink: TaskSink | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(settings: FolderSettings) {
    this.#settings = settings;
  }

  async start(sink: TaskSink): Promise<void> {
    this.#sink = sink;
    const { folder, log } = this.#settings;
    this.#watcher = watch(folder, { ignoreInitial: true, depth: 0, followSymlinks: true });
    this.#watcher.on('all', () => this.#soon());
    this.#watcher.on('error', (error) => log.error(`the folder ${folder} cannot be watched`, { error }));
    await this.#look();
  }

  async stop(): Promise<void> {
    this.#sink = undefined;
    clearTimeout(this.#timer);
    await this.#watcher?.close();
    await this.#looking;
  }

  #soon(ms = settle): void {
    clearTimeout(this.#timer);
    if (this.#sink !== undefined) this.#timer = setTimeout(() => void this.#look(), ms);
  }

  #look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => this.#lookOnce())
      .catch((error: unknown) => {
        this.#settings.log.error(`the folder ${this.#settings.folder} cannot be read: its tasks stay as they are`, {
          error,
        });
      });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const sink = this.#sink;
    if (sink === undefined) return;
    const names = await this.#read();
    if (names === undefined) return;
    const present = new Set<string>();
    const told = new Map<string, string>();
    for (const name of names) {
      const { found, problem } = this.#files.get(name) ?? { found: [], problem: undefined };
      if (problem !== undefined) {
        told.set(name, `${problem}; its tasks stay as they are`);
        for (const id of this.#idsOf(name)) present.add(id);
      }
      for (const each of found) await this.#put(sink, name, each, present, told);
    }
    await sink.synchronized(this.name, present);
    for (const id of this.#ids.keys()) if (!present.has(id)) this.#ids.delete(id);
    for (const [key, text] of told) if (this.#told.get(key) !== text) this.#settings.log.warn(text);
    this.#told = told;
  }

  async #put(
    sink: TaskSink,
    file: string,
    found: Found,
    present: Set<string>,
    told: Map<string, string>,
  ): Promise<void> {
    const { origin, object } = found;
    const named = nameOf(object);
    if (named !== undefined && present.has(named)) {
      told.set(
        origin,
        `${origin}: task ${named} stands in ${this.#ids.get(named) ?? 'another file'} too; that one is in force`,
      );
      return;
    }
    const put = this.#inForce.has(found)
      ? { id: this.#inForce.get(found) ?? '' }
      : await sink.put({ source: this.name, origin, object });
    if ('id' in put) {
      present.add(put.id);
      this.#inForce.set(found, put.id);
      this.#ids.set(put.id, file);
    } else {
      told.set(origin, `${origin}: refused: ${put.refused}`);
      // What ran goes on until the object is right again or gone.
      if (named !== undefined && this.#ids.has(named)) present.add(named);
      else if (named !== undefined && this.#settings.known().some(({ id }) => id === named)) present.add(named);
    }
  }

  /** Names of the files that hold tasks, in order, read where they have changed. Undefined: the folder is not there. */
  async #read(): Promise<string[] | undefined> {
    const { folder, log } = this.#settings;
    const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      if (!this.#missing) log.warn(`the folder ${folder} is not there: its tasks stay as they are; create it`);
      return undefined;
    });
    this.#missing = entries === undefined;
    if (this.#missing) this.#soon(patience);
    // What was watched before it was there, or is another folder by now, is watched anew.
    else this.#watcher?.add(folder);
    const names = entries?.filter((name) => !name.startsWith('.') && extensions.has(path.extname(name))).sort();
    for (const name of this.#files.keys()) if (names !== undefined && !names.includes(name)) this.#files.delete(name);
    for (const name of names ?? []) await this.#readFile(name);
    return names?.filter((name) => this.#files.has(name));
  }

  async #readFile(name: string): Promise<void> {
    const file = path.join(this.#settings.folder, name);
    try {
      const { mtimeMs, size, ino } = await stat(file);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (this.#files.get(name)?.stamp === stamp) return;
      if (size > maxFileBytes) {
        this.#files.set(name, { stamp, found: [], problem: `${name}: ${size} bytes (at most ${maxFileBytes})` });
        return;
      }
      this.#files.set(name, { stamp, ...parse(name, await readFile(file, 'utf8')) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') this.#files.delete(name);
      else this.#files.set(name, { stamp: '', found: [], problem: `${name}: ${message}` });
    }
  }

  /** Tasks of a file as far as anybody remembers. */
  #idsOf(file: string): string[] {
    const now = [...this.#ids].flatMap(([id, from]) => (from === file ? [id] : []));
    const before = this.#settings
      .known()
      .flatMap(({ id, origin }) => (origin.replace(/:\d+$/, '') === file ? [id] : []));
    return [...now, ...before];
  }
}

/** The objects of a file. A file with one wrong document counts as broken whole: half of it may be meant differently. */
function parse(name: string, text: string): Omit<ReadFile, 'stamp'> {
  const object = parsePlainJson(text);
  if (object !== undefined) return { found: [{ origin: `${name}:1`, object }], problem: undefined };
  try {
    const documents = readYamlDocuments(text, name, 'CONFIG_UNREADABLE');
    if (documents.length > maxObjects)
      return { found: [], problem: `${name}: ${documents.length} objects (at most ${maxObjects})` };
    return {
      found: documents.map(({ line, value }) => ({ origin: `${name}:${line}`, object: value })),
      problem: undefined,
    };
  } catch (error) {
    if (!(error instanceof PlugboardError)) throw error;
    return { found: [], problem: `${error.message.replaceAll('\n', '; ')} (${error.hint})` };
  }
}

/**
 * The object of a text that is JSON as programs write it, which YAML's reader takes twenty times as long for. Written again it is the same
 * text, so that no key stands in it twice; anything else is undefined, and YAML's to judge.
 */
function parsePlainJson(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  const trimmed = text.trimEnd();
  try {
    const object: unknown = JSON.parse(trimmed);
    const same = trimmed === JSON.stringify(object) || trimmed === JSON.stringify(object, undefined, 2);
    return same ? object : undefined;
  } catch {
    return undefined;
  }
}

/** The id that an object would have, without judging the rest of it. */
function nameOf(object: unknown): string | undefined {
  const { metadata } = (object ?? {}) as { metadata?: { name?: unknown; namespace?: unknown } | null };
  const { name, namespace = 'default' } = metadata ?? {};
  if (typeof name !== 'string' || typeof namespace !== 'string') return undefined;
  return namespace === 'default' ? name : `${namespace}/${name}`;
}
