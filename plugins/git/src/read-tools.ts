// The tools that change nothing: names and arguments of the reference git server where it has them.
import { localTool, z } from 'plugboard';
import type { LocalTool } from 'plugboard';
import { blame, branches, diff, fileAt, log, show } from './history.ts';
import type { Commit } from './history.ts';
import type { Lease } from './lease.ts';
import { describeStatus, readStatus } from './status.ts';
import { contextLines, cutOff, notes, notesOf, paths, reads, repoPath, result } from './tool-parts.ts';
import type { Context } from './tool-parts.ts';
import { worktrees } from './worktrees.ts';

const change = z.strictObject({ path: z.string(), change: z.string(), from: z.string().optional() });
const commit = z.strictObject({
  hash: z.string(),
  author: z.string(),
  email: z.string(),
  date: z.string().describe('ISO 8601'),
  message: z.string(),
});
const diffOutput = z.strictObject({ diff: z.string(), notes });
const revision = z.string().describe('A commit: hash, branch, tag, or e.g. HEAD~2');
const narrower = `${cutOff}: name paths to see less at once`;

function describeCommit({ hash, author, email, date, message }: Commit): string {
  return `Commit: ${hash}\nAuthor: ${author} <${email}>\nDate: ${date}\nMessage: ${message}\n`;
}

const status = localTool({
  name: 'git_status',
  title: 'Status',
  description:
    'Shows the working tree status: branch, staged, unstaged and untracked files, conflicts. Submodules are left out.',
  input: z.object({ repo_path: repoPath }),
  output: z.strictObject({
    branch: z.string().optional().describe('Left out: a commit is checked out without a branch'),
    commit: z.string().optional().describe('Left out: there is none yet'),
    upstream: z.string().optional(),
    ahead: z.int().optional(),
    behind: z.int().optional(),
    staged: z.array(change),
    unstaged: z.array(change),
    untracked: z.array(z.string()),
    conflicts: z.array(z.string()),
    notes,
  }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { cut, ...found } = await readStatus(git);
      const text = `Repository status:\n${describeStatus({ cut, ...found })}`;
      return result(text, { ...found, notes: notesOf(git, cut && cutOff) });
    }),
});

const diffUnstaged = localTool({
  name: 'git_diff_unstaged',
  title: 'Unstaged changes',
  description: 'Shows changes in the working directory that are not yet staged, as a unified diff.',
  input: z.object({ repo_path: repoPath, context_lines: contextLines, paths }),
  output: diffOutput,
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { text, cut } = await diff(git, { context: args.context_lines, paths: args.paths });
      return result(`Unstaged changes:\n${text}`, { diff: text, notes: notesOf(git, cut && narrower) });
    }),
});

const diffStaged = localTool({
  name: 'git_diff_staged',
  title: 'Staged changes',
  description: 'Shows changes that are staged for commit, as a unified diff.',
  input: z.object({ repo_path: repoPath, context_lines: contextLines, paths }),
  output: diffOutput,
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { text, cut } = await diff(git, { staged: true, context: args.context_lines, paths: args.paths });
      return result(`Staged changes:\n${text}`, { diff: text, notes: notesOf(git, cut && narrower) });
    }),
});

const diffTarget = localTool({
  name: 'git_diff',
  title: 'Differences',
  description:
    'Shows differences between branches or commits, as a unified diff: of the working tree to a commit (main), between ' +
    'two (main..feature), or of the second to where it left the first (main...feature).',
  input: z.object({
    repo_path: repoPath,
    target: z.string().describe('A commit, or two with .. or ... between them; an empty side is HEAD'),
    context_lines: contextLines,
    paths,
  }),
  output: diffOutput,
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const options = { target: args.target, context: args.context_lines, paths: args.paths };
      const { text, cut } = await diff(git, options);
      return result(`Diff with ${args.target}:\n${text}`, { diff: text, notes: notesOf(git, cut && narrower) });
    }),
});

const logTool = localTool({
  name: 'git_log',
  title: 'Log',
  description:
    'Shows the commit logs, the newest first. Continue with skip; narrow with path, revision and timestamps.',
  input: z.object({
    repo_path: repoPath,
    max_count: z.int().min(1).max(1000).default(10).describe('Commits to show at most'),
    skip: z.int().min(0).default(0).describe('Commits to leave out first'),
    start_timestamp: z
      .string()
      .min(1)
      .optional()
      .describe("Only commits after this: ISO 8601, or words such as '2 weeks ago', 'yesterday'"),
    end_timestamp: z.string().min(1).optional().describe('Only commits before this, in the same notations'),
    revision: revision.default('HEAD'),
    path: z.string().optional().describe('Only commits that change this file or folder'),
  }),
  output: z.strictObject({ commits: z.array(commit), notes }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { commits, cut, more } = await log(git, {
        count: args.max_count,
        skip: args.skip,
        since: args.start_timestamp,
        until: args.end_timestamp,
        revision: args.revision,
        path: args.path,
      });
      const next = `There are more commits: continue with skip ${args.skip + commits.length}`;
      const found = notesOf(git, cut && cutOff, more && next);
      return result(`Commit history:\n${commits.map(describeCommit).join('\n')}`, { commits, notes: found });
    }),
});

