// A file or folder held fast: opened first, then checked where it really is, then used through what was opened and by
// no path that somebody could bend in between. The two ways to do that, and which one this system has.
import { constants, existsSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, open, readlink, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { replaced, reservedFor } from './errors.ts';
import type { Root } from './root.ts';

/** One file or folder below the root, known to be there when it was opened. Close it. */
export interface Anchor {
  readonly stats: Stats;
  /** Where it really is. What is reserved there is told by this, not by the path that somebody asked for. */
  readonly place: string;
  /** A path for system calls that leads to exactly this file or folder. Never show it. */
  readonly self: string;
  /**
   * A path for system calls that leads to an entry of exactly this folder; a link there is not followed by this. Never
   * show it. Throws when the entry is reserved.
   */
  entry(name: string): string;
  /** Opens the file for reading; never waits, whatever it is. */
  read(): Promise<FileHandle>;
  /** Throws when the path has come to mean something else. To be called before a result is given away or made final. */
  recheck(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens what stands at `path`, a path without links or an {@link Anchor.entry}; `shown` is what agents know it by.
 * Throws errors of the system as they come, and an error of its own when what was opened is a link or not below the
 * root.
 */
export type OpenAnchor = (root: Root, path: string, shown: string) => Promise<Anchor>;

/**
 * Linux: opens a place without opening the file in it, so that pipes do not wait and devices do nothing. Not in Node's
 * list.
 */
const pathOnly = 0o10000000;
const handles = '/proc/self/fd';

/** The way of this system: by handle where the kernel shows where a handle is, else by path. */
export function openAnchor(): OpenAnchor {
  return process.platform === 'linux' && existsSync(handles) ? openByHandle : openByPath;
}

/** Linux with /proc: whatever is moved or replaced after the check, the handle leads to what was checked. */
export async function openByHandle(root: Root, path: string, shown: string): Promise<Anchor> {
  const handle = await open(path, pathOnly | constants.O_NOFOLLOW);
  try {
    const self = `${handles}/${handle.fd}`;
    const [place, stats] = await Promise.all([readlink(self), handle.stat()]);
    if (stats.isSymbolicLink() || !root.contains(place)) throw replaced(shown);
    await refuseTwin(root, stats, shown);
    return {
      stats,
      place,
      self,
      entry: (name) => `${self}/${openEntry(root, place, name)}`,
      read: () => open(self, constants.O_RDONLY | constants.O_NONBLOCK),
      recheck: async () => {},
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Every other system: checks the path before and after. A folder that is replaced by a link within the microseconds
 * between the last check and a write is not noticed.
 */
export async function openByPath(root: Root, path: string, shown: string): Promise<Anchor> {
  const check = async (): Promise<Stats> => {
    const stats = await lstat(path);
    const real = await realpath(path);
    if (stats.isSymbolicLink() || real !== path || !root.contains(real)) throw replaced(shown);
    return stats;
  };
  const stats = await check();
  await refuseTwin(root, stats, shown);
  const recheck = async () => {
    if (!isSame(await check(), stats)) throw replaced(shown);
  };
  return {
    stats,
    place: path,
    self: path,
    entry: (name) => join(path, openEntry(root, path, name)),
    read: () => openSame(path, stats, shown),
    recheck,
    close: async () => {},
  };
}

/** A hard link to a reserved file is that file. */
async function refuseTwin(root: Root, stats: Stats, shown: string): Promise<void> {
  if (stats.isFile() && stats.nlink > 1 && (await root.reserved.hasTwin(stats))) throw reservedFor(shown);
}

function openEntry(root: Root, place: string, name: string): string {
  const path = join(place, name);
  if (root.reserved.covers(path)) throw reservedFor(path);
  return name;
}

async function openSame(path: string, stats: Stats, shown: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  if (isSame(await handle.stat(), stats)) return handle;
  await handle.close();
  throw replaced(shown);
}

function isSame(left: Stats, right: Stats): boolean {
  return left.dev === right.dev && left.ino === right.ino;
}
