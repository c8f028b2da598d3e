// What one task keeps: its root, and how its calls wait for each other and end.
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Turns } from 'plugboard';
import type { LeaseKey } from 'plugboard';
import { Git } from './git.ts';
import { ObjectFolders } from './object-folders.ts';
import { findRepository } from './repository.ts';
import { Root } from './root.ts';
import { findProgram } from './run.ts';
import type { Setting } from './safe-config.ts';
import { Refusal } from './settings.ts';
import type { Settings } from './settings.ts';
import { makeShadow } from './shadow.ts';

/** Programs of one task at once. */
const callsAtOnce = 4;

/** Changes of one repository one after the other, whichever task makes them: git itself would refuse the second. */
const writers = new Map<string, { turns: Turns; users: number }>();

export class Lease {
  readonly #root: Root;
  readonly #settings: Settings;
  readonly #turns = new Turns(callsAtOnce);
  readonly #closed = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #objects = new ObjectFolders();
  readonly #settingsRead = new Map<string, Setting[]>();

  private constructor(root: Root, settings: Settings) {
    this.#root = root;
    this.#settings = settings;
    setMaxListeners(0, this.#closed.signal);
  }

  /** The task's own folder where it has one; made on first use. Otherwise the option's, which has to be there. */
  static async open(key: LeaseKey, settings: Settings): Promise<Lease> {
    if (key.workspace !== undefined) await mkdir(key.workspace, { recursive: true, mode: 0o700 });
    const { workspace } = key;
    const root = await Root.open(workspace ?? settings.root, settings.reserved, workspace !== undefined);
    return new Lease(root, settings);
  }

  /** Runs `work` on a repository. With `writes`, nobody else changes it meanwhile. */
  async use<Result>(
    path: string,
    writes: boolean,
    caller: AbortSignal,
    work: (git: Git) => Promise<Result>,
  ): Promise<Result> {
    const { timeout } = this.#settings;
    const abort = new AbortController();
    const cancel = () => abort.abort(new Refusal('the call was cancelled'));
    const expire = () =>
      abort.abort(
        new Refusal(
          `git took longer than ${timeout} ms (option timeout): ask for less, such as fewer paths or commits`,
        ),
      );
    if (caller.aborted || this.#closed.signal.aborted) cancel();
    caller.addEventListener('abort', cancel);
    this.#closed.signal.addEventListener('abort', cancel);
    const timer = setTimeout(expire, timeout);
    const running = this.#turns.run(abort.signal, () => this.#use(path, writes, abort.signal, work));
    const settled = running.catch(() => {});
    this.#running.add(settled);
    try {
      return await running;
    } finally {
      clearTimeout(timer);
      caller.removeEventListener('abort', cancel);
      this.#closed.signal.removeEventListener('abort', cancel);
      this.#running.delete(settled);
      if (this.#running.size === 0) await this.#objects.trim();
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#running);
    await this.#objects.close();
  }

  async #use<Result>(
    path: string,
    writes: boolean,
    signal: AbortSignal,
    work: (git: Git) => Promise<Result>,
  ): Promise<Result> {
    const program = await findProgram(this.#settings.program);
    const repository = await findRepository(this.#root, path);
    const runs = async () => {
      const objects = await this.#objects.get(join(repository.commonDir, 'objects'), writes);
      const shadow = await makeShadow(repository, { program, objects, writes, signal, known: this.#settingsRead });
      try {
        return await work(new Git({ repository, shadow, settings: this.#settings, program, signal }));
      } finally {
        await shadow.remove();
      }
    };
    return writes ? alone(repository.commonDir, signal, runs) : runs();
  }
}

async function alone<Result>(folder: string, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  const writer = writers.get(folder) ?? { turns: new Turns(1), users: 0 };
  writers.set(folder, writer);
  writer.users += 1;
  try {
    return await writer.turns.run(signal, work);
  } finally {
    writer.users -= 1;
    if (writer.users === 0) writers.delete(folder);
  }
}
