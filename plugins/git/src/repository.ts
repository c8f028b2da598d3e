// Finding a repository below the root and looking at what it is made of, before git does: nothing of it may lie outside.
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isBelow } from './root.ts';
import type { Root } from './root.ts';
import { Refusal } from './settings.ts';

export interface Repository {
  readonly root: Root;
  /** Folder of the files. */
  readonly top: string;
  /** Folder of HEAD and index. */
  readonly gitDir: string;
  /** Folder of branches and objects; of a linked worktree another one than `gitDir`. */
  readonly commonDir: string;
  readonly isLinked: boolean;
}

/** Longest file that only names another place, in bytes. */
const longestPointer = 8192;
/** Files and folders of one repository's own that are looked at. */
const maxEntries = 200_000;
/** Never read by the commands that are run here. */
const unread = new Set(['hooks', 'modules', 'lfs', 'annex']);

/** The repository at or above a folder, within the root. Throws a {@link Refusal} that says what is wrong with it. */
export async function findRepository(root: Root, requested: string): Promise<Repository> {
  const start = await root.resolve(requested);
  for (let folder = start; root.contains(folder); folder = dirname(folder)) {
    const entry = await lstat(join(folder, '.git')).catch(() => undefined);
    if (entry !== undefined) return openRepository(root, folder);
    if (folder === root.real) break;
  }
  const found = await repositoriesIn(root);
  throw new Refusal(
    `there is no git repository at ${root.shown(start)}, nor above it within the root ${root.real}. ` +
      (found.length === 0 ? 'None is in the folders below the root either' : `repo_path could be: ${found.join(', ')}`),
  );
}

/** The repository whose files are in `top`, a real path. */
export async function openRepository(root: Root, top: string): Promise<Repository> {
  const shown = root.shown(top);
  const pointer = join(top, '.git');
  const entry = await lstat(pointer);
  if (entry.isSymbolicLink())
    throw new Refusal(`${shown}/.git is a symbolic link, which is not followed: move the repository into its place`);
  const gitDir = entry.isDirectory() ? pointer : await followPointer(root, pointer, /^gitdir: (.+)$/s, top);
  const commonFile = join(gitDir, 'commondir');
  const isLinked = (await lstat(commonFile).catch(() => undefined)) !== undefined;
  const commonDir = isLinked ? await followPointer(root, commonFile, /^(.+)$/s, gitDir) : gitDir;
  if (isLinked && dirname(gitDir) !== join(commonDir, 'worktrees'))
    throw new Refusal(`${shown}/.git names the parts of another repository as its own (commondir): it is not used`);
  await inspect(root, commonDir);
  if (!isBelow(commonDir, gitDir)) await inspect(root, gitDir);
  return { root, top, gitDir, commonDir, isLinked };
}

/** The folder that a file names. */
async function followPointer(root: Root, file: string, pattern: RegExp, base: string): Promise<string> {
  const target = pattern.exec((await readSmall(root, file)).trimEnd())?.[1];
  if (target === undefined) throw new Refusal(`${root.shown(file)} is not what git writes there: restore it`);
  const real = await realpath(resolve(base, target)).catch((cause: unknown) => {
    throw new Refusal(`${root.shown(file)} names a folder that is not there: the repository is incomplete`, { cause });
  });
  if (!root.contains(real))
    throw new Refusal(
      `${root.shown(file)} leads outside of the root, which is not followed: clone the repository here`,
    );
  return real;
}

/** A file of git's own that is short. */
export async function readSmall(root: Root, file: string): Promise<string> {
  const entry = await lstat(file);
  if (!entry.isFile() || entry.size > longestPointer)
    throw new Refusal(`${root.shown(file)} is not what git writes there: restore it`);
  return readFile(file, 'utf8');
}

/** Refuses links, pipes and borrowed objects: git would follow them out of the root. */
async function inspect(root: Root, gitDir: string): Promise<void> {
  let seen = 0;
  const folders = [gitDir];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = await readdir(folder, { withFileTypes: true });
    seen += entries.length;
    if (seen > maxEntries)
      throw new Refusal(`${root.shown(gitDir)} has more than ${maxEntries} files: run "git gc" in it first`);
    for (const entry of entries) {
      checkEntry(root, folder, entry);
      if (entry.isDirectory() && !(folder === gitDir && unread.has(entry.name))) folders.push(join(folder, entry.name));
    }
  }
  for (const name of ['alternates', 'http-alternates']) {
    const file = join(gitDir, 'objects', 'info', name);
    if ((await lstat(file).catch(() => undefined)) !== undefined) {
      throw new Refusal(
        `${root.shown(file)} borrows objects of another repository, which is not followed here: ` +
          'run "git repack -a -d" in it and delete that file',
      );
    }
  }
}

function checkEntry(root: Root, folder: string, entry: Dirent): void {
  const shown = root.shown(join(folder, entry.name));
  if (entry.isSymbolicLink())
    throw new Refusal(`${shown} is a symbolic link, which git does not make there: replace it`);
  if (entry.isFIFO() || entry.isCharacterDevice() || entry.isBlockDevice())
    throw new Refusal(`${shown} is a pipe or a device, which git does not make there: delete it`);
}

/** Repositories in the root or one level down, for whoever looks for one. */
async function repositoriesIn(root: Root): Promise<string[]> {
  const entries = await readdir(root.real, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== '.git').slice(0, 200);
  const found = await Promise.all(
    folders.map(async ({ name }) => {
      const entry = await lstat(join(root.real, name, '.git')).catch(() => undefined);
      return entry === undefined ? [] : [name];
    }),
  );
  return found
    .flat()
    .slice(0, 20)
    .map((name) => basename(name));
}
