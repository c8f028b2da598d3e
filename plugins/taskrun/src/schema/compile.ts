// From a validated spec to the one shape that the rest of the plugin works with. Reading and validating are in `read.ts`.
import type { Rules } from 'plugboard';
import type { EscalationPolicy, InternalTools, TaskServer, TaskSpec } from '../task.ts';
import type { CodeRunSpec } from './code-run.ts';
import { fromAgentTools, fromLocalTools } from './internal-tools.ts';
import type { CompiledInternalTools } from './internal-tools.ts';
import type { TaskRunSpec } from './task-run.ts';
import { definitionKeys } from './tool-config.ts';
import type { ToolConfig } from './tool-config.ts';

/** Selectors by the name of a preset. */
export type Presets = Readonly<Record<string, Rules>>;

export interface Compiled {
  readonly spec: TaskSpec;
  readonly warnings: readonly string[];
}

/** What both kinds say about tools, in one shape. */
interface Tooling {
  readonly toolConfig: ToolConfig | undefined;
  readonly remoteTools: readonly string[];
  readonly internal: readonly CompiledInternalTools[];
  readonly escalation: EscalationPolicy | undefined;
}

export function compileTaskRun(spec: TaskRunSpec, presets: Presets): Compiled {
  const { serviceName, agentName, toolConfig, agentTools, localTools, remoteTools } = spec;
  const internal: CompiledInternalTools[] = [];
  if (agentTools !== undefined) internal.push(fromAgentTools(agentTools));
  if (localTools !== undefined) internal.push(fromLocalTools(localTools));
  const tooling = { toolConfig, remoteTools: remoteTools ?? [], internal, escalation: toolConfig?.escalationPolicy };
  return compile('TaskRun', { ...spec, serviceName, agentName }, tooling, presets);
}

export function compileCodeRun(spec: CodeRunSpec, presets: Presets): Compiled {
  const { service, toolConfig, localTools, remoteTools, githubApp, githubUser } = spec;
  const tooling = {
    toolConfig,
    remoteTools: splitNames(remoteTools),
    internal: localTools === undefined ? [] : [fromLocalTools(splitNames(localTools))],
    escalation: spec.escalationPolicy ?? toolConfig?.escalationPolicy,
  };
  const agentName = githubApp ?? githubUser ?? 'agent';
  return compile('CodeRun', { ...spec, serviceName: service, agentName }, tooling, presets);
}

type Common = Pick<TaskRunSpec, 'taskId' | 'serviceName' | 'agentName' | 'contextVersion' | 'markdownFiles'> & {
  readonly model?: string | undefined;
  readonly workingDirectory?: string | undefined;
};

function compile(kind: TaskSpec['kind'], common: Common, tooling: Tooling, presets: Presets): Compiled {
  const { toolConfig, internal } = tooling;
  const servers = (toolConfig?.mcpServers ?? []).map(toServer);
  const tools = toolRules(tooling, servers, presets);
  const warnings = internal.flatMap((each) => each.warnings);
  if (tools.allow.length === 0) warnings.push('spec: names no tools of servers; the agent will see none');
  const spec: TaskSpec = {
    kind,
    taskId: common.taskId,
    serviceName: common.serviceName,
    agentName: common.agentName,
    model: common.model,
    contextVersion: common.contextVersion,
    markdownFiles: common.markdownFiles.map(({ filename, content, fileType }) => ({ filename, content, fileType })),
    workingDirectory: common.workingDirectory === '' ? undefined : common.workingDirectory,
    internalTools: internalRules(tooling),
    servers,
    tools,
    ceiling: toolConfig?.ceiling ?? { allow: ['*'], deny: [] },
    escalation: tooling.escalation ?? { mode: 'review', allow: [], deny: [] },
    workspace: toolConfig?.workspace,
  };
  return { spec, warnings };
}

/** Everything that says something about tools of servers, put together; deny beats allow wherever it stands. */
function toolRules({ toolConfig, remoteTools }: Tooling, servers: readonly TaskServer[], presets: Presets): Rules {
  const preset = toolConfig?.preset === undefined ? undefined : presets[toolConfig.preset];
  const own = servers.map(({ name, enabled, tools }) =>
    enabled
      ? { allow: ofServer(name, tools.allow), deny: ofServer(name, tools.deny) }
      : { allow: [], deny: [`${name}:*`] },
  );
  return merge([preset, toolConfig?.tools, { allow: remoteTools, deny: [] }, ...own]);
}

/** What the lists name, or everything when there is no list. */
function internalRules({ toolConfig, internal }: Tooling): InternalTools {
  const permissions = toolConfig?.internalTools?.permissions;
  const rules = merge([permissions, ...internal.map((each) => each.rules)]);
  return permissions === undefined && internal.length === 0 ? { allow: ['*'], deny: [] } : rules;
}

function toServer(entry: ToolConfig['mcpServers'][number]): TaskServer {
  const { name, enabled, tools, url, command } = entry;
  if (url === undefined && command === undefined) return { name, enabled, tools, definition: undefined };
  const given = definitionKeys.flatMap((key) => (entry[key] === undefined ? [] : [[key, entry[key]] as const]));
  return { name, enabled, tools, definition: Object.fromEntries(given) };
}

function ofServer(server: string, tools: readonly string[]): string[] {
  return tools.map((tool) => `${server}:${tool}`);
}

function merge(parts: readonly (Rules | undefined)[]): Rules {
  const all = (key: keyof Rules) => [...new Set(parts.flatMap((part) => part?.[key] ?? []))];
  return { allow: all('allow'), deny: all('deny') };
}

/** `a, b,c` as names. */
function splitNames(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
