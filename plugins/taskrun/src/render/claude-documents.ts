// The documents of a task as Claude Code reads them: CLAUDE.md at its start, and the prompt. Live context is a resource of the proxy.
import type { Task } from '../task.ts';

const headings: Readonly<Record<string, string>> = {
  task: 'Task',
  'design-spec': 'Design',
  context: 'Context',
  'acceptance-criteria': 'Acceptance criteria',
};

/**
 * CLAUDE.md: the task's own one first, then its other documents but the prompt, what was added since, and where more of it comes from.
 * @param resources true when the agent can read resources of servers
 */
export function instructions(task: Task, proxy: string, resources: boolean): string {
  const { spec, context } = task;
  const own = spec.markdownFiles
    .filter(({ filename }) => isInstructions(filename))
    .map(({ content }) => content.trim());
  const documents = spec.markdownFiles
    .filter(({ filename, fileType }) => !isInstructions(filename) && fileType !== 'prompt')
    .map(({ filename, content, fileType }) => {
      const kind = fileType === undefined ? undefined : headings[fileType];
      return `## ${filename}${kind === undefined ? '' : ` (${kind})`}\n\n${content.trim()}`;
    });
  const added = context.map(({ version, text }) => `## Added in version ${version}\n\n${text.trim()}`);
  const about =
    `# Task ${spec.taskId} of ${spec.serviceName}\n\n` +
    `Your tools come from the MCP server \`${proxy}\`; the list may change while you work. ` +
    (resources ? 'What is added to this task later stands in its resource `task://context`. ' : '') +
    'When you need a tool that is not in your list, ask for it with `request_tools` and say why.';
  return `${[...own, about, ...documents, ...added].join('\n\n')}\n`;
}

/** The documents of type `prompt`, in order; undefined when there is none. */
export function promptText(task: Task): string | undefined {
  const prompts = task.spec.markdownFiles.filter(({ fileType }) => fileType === 'prompt');
  return prompts.length === 0 ? undefined : `${prompts.map(({ content }) => content.trim()).join('\n\n')}\n`;
}

function isInstructions(filename: string): boolean {
  return filename.toLowerCase() === 'claude.md';
}
