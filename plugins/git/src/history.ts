// Reading history: log, show, blame, branches, diffs. Changes nothing.
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { commitOf, pathIn, pathsIn, rangeOf } from './arguments.ts';
import type { Git } from './git.ts';
import { Refusal } from './settings.ts';

/** Text that may be cut off at its end. */
export interface Excerpt {
  readonly text: string;
  readonly cut: boolean;
}

export interface Commit {
  readonly hash: string;
  readonly author: string;
  readonly email: string;
  /** ISO 8601 */
  readonly date: string;
  readonly message: string;
}

/** Never a program of the repository's, and nothing of submodules. */
const plainDiff = ['--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=all'];
const fields = '%H%x00%an%x00%ae%x00%aI%x00%B%x00';

export interface DiffOptions {
  readonly staged?: boolean;
  /** See {@link rangeOf}. Undefined: the working tree against the index, or with `staged` the index against HEAD. */
  readonly target?: string;
  /** Unchanged lines around changes. */
  readonly context: number;
  readonly paths: readonly string[];
}

export async function diff(git: Git, { staged, target, context, paths }: DiffOptions): Promise<Excerpt> {
  const commits = target === undefined ? [] : await rangeOf(git, target);
  const args = ['diff', ...plainDiff, `--unified=${context}`, ...(staged === true ? ['--cached'] : []), ...commits];
  return excerpt(await git.mustOn(pathsIn(git, paths), args));
}

export interface LogOptions {
  readonly count: number;
  readonly skip: number;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly revision: string;
  readonly path?: string | undefined;
}

/** The newest commits first; `more` is true when there may be others behind them. */
export async function log(git: Git, options: LogOptions): Promise<{ commits: Commit[]; cut: boolean; more: boolean }> {
  const { count, skip, since, until, revision, path } = options;
  const start = await commitOf(git, revision);
  const args = ['log', `--format=${fields}`, '--no-show-signature', '--no-color', `--max-count=${count + 1}`];
  if (skip > 0) args.push(`--skip=${skip}`);
  if (since !== undefined) args.push(`--since=${since}`);
  if (until !== undefined) args.push(`--until=${until}`);
  const { output, cut } = await git.must([...args, start, '--', ...(path === undefined ? [] : [pathIn(git, path)])]);
  const commits = parseCommits(output.toString('utf8'));
  return { commits: commits.slice(0, count), cut, more: cut || commits.length > count };
}

function parseCommits(output: string): Commit[] {
  const parts = output.split('\0');
  const commits: Commit[] = [];
  // What stands behind the last NUL is a line break, or a commit that was cut off.
  for (let index = 0; index + 5 < parts.length; index += 5) {
    const [hash = '', author = '', email = '', date = '', message = ''] = parts.slice(index, index + 5);
    commits.push({ hash: hash.trim(), author, email, date, message: message.trimEnd() });
  }
  return commits;
}

export async function show(
  git: Git,
  revision: string,
  context: number,
  paths: readonly string[],
): Promise<{ commit: Commit; changes: Excerpt }> {
  const hash = await commitOf(git, revision);
  const [commit] = (await log(git, { count: 1, skip: 0, revision: hash })).commits;
  if (commit === undefined) throw new Refusal(`commit ${hash} has a message that is too long (option maxOutput)`);
  const args = ['show', ...plainDiff, '--no-show-signature', '--format=', '--diff-merges=first-parent'];
  const ran = await git.mustOn(pathsIn(git, paths), [...args, `--unified=${context}`, hash]);
  return { commit, changes: excerpt(ran) };
}

