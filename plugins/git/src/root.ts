// The one folder that is open to a lease, and the way from what an agent wrote to a real path inside it.
import { lstat, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Refusal } from './settings.ts';

export class Root {
  /** The folder with all links resolved. */
  readonly real: string;
  readonly #configured: string;

  private constructor(configured: string, real: string) {
    this.#configured = configured;
    this.real = real;
  }

  /** Rejects when `directory` (an absolute path) is not a folder. */
  static async open(directory: string): Promise<Root> {
    const real = await realpath(directory).catch((cause: unknown) => {
      throw new Refusal(`the root ${directory} cannot be used: create it, or correct the option root`, { cause });
    });
    if (!(await stat(real)).isDirectory())
      throw new Refusal(`the root ${directory} is not a folder: correct the option root`);
    return new Root(resolve(directory), real);
  }

  /** True when a real path is the root or below it. */
  contains(real: string): boolean {
    return isBelow(this.real, real);
  }

  /** The real path of something that is there. Throws when it is not, or when it leads outside. */
  async resolve(requested: string): Promise<string> {
    const real = await realpath(this.#absolute(requested)).catch((cause: unknown) => {
      throw new Refusal(`${requested} is not there: paths are relative to the root ${this.real}`, { cause });
    });
    if (this.contains(real)) return real;
    throw this.outside(requested);
  }

  /** The real path of something that is not there yet, in a folder that is. */
  async resolveNew(requested: string): Promise<string> {
    const absolute = this.#absolute(requested);
    if (absolute === this.real) throw new Refusal(`${requested} is the root itself`);
    const path = join(await this.resolve(dirname(absolute)), absolute.slice(dirname(absolute).length));
    const there = await lstat(path).catch(() => undefined);
    if (there !== undefined) throw new Refusal(`${requested} is there already: name a path that is not`);
    return path;
  }

  /** A path as agents know it: relative to the root. */
  shown(real: string): string {
    return relative(this.real, real) || '.';
  }

  outside(requested: string): Refusal {
    return new Refusal(`${requested} is outside of the root ${this.real}: only what is below it can be used`);
  }

  #absolute(requested: string): string {
    if (requested.includes('\0')) throw new Refusal('a path has no character NUL');
    const absolute = resolve(this.real, requested);
    if (this.contains(absolute)) return absolute;
    if (isBelow(this.#configured, absolute)) return join(this.real, relative(this.#configured, absolute));
    throw this.outside(requested);
  }
}

/** True when an absolute path is a folder or below it, by its spelling. */
export function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
