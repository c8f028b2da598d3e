// Tools about checks: what Actions and other apps found out about a commit.
import { z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import * as arg from '../arguments.ts';
import { within } from '../arguments.ts';
import * as form from '../forms.ts';
import { list } from '../result.ts';
import * as shape from '../run-shapes.ts';
import { group, tool } from '../tool.ts';

const listCheckRuns = tool({
  name: 'list_check_runs',
  title: 'List check runs',
  description:
    'List the checks of a commit, branch or tag: what ran, and how it ended. For a pull request give the SHA of its head.',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    ref: arg.ref.describe('Commit SHA, branch or tag'),
    check_name: arg.name.optional().describe('Only checks of this name'),
    status: z.enum(['queued', 'in_progress', 'completed']).optional().describe('Only checks in this state'),
    ...arg.paging,
  }),
  output: form.listOf(shape.checkRun, { total_count: z.number().optional() }),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const { check_name, status } = args;
    const reply = await call.get(within(args)`/commits/${args.ref}/check-runs`, { check_name, status, ...page });
    const { check_runs, total_count } = reply.data as { check_runs: unknown[]; total_count: number };
    const hint = 'get_check_run shows one whole.';
    return list(call, output, { items: check_runs, more: { total_count }, reply, page, hint, whole: true });
  },
});

const getCheckRun = tool({
  name: 'get_check_run',
  title: 'Get check run',
  description: 'Get one check with its summary and its annotations: what it found at which line',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    check_run_id: arg.id.describe('Id of the check, as list_check_runs shows it'),
    page: arg.paging.page.describe('Page of its annotations, from 1'),
    per_page: arg.paging.per_page.describe('Annotations per page (default 30, max 100)'),
  }),
  output: form.listOf(shape.annotation, { check_run: shape.checkRun.optional() }),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const { data } = await call.get(within(args)`/check-runs/${args.check_run_id}`);
    const reply = await call.get(within(args)`/check-runs/${args.check_run_id}/annotations`, { ...page });
    const more = { check_run: data as JsonObject };
    const hint = 'its html_url shows it whole.';
    return list(call, output, { items: reply.data as unknown[], more, reply, page, hint, whole: true });
  },
});

export const checks = group('actions', listCheckRuns, getCheckRun);
