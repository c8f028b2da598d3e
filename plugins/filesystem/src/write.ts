// Writing, making folders, moving. Every change is made through the held folder that it happens in, never by a path.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { Anchor } from './anchor.ts';
import { isMissing, named, notRegular, replaced, reservedFor, systemError, tooLarge } from './errors.ts';
import { locked } from './lock.ts';
import { withAnchor } from './space.ts';
import type { Space } from './space.ts';

/** Gives a file new content, or makes it. */
export async function writeText(space: Space, path: string, content: string): Promise<void> {
  const real = await space.root.resolve(path);
  await locked([real], () => replaceFile(space, real, content));
}

/**
 * Puts a whole new file in the place of the old one, so that nobody ever reads a part of it; permissions stay. The
 * caller holds the lock of `real`, a result of {@link Root.resolve}.
 */
export async function replaceFile(space: Space, real: string, content: string): Promise<void> {
  const size = Buffer.byteLength(content);
  const { maxFileSize } = space.limits;
  if (size > maxFileSize) throw tooLarge('the content', size, maxFileSize, 'write less, in several files');
  const isDirectory = systemError('EISDIR', `EISDIR: illegal operation on a directory, open '${real}'`);
  if (real === space.root.real) throw isDirectory;
  await withAnchor(space, dirname(real), async (folder) => {
    const place = folder.entry(basename(real));
    const existing = await entryStats(place);
    if (existing?.isDirectory() === true) throw isDirectory;
    if (existing?.isSymbolicLink() === true) throw replaced(real);
    if (existing?.isFile() === false) throw notRegular(real);
    await writeAndRename(folder, place, content, existing);
  }).catch((error: unknown) => {
    throw named(error, 'open', real);
  });
}

async function writeAndRename(
  folder: Anchor,
  place: string,
  content: string,
  existing: Stats | undefined,
): Promise<void> {
  // A name of its own length: one made of the file's own name would be too long for the longest names.
  const temporary = folder.entry(`.${randomBytes(12).toString('hex')}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(temporary, flags, existing === undefined ? 0o666 : 0o600);
  try {
    try {
      await file.writeFile(content);
      // File systems without permissions refuse this; the content matters more.
      if (existing !== undefined) await file.chmod(existing.mode & 0o777).catch(() => {});
      // Without it a power cut after the rename can leave an empty file.
      await file.datasync();
    } finally {
      await file.close();
    }
    await folder.recheck();
    await rename(temporary, place);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** Makes a folder and those above it that are missing. */
export async function makeDirectory(space: Space, path: string): Promise<void> {
  const real = await space.root.resolve(path);
  const names = relative(space.root.real, real).split(sep).filter(Boolean);
  try {
    // A path longer than the system takes could be made step by step, and nothing could use it.
    await entryStats(real);
    await descend(space, names);
  } catch (error) {
    throw named(error, 'mkdir', real);
  }
}

/** Goes down name by name and makes what is missing, with no more than two folders held at a time. */
async function descend(space: Space, names: readonly string[]): Promise<void> {
  let path = space.root.real;
  let folder = await space.openAnchor(space.root, path, path);
  try {
    for (const name of names) {
      if (!folder.stats.isDirectory()) throw systemError('ENOTDIR', `ENOTDIR: not a directory, mkdir '${path}'`);
      path = join(path, name);
      const child = await openOrMake(space, folder.entry(name), path);
      await folder.close();
      folder = child;
    }
    if (!folder.stats.isDirectory()) throw systemError('EEXIST', `EEXIST: file already exists, mkdir '${path}'`);
  } finally {
    await folder.close();
  }
}

async function openOrMake(space: Space, entry: string, shown: string): Promise<Anchor> {
  try {
    return await space.openAnchor(space.root, entry, shown);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await mkdir(entry).catch((error: unknown) => {
    // Somebody else made it in the meantime; what it is shows when it is opened.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  return space.openAnchor(space.root, entry, shown);
}

/** Moves a file or folder to a place where nothing is. */
export async function move(space: Space, source: string, destination: string): Promise<void> {
  const from = await space.root.resolve(source);
  const to = await space.root.resolve(destination);
  await entryStats(to).catch((error: unknown) => {
    throw named(error, 'lstat', to);
  });
  await locked([from, to], () => moveEntry(space, from, to)).catch((error: unknown) => {
    throw named(error, 'rename', from, to);
  });
}

async function moveEntry(space: Space, from: string, to: string): Promise<void> {
  const exists = new Error(`Destination already exists: ${to}`);
  if (to === space.root.real) throw exists;
  await withAnchor(space, dirname(to), async (target) => {
    const place = target.entry(basename(to));
    if ((await entryStats(place)) !== undefined) throw exists;
    // The root lies in a folder that is not open to anybody here.
    if (from === space.root.real) throw systemError('EINVAL', `EINVAL: invalid argument, rename '${from}' -> '${to}'`);
    await withAnchor(space, dirname(from), async (origin) => {
      // Moved with the folder it is in, a reserved file would be open at the new place.
      const [held] = space.root.reserved.below(join(origin.place, basename(from)));
      if (held !== undefined) throw reservedFor(held);
      await Promise.all([origin.recheck(), target.recheck()]);
      await rename(origin.entry(basename(from)), place);
    });
  });
}

async function entryStats(place: string): Promise<Stats | undefined> {
  try {
    return await lstat(place);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
