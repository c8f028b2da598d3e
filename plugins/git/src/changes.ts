// Changing a repository: stage, unstage, commit, branch, switch. Worktrees are in `worktrees.ts`.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkBranchName, commitOf, hasBranch, pathsIn } from './arguments.ts';
import type { Git } from './git.ts';
import { Refusal } from './settings.ts';

/** Files that one call stages at most. */
const maxFiles = 10_000;
/** Bytes of lists that are only worked with. */
const longList = 32 * 1024 * 1024;

/** Stages files, also those that were deleted. Resolves with their paths, and repositories within that were left out. */
export async function add(git: Git, files: readonly string[]): Promise<{ staged: string[]; nested: string[] }> {
  const paths = pathsIn(git, files);
  const listed = ['ls-files', '-z', '--modified', '--others', '--exclude-standard', '--', ...paths];
  const changed = [...new Set(await list(git, listed))].filter((path) => !git.hidden.covers(path));
  await checkThere(git, paths, changed);
  // Only what is listed is handed to git, so it never looks into repositories within this one.
  const submodules = new Set(
    (await list(git, ['ls-files', '-z', '--stage', '--', ...paths])).flatMap((entry) =>
      entry.startsWith('160000 ') ? [entry.slice(entry.indexOf('\t') + 1)] : [],
    ),
  );
  const nested = changed.filter((path) => path.endsWith('/') || submodules.has(path));
  const staged = changed.filter((path) => !nested.includes(path));
  if (staged.length > maxFiles)
    throw new Refusal(`${staged.length} files would be staged, more than ${maxFiles} at once: name fewer`);
  if (staged.length === 0) {
    const why = nested.length > 0 ? `${nested.join(', ')} are repositories of their own: use repo_path` : 'no changes';
    throw new Refusal(`nothing to stage there (${why}); what .gitignore names is left out`);
  }
  await refuseFiltered(git, staged);
  await git.must(['add', '--pathspec-from-file=-', '--pathspec-file-nul'], { input: staged.join('\0') });
  return { staged, nested };
}

async function list(git: Git, args: readonly string[], input?: string): Promise<string[]> {
  const options = { maxOutput: longList, ...(input === undefined ? {} : { input }) };
  const { output, cut } = await git.must(args, options);
  if (cut) throw new Refusal('there are too many files: name fewer');
  return output.toString('utf8').split('\0').slice(0, -1);
}

async function checkThere(git: Git, paths: readonly string[], changed: readonly string[]): Promise<void> {
  for (const path of paths) {
    const there = await lstat(join(git.repository.top, path)).catch(() => undefined);
    if (there === undefined && !changed.some((each) => each === path || each.startsWith(`${path}/`)))
      throw new Refusal(`${path} is not there: paths are relative to ${git.repository.root.shown(git.repository.top)}`);
  }
}

/** Staged without its filter, a file would be committed as it must not be: in clear text, or whole instead of by name. */
async function refuseFiltered(git: Git, paths: readonly string[]): Promise<void> {
  const parts = await list(git, ['check-attr', '-z', '--stdin', 'filter'], `${paths.join('\0')}\0`);
  const filtered: string[] = [];
  for (let index = 0; index + 2 < parts.length; index += 3) {
    const value = parts[index + 2] ?? '';
    if (!['unspecified', 'unset', 'set'].includes(value)) filtered.push(`${parts[index]} (filter ${value})`);
  }
  if (filtered.length === 0) return;
  throw new Refusal(
    `nothing was staged: filters are not run here, and these files need one: ${filtered.slice(0, 20).join(', ')}. ` +
      'Name the other files, and leave these to git itself',
  );
}

/** Takes everything out of the index again; files stay as they are. */
export async function reset(git: Git): Promise<void> {
  await git.must(['reset', '--mixed', '--quiet']);
}

export async function commit(git: Git, message: string): Promise<string> {
  if (message.trim() === '' || message.includes('\0')) throw new Refusal('a commit needs a message');
  const staged = await git.run(['diff', '--cached', '--quiet', '--no-ext-diff', '--ignore-submodules=none']);
  const merging = await lstat(join(git.repository.gitDir, 'MERGE_HEAD')).catch(() => undefined);
  if (staged.code === 0 && merging === undefined)
    throw new Refusal('nothing is staged: stage files with git_add first');
  const args = ['commit', '--quiet', '--no-verify', '--no-gpg-sign', '--no-status', '--cleanup=whitespace', '--file=-'];
  await git.must(args, { input: message });
  return git.text(['rev-parse', '--verify', 'HEAD']);
}

/** Creates a branch; resolves with the commit that it starts at. */
export async function createBranch(git: Git, name: string, base: string): Promise<string> {
  await checkBranchName(git, name);
  const start = await commitOf(git, base);
  if (await hasBranch(git, name)) throw new Refusal(`there is a branch ${name} already: git_checkout switches to it`);
  await git.must(['branch', '--no-track', name, start]);
  return start;
}

/** Switches to a branch, or to the commit that something else names; resolves with what is checked out then. */
export async function checkout(git: Git, name: string): Promise<{ branch?: string; commit: string }> {
  if (git.hidden.isHere)
    throw new Refusal(
      `${git.repository.root.shown(git.repository.top)} holds files of the proxy itself, so nothing is checked out there: ` +
        'git_worktree_add makes a folder for the branch',
    );
  const commit = await commitOf(git, name);
  if (await hasBranch(git, name)) {
    await checkBranchName(git, name);
    await git.must(['switch', '--quiet', '--no-guess', '--no-recurse-submodules', name]);
    return { branch: name, commit: await commitOf(git, 'HEAD') };
  }
  await git.must(['switch', '--quiet', '--no-recurse-submodules', '--detach', commit]);
  return { commit };
}
