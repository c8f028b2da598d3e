// What stands in one folder, and what is known of one file. Whole trees are in `walk.ts`.
import type { Dirent } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Anchor } from './anchor.ts';
import { LimitError, named, systemError } from './errors.ts';
import { withAnchor } from './space.ts';
import type { Space } from './space.ts';

/** How many files are looked at at a time. */
const breadth = 16;

/** The names in a folder, each with what it is. */
export async function listDirectory(space: Space, path: string): Promise<string> {
  const entries = await readEntries(space, await space.root.resolve(path));
  return entries.map((entry) => `${kindOf(entry)} ${entry.name}`).join('\n');
}

/** The names in a folder with sizes, and their sum. */
export async function listWithSizes(space: Space, path: string, sortBy: 'name' | 'size'): Promise<string> {
  const real = await space.root.resolve(path);
  const rows = await withFolder(space, real, async (folder, entries) => {
    const sizes = await mapSome(entries, (entry) => sizeOf(space, folder, real, entry));
    return entries.map((entry, index) => ({ entry, size: sizes[index] ?? 0 }));
  });
  const files = rows.filter(({ entry }) => !entry.isDirectory());
  const sorted = rows.toSorted((left, right) =>
    sortBy === 'size' ? right.size - left.size : left.entry.name.localeCompare(right.entry.name),
  );
  return [
    ...sorted.map(({ entry, size }) => {
      const shown = entry.isDirectory() ? '' : formatSize(size).padStart(10);
      return `${kindOf(entry)} ${entry.name.padEnd(30)} ${shown}`;
    }),
    '',
    `Total: ${files.length} files, ${rows.length - files.length} directories`,
    `Combined size: ${formatSize(files.reduce((sum, { size }) => sum + size, 0))}`,
  ].join('\n');
}

/** What the system knows of a file or folder, one fact per line. */
export async function describeFile(space: Space, path: string): Promise<string> {
  const real = await space.root.resolve(path);
  const stats = await withAnchor(space, real, async (anchor) => anchor.stats).catch((error: unknown) => {
    throw named(error, 'stat', real);
  });
  return [
    `size: ${stats.size}`,
    `created: ${stats.birthtime.toString()}`,
    `modified: ${stats.mtime.toString()}`,
    `accessed: ${stats.atime.toString()}`,
    `isDirectory: ${stats.isDirectory()}`,
    `isFile: ${stats.isFile()}`,
    `permissions: ${stats.mode.toString(8).slice(-3)}`,
  ].join('\n');
}

/** The entries of a folder, given by its real path, in the order of their bytes. */
export function readEntries(space: Space, real: string): Promise<Dirent[]> {
  return withFolder(space, real, async (_folder, entries) => entries);
}

function withFolder<Result>(
  space: Space,
  real: string,
  work: (folder: Anchor, entries: Dirent[]) => Promise<Result>,
): Promise<Result> {
  return withAnchor(space, real, async (folder) => {
    if (!folder.stats.isDirectory()) throw systemError('ENOTDIR', `ENOTDIR: not a directory, scandir '${real}'`);
    const result = await work(folder, await entriesOf(space, folder, real));
    await folder.recheck();
    return result;
  }).catch((error: unknown) => {
    throw named(error, 'scandir', real);
  });
}

/** What is reserved is left out. */
async function entriesOf({ root, limits }: Space, folder: Anchor, real: string): Promise<Dirent[]> {
  const entries: { entry: Dirent; key: Buffer }[] = [];
  for await (const entry of await opendir(folder.self, { bufferSize: 256 })) {
    if (root.reserved.covers(join(folder.place, entry.name))) continue;
    if (entries.length >= limits.maxEntries) throw tooMany(real, limits.maxEntries);
    entries.push({ entry, key: Buffer.from(entry.name) });
  }
  return entries.toSorted((left, right) => Buffer.compare(left.key, right.key)).map(({ entry }) => entry);
}

/** More entries than a call may look at. */
export function tooMany(real: string, limit: number): LimitError {
  return new LimitError(
    `${real} holds more than ${limit} files and folders (option maxEntries): ` +
      'name a deeper folder, or leave some out with excludePatterns',
  );
}

function kindOf(entry: Dirent): string {
  return entry.isDirectory() ? '[DIR]' : '[FILE]';
}

/** 0 for what cannot be looked at; a link counts as what it leads to, when that is below the root. */
async function sizeOf(space: Space, folder: Anchor, real: string, entry: Dirent): Promise<number> {
  try {
    if (!entry.isSymbolicLink()) return (await lstat(folder.entry(entry.name))).size;
    const target = await space.root.resolve(join(real, entry.name));
    return await withAnchor(space, target, async ({ stats }) => stats.size);
  } catch {
    return 0;
  }
}

async function mapSome<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += breadth) {
    results.push(...(await Promise.all(items.slice(start, start + breadth).map(work))));
  }
  return results;
}

const units = ['B', 'KB', 'MB', 'GB', 'TB'];

function formatSize(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log(bytes) / Math.log(1024)), units.length - 1);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(2)} ${units[power]}`;
}
