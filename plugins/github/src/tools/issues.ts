// Tools about issues and their comments. Labels have a file of their own.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import * as form from '../forms.ts';
import { list, one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const writable = {
  body: arg.text.optional().describe('Text of the issue, in Markdown'),
  assignees: arg.names.optional().describe('Logins of those it is assigned to'),
  milestone: arg.id.optional().describe('Number of the milestone'),
  labels: arg.names.optional().describe('Names of labels'),
};

const createIssue = tool({
  name: 'create_issue',
  title: 'Create issue',
  description:
    'Create a new issue in a GitHub repository. Look first, with search_issues, whether it is known already.',
  effect: 'adds',
  input: z.object({ ...arg.repository, title: arg.title.describe('Title of the issue'), ...writable }),
  output: form.thing(shape.issue),
  run: async (args, call, output) => {
    const { data } = await call.send('POST', arg.within(args)`/issues`, arg.without(args, 'owner', 'repo'));
    return one(call, output, data);
  },
});

const listIssues = tool({
  name: 'list_issues',
  title: 'List issues',
  description:
    'List issues in a GitHub repository with filtering options, newest first. GitHub lists pull requests among them: those have the member pull_request.',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    direction: arg.direction,
    labels: arg.names.optional().describe('Only issues that have all of these labels'),
    ...arg.paging,
    since: arg.timestamp.optional().describe('Only issues changed at or after this time (ISO 8601)'),
    sort: z.enum(['created', 'updated', 'comments']).optional().describe('What to sort by (default created)'),
    state: z.enum(['open', 'closed', 'all']).optional().describe('Which issues (default open)'),
  }),
  output: form.listOf(shape.issue),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const { direction, sort, state } = args;
    const query = { direction, sort, state, labels: args.labels?.join(','), since: arg.timeOf(args.since), ...page };
    const reply = await call.get(arg.within(args)`/issues`, query);
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'get_issue shows one whole.' });
  },
});

const getIssue = tool({
  name: 'get_issue',
  title: 'Get issue',
  description: 'Get details of a specific issue in a GitHub repository: title, text, state, labels, people.',
  effect: 'reads',
  input: z.object({ ...arg.repository, issue_number: arg.issueNumber }),
  output: form.thing(shape.issue),
  run: async (args, call, output) => {
    const { data } = await call.get(arg.within(args)`/issues/${args.issue_number}`);
    return one(call, output, data);
  },
});

const updateIssue = tool({
  name: 'update_issue',
  title: 'Update issue',
  description:
    'Update an existing issue in a GitHub repository. What is given replaces what was there (labels and assignees as whole lists); what is left out stays.',
  effect: 'changes',
  input: z.object({
    ...arg.repository,
    issue_number: arg.issueNumber,
    title: arg.title.optional().describe('New title'),
    ...writable,
    state: z.enum(['open', 'closed']).optional().describe('closed closes it, open opens it again'),
  }),
  output: form.thing(shape.issue),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'issue_number');
    const { data } = await call.send('PATCH', arg.within(args)`/issues/${args.issue_number}`, body);
    return one(call, output, data);
  },
});

const addIssueComment = tool({
  name: 'add_issue_comment',
  title: 'Add issue comment',
  description: 'Add a comment to an existing issue, or to the conversation of a pull request',
  effect: 'adds',
  input: z.object({ ...arg.repository, issue_number: arg.issueNumber, body: arg.text.describe('Text, in Markdown') }),
  output: form.thing(shape.comment),
  run: async (args, call, output) => {
    const place = arg.within(args)`/issues/${args.issue_number}/comments`;
    const { data } = await call.send('POST', place, { body: args.body });
    return one(call, output, data);
  },
});

const getIssueComments = tool({
  name: 'get_issue_comments',
  title: 'Get issue comments',
  description: 'Get the comments on an issue, or of the conversation of a pull request, oldest first',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    issue_number: arg.issueNumber,
    since: arg.timestamp.optional().describe('Only comments changed at or after this time (ISO 8601)'),
    ...arg.paging,
  }),
  output: form.listOf(shape.comment),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const place = arg.within(args)`/issues/${args.issue_number}/comments`;
    const reply = await call.get(place, { since: arg.timeOf(args.since), ...page });
    const hint = 'ask for a page of 1.';
    return list(call, output, { items: reply.data as unknown[], reply, page, hint });
  },
});

export const issues = group(
  'issues',
  createIssue,
  listIssues,
  updateIssue,
  addIssueComment,
  getIssue,
  getIssueComments,
);