/** A file as it was in a commit, or the names in a folder. */
export async function fileAt(git: Git, revision: string, path: string): Promise<Excerpt & { hash: string }> {
  const hash = await commitOf(git, revision);
  const inside = pathIn(git, path);
  const name = `${hash}:${inside === '.' ? '' : inside}`;
  const found = await git.run(['rev-parse', '--verify', '--quiet', '--end-of-options', name]);
  const object = found.output.toString('utf8').trim();
  if (found.code !== 0 || !/^[0-9a-f]{40,64}$/.test(object))
    throw new Refusal(`${path} is not in commit ${hash.slice(0, 12)}: git_show with path "." lists its top folder`);
  const type = await git.text(['cat-file', '-t', object]);
  if (type === 'tree') return { hash, ...(await namesIn(git, object, inside)) };
  if (type !== 'blob') throw new Refusal(`${path} is a submodule in commit ${hash.slice(0, 12)}`);
  const ran = await git.must(['cat-file', 'blob', object]);
  if (ran.output.subarray(0, 8000).includes(0)) throw new Refusal(`${path} is a binary file, which is not shown`);
  return { hash, ...excerpt(ran) };
}

async function namesIn(git: Git, tree: string, folder: string): Promise<Excerpt> {
  const { text, cut } = excerpt(await git.must(['ls-tree', '--name-only', tree]));
  if (git.hidden.paths.length === 0) return { text, cut };
  const names = text.split('\n').filter((name) => name === '' || !git.hidden.covers(join(folder, name)));
  return { text: names.join('\n'), cut };
}

export async function blame(
  git: Git,
  path: string,
  revision: string | undefined,
  first: number | undefined,
  last: number | undefined,
): Promise<Excerpt> {
  const args = ['blame', '--date=iso-strict', '--no-progress'];
  if (first !== undefined || last !== undefined) args.push('-L', `${first ?? 1},${last ?? ''}`);
  const inside = pathIn(git, path);
  if (revision !== undefined) {
    args.push(await commitOf(git, revision));
    return excerpt(await git.must([...args, '--', inside]));
  }
  await refuseLinked(git, inside);
  const found = excerpt(await git.must([...args, '--', inside]));
  await refuseLinked(git, inside);
  return found;
}

/** Where a commit has a folder and the working tree has a link, git would read what the link leads to. */
async function refuseLinked(git: Git, path: string): Promise<void> {
  const folder = dirname(join(git.repository.top, path));
  const real = await realpath(folder).catch(() => folder);
  if (real !== folder)
    throw new Refusal(`${path} is behind a symbolic link in the working tree, which is not followed: give a revision`);
}

export interface Branch {
  readonly name: string;
  readonly commit: string;
  readonly current: boolean;
  readonly upstream?: string;
  readonly subject: string;
}

export async function branches(
  git: Git,
  type: 'local' | 'remote' | 'all',
  contains: string | undefined,
  notContains: string | undefined,
): Promise<{ branches: Branch[]; cut: boolean }> {
  const format = '%(refname)%00%(objectname)%00%(HEAD)%00%(upstream:short)%00%(contents:subject)%00';
  const args = ['for-each-ref', `--format=${format}`];
  if (contains !== undefined) args.push(`--contains=${await commitOf(git, contains)}`);
  if (notContains !== undefined) args.push(`--no-contains=${await commitOf(git, notContains)}`);
  if (type !== 'remote') args.push('refs/heads/');
  if (type !== 'local') args.push('refs/remotes/');
  const { output, cut } = await git.must(args);
  const parts = output.toString('utf8').split('\0');
  const found: Branch[] = [];
  for (let index = 0; index + 5 < parts.length; index += 5) {
    const [reference = '', commit = '', head, upstream = '', subject = ''] = parts.slice(index, index + 5);
    const name = reference.trim().replace(/^refs\/(?:heads|remotes)\//, '');
    const facts = { name, commit, current: head === '*', subject };
    found.push(upstream === '' ? facts : { ...facts, upstream });
  }
  return { branches: found, cut };
}

function excerpt({ output, cut }: { output: Buffer; cut: boolean }): Excerpt {
  const text = output.toString('utf8');
  // Not in the middle of a line, and not of a character.
  return cut ? { text: text.slice(0, text.lastIndexOf('\n') + 1), cut } : { text, cut };
}
