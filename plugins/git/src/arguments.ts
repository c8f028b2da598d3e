// What agents write, made safe to hand to git: revisions become hashes, names are checked, paths stay inside.
import { relative, resolve } from 'node:path';
import type { Git } from './git.ts';
import { isBelow } from './root.ts';
import { Refusal } from './settings.ts';

const longest = 1000;

/** The hash of the commit that a revision names. Nothing else of it ever reaches git as an argument. */
export async function commitOf(git: Git, revision: string): Promise<string> {
  checkWord('revision', revision);
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const { code, output } = await git.run(args);
  const hash = output.toString('utf8').trim();
  if (code === 0 && /^[0-9a-f]{40,64}$/.test(hash)) return hash;
  throw new Refusal(`${JSON.stringify(revision)} names no commit here: git_branch and git_log show what there is`);
}

/** The one or two commits that a diff is asked of: `a`, `a..b`, or `a...b` (from where they parted). */
export async function rangeOf(git: Git, target: string): Promise<string[]> {
  const [, left = '', dots, right = ''] = /^(.*?)(\.{2,3})(.*)$/s.exec(target) ?? [];
  if (dots === undefined) return [await commitOf(git, target)];
  const [from, to] = [await commitOf(git, left || 'HEAD'), await commitOf(git, right || 'HEAD')];
  if (dots === '..') return [from, to];
  const { code, output } = await git.run(['merge-base', from, to]);
  if (code !== 0) throw new Refusal(`${JSON.stringify(target)}: the two have no commit in common, use ".." instead`);
  return [output.toString('utf8').trim(), to];
}

/** Throws unless git takes this for the name of a branch. */
export async function checkBranchName(git: Git, name: string): Promise<void> {
  checkWord('branch', name);
  const { code } = await git.run(['check-ref-format', `refs/heads/${name}`]);
  if (code === 0 && name !== 'HEAD' && name !== '@' && !name.startsWith('refs/')) return;
  throw new Refusal(`${JSON.stringify(name)} cannot be the name of a branch: use letters, digits, - and /`);
}

/** Whether there is a branch of this name. */
export async function hasBranch(git: Git, name: string): Promise<boolean> {
  return (await git.run(['show-ref', '--verify', '--quiet', `refs/heads/${name}`])).code === 0;
}

/** A path inside the repository, relative to its top folder. It goes behind `--`. */
export function pathIn(git: Git, path: string): string {
  const { top, root } = git.repository;
  if (path === '' || path.includes('\0')) throw new Refusal('a path is not empty and has no character NUL');
  const absolute = resolve(top, path);
  if (!isBelow(top, absolute))
    throw new Refusal(`${path} is outside of the repository ${root.shown(top)}: paths are relative to its top folder`);
  const inside = relative(top, absolute);
  if (/^\.git(?:$|\/)/i.test(inside)) throw new Refusal(`${path} belongs to git itself`);
  if (git.hidden.covers(inside)) throw git.hidden.refusal(path);
  return inside || '.';
}

export function pathsIn(git: Git, paths: readonly string[]): string[] {
  return paths.map((path) => pathIn(git, path));
}

function checkWord(what: string, word: string): void {
  const wrong =
    word === ''
      ? 'is empty'
      : word.startsWith('-')
        ? 'begins with "-", which could be taken for an option'
        : word.length > longest
          ? `has more than ${longest} characters`
          : /\p{Cc}/u.test(word)
            ? 'has control characters'
            : undefined;
  if (wrong !== undefined) throw new Refusal(`the ${what} ${JSON.stringify(word.slice(0, 100))} ${wrong}`);
}
