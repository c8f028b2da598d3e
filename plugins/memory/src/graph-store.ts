// One graph and its file: the version in memory, changes one after the other, many in one write. What changes mean lives in `graph.ts`.
import { link, mkdir, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { acquireLock } from 'plugboard';
import type { FileLock, Log } from 'plugboard';
import { currentIdentity, isCode, readVersion, replaceFile } from './durable-file.ts';
import type { FileVersion } from './durable-file.ts';
import { CorruptGraph, encodeGraph, parseGraph } from './graph-format.ts';
import type { Change, Graph } from './graph.ts';
import { checkChange } from './limits.ts';
import type { Limits } from './limits.ts';

export interface StoreOptions extends Limits {
  /** ms to wait for another process that is writing the same file. */
  readonly lockTimeout: number;
}

type Apply<Result> = (graph: Graph) => Change<Result>;

interface Loaded {
  readonly version: FileVersion;
  readonly graph: Graph;
  /** The last line was cut off; the file is copied before it is replaced. */
  readonly cut: boolean;
}

interface Waiting {
  readonly apply: Apply<unknown>;
  readonly signal: AbortSignal;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One graph, kept in its file. Nothing is opened before the first use. A change is answered when it is on the disk. Readers see what is
 * on the disk, whoever wrote it. Several stores may share a file, in one process or many: each change starts from the newest version.
 */
export class GraphStore {
  readonly #path: string;
  readonly #options: StoreOptions;
  readonly #log: Log;
  #loaded: Loaded | undefined;
  #loading: Promise<Loaded> | undefined;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #closed = false;

  constructor(path: string, options: StoreOptions, log: Log) {
    this.#path = path;
    this.#options = options;
    this.#log = log;
  }

  /** The graph as it is on the disk. Throws when the file cannot be read; a file that is no memory file is set aside first. */
  async read(): Promise<Graph> {
    try {
      const path = await this.#target();
      try {
        return (await this.#newest(path)).graph;
      } catch (error) {
        if (!(error instanceof CorruptGraph)) throw error;
        return await this.#locked(path, async (lock) => (await this.#newestOrSetAside(path, lock)).graph);
      }
    } catch (error) {
      throw explained(error);
    }
  }

  /**
   * Applies a change to the newest version and resolves with its result once it is on the disk. Rejects, with the graph unchanged, with
   * what `apply` throws, when a limit is passed, or when it cannot be stored.
   */
  change<Result>(apply: Apply<Result>, signal: AbortSignal): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ apply, signal, resolve: resolve as (result: unknown) => void, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Finishes what is under way and forgets the graph. */
  async close(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
    await this.#loading?.catch(() => {});
    this.#closed = true;
    await this.#forget();
  }

  /** Works off the queue. Its end must be one step with finding the queue empty, else a change that comes in between waits for ever. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      let batch: Waiting[] = [];
      try {
        const path = await this.#target();
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const answers = await this.#locked(path, async (lock) => {
          const loaded = await this.#newestOrSetAside(path, lock);
          // Taken as late as possible: everything that came while we waited for the lock and the disk goes into one write.
          batch = this.#waiting.splice(0);
          return this.#commit(path, loaded, batch, lock);
        });
        for (const answer of answers) answer();
      } catch (error) {
        // After a failed write it is open which version is on the disk: read it anew.
        await this.#forget();
        for (const each of batch.length > 0 ? batch : this.#waiting.splice(0)) each.reject(explained(error));
      }
    }
    this.#draining = undefined;
  }

  /** Carries out a batch and stores it in one write; returns what tells the callers. */
  async #commit(path: string, loaded: Loaded, batch: readonly Waiting[], lock: FileLock): Promise<(() => void)[]> {
    let graph = loaded.graph;
    const answers: (() => void)[] = [];
    for (const each of batch) {
      try {
        each.signal.throwIfAborted();
        const change = each.apply(graph);
        checkChange(graph, change, this.#options);
        graph = change.graph;
        answers.push(() => each.resolve(change.result));
      } catch (error) {
        answers.push(() => each.reject(error));
      }
    }
    if (graph !== loaded.graph) {
      if (loaded.cut) await this.#linkAside(path, lock);
      const version = await replaceFile(path, temporaryName(path, lock.token), encodeGraph(graph), () => lock.fresh);
      await this.#keep({ version, graph, cut: false });
    }
    return answers;
  }

  /** Runs alone among all processes that use the file. */
  async #locked<Result>(path: string, run: (lock: FileLock) => Promise<Result>): Promise<Result> {
    const lock = await acquireLock(`${path}.lock`, {
      timeout: this.#options.lockTimeout,
      cleanUp: (token) =>
        unlink(temporaryName(path, token)).catch((error: unknown) => {
          if (!isCode(error, 'ENOENT')) throw error;
        }),
    });
    try {
      return await run(lock);
    } finally {
      await lock
        .release()
        .catch((error: unknown) => this.#log.error('a lock could not be released', { path, error: String(error) }));
    }
  }

  /** The version on the disk, from memory if it is the one in memory. */
  async #newest(path: string): Promise<Loaded> {
    for (let round = 1; ; round += 1) {
      const identity = await currentIdentity(path);
      if (this.#loaded?.version.identity === identity) return this.#loaded;
      this.#loading ??= this.#load(path).finally(() => {
        this.#loading = undefined;
      });
      const loaded = await this.#loading;
      // The first load may have begun before we were called, and miss what was stored since; the second has not.
      if (round === 2) return loaded;
    }
  }

  async #load(path: string): Promise<Loaded> {
    const { version, bytes } = await readVersion(path, this.#options.maxBytes);
    try {
      const { graph, cut } = parseGraph(bytes);
      if (cut)
        this.#log.warn(
          'the last line of a memory file is cut off and left out; a copy is made before the file is written',
          { path },
        );
      const loaded = { version, graph, cut };
      await this.#keep(loaded);
      return loaded;
    } catch (error) {
      await version.close();
      throw error;
    }
  }

  /** Only under the lock. Throws for a corrupt file after renaming it, so that nothing is ever written over it. */
  async #newestOrSetAside(path: string, lock: FileLock): Promise<Loaded> {
    // What a load that began before we had the lock finds corrupt may be replaced by now.
    await this.#loading?.catch(() => {});
    try {
      return await this.#newest(path);
    } catch (error) {
      if (!(error instanceof CorruptGraph)) throw error;
      const aside = asideName(path, 'corrupt', lock);
      await rename(path, aside);
      this.#log.error('a memory file is corrupt and was set aside', { path, aside, reason: error.message });
      throw new Error(
        `the memory file ${basename(path)} is corrupt (${error.message}). It was kept as ${basename(aside)} and the memory is empty now; ` +
          'to get it back, repair that file and rename it. Nothing was changed by this call.',
        { cause: error },
      );
    }
  }

  async #linkAside(path: string, lock: FileLock): Promise<void> {
    const aside = asideName(path, 'cut', lock);
    await link(path, aside);
    this.#log.warn('a memory file with a cut-off last line was kept before it is replaced', { path, aside });
  }

  /** The real file: a link to an existing memory file stays a link. */
  async #target(): Promise<string> {
    try {
      return await realpath(this.#path);
    } catch (error) {
      if (isCode(error, 'ENOENT')) return this.#path;
      throw error;
    }
  }

  async #keep(loaded: Loaded): Promise<void> {
    const previous = this.#loaded;
    this.#loaded = this.#closed ? undefined : loaded;
    if (this.#closed) await loaded.version.close();
    await previous?.version.close();
  }

  async #forget(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.version.close();
  }
}

function temporaryName(path: string, token: string): string {
  return `${path}.${token}.tmp`;
}

function asideName(path: string, why: string, lock: FileLock): string {
  return `${path}.${why}-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}-${lock.token}`;
}

/** Errors of the system say what failed, but not that it is the memory that did. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  return new Error(
    `the memory file cannot be used: ${error.message}; the change was not stored. Make room or correct the permissions, then try again.`,
    {
      cause: error,
    },
  );
}
