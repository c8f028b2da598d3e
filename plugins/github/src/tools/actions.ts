// Tools about GitHub Actions: workflows, their runs, jobs and logs.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import { within } from '../arguments.ts';
import * as form from '../forms.ts';
import { answer, list, one, windowOf } from '../result.ts';
import * as shape from '../run-shapes.ts';
import { group, tool } from '../tool.ts';

const total = { total_count: z.number().optional() };
const runId = arg.id.describe('Id of the run, as list_workflow_runs shows it');
const workflowId = z
  .string()
  .regex(
    /^(?:\d{1,20}|[A-Za-z0-9_.-]{1,200}\.ya?ml)$/,
    'write the id of the workflow, or the name of its file, e.g. ci.yml',
  )
  .describe('Id of the workflow, or the name of its file, e.g. ci.yml');

const listWorkflows = tool({
  name: 'list_workflows',
  title: 'List workflows',
  description: 'List the workflows of a repository',
  effect: 'reads',
  input: z.object({ ...arg.repository, ...arg.paging }),
  output: form.listOf(shape.workflow, total),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/actions/workflows`, { ...page });
    const { workflows, total_count } = reply.data as { workflows: unknown[]; total_count: number };
    return list(call, output, {
      items: workflows,
      more: { total_count },
      reply,
      page,
      hint: 'ask for a page of 1.',
      whole: true,
    });
  },
});

const listRuns = tool({
  name: 'list_workflow_runs',
  title: 'List workflow runs',
  description: 'List runs of all workflows of a repository, or of one, newest first',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    workflow_id: workflowId.optional(),
    actor: arg.name.optional().describe('Only runs that this login started'),
    branch: arg.ref.optional().describe('Only runs on this branch'),
    event: arg.name.optional().describe('Only runs started by this event, e.g. push or pull_request'),
    status: z
      .enum([
        'completed',
        'cancelled',
        'failure',
        'neutral',
        'skipped',
        'success',
        'timed_out',
        'in_progress',
        'queued',
        'waiting',
      ])
      .optional()
      .describe('Only runs in this state, or with this end'),
    head_sha: arg.ref.optional().describe('Only runs on this commit'),
    ...arg.paging,
  }),
  output: form.listOf(shape.workflowRun, total),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const { workflow_id, actor, branch, event, status, head_sha } = args;
    const place =
      workflow_id === undefined ? within(args)`/actions/runs` : within(args)`/actions/workflows/${workflow_id}/runs`;
    const reply = await call.get(place, { actor, branch, event, status, head_sha, ...page });
    const { workflow_runs, total_count } = reply.data as { workflow_runs: unknown[]; total_count: number };
    const hint = 'get_workflow_run shows one whole.';
    return list(call, output, { items: workflow_runs, more: { total_count }, reply, page, hint, whole: true });
  },
});

const getRun = tool({
  name: 'get_workflow_run',
  title: 'Get workflow run',
  description: 'Get one run of a workflow: its state, its end, its commit',
  effect: 'reads',
  input: z.object({ ...arg.repository, run_id: runId }),
  output: form.thing(shape.workflowRun),
  run: async (args, call, output) =>
    one(call, output, (await call.get(within(args)`/actions/runs/${args.run_id}`)).data),
});

const listJobs = tool({
  name: 'list_workflow_jobs',
  title: 'List workflow jobs',
  description: 'List the jobs of a run with their steps: which of them failed. get_job_logs shows why.',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    run_id: runId,
    filter: z
      .enum(['latest', 'all'])
      .optional()
      .describe('latest (default): of the last attempt; all: of every attempt'),
    ...arg.paging,
  }),
  output: form.listOf(shape.job, total),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/actions/runs/${args.run_id}/jobs`, { filter: args.filter, ...page });
    const { jobs, total_count } = reply.data as { jobs: unknown[]; total_count: number };
    return list(call, output, {
      items: jobs,
      more: { total_count },
      reply,
      page,
      hint: 'ask for a page of 1.',
      whole: true,
    });
  },
});