const showTool = localTool({
  name: 'git_show',
  title: 'Show a commit',
  description:
    'Shows the contents of a commit: its message and changes (of a merge: those against its first parent). With path: ' +
    'the file as it was in that commit, or the names in a folder.',
  input: z.object({
    repo_path: repoPath,
    revision,
    path: z.string().optional().describe('A file or folder to show as it was, instead of the changes'),
    context_lines: contextLines,
    paths,
  }),
  output: z.strictObject({ commit: commit.optional(), content: z.string(), notes }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      if (args.path !== undefined) {
        const { hash, text, cut } = await fileAt(git, args.revision, args.path);
        const found = notesOf(git, cut && cutOff);
        return result(`${args.path} in ${hash}:\n${text}`, { content: text, notes: found });
      }
      const { commit: found, changes } = await show(git, args.revision, args.context_lines, args.paths);
      const all = notesOf(git, changes.cut && narrower);
      return result(`${describeCommit(found)}\n${changes.text}`, { commit: found, content: changes.text, notes: all });
    }),
});

const blameTool = localTool({
  name: 'git_blame',
  title: 'Blame',
  description: 'Shows for each line of a file the commit, author and date that it comes from.',
  input: z.object({
    repo_path: repoPath,
    path: z.string().describe('The file, relative to the top folder of the repository'),
    revision: revision.optional().describe('As it was in this commit; left out: as it is now'),
    start_line: z.int().min(1).optional().describe('First line'),
    end_line: z.int().min(1).optional().describe('Last line'),
  }),
  output: z.strictObject({ lines: z.string(), notes }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { text, cut } = await blame(git, args.path, args.revision, args.start_line, args.end_line);
      const next = `${cutOff}: continue with start_line ${(args.start_line ?? 1) + text.split('\n').length - 1}`;
      return result(text, { lines: text, notes: notesOf(git, cut && next) });
    }),
});

const branch = localTool({
  name: 'git_branch',
  title: 'Branches',
  description: 'List Git branches with their commits; the current one is marked.',
  input: z.object({
    repo_path: repoPath,
    branch_type: z.enum(['local', 'remote', 'all']).default('local').describe('Which branches'),
    contains: z.string().optional().describe('Only branches that contain this commit'),
    not_contains: z.string().optional().describe('Only branches that do not contain this commit'),
  }),
  output: z.strictObject({
    branches: z.array(
      z.strictObject({
        name: z.string(),
        commit: z.string(),
        current: z.boolean(),
        upstream: z.string().optional(),
        subject: z.string().describe('First line of the message of its commit'),
      }),
    ),
    notes,
  }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const { branches: found, cut } = await branches(git, args.branch_type, args.contains, args.not_contains);
      const lines = found.map(
        (each) => `${each.current ? '*' : ' '} ${each.name} ${each.commit.slice(0, 12)} ${each.subject}`,
      );
      return result(lines.join('\n'), { branches: found, notes: notesOf(git, cut && cutOff) });
    }),
});

const worktreeList = localTool({
  name: 'git_worktree_list',
  title: 'Worktrees',
  description: 'Lists the worktrees of a repository: folders with a branch checked out each.',
  input: z.object({ repo_path: repoPath }),
  output: z.strictObject({
    worktrees: z.array(
      z.strictObject({
        path: z.string().optional().describe('Relative to the root; left out: it is outside of the root'),
        branch: z.string().optional(),
        commit: z.string().optional().describe('Where no branch is checked out'),
        main: z.boolean(),
        locked: z.boolean(),
        missing: z.boolean().describe('True when its folder is gone'),
      }),
    ),
    notes,
  }),
  annotations: reads,
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, false, signal, async (git) => {
      const found = await worktrees(git);
      const lines = found.map(
        ({ path = '(outside of the root)', branch: name, commit: hash, main, locked, missing }) => {
          const marks = [main && 'main', locked && 'locked', missing && 'missing'].filter((mark) => mark !== false);
          return `${path} ${name ?? hash ?? ''}${marks.length > 0 ? ` (${marks.join(', ')})` : ''}`;
        },
      );
      return result(lines.join('\n'), { worktrees: found, notes: [] });
    }),
});

export const readTools: readonly LocalTool<Lease>[] = [
  status,
  diffUnstaged,
  diffStaged,
  diffTarget,
  logTool,
  showTool,
  blameTool,
  branch,
  worktreeList,
];
