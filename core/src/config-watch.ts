// Watching a configuration: its file, the lock file beside it, and the files that its references name. Loading it again is the caller's business.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { Config } from './config.ts';
import { lockFileOf } from './lock-file.ts';

/** ms without a further change after which the change is told: editors and `kubectl` write in several steps. */
const debounce = 150;

/** A running watch. */
export interface ConfigWatch {
  /** Follows another set of referenced files, after the configuration was loaded again. */
  follow(config: Pick<Config, 'referencedFiles'>): void;
  close(): Promise<void>;
}

/**
 * Watches the file of a configuration and the files it references. `onChange` is called once per burst of changes, never while an
 * earlier call still runs; what it throws goes to `onError`. Undefined when the configuration has no file.
 */
export async function watchConfig(
  config: Pick<Config, 'file' | 'referencedFiles' | 'loadedAt'>,
  onChange: () => void | Promise<void>,
  onError: (error: unknown) => void,
): Promise<ConfigWatch | undefined> {
  const { file } = config;
  if (file === undefined) return undefined;
  const { watch } = await import('chokidar');
  let followed = filesOf(file, config);
  // The folders are watched, not the files: a file that is replaced by renaming, or linked elsewhere, is another file each time.
  const folders = new Set([...followed].map((each) => path.dirname(each)));
  const ignored = (each: string) => !folders.has(each) && !followed.has(each) && !isLinkFarm(each);
  const watcher = watch([...folders], { depth: 0, ignoreInitial: true, ignored });
  const burst = new Burst(onChange, onError);
  const heard = (changed: string) => {
    if (followed.has(path.resolve(changed)) || isLinkFarm(changed)) burst.touch();
  };
  watcher.on('add', heard).on('change', heard).on('unlink', heard).on('addDir', heard).on('error', onError);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  // Loading and watching are some time apart: a change in between is found by its date.
  if ([file, ...config.referencedFiles].some((each) => changedSince(each, config.loadedAt, true))) burst.touch();
  else if (changedSince(lockFileOf(path.dirname(file)), config.loadedAt, false)) burst.touch();
  return {
    follow: (next) => {
      followed = filesOf(file, next);
      for (const each of followed) {
        folders.add(path.dirname(each));
        watcher.add([path.dirname(each), each]);
      }
    },
    close: async () => {
      burst.stop();
      await watcher.close();
    },
  };
}

function filesOf(file: string, { referencedFiles }: Pick<Config, 'referencedFiles'>): Set<string> {
  return new Set([file, lockFileOf(path.dirname(file)), ...referencedFiles]);
}

/** True when a file was changed after a time, or, if it has to be there, is gone. */
function changedSince(file: string, time: number, needed: boolean): boolean {
  const changed = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return changed === undefined ? needed : changed > time;
}

/** Kubernetes mounts a ConfigMap as links through `..data`, and swaps that one link. */
function isLinkFarm(changed: string): boolean {
  return path.basename(changed).startsWith('..');
}

/** Turns a burst of changes into one call at a time. */
class Burst {
  readonly #run: () => void | Promise<void>;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #again = false;
  #stopped = false;

  constructor(run: () => void | Promise<void>, failed: (error: unknown) => void) {
    this.#run = run;
    this.#failed = failed;
  }

  touch(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#fire(), debounce);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #fire(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    try {
      await this.#run();
    } catch (error) {
      this.#failed(error);
    }
    this.#running = false;
    if (this.#again) this.touch();
    this.#again = false;
  }
}
