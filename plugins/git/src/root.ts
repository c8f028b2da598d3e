// The one folder that is open to a lease, and the way from what an agent wrote to a real path inside it.
import { lstat, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Reserved } from 'plugboard';
import { Refusal } from './settings.ts';

export class Root {
  /** The folder with all links resolved. */
  readonly real: string;
  /** What below the root is the proxy's own, and open to nobody. */
  readonly reserved: Reserved;
  readonly #configured: string;

  private constructor(configured: string, real: string, reserved: Reserved) {
    this.#configured = configured;
    this.real = real;
    this.reserved = reserved;
  }

  /**
   * Rejects when `directory` (an absolute path) is not a folder, or the proxy's own. `given`: the proxy itself chose it for this task, and
   * may have chosen one among its own.
   */
  static async open(directory: string, reserved: readonly string[], given: boolean): Promise<Root> {
    const real = await realpath(directory).catch((cause: unknown) => {
      throw new Refusal(`the root ${directory} cannot be used: create it, or correct the option root`, { cause });
    });
    if (!(await stat(real)).isDirectory())
      throw new Refusal(`the root ${directory} is not a folder: correct the option root`);
    const own = new Reserved(reserved, given ? real : undefined);
    await own.locate();
    if (own.covers(real))
      throw new Refusal(`the root ${directory} holds files of the proxy itself: somebody has to name another folder`);
    return new Root(resolve(directory), real, own);
  }

  /** True when a real path is the root or below it, and not reserved. */
  contains(real: string): boolean {
    return isBelow(this.real, real) && !this.reserved.covers(real);
  }

  /** The real path of something that is there. Throws when it is not, or when it leads outside. */
  async resolve(requested: string): Promise<string> {
    await this.reserved.locate();
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
    if (!this.contains(path)) throw this.outside(requested);
    return path;
  }

  /** A path as agents know it: relative to the root. */
  shown(real: string): string {
    return relative(this.real, real) || '.';
  }

  outside(requested: string): Refusal {
    if (this.reserved.covers(resolve(this.real, requested)))
      return new Refusal(`${requested} belongs to the proxy itself: its own files are open to nobody here`);
    return new Refusal(`${requested} is outside of the root ${this.real}: only what is below it can be used`);
  }

  #absolute(requested: string): string {
    if (requested.includes('\0')) throw new Refusal('a path has no character NUL');
    const absolute = resolve(this.real, requested);
    if (isBelow(this.real, absolute)) return absolute;
    if (isBelow(this.#configured, absolute)) return join(this.real, relative(this.#configured, absolute));
    throw this.outside(requested);
  }
}

/** True when an absolute path is a folder or below it, by its spelling. */
export function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
