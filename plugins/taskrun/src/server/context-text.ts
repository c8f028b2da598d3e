// The context of a task as its agent reads it: the files of the object, then what was appended since. Markdown.
import type { TaskEntry } from '../engine/entry.ts';

const headings = {
  task: 'Task',
  'design-spec': 'Design',
  prompt: 'Prompt',
  context: 'Context',
  'acceptance-criteria': 'Acceptance criteria',
} as const;

/** The whole context, newest part last. */
export function contextText({ record, spec }: Pick<TaskEntry, 'record' | 'spec'>): string {
  const about = `# Task ${spec.taskId} of ${spec.serviceName}\n\nContext version ${record.contextVersion}.`;
  const files = spec.markdownFiles.map(({ filename, content, fileType }) => {
    const kind =
      fileType !== undefined && fileType in headings ? ` (${headings[fileType as keyof typeof headings]})` : '';
    return `## ${filename}${kind}\n\n${content.trim()}`;
  });
  const parts = record.context.map(
    ({ at, by, version, text }) => `## Added in version ${version} by ${by} (${at})\n\n${text.trim()}`,
  );
  return `${[about, ...files, ...parts].join('\n\n')}\n`;
}

/** How the task stands, for its agent: without its manifest, which may hold what is none of the agent's business. */
export function statusJson(entry: TaskEntry, tools: readonly string[]): string {
  const { id, spec, record } = entry;
  const { phase, calls, refusals, conditions } = entry.status();
  const waiting = record.escalations.filter(({ state }) => state === 'pending');
  return JSON.stringify(
    {
      id,
      taskId: spec.taskId,
      serviceName: spec.serviceName,
      agentName: spec.agentName,
      contextVersion: record.contextVersion,
      phase,
      calls,
      refusals,
      conditions,
      tools,
      pendingRequests: waiting.map((each) => ({ id: each.id, tools: each.tools, requestedAt: each.requestedAt })),
    },
    undefined,
    2,
  );
}
