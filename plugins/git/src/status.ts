// What `git status` says, read from its porcelain (version 2).
import type { Git } from './git.ts';

export interface Change {
  readonly path: string;
  /** One word: added, modified, deleted, renamed, copied, type changed. */
  readonly change: string;
  /** Of something renamed or copied: the path before. */
  readonly from?: string;
}

export interface Status {
  /** undefined: no branch is checked out. */
  readonly branch?: string;
  /** undefined: there is no commit yet. */
  readonly commit?: string;
  readonly upstream?: string;
  readonly ahead?: number;
  readonly behind?: number;
  readonly staged: Change[];
  readonly unstaged: Change[];
  readonly untracked: string[];
  readonly conflicts: string[];
  /** True when there was more than is listed. */
  readonly cut: boolean;
}

const words: Readonly<Record<string, string>> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  R: 'renamed',
  C: 'copied',
  T: 'type changed',
};

export async function readStatus(git: Git): Promise<Status> {
  const args = ['status', '--porcelain=v2', '--branch', '-z', '--untracked-files=normal', '--ignore-submodules=all'];
  const { output, cut } = await git.must(args);
  const found = parse(output.toString('utf8').split('\0').slice(0, -1), cut);
  if (git.hidden.paths.length === 0) return found;
  const isOpen = (path: string | undefined) => path === undefined || !git.hidden.covers(path);
  const open = (changes: readonly Change[]) => changes.filter(({ path, from }) => isOpen(path) && isOpen(from));
  const { staged, unstaged, untracked, conflicts } = found;
  const changes = { staged: open(staged), unstaged: open(unstaged) };
  return { ...found, ...changes, untracked: untracked.filter(isOpen), conflicts: conflicts.filter(isOpen) };
}

function parse(entries: readonly string[], cut: boolean): Status {
  const facts: { branch?: string; commit?: string; upstream?: string; ahead?: number; behind?: number } = {};
  const [staged, unstaged]: [Change[], Change[]] = [[], []];
  const [untracked, conflicts]: [string[], string[]] = [[], []];
  for (let index = 0; index < entries.length; index += 1) {
    const entry = entries[index] ?? '';
    const kind = entry[0];
    if (kind === '#') readHeader(entry, facts);
    else if (kind === '?') untracked.push(entry.slice(2));
    else if (kind === 'u') conflicts.push(field(entry, 10));
    else if (kind === '1' || kind === '2') {
      const path = field(entry, kind === '1' ? 8 : 9);
      // The path before stands behind the entry as one of its own.
      const from = kind === '2' ? entries[(index += 1)] : undefined;
      const [inIndex = '.', inTree = '.'] = entry.slice(2, 4);
      if (inIndex !== '.') staged.push(changeOf(path, inIndex, from));
      if (inTree !== '.') unstaged.push(changeOf(path, inTree, undefined));
    }
  }
  return { ...facts, staged, unstaged, untracked, conflicts, cut };
}

function readHeader(
  entry: string,
  facts: { branch?: string; commit?: string; upstream?: string; ahead?: number; behind?: number },
): void {
  const [, name = '', value = ''] = /^# branch\.(\S+) (.*)$/s.exec(entry) ?? [];
  if (name === 'head' && value !== '(detached)') facts.branch = value;
  if (name === 'oid' && value !== '(initial)') facts.commit = value;
  if (name === 'upstream') facts.upstream = value;
  const counts = name === 'ab' ? /^\+(\d+) -(\d+)$/.exec(value) : null;
  if (counts !== null) Object.assign(facts, { ahead: Number(counts[1]), behind: Number(counts[2]) });
}

/** What follows behind this many blanks: a path, which may have some itself. */
function field(entry: string, blanks: number): string {
  let position = -1;
  for (let count = 0; count < blanks; count += 1) position = entry.indexOf(' ', position + 1);
  return entry.slice(position + 1);
}

function changeOf(path: string, letter: string, from: string | undefined): Change {
  const change = words[letter] ?? letter;
  return from === undefined ? { path, change } : { path, change, from };
}

export function describeStatus(status: Status): string {
  const { branch, commit, upstream, ahead = 0, behind = 0, staged, unstaged, untracked, conflicts } = status;
  const lines = [branch === undefined ? `HEAD detached at ${commit?.slice(0, 12)}` : `On branch ${branch}`];
  if (commit === undefined) lines.push('No commits yet');
  if (upstream !== undefined) lines.push(`Upstream ${upstream}: ${ahead} ahead, ${behind} behind`);
  const list = (title: string, items: readonly string[]) => {
    if (items.length > 0) lines.push('', `${title}:`, ...items.map((item) => `  ${item}`));
  };
  const shown = ({ path, change, from }: Change) => `${change}: ${from === undefined ? '' : `${from} -> `}${path}`;
  list('Changes to be committed', staged.map(shown));
  list('Conflicts', conflicts);
  list('Changes not staged for commit', unstaged.map(shown));
  list('Untracked files', untracked);
  if (lines.length < 3 && staged.length + unstaged.length + untracked.length + conflicts.length === 0)
    lines.push('nothing to commit, working tree clean');
  return lines.join('\n');
}
