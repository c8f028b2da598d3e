// The server that every task sees: its context as resources and a prompt, and the tool by which the agent asks for more tools.
// One server for all tasks; each connection belongs to one of them.
import { Denied, localServer, localTool, toolError, z } from 'plugboard';
import type { LocalNotifier, ServerDefinition } from 'plugboard';
import { isTaskGrant } from '../engine/grant.ts';
import type { TaskEntry } from '../engine/entry.ts';
import type { Outcome } from '../engine/requests.ts';
import { contextText, statusJson } from './context-text.ts';

/** What the server needs of the tasks. */
export interface TaskDesk {
  ofGrant(grant: string): TaskEntry | undefined;
  /** Exposed names of the tools that a task sees now. */
  toolNames(entry: TaskEntry): Promise<readonly string[]>;
  /** Puts an agent's request to the policy of its task. */
  request(entry: TaskEntry, tools: readonly string[], reason: string): Promise<Outcome>;
}

/** One connection of an agent. */
interface Seat {
  readonly entry: TaskEntry;
  readonly notifier: LocalNotifier;
  readonly desk: TaskDesk;
}

const input = z.object({
  tools: z
    .array(z.string().min(1).max(512))
    .min(1)
    .max(1000)
    .describe('Tools as server:tool; the names of your list are read too'),
  reason: z.string().min(1).max(2000).describe('What you need them for; a person may read it'),
});

const requestTools = localTool<Seat, typeof input>({
  name: 'request_tools',
  title: 'Request tools',
  description:
    'Asks for tools that this task does not have. Say which ones (server:tool, e.g. github:merge_pull_request) and why. ' +
    'What is granted is listed at once; what a person must decide is listed as soon as they agree, and you are told by a change of the list.',
  input,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: async ({ tools, reason }, { state }) => {
    if (state.entry.gone) throw new Denied('this task is over');
    const outcome = await state.desk.request(state.entry, tools, reason);
    const result = { content: [{ type: 'text' as const, text: describe(outcome) }], structuredContent: { ...outcome } };
    const failed = outcome.granted.length + outcome.present.length === 0 && outcome.pending === undefined;
    return failed ? { ...result, ...toolError(describe(outcome)) } : result;
  },
});

/** The server under a name; hand it to `servers.register`. */
export function taskServer(name: string, version: string, desk: TaskDesk): ServerDefinition {
  return localServer<Seat>({
    name,
    title: 'Task',
    version,
    isolation: 'task',
    visible: isTaskGrant,
    instructions:
      'What this task is about is in the resource task://context; it may grow while you work. Ask for missing tools with request_tools.',
    tools: [requestTools],
    resources: [
      {
        uri: 'task://context',
        name: 'context',
        title: 'Context of the task',
        description: 'The files of the task and everything that was added since',
        mimeType: 'text/markdown',
        read: ({ state }) => contextText(present(state)),
      },
      {
        uri: 'task://task',
        name: 'task',
        title: 'The task',
        description: 'How the task stands: phase, tools, counts, requests that wait',
        mimeType: 'application/json',
        read: async ({ state }) => statusJson(present(state), await desk.toolNames(state.entry)),
      },
    ],
    prompts: [
      {
        name: 'task_context',
        title: 'Context of the task',
        description: 'The files of the task and everything that was added since',
        get: (_args, { state }) => contextText(present(state)),
      },
    ],
    open: ({ grant = '' }, notifier) => {
      const entry = desk.ofGrant(grant);
      if (entry === undefined) throw new Error('this task is over');
      entry.ears.add(notifier);
      return { entry, notifier, desk };
    },
    close: ({ entry, notifier }) => void entry.ears.delete(notifier),
  });
}

function present({ entry }: Seat): TaskEntry {
  if (entry.gone) throw new Error('this task is over');
  return entry;
}

function describe({ granted, present: there, pending, refused }: Outcome): string {
  const lines = [
    ...(granted.length > 0 ? [`Granted: ${granted.join(', ')}. They are in your list of tools now.`] : []),
    ...(there.length > 0 ? [`You have already: ${there.join(', ')}.`] : []),
    ...(pending !== undefined
      ? [
          `A person must decide about ${pending.tools.join(', ')} (request ${pending.id}). You are told by a change of your list; go on meanwhile.`,
        ]
      : []),
    ...refused.map(({ tool, why }) => `Refused: ${tool}: ${why}.`),
  ];
  return lines.join('\n');
}
