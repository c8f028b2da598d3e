// The field's lists of internal tools (`agentTools`, `localTools`) as permission rules of Claude Code. Rendering them is not done here.
import type { InternalTools } from '../task.ts';
import type { TaskRunSpec } from './task-run.ts';

/** Internal tools of Claude Code by their names in lower case: the field writes `bash`, `web_fetch`, `multi-edit`. */
const toolNames: ReadonlyMap<string, string> = new Map(
  [
    'Agent',
    'Bash',
    'BashOutput',
    'Edit',
    'ExitPlanMode',
    'Glob',
    'Grep',
    'KillShell',
    'LS',
    'MultiEdit',
    'NotebookEdit',
    'NotebookRead',
    'Read',
    'Skill',
    'SlashCommand',
    'Task',
    'TodoRead',
    'TodoWrite',
    'WebFetch',
    'WebSearch',
    'Write',
  ].map((name) => [name.toLowerCase(), name]),
);

/** Tools whose rules take something in parentheses: a command, a path, a domain. */
const restrictable: Readonly<Record<string, RegExp>> = {
  // `:*` is a prefix match and valid at the end only.
  Bash: /^[^()\r\n]*?[^()\s:*][^()\r\n]*$/,
  Read: /^[^()\r\n]+$/,
  Edit: /^[^()\r\n]+$/,
  WebFetch: /^domain:[A-Za-z0-9.*-]+$/,
};

/** The name as Claude Code writes it, or undefined for one that it does not have. */
export function internalToolName(name: string): string | undefined {
  return toolNames.get(name.toLowerCase().replace(/[-_ ]/g, ''));
}

/** Rules and what could not be expressed as one. */
export interface CompiledInternalTools {
  readonly rules: InternalTools;
  readonly warnings: readonly string[];
}

/** `agentTools`: enabled ones are allowed, disabled ones denied, restrictions become rules that deny. */
export function fromAgentTools(tools: NonNullable<TaskRunSpec['agentTools']>): CompiledInternalTools {
  const allow: string[] = [];
  const deny: string[] = [];
  const warnings: string[] = [];
  for (const [index, tool] of tools.entries()) {
    const place = `spec.agentTools[${index}]`;
    const name = internalToolName(tool.name);
    if (name === undefined) {
      warnings.push(unknownName(`${place}.name`, tool.name));
      continue;
    }
    (tool.enabled ? allow : deny).push(name);
    for (const restriction of tool.restrictions ?? []) {
      if (isRestriction(name, restriction)) deny.push(`${name}(${restriction})`);
      else
        warnings.push(
          `${place}.restrictions: ${JSON.stringify(restriction)} is not a rule for ${name} and has no effect`,
        );
    }
  }
  return { rules: { allow, deny }, warnings };
}

/** `localTools`: names of tools, or whole permission rules. */
export function fromLocalTools(names: readonly string[]): CompiledInternalTools {
  const allow: string[] = [];
  const warnings: string[] = [];
  for (const each of names) {
    const name = internalToolName(each);
    if (name !== undefined) allow.push(name);
    else if (/^[A-Z][A-Za-z]*\([^()]+\)$/.test(each)) allow.push(each);
    else warnings.push(unknownName('spec.localTools', each));
  }
  return { rules: { allow, deny: [] }, warnings };
}

function isRestriction(name: string, restriction: string): boolean {
  const inside = name === 'Bash' && restriction.endsWith(':*') ? restriction.slice(0, -2) : restriction;
  return restrictable[name]?.test(inside) === true && !(name === 'Bash' && inside.includes(':*'));
}

function unknownName(place: string, name: string): string {
  return `${place}: ${JSON.stringify(name)} is not an internal tool of the agent and has no effect; tools of servers stand in remoteTools or toolConfig`;
}
