// The tools that change a repository: names and arguments of the reference git server where it has them.
import { localTool, z } from 'plugboard';
import type { LocalTool } from 'plugboard';
import { add, checkout, commit, createBranch, reset } from './changes.ts';
import type { Lease } from './lease.ts';
import { changes, notes, notesOf, repoPath, result } from './tool-parts.ts';
import type { Context } from './tool-parts.ts';
import { addWorktree, removeWorktree } from './worktrees.ts';

/** Paths that a result names at most. */
const longestList = 200;

const addTool = localTool({
  name: 'git_add',
  title: 'Stage files',
  description:
    'Adds file contents to the staging area, also that files were deleted. What .gitignore names is left out, and so ' +
    'are repositories within the repository.',
  input: z.object({
    repo_path: repoPath,
    files: z
      .array(z.string())
      .min(1)
      .max(1000)
      .describe('Files and folders, relative to the top folder of the repository; "." for everything'),
  }),
  output: z.strictObject({ staged: z.array(z.string()), notes }),
  annotations: changes(false, true),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const { staged, nested } = await add(git, args.files);
      const more = staged.length - longestList;
      const found = notesOf(
        git,
        nested.length > 0 && `Left out, because they are repositories of their own: ${nested.slice(0, 20).join(', ')}`,
        more > 0 && `${more} more files were staged than are listed`,
      );
      return result('Files staged successfully', { staged: staged.slice(0, longestList), notes: found });
    }),
});

const resetTool = localTool({
  name: 'git_reset',
  title: 'Unstage everything',
  description: 'Unstages all staged changes; files stay as they are. A merge that is under way is given up.',
  input: z.object({ repo_path: repoPath }),
  output: z.strictObject({ notes }),
  annotations: changes(true, true),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      await reset(git);
      return result('All staged changes reset', { notes: notesOf(git) });
    }),
});

const commitTool = localTool({
  name: 'git_commit',
  title: 'Commit',
  description: 'Records the staged changes to the repository. Hooks are not run and nothing is signed.',
  input: z.object({ repo_path: repoPath, message: z.string().max(100_000).describe('Message of the commit') }),
  output: z.strictObject({ commit: z.string().describe('Hash of the new commit'), notes }),
  annotations: changes(false, false),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const hash = await commit(git, args.message);
      const found = notesOf(git, git.hasHooks && 'Hooks of this repository were not run');
      return result(`Changes committed successfully with hash ${hash}`, { commit: hash, notes: found });
    }),
});

const createBranchTool = localTool({
  name: 'git_create_branch',
  title: 'Create a branch',
  description: 'Creates a new branch from an optional base branch. It is not checked out: see git_checkout.',
  input: z.object({
    repo_path: repoPath,
    branch_name: z.string().describe('Name of the new branch'),
    base_branch: z.string().default('HEAD').describe('Where it starts: a branch or commit'),
  }),
  output: z.strictObject({ branch: z.string(), commit: z.string(), notes }),
  annotations: changes(false, false),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const start = await createBranch(git, args.branch_name, args.base_branch);
      const text = `Created branch '${args.branch_name}' from '${args.base_branch}'`;
      return result(text, { branch: args.branch_name, commit: start, notes: [] });
    }),
});

const checkoutTool = localTool({
  name: 'git_checkout',
  title: 'Switch branches',
  description:
    'Switches branches. Changes that are not committed stay where that is possible; else nothing happens. A commit or ' +
    'tag is checked out without a branch.',
  input: z.object({ repo_path: repoPath, branch_name: z.string().describe('Branch to switch to, or a commit') }),
  output: z.strictObject({ branch: z.string().optional(), commit: z.string(), notes }),
  annotations: changes(false, true),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const found = await checkout(git, args.branch_name);
      const detached =
        found.branch === undefined && 'No branch is checked out: commits need one, see git_create_branch';
      const text =
        found.branch === undefined ? `HEAD is now at ${found.commit}` : `Switched to branch '${found.branch}'`;
      return result(text, { ...found, notes: notesOf(git, detached) });
    }),
});

const worktreeAdd = localTool({
  name: 'git_worktree_add',
  title: 'Add a worktree',
  description:
    'Makes a new folder below the root with a branch of the repository checked out, to work on it beside others.',
  input: z.object({
    repo_path: repoPath,
    path: z.string().describe('The new folder, relative to the root'),
    branch_name: z.string().describe('The branch'),
    base_branch: z.string().optional().describe('Creates the branch, starting here; left out: it has to be there'),
  }),
  output: z.strictObject({ path: z.string(), branch: z.string(), commit: z.string(), notes }),
  annotations: changes(false, false),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const { path, commit: hash } = await addWorktree(git, args.path, args.branch_name, args.base_branch);
      const text = `Created worktree ${path} on branch '${args.branch_name}'; use it as repo_path`;
      return result(text, { path, branch: args.branch_name, commit: hash, notes: notesOf(git) });
    }),
});

const worktreeRemove = localTool({
  name: 'git_worktree_remove',
  title: 'Remove a worktree',
  description: 'Deletes a worktree with its files; its branch stays. Refused while something in it is not committed.',
  input: z.object({
    repo_path: repoPath,
    path: z.string().describe('Folder of the worktree, relative to the root'),
    force: z.boolean().default(false).describe('Delete what is not committed as well'),
  }),
  output: z.strictObject({ path: z.string(), notes }),
  annotations: changes(true, false),
  run: (args, { state, signal }: Context) =>
    state.use(args.repo_path, true, signal, async (git) => {
      const path = await removeWorktree(git, args.path, args.force);
      return result(`Removed worktree ${path}`, { path, notes: [] });
    }),
});

export const writeTools: readonly LocalTool<Lease>[] = [
  addTool,
  resetTool,
  commitTool,
  createBranchTool,
  checkoutTool,
  worktreeAdd,
  worktreeRemove,
];
