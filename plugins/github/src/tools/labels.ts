// Tools about labels, of a repository and of its issues.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import * as form from '../forms.ts';
import { answer, list, one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const color = z
  .string()
  .regex(/^[0-9A-Fa-f]{6}$/, 'write six hexadecimal digits without #, e.g. d73a4a')
  .optional()
  .describe('Colour: six hexadecimal digits without #');
const description = z.string().max(100).optional().describe('What the label means, up to 100 characters');
const hint = 'ask for a page of 1.';

const listLabels = tool({
  name: 'list_labels',
  title: 'List labels',
  description: 'List the labels of a repository, or those of one of its issues or pull requests',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    issue_number: arg.issueNumber.optional().describe('Only the labels of this issue or pull request'),
    ...arg.paging,
  }),
  output: form.listOf(shape.label),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const within = arg.within(args);
    const place = args.issue_number === undefined ? within`/labels` : within`/issues/${args.issue_number}/labels`;
    const reply = await call.get(place, { ...page });
    return list(call, output, { items: reply.data as unknown[], reply, page, hint });
  },
});

const createLabel = tool({
  name: 'create_label',
  title: 'Create label',
  description: 'Create a label in a repository',
  effect: 'adds',
  input: z.object({ ...arg.repository, name: arg.name.describe('Name of the label'), color, description }),
  output: form.thing(shape.label),
  run: async (args, call, output) => {
    const { data } = await call.send('POST', arg.within(args)`/labels`, arg.without(args, 'owner', 'repo'));
    return one(call, output, data);
  },
});

const updateLabel = tool({
  name: 'update_label',
  title: 'Update label',
  description: 'Rename a label of a repository, or change its colour or description. Issues keep the label.',
  effect: 'changes',
  input: z.object({
    ...arg.repository,
    name: arg.name.describe('Name of the label as it is'),
    new_name: arg.name.optional().describe('New name'),
    color,
    description,
  }),
  output: form.thing(shape.label),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'name');
    const { data } = await call.send('PATCH', arg.within(args)`/labels/${args.name}`, body);
    return one(call, output, data);
  },
});

const deleteLabel = tool({
  name: 'delete_label',
  title: 'Delete label',
  description:
    'Delete a label of a repository. It goes from all issues and pull requests as well, and cannot be got back.',
  effect: 'removes',
  input: z.object({ ...arg.repository, name: arg.name.describe('Name of the label') }),
  output: form.done,
  run: async (args, call) => {
    await call.send('DELETE', arg.within(args)`/labels/${args.name}`);
    const message = `Label ${JSON.stringify(args.name)} was deleted.`;
    return answer({ done: true, message }, message);
  },
});

const addLabels = tool({
  name: 'add_issue_labels',
  title: 'Add labels to issue',
  description: 'Add labels to an issue or pull request, beside those that it has. Answers all that it has then.',
  effect: 'adds',
  input: z.object({
    ...arg.repository,
    issue_number: arg.issueNumber,
    labels: arg.names.min(1).describe('Names of labels; GitHub makes those that are not there'),
  }),
  output: form.listOf(shape.label),
  run: async (args, call, output) => {
    const place = arg.within(args)`/issues/${args.issue_number}/labels`;
    const reply = await call.send('POST', place, { labels: args.labels });
    return list(call, output, { items: reply.data as unknown[], reply, page: { page: 1, per_page: 100 }, hint });
  },
});

const removeLabel = tool({
  name: 'remove_issue_label',
  title: 'Remove label from issue',
  description: 'Remove one label from an issue or pull request. Answers those that are left.',
  effect: 'removes',
  input: z.object({ ...arg.repository, issue_number: arg.issueNumber, name: arg.name.describe('Name of the label') }),
  output: form.listOf(shape.label),
  run: async (args, call, output) => {
    const reply = await call.send('DELETE', arg.within(args)`/issues/${args.issue_number}/labels/${args.name}`);
    return list(call, output, { items: reply.data as unknown[], reply, page: { page: 1, per_page: 100 }, hint });
  },
});

export const labels = group('labels', listLabels, createLabel, updateLabel, deleteLabel, addLabels, removeLabel);
