// Tools about repositories: files, branches, commits, forks. Searching them is in `search.ts`.
import { isObject, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { Failure } from '../api/failure.ts';
import { at } from '../api/place.ts';
import * as arg from '../arguments.ts';
import { slashed, within } from '../arguments.ts';
import * as form from '../forms.ts';
import { list, one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';
import type { Call } from '../tool.ts';
import { contents, readContents } from './contents.ts';

interface Repository {
  readonly owner: string;
  readonly repo: string;
}

const perPage = z.int().min(1).optional().describe('Results per page (default 30, max 100)');

const createOrUpdateFile = tool({
  name: 'create_or_update_file',
  title: 'Create or update file',
  description:
    'Create or update a single file in a GitHub repository, as a commit of its own. Without sha, what is there now is replaced, whatever it is.',
  effect: 'changes',
  input: z.object({
    ...arg.repository,
    path: arg.path.min(1).describe('Path where to create/update the file'),
    content: arg.fileText.describe('Content of the file'),
    message: arg.text.describe('Commit message'),
    branch: arg.ref.describe('Branch to create/update the file in'),
    sha: arg.ref
      .optional()
      .describe(
        'SHA of the file being replaced, as get_file_contents shows it: the call fails if somebody changed it since',
      ),
  }),
  output: z.object({
    content: shape.entry.optional(),
    commit: shape.writtenCommit.optional(),
    note: z.string().optional(),
  }),
  run: async (args, call, output) => {
    const place = within(args)`/contents/${slashed(args.path)}`;
    const sha = args.sha ?? (await shaOf(call, args));
    const { message, branch } = args;
    const content = Buffer.from(args.content).toString('base64');
    const { data } = await call.send('PUT', place, arg.given({ message, content, branch, sha }));
    return one(call, output, data);
  },
});

/** The sha of the file that is there now, if one is. */
async function shaOf(call: Call, args: Repository & { path: string; branch: string }): Promise<string | undefined> {
  try {
    const { data } = await call.get(within(args)`/contents/${slashed(args.path)}`, { ref: args.branch });
    if (Array.isArray(data)) throw new Error(`${JSON.stringify(args.path)} is a folder: give the path of a file`);
    return isObject(data) && typeof data['sha'] === 'string' ? data['sha'] : undefined;
  } catch (error) {
    if (error instanceof Failure && error.status === 404) return undefined;
    throw error;
  }
}

const getFileContents = tool({
  name: 'get_file_contents',
  title: 'Get file contents',
  description:
    'Get the contents of a file or directory from a GitHub repository. Long ones come in parts: go on with offset. An empty path is the top of the repository.',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    path: arg.path.describe('Path to the file or directory'),
    branch: arg.ref.optional().describe('Branch to get contents from; a tag or commit will do as well'),
    offset: arg.offset,
  }),
  output: contents,
  run: (args, call) =>
    readContents(call, {
      place: within(args)`/contents/${slashed(args.path)}`,
      query: { ref: args.branch },
      offset: args.offset,
    }),
});

const pushFiles = tool({
  name: 'push_files',
  title: 'Push files',
  description:
    'Push multiple files to a GitHub repository in a single commit. Files that are there are replaced, others stay. Fails without changing anything when somebody else pushes meanwhile.',
  effect: 'changes',
  input: z.object({
    ...arg.repository,
    branch: arg.ref.describe("Branch to push to (e.g., 'main' or 'master')"),
    files: z
      .array(
        z.object({ path: arg.path.min(1).describe('Path from the top'), content: arg.fileText.describe('Content') }),
      )
      .min(1)
      .max(1000)
      .describe('Array of files to push'),
    message: arg.text.describe('Commit message'),
  }),
  output: form.thing(shape.reference.extend({ commit: shape.writtenCommit.optional() })),
  run: async (args, call, output) => {
    const parent = await headOf(call, args, args.branch);
    const tree = args.files.map(({ path, content }) => ({ path, mode: '100644', type: 'blob', content }));
    const made = await call.send('POST', within(args)`/git/trees`, { tree, base_tree: parent });
    const commit = await call.send('POST', within(args)`/git/commits`, {
      message: args.message,
      tree: shaIn(made.data),
      parents: [parent],
    });
    // Not forced: a commit that somebody pushed meanwhile would be lost.
    const place = within(args)`/git/refs/heads/${slashed(args.branch)}`;
    const { data } = await call.send('PATCH', place, { sha: shaIn(commit.data), force: false });
    return one(call, output, { ...(data as JsonObject), commit: commit.data });
  },
});

/** The commit that a branch is at. */
async function headOf(call: Call, args: Repository, branch: string): Promise<string> {
  const { data } = await call.get(within(args)`/git/ref/heads/${slashed(branch)}`);
  return shaIn(isObject(data) ? data['object'] : undefined);
}

function shaIn(data: unknown): string {
  if (isObject(data) && typeof data['sha'] === 'string') return data['sha'];
  throw new Failure('GitHub’s answer names no commit: try again later.');
}

