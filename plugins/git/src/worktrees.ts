// Worktrees: the files that tie them to their repository are read and written here, so that git need not run itself.
import { lstat, mkdir, readdir, realpath, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkBranchName, commitOf, hasBranch } from './arguments.ts';
import { createBranch } from './changes.ts';
import type { Git } from './git.ts';
import { openRepository, readSmall } from './repository.ts';
import { Refusal } from './settings.ts';

export interface Worktree {
  /** Relative to the root; undefined: it is outside of it. */
  readonly path?: string;
  readonly branch?: string;
  /** Where no branch is checked out. */
  readonly commit?: string;
  readonly main: boolean;
  readonly locked: boolean;
  /** True when its folder is gone. */
  readonly missing: boolean;
}

interface Entry {
  readonly worktree: Worktree;
  /** Its folder in the repository's own files; undefined of the main one. */
  readonly id?: string;
  /** Its folder, with all links resolved where it is there. */
  readonly place: string;
}

export async function worktrees(git: Git): Promise<Worktree[]> {
  return (await entries(git)).map(({ worktree }) => worktree);
}

async function entries(git: Git): Promise<Entry[]> {
  const { commonDir, root } = git.repository;
  const folder = join(commonDir, 'worktrees');
  const ids = await readdir(folder).catch(() => []);
  // A bare repository has no main worktree; one whose files are elsewhere does not tell where.
  const main = basename(commonDir) === '.git' ? dirname(commonDir) : undefined;
  const found: Entry[] = main === undefined ? [] : [await describe(git, commonDir, main)];
  for (const id of ids) {
    const own = join(folder, id);
    const pointer = await readSmall(root, join(own, 'gitdir')).catch(() => undefined);
    if (pointer === undefined) continue;
    found.push(await describe(git, own, dirname(resolve(own, pointer.trim())), id));
  }
  return found;
}

async function describe(git: Git, gitDir: string, folder: string, id?: string): Promise<Entry> {
  const { root } = git.repository;
  const real = await realpath(folder).catch(() => undefined);
  const place = real ?? folder;
  const head = (await readSmall(root, join(gitDir, 'HEAD')).catch(() => '')).trim();
  const branch = /^ref: refs\/heads\/(.+)$/.exec(head)?.[1];
  const locked = (await lstat(join(gitDir, 'locked')).catch(() => undefined)) !== undefined;
  const worktree = {
    ...(root.contains(place) ? { path: root.shown(place) } : {}),
    ...(branch === undefined ? { commit: head } : { branch }),
    ...{ main: id === undefined, locked, missing: real === undefined },
  };
  return id === undefined ? { worktree, place } : { worktree, place, id };
}

/** Makes a worktree in a folder that is not there yet, on a branch; `base` makes the branch as well. */
export async function addWorktree(
  git: Git,
  path: string,
  branch: string,
  base: string | undefined,
): Promise<{ path: string; commit: string }> {
  const { root, commonDir } = git.repository;
  const real = await root.resolveNew(path);
  if (root.shown(real).split('/').includes('.git')) throw new Refusal(`${path} belongs to git itself`);
  await checkBranchName(git, branch);
  const user = (await worktrees(git)).find((each) => each.branch === branch && !each.missing);
  if (user !== undefined)
    throw new Refusal(`branch ${branch} is checked out at ${user.path ?? 'a place outside of the root'}: work there`);
  if (base === undefined && !(await hasBranch(git, branch)))
    throw new Refusal(`there is no branch ${branch}: give base_branch (e.g. HEAD) to create it, or see git_branch`);
  await refuseHidden(git, base ?? `refs/heads/${branch}`);
  if (base !== undefined) await createBranch(git, branch, base);
  const own = await makeOwnFolder(join(commonDir, 'worktrees'), basename(real));
  try {
    await writeFile(join(own, 'commondir'), '../..\n');
    await writeFile(join(own, 'gitdir'), `${join(real, '.git')}\n`);
    await writeFile(join(own, 'HEAD'), `ref: refs/heads/${branch}\n`);
    await mkdir(real);
    await writeFile(join(real, '.git'), `gitdir: ${own}\n`);
    const worktree = git.at(await openRepository(root, real));
    await worktree.must(['reset', '--hard', '--quiet', '--no-recurse-submodules']);
    return { path: root.shown(real), commit: await worktree.text(['rev-parse', '--verify', 'HEAD']) };
  } catch (error) {
    await rm(real, { recursive: true, force: true });
    await rm(own, { recursive: true, force: true });
    throw error;
  }
}

/** A worktree would be a copy of what is hidden here. */
async function refuseHidden(git: Git, revision: string): Promise<void> {
  if (git.hidden.paths.length === 0) return;
  const args = ['ls-tree', '-r', '-z', '--name-only', await commitOf(git, revision)];
  const { output, cut } = await git.must(args, { maxOutput: 32 * 1024 * 1024 });
  const found = output
    .toString('utf8')
    .split('\0')
    .find((path) => git.hidden.covers(path));
  if (found !== undefined)
    throw new Refusal(`the branch has ${found}, which belongs to the proxy itself: it is not checked out`);
  if (cut) throw new Refusal('the branch has too many files to look through');
}

async function makeOwnFolder(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const safe = name.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 100) || 'worktree';
  for (let count = 0; ; count += 1) {
    const own = join(folder, count === 0 ? safe : `${safe}${count}`);
    try {
      await mkdir(own);
      return own;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || count > 1000) throw error;
    }
  }
}

/** Removes a worktree and its files; with `force` also when something in it is not committed. */
export async function removeWorktree(git: Git, path: string, force: boolean): Promise<string> {
  const { root, commonDir } = git.repository;
  const real = await root.resolve(path);
  const found = (await entries(git)).find((each) => each.place === real);
  if (found?.worktree.main === true)
    throw new Refusal(`${path} is the main worktree, which holds the repository: it stays`);
  if (found?.id === undefined)
    throw new Refusal(`${path} is no worktree of this repository: git_worktree_list shows all`);
  if (found.worktree.locked)
    throw new Refusal(`worktree ${path} is locked: somebody has to run "git worktree unlock" first`);
  if (root.reserved.below(real).length > 0)
    throw new Refusal(`${path} holds files of the proxy itself: it is not removed`);
  const own = join(commonDir, 'worktrees', found.id);
  const repository = await openRepository(root, real);
  if (repository.gitDir !== own) throw new Refusal(`${path}/.git does not point back to this repository: not removed`);
  if (!force) await refuseDirty(git.at(repository), path);
  await rm(real, { recursive: true, force: true });
  await rm(own, { recursive: true, force: true });
  await rmdir(join(commonDir, 'worktrees')).catch(() => {});
  return root.shown(real);
}

async function refuseDirty(git: Git, path: string): Promise<void> {
  const args = ['status', '--porcelain', '-z', '--untracked-files=normal', '--ignore-submodules=all'];
  if ((await git.must(args)).output.length > 0)
    throw new Refusal(`worktree ${path} has changes that are not committed: commit them, or set force to lose them`);
  const { output, cut } = await git.must(['ls-files', '-z', '--stage'], { maxOutput: 32 * 1024 * 1024 });
  if (cut || /(?:^|\0)160000 /.test(output.toString('utf8')))
    throw new Refusal(`worktree ${path} may have repositories within it: look there, then set force to lose them`);
}
