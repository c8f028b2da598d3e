// Tools about pull requests. Their reviews have a file of their own, labels and comments of the conversation are those of issues.
import { isObject, z } from 'plugboard';
import * as arg from '../arguments.ts';
import { within } from '../arguments.ts';
import * as form from '../forms.ts';
import { answer, list, one, windowOf } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';
import { Failure } from '../api/failure.ts';

/** Arguments of most tools here. */
const pull = { ...arg.repository, pull_number: arg.pullNumber };

const createPullRequest = tool({
  name: 'create_pull_request',
  title: 'Create pull request',
  description: 'Create a new pull request in a GitHub repository',
  effect: 'adds',
  input: z.object({
    ...arg.repository,
    title: arg.title.describe('Pull request title'),
    body: arg.text.optional().describe('Pull request body/description'),
    head: arg.ref.describe('The name of the branch where your changes are implemented; from a fork: account:branch'),
    base: arg.ref.describe('The name of the branch you want the changes pulled into'),
    draft: z.boolean().optional().describe('Whether to create the pull request as a draft'),
    maintainer_can_modify: z.boolean().optional().describe('Whether maintainers can modify the pull request'),
  }),
  output: form.thing(shape.pullRequest),
  run: async (args, call, output) => {
    const { data } = await call.send('POST', within(args)`/pulls`, arg.without(args, 'owner', 'repo'));
    return one(call, output, data);
  },
});

const getPullRequest = tool({
  name: 'get_pull_request',
  title: 'Get pull request',
  description: 'Get details of a specific pull request: text, branches, state, whether it can be merged',
  effect: 'reads',
  input: z.object(pull),
  output: form.thing(shape.pullRequest),
  run: async (args, call, output) => {
    const { data } = await call.get(within(args)`/pulls/${args.pull_number}`);
    return one(call, output, data);
  },
});

const listPullRequests = tool({
  name: 'list_pull_requests',
  title: 'List pull requests',
  description: 'List and filter repository pull requests',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    state: z.enum(['open', 'closed', 'all']).optional().describe('State of the pull requests to return'),
    head: arg.ref.optional().describe('Filter by head user or head organization and branch name (account:branch)'),
    base: arg.ref.optional().describe('Filter by base branch name'),
    sort: z.enum(['created', 'updated', 'popularity', 'long-running']).optional().describe('What to sort results by'),
    direction: arg.direction.describe('The direction of the sort'),
    ...arg.paging,
  }),
  output: form.listOf(shape.pullRequest),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const { state, head, base, sort, direction } = args;
    const reply = await call.get(within(args)`/pulls`, { state, head, base, sort, direction, ...page });
    const hint = 'get_pull_request shows one whole.';
    return list(call, output, { items: reply.data as unknown[], reply, page, hint });
  },
});

const mergePullRequest = tool({
  name: 'merge_pull_request',
  title: 'Merge pull request',
  description:
    'Merge a pull request. Look first whether its checks have passed. It cannot be taken back, only reverted.',
  effect: 'acts',
  input: z.object({
    ...pull,
    commit_title: arg.title.optional().describe('Title for the automatic commit message'),
    commit_message: arg.text.optional().describe('Extra detail to append to automatic commit message'),
    merge_method: z.enum(['merge', 'squash', 'rebase']).optional().describe('Merge method to use'),
    sha: arg.ref.optional().describe('Only when the head of the pull request is still this commit'),
  }),
  output: z.object({
    sha: z.string().optional(),
    merged: z.boolean().optional(),
    message: z.string().optional(),
    note: z.string().optional(),
  }),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'pull_number');
    const { data } = await call.send('PUT', within(args)`/pulls/${args.pull_number}/merge`, body);
    return one(call, output, data);
  },
});

const getFiles = tool({
  name: 'get_pull_request_files',
  title: 'Get pull request files',
  description: 'Get the list of files changed in a pull request, with their patches',
  effect: 'reads',
  input: z.object({ ...pull, ...arg.paging }),
  output: form.listOf(shape.changedFile),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/pulls/${args.pull_number}/files`, { ...page });
    const hint = 'get_pull_request_diff shows all of it, in parts.';
    return list(call, output, { items: reply.data as unknown[], reply, page, hint });
  },
});

const getDiff = tool({
  name: 'get_pull_request_diff',
  title: 'Get pull request diff',
  description: 'Get all changes of a pull request as a unified diff. Long ones come in parts: go on with offset.',
  effect: 'reads',
  input: z.object({ ...pull, offset: arg.offset }),
  output: z.object(form.windowMembers),
  run: async (args, call) => {
    const reply = await call.ask({ method: 'GET', place: within(args)`/pulls/${args.pull_number}`, as: 'diff' });
    const text = (reply.data as Buffer).toString('utf8');
    const { content, next } = windowOf(text, args.offset, call.maxResultBytes - 1024);
    const value = arg.given({ content, offset: args.offset, total: text.length, next_offset: next });
    const notes: string[] = [];
    if (next !== undefined)
      notes.push(`Characters ${args.offset} to ${next - 1} of ${text.length}: go on with offset ${next}.`);
    if (reply.cut)
      notes.push('The diff is longer than may be read (option maxDownloadBytes): get_pull_request_files has the rest.');
    return answer(value, content, notes.length === 0 ? undefined : notes.join(' '));
  },
});

const getStatus = tool({
  name: 'get_pull_request_status',
  title: 'Get pull request status',
  description:
    'Get the combined status of all status checks for a pull request. Checks of GitHub Actions are not among them: list_check_runs has those.',
  effect: 'reads',
  input: z.object(pull),
  output: form.thing(shape.status),
  run: async (args, call, output) => {
    const { data } = await call.get(within(args)`/pulls/${args.pull_number}`);
    const head = isObject(data) ? data['head'] : undefined;
    if (!isObject(head) || typeof head['sha'] !== 'string')
      throw new Failure('GitHub’s answer names no head: try again later.');
    const status = await call.get(within(args)`/commits/${head['sha']}/status`, { per_page: 100 });
    return one(call, output, status.data);
  },
});

const updateBranch = tool({
  name: 'update_pull_request_branch',
  title: 'Update pull request branch',
  description: 'Update a pull request branch with the latest changes from the base branch, by a merge commit',
  effect: 'adds',
  input: z.object({
    ...pull,
    expected_head_sha: arg.ref.optional().describe("The expected SHA of the pull request's HEAD ref"),
  }),
  output: form.done,
  run: async (args, call) => {
    const body = arg.without(args, 'owner', 'repo', 'pull_number');
    await call.send('PUT', within(args)`/pulls/${args.pull_number}/update-branch`, body);
    const message = 'The branch is being updated; GitHub may take a moment.';
    return answer({ done: true, message }, message);
  },
});

export const pullRequests = group(
  'pull_requests',
  createPullRequest,
  getPullRequest,
  listPullRequests,
  mergePullRequest,
  getFiles,
  getDiff,
  getStatus,
  updateBranch,
);
