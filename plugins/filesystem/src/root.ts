// The one folder that is open to a lease, and the way from what an agent wrote to a real path inside it. Opens nothing:
// see `anchor.ts`.
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Reserved } from 'plugboard';
import { isMissing, named, reservedFor, unusable } from './errors.ts';

/**
 * No other spelling of such a name exists in Unicode: the three characters named are the only ASCII ones that others
 * normalise to.
 */
const oneSpelling = /^[^K;`\u0080-\uffff]*$/;

export class Root {
  /** The folder with all links resolved. */
  readonly real: string;
  /** The folder as configured and as it really is, in that order, once when they are the same. */
  readonly spellings: readonly [string, ...string[]];
  /** What below the root is the proxy's own, and open to nobody. */
  readonly reserved: Reserved;

  private constructor(directory: string, real: string, reserved: Reserved) {
    this.real = real;
    this.reserved = reserved;
    this.spellings = directory === real ? [real] : [directory, real];
  }

  /**
   * Rejects when `directory` (an absolute path) is not a folder, or the proxy's own. `given`: the proxy itself chose it for this caller, and
   * may have chosen one among its own.
   */
  static async open(directory: string, reserved: readonly string[], given = false): Promise<Root> {
    const real = await realpath(directory).catch((error: unknown) => {
      throw unusable(directory, error);
    });
    if (!(await stat(real)).isDirectory())
      throw new Error(`the root ${directory} is not a folder: correct the option root`);
    const own = new Reserved(reserved, given ? real : undefined);
    await own.locate();
    if (own.covers(real)) throw new Error(`the root ${directory} holds files of the proxy itself: name another folder`);
    return new Root(resolve(directory), real, own);
  }

  /** True when a real path is the root or below it, and not reserved. Says nothing about paths with links in them. */
  contains(real: string): boolean {
    return isBelow(this.real, real) && !this.reserved.covers(real);
  }

  /**
   * The real path of what an agent wrote: absolute, or relative to the root; nothing needs to be there yet. What stands
   * at the path may be replaced the moment after, so the result is for `withAnchor`, which checks again what it opened.
   * Throws when the path, or what its links lead to, is outside.
   */
  async resolve(requested: string): Promise<string> {
    await this.reserved.locate();
    const absolute = this.#absolute(requested);
    try {
      return this.#checked(await realpath(absolute));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    try {
      return await this.#resolveMissing(absolute);
    } catch (error) {
      throw isMissing(error) ? new Error(`Parent directory does not exist: ${dirname(absolute)}`) : error;
    }
  }

  #absolute(requested: string): string {
    const expanded = expandHome(requested);
    // `C:\file` would be a valid relative name here, and hardly what was meant.
    if (sep === '/' && /^[A-Za-z]:(?:[\\/]|$)/.test(expanded)) {
      throw new Error(`Access denied - Windows-style path received on a POSIX host: ${requested}`);
    }
    const readings = this.spellings.map((spelling) => resolve(spelling, expanded));
    const absolute = readings.find((reading) => this.#base(reading) !== undefined);
    if (absolute !== undefined && !absolute.includes('\0')) return absolute;
    throw new Error(
      `Access denied - path outside allowed directories: ${readings[0]} not in ${this.spellings.join(', ')}`,
    );
  }

  /** The spelling of the root that a path begins with. */
  #base(absolute: string): string | undefined {
    return this.spellings
      .filter((spelling) => isBelow(spelling, absolute))
      .toSorted((left, right) => right.length - left.length)[0];
  }

  #checked(real: string): string {
    if (this.contains(real)) return real;
    if (isBelow(this.real, real)) throw reservedFor(real);
    throw new Error(
      `Access denied - symlink target outside allowed directories: ${real} not in ${this.spellings.join(', ')}`,
    );
  }

  /**
   * Follows a path as far as it exists, name by name; a name may also exist in another Unicode spelling (as macOS
   * writes them).
   */
  async #resolveMissing(absolute: string): Promise<string> {
    const base = this.#base(absolute) ?? this.real;
    const names = relative(base, absolute).split(sep).filter(Boolean);
    let current = await realpath(base);
    for (const [index, name] of names.entries()) {
      const found = await findSpelling(current, name);
      if (found === undefined) return this.#checked(join(current, ...names.slice(index)));
      current = this.#checked(await realpath(join(current, found)));
    }
    return current;
  }
}

function isBelow(folder: string, path: string): boolean {
  if (!isAbsolute(path)) return false;
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/** The entry of a folder that has this name, or the only one whose name is the same text in another spelling. */
async function findSpelling(folder: string, name: string): Promise<string | undefined> {
  try {
    await lstat(join(folder, name));
    return name;
  } catch (error) {
    if (!isMissing(error)) throw named(error, 'scandir', folder);
  }
  if (oneSpelling.test(name)) return undefined;
  const wanted = name.normalize('NFC');
  const found: string[] = [];
  for await (const entry of await opendir(folder)) if (entry.name.normalize('NFC') === wanted) found.push(entry.name);
  if (found.length > 1) throw new Error(`Ambiguous Unicode path component: ${name}`);
  return found[0];
}
