// What is known about Claude Code's internal tools: their names, earlier names, which of them take commands, paths, URLs. Data only.

/** Tools that Claude Code has (2.1); which of them an agent is offered depends on its version, its platform and how it is started. */
export const knownTools: readonly string[] = [
  'Agent',
  'Artifact',
  'AskUserQuestion',
  'Bash',
  'CronCreate',
  'CronDelete',
  'CronList',
  'DesignSync',
  'Edit',
  'EnterPlanMode',
  'EnterWorktree',
  'ExitPlanMode',
  'ExitWorktree',
  'Glob',
  'Grep',
  'LSP',
  'ListAgents',
  'ListMcpResourcesTool',
  'Monitor',
  'NotebookEdit',
  'PowerShell',
  'Projects',
  'PushNotification',
  'REPL',
  'Read',
  'ReadMcpResourceDirTool',
  'ReadMcpResourceTool',
  'RemoteTrigger',
  'ReportFindings',
  'ScheduleWakeup',
  'SendMessage',
  'SendUserFile',
  'SendUserMessage',
  'Skill',
  'TaskCreate',
  'TaskGet',
  'TaskList',
  'TaskOutput',
  'TaskStop',
  'TaskUpdate',
  'TodoWrite',
  'WebFetch',
  'WebSearch',
  'Workflow',
  'Write',
];

/**
 * Tools by which the agent handles its own tools and its answer: they reach nothing else. They are there unless they are denied by name;
 * hiding `StructuredOutput` would break `--json-schema`.
 */
export const helperTools: ReadonlySet<string> = new Set(['StructuredOutput', 'ToolSearch', 'WaitForMcpServers']);

/** Earlier names and the names they have now: Claude Code reads a rule for one as a rule for the other. */
const renamed: Readonly<Record<string, string>> = {
  AgentOutput: 'TaskOutput',
  AgentOutputTool: 'TaskOutput',
  BashOutput: 'TaskOutput',
  BashOutputTool: 'TaskOutput',
  Brief: 'SendUserMessage',
  KillBash: 'TaskStop',
  KillShell: 'TaskStop',
  ListMcpResources: 'ListMcpResourcesTool',
  ListPeers: 'ListAgents',
  MultiEdit: 'Edit',
  NotebookRead: 'Read',
  ReadMcpResource: 'ReadMcpResourceTool',
  ReadMcpResourceDir: 'ReadMcpResourceDirTool',
  SlashCommand: 'Skill',
  Task: 'Agent',
};

const names: ReadonlyMap<string, string> = new Map([
  ...[...knownTools, ...helperTools].map((name) => [name.toLowerCase(), name] as const),
  ...Object.entries(renamed).map(([before, now]) => [before.toLowerCase(), now] as const),
]);

/** The name that Claude Code uses now, however it is written (`bash`, `web_fetch`, `KillShell`); undefined for one it does not have. */
export function canonicalName(name: string): string | undefined {
  return names.get(name.toLowerCase()) ?? names.get(name.toLowerCase().replaceAll(/[-_]/g, ''));
}

/** Tools whose input holds a command line for a POSIX shell, as `command`. A rule that denies commands to `Bash` holds for all of them. */
export const shellTools: ReadonlySet<string> = new Set(['Bash', 'Monitor']);

/** Tools that run commands or programs in a way that no command rule can judge. */
export const programTools: ReadonlySet<string> = new Set(['PowerShell', 'REPL']);

/** Tools that work on a file or folder: which rule with a path is about them, and where their input names it. */
export const fileTools: Readonly<Record<string, { readonly rule: 'Read' | 'Edit'; readonly member: string }>> = {
  Read: { rule: 'Read', member: 'file_path' },
  Grep: { rule: 'Read', member: 'path' },
  Glob: { rule: 'Read', member: 'path' },
  LSP: { rule: 'Read', member: 'filePath' },
  Edit: { rule: 'Edit', member: 'file_path' },
  Write: { rule: 'Edit', member: 'file_path' },
  NotebookEdit: { rule: 'Edit', member: 'notebook_path' },
};

/** Tools whose rules compare one member of the input with the text in parentheses. */
export const namedTools: Readonly<Record<string, string>> = {
  Agent: 'subagent_type',
  Skill: 'skill',
  WebSearch: 'query',
};