const getLogs = tool({
  name: 'get_job_logs',
  title: 'Get job logs',
  description:
    'Get the log of one job: its last lines, where failures are, or, with offset, a part from anywhere. Logs are there when the job has ended.',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    job_id: arg.id.describe('Id of the job, as list_workflow_jobs shows it'),
    tail_lines: z.int().min(1).max(100_000).default(200).describe('How many of the last lines (without offset)'),
    offset: z.int().min(0).optional().describe('Where to start, in characters; 0 is the beginning of the log'),
  }),
  output: z.object(form.windowMembers),
  run: async (args, call) => {
    const reply = await call.ask({ method: 'GET', place: within(args)`/actions/jobs/${args.job_id}/logs`, as: 'log' });
    const text = (reply.data as Buffer).toString('utf8');
    const room = call.maxResultBytes - 1024;
    const start = args.offset ?? startOfTail(text, args.tail_lines, room);
    const { content, next } = windowOf(text, start, room);
    const value = arg.given({ content, offset: start, total: text.length, next_offset: next });
    const notes: string[] = [];
    if (start > 0 || next !== undefined)
      notes.push(
        `Characters ${start} to ${start + content.length - 1} of ${text.length}; offset chooses where to start.`,
      );
    if (reply.cut) notes.push('The log is longer than may be read (option maxDownloadBytes), and its end is missing.');
    return answer(value, content, notes.length === 0 ? undefined : notes.join(' '));
  },
});

/** Where the last lines begin, or as many of them as fit. */
function startOfTail(text: string, lines: number, maxBytes: number): number {
  let start = text.endsWith('\n') ? text.length - 1 : text.length;
  let left = maxBytes - 2;
  for (let count = 0; count < lines && start > 0; count += 1) {
    const before = text.lastIndexOf('\n', start - 1);
    left -= Buffer.byteLength(JSON.stringify(text.slice(before + 1, start))) + 2;
    // One line that is longer than all that fits: its end.
    if (left < 0) return count === 0 ? Math.max(before + 1, text.length - Math.floor(maxBytes / 6)) : start + 1;
    start = before;
  }
  return Math.max(0, start + 1);
}

const rerun = tool({
  name: 'rerun_workflow_run',
  title: 'Re-run workflow run',
  description: 'Run a workflow run again: all of its jobs, or those only that failed',
  effect: 'acts',
  input: z.object({
    ...arg.repository,
    run_id: runId,
    failed_only: z.boolean().optional().describe('Failed jobs only'),
  }),
  output: form.done,
  run: async (args, call) => {
    const run = within(args);
    const place =
      args.failed_only === true
        ? run`/actions/runs/${args.run_id}/rerun-failed-jobs`
        : run`/actions/runs/${args.run_id}/rerun`;
    await call.send('POST', place);
    const message = `Run ${args.run_id} was started again.`;
    return answer({ done: true, message }, message);
  },
});

const cancel = tool({
  name: 'cancel_workflow_run',
  title: 'Cancel workflow run',
  description: 'Cancel a run that is queued or in progress',
  effect: 'removes',
  input: z.object({ ...arg.repository, run_id: runId }),
  output: form.done,
  run: async (args, call) => {
    await call.send('POST', within(args)`/actions/runs/${args.run_id}/cancel`);
    const message = `Run ${args.run_id} is being cancelled.`;
    return answer({ done: true, message }, message);
  },
});

const dispatch = tool({
  name: 'run_workflow',
  title: 'Run workflow',
  description:
    'Start a workflow that has the trigger workflow_dispatch. list_workflow_runs shows the run a moment later.',
  effect: 'acts',
  input: z.object({
    ...arg.repository,
    workflow_id: workflowId,
    ref: arg.ref.describe('Branch or tag to run it on'),
    inputs: z.record(z.string().max(256), z.string().max(65_535)).optional().describe('Inputs of the workflow by name'),
  }),
  output: form.done,
  run: async (args, call) => {
    const { ref, inputs } = args;
    await call.send(
      'POST',
      within(args)`/actions/workflows/${args.workflow_id}/dispatches`,
      arg.given({ ref, inputs }),
    );
    const message = `Workflow ${args.workflow_id} was started on ${ref}.`;
    return answer({ done: true, message }, message);
  },
});

export const actions = group('actions', listWorkflows, listRuns, getRun, listJobs, getLogs, rerun, cancel, dispatch);