const createRepository = tool({
  name: 'create_repository',
  title: 'Create repository',
  description: 'Create a new GitHub repository in your account. It is public unless private is true.',
  effect: 'adds',
  input: z.object({
    name: arg.repository.repo,
    description: z.string().max(350).optional().describe('Repository description'),
    private: z.boolean().optional().describe('Whether the repository should be private'),
    autoInit: z.boolean().optional().describe('Initialize with README.md'),
  }),
  output: form.thing(shape.repository),
  run: async ({ autoInit, ...args }, call, output) => {
    const { data } = await call.send('POST', at`/user/repos`, arg.given({ ...args, auto_init: autoInit }));
    return one(call, output, data);
  },
});

const forkRepository = tool({
  name: 'fork_repository',
  title: 'Fork repository',
  description:
    'Fork a GitHub repository to your account or specified organization. It is there at once, its content some moments later.',
  effect: 'adds',
  input: z.object({
    ...arg.repository,
    organization: arg.repository.owner
      .optional()
      .describe('Optional: organization to fork to (defaults to your personal account)'),
  }),
  output: form.thing(shape.fork),
  run: async (args, call, output) => {
    const { data } = await call.send('POST', within(args)`/forks`, arg.without(args, 'owner', 'repo'));
    return one(call, output, data);
  },
});

const createBranch = tool({
  name: 'create_branch',
  title: 'Create branch',
  description: 'Create a new branch in a GitHub repository',
  effect: 'adds',
  input: z.object({
    ...arg.repository,
    branch: arg.ref.describe('Name for the new branch'),
    from_branch: arg.ref
      .optional()
      .describe("Optional: source branch to create from (defaults to the repository's default branch)"),
  }),
  output: form.thing(shape.reference),
  run: async (args, call, output) => {
    const from = args.from_branch ?? (await defaultBranch(call, args));
    const sha = await headOf(call, args, from);
    const { data } = await call.send('POST', within(args)`/git/refs`, { ref: `refs/heads/${args.branch}`, sha });
    return one(call, output, data);
  },
});

async function defaultBranch(call: Call, args: Repository): Promise<string> {
  const { data } = await call.get(within(args)``);
  if (isObject(data) && typeof data['default_branch'] === 'string') return data['default_branch'];
  throw new Failure('GitHub’s answer names no default branch: give from_branch.');
}

const listBranches = tool({
  name: 'list_branches',
  title: 'List branches',
  description: 'List the branches of a GitHub repository with the commits they are at',
  effect: 'reads',
  input: z.object({ ...arg.repository, ...arg.paging }),
  output: form.listOf(shape.branch),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/branches`, { ...page });
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'ask for a page of 1.' });
  },
});

const listCommits = tool({
  name: 'list_commits',
  title: 'List commits',
  description: 'Get list of commits of a branch in a GitHub repository, newest first',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    sha: arg.ref.optional().describe('Branch, tag or commit to start from (defaults to the default branch)'),
    page: arg.paging.page,
    perPage,
    path: arg.path.optional().describe('Only commits that touch this file or folder'),
    author: arg.name.optional().describe('Only commits of this login or e-mail address'),
    since: arg.timestamp.optional().describe('Only commits after this time (ISO 8601)'),
    until: arg.timestamp.optional().describe('Only commits before this time (ISO 8601)'),
  }),
  output: form.listOf(shape.commit),
  run: async (args, call, output) => {
    const page = arg.pageOf({ page: args.page, per_page: args.perPage });
    const { sha, path, author } = args;
    const query = { sha, path, author, since: arg.timeOf(args.since), until: arg.timeOf(args.until), ...page };
    const reply = await call.get(within(args)`/commits`, query);
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'get_commit shows one whole.' });
  },
});

const getCommit = tool({
  name: 'get_commit',
  title: 'Get commit',
  description:
    'Get one commit with the files that it changes and their patches; of a commit with many files a page of them',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    sha: arg.ref.describe('The commit: its SHA, or a branch or tag'),
    page: arg.paging.page.describe('Page of its files, from 1'),
    perPage: perPage.describe('Files per page (default 30, max 100)'),
  }),
  output: form.listOf(shape.changedFile, { commit: shape.commitInFull.omit({ files: true }).optional() }),
  run: async (args, call, output) => {
    const page = arg.pageOf({ page: args.page, per_page: args.perPage });
    const reply = await call.get(within(args)`/commits/${args.sha}`, { ...page });
    const { files, ...commit } = reply.data as JsonObject;
    const items = Array.isArray(files) ? (files as unknown[]) : [];
    const hint = 'get_file_contents shows a file whole.';
    return list(call, output, { items, more: { commit }, reply, page, hint, whole: true });
  },
});

export const repos = group(
  'repos',
  createOrUpdateFile,
  getFileContents,
  pushFiles,
  createRepository,
  forkRepository,
  createBranch,
  listBranches,
  listCommits,
  getCommit,
);
