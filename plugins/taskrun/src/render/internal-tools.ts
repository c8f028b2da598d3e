// Rules for the agent's internal tools: compiled into what Claude Code's settings take, and decided call by call for its PreToolUse hook.
// Tools of the proxy are no internal tools: the proxy itself decides about them.
import type { InternalTools } from '../task.ts';
import { allowsLine, deniesLine, readLine, readPattern } from './internal-tools-commands.ts';
import type { CommandLine } from './internal-tools-commands.ts';
import {
  canonicalName,
  fileTools,
  helperTools,
  knownTools,
  namedTools,
  programTools,
  shellTools,
} from './internal-tools-known.ts';
import { fitsPath } from './internal-tools-paths.ts';
import { formatRule, globMatches, isProblem, namesTool, readRule } from './internal-tools-rules.ts';
import type { Rule } from './internal-tools-rules.ts';

/** What Claude Code's settings take as `permissions.allow` and `permissions.deny`. */
export interface CompiledRules {
  readonly allow: string[];
  /** Rules that deny, and the bare names of all tools that no rule allows: a bare name hides the tool. */
  readonly deny: string[];
  readonly warnings: string[];
}

/** A call that the agent is about to make, as its PreToolUse hook tells it. */
export interface ToolCall {
  readonly tool_name: string;
  readonly tool_input: unknown;
  /** The agent's folder, absolute: rules with paths start there. */
  readonly cwd?: string | undefined;
}

export interface Decision {
  readonly decision: 'allow' | 'deny' | 'ask';
  /** For the agent and for people; never empty. */
  readonly reason: string;
}

/** What is wrong with a rule, or undefined. For whoever takes rules in. */
export function checkInternalRule(text: string): string | undefined {
  const rule = readRule(text);
  return isProblem(rule) ? `permission rule ${JSON.stringify(text)}: ${rule.problem}` : undefined;
}

/**
 * Compiles rules into those that Claude Code obeys. `*` and other wildcards stand for the tools that are known, since it ignores them among
 * rules that allow. Tools that no rule allows are hidden. A rule that denies and cannot be read hides everything: nothing is let through.
 */
export function compileInternal(rules: InternalTools): CompiledRules {
  const { allow, deny, broken } = read(rules);
  const warnings = broken.map(({ text, problem, list }) => {
    const effect = list === 'allow' ? 'it allows nothing' : 'until it is corrected, all internal tools are denied';
    return `permission rule ${JSON.stringify(text)}: ${problem}; ${effect}`;
  });
  const denied = broken.some(({ list }) => list === 'deny')
    ? [...knownTools]
    : deny.flatMap((rule) => compileDeny(rule, warnings));
  const allowed = allow.flatMap((rule) => compileAllow(rule, warnings));
  const hidden = knownTools.filter((tool) => !allow.some((rule) => namesTool(rule, tool)));
  const bare = new Set([...denied, ...hidden]);
  return {
    allow: [...new Set(allowed)].filter((rule) => !bare.has(toolOf(rule)) && !bare.has(rule)),
    deny: [...bare],
    warnings: [...new Set(warnings)],
  };
}

/** True when everything is allowed that is not denied: the agent's own list of tools needs no limit. */
export function allowsEverything(rules: InternalTools): boolean {
  return rules.allow.includes('*');
}

/** Tools that the agent should be offered, sorted: allowed in whole or in part, and not denied in whole. */
export function offeredTools(rules: InternalTools): string[] {
  const hidden = new Set(compileInternal(rules).deny);
  const named = read(rules).allow.flatMap(({ tool }) => (tool.includes('*') || tool.startsWith('mcp__') ? [] : [tool]));
  return [...new Set([...knownTools, ...named])].filter((tool) => !hidden.has(tool)).sort();
}

function toolOf(rule: string): string {
  return rule.replace(/\([^]*$/, '');
}

function compileAllow(rule: Rule, warnings: string[]): string[] {
  const { tool, content, text } = rule;
  if (tool.startsWith('mcp__') || tool === 'mcp*') {
    warnings.push(
      `permission rule ${JSON.stringify(text)}: names no internal tool and has no effect; tools of servers stand in toolConfig.mcpServers`,
    );
    return [];
  }
  if (tool.includes('*')) {
    const known = knownTools.filter((name) => namesTool(rule, name));
    if (known.length === 0) warnings.push(`permission rule ${JSON.stringify(text)}: fits no internal tool`);
    return known;
  }
  warnOfUnknown(tool, warnings);
  const family = fileTools[tool]?.rule;
  if (content !== undefined && family !== undefined && family !== tool) {
    const advice = `Claude Code reads paths on Read and Edit only; better write ${family}(${content})`;
    warnings.push(`permission rule ${JSON.stringify(text)}: ${advice}`);
    return [];
  }
  return [formatRule(rule)];
}

function compileDeny(rule: Rule, warnings: string[]): string[] {
  const { tool, content } = rule;
  if (tool.includes('*')) return tool.startsWith('mcp') ? [tool] : knownTools.filter((name) => namesTool(rule, name));
  if (!tool.startsWith('mcp__')) warnOfUnknown(tool, warnings);
  const family = fileTools[tool]?.rule;
  // Denying more than was asked for is the safe side.
  if (content !== undefined && family !== undefined) return [formatRule({ tool: family, content })];
  if (tool === 'Bash' && content === undefined) return [...shellTools];
  return [formatRule(rule)];
}

function warnOfUnknown(tool: string, warnings: string[]): void {
  if (canonicalName(tool) === undefined)
    warnings.push(
      `permission rule for ${tool}: the agent has no internal tool of that name (known: ${knownTools.join(', ')})`,
    );
}

interface Broken {
  readonly text: string;
  readonly problem: string;
  readonly list: 'allow' | 'deny';
}

function read(rules: InternalTools): { allow: Rule[]; deny: Rule[]; broken: Broken[] } {
  const broken: Broken[] = [];
  const readAll = (list: 'allow' | 'deny') =>
    rules[list].flatMap((text) => {
      const rule = readRule(text);
      if (!isProblem(rule)) return [rule];
      broken.push({ ...rule, list });
      return [];
    });
  return { allow: readAll('allow'), deny: readAll('deny'), broken };
}

/**
 * Decides about one call: a rule that denies it wins, then a rule that allows it; `ask` when no rule allows it, and when a rule may deny it
 * but that cannot be told from the call. An agent that runs without a person takes `ask` for a refusal.
 */
export function decide(rules: InternalTools, call: ToolCall): Decision {
  const { allow, deny, broken } = read(rules);
  const unreadable = broken.find(({ list }) => list === 'deny');
  if (unreadable !== undefined) {
    const { text, problem } = unreadable;
    return {
      decision: 'deny',
      reason: `The task's rule ${JSON.stringify(text)} cannot be read (${problem}); it must be corrected first.`,
    };
  }
  const tool = canonicalName(call.tool_name) ?? call.tool_name;
  const line = lineOf(tool, call);
  let unsure: Rule | undefined;
  for (const rule of deny) {
    const verdict = denies(rule, tool, call, line);
    if (verdict === 'yes') return { decision: 'deny', reason: `The task denies ${formatRule(rule)}.` };
    if (verdict === 'maybe') unsure ??= rule;
  }
  if (unsure !== undefined) {
    const reason = `The task denies ${formatRule(unsure)}, and it cannot be told that this call is something else. Write it plainly.`;
    return { decision: 'ask', reason };
  }
  if (helperTools.has(tool)) return { decision: 'allow', reason: `${tool} is the agent's own means.` };
  const allowing = allow.find((rule) => allows(rule, tool, call)) ?? (allowsParts(allow, line) ? 'parts' : undefined);
  if (allowing === undefined) return { decision: 'ask', reason: `No rule of the task allows this call of ${tool}.` };
  const rule = allowing === 'parts' ? 'every command of the line' : formatRule(allowing);
  return { decision: 'allow', reason: `The task allows ${rule}.` };
}

/** The command line of a call, read when it is asked for and once; undefined when it has none. */
function lineOf(tool: string, call: ToolCall): (() => CommandLine) | undefined {
  const command = shellTools.has(tool) ? member(call, 'command') : undefined;
  if (command === undefined) return undefined;
  let line: CommandLine | undefined;
  return () => (line ??= readLine(command));
}

function denies(
  rule: Rule,
  tool: string,
  call: ToolCall,
  line: (() => CommandLine) | undefined,
): 'yes' | 'maybe' | 'no' {
  const { content } = rule;
  if (content === undefined)
    return namesTool(rule, tool) || (rule.tool === 'Bash' && shellTools.has(tool)) ? 'yes' : 'no';
  if (rule.tool === 'Bash') {
    if (programTools.has(tool)) return 'maybe';
    if (!shellTools.has(tool)) return 'no';
    return line === undefined ? 'maybe' : deniesLine(readPattern(content), line());
  }
  const family = fileTools[tool];
  if (family !== undefined && fileTools[rule.tool]?.rule === family.rule) {
    const file = member(call, family.member);
    // Without a path, Grep and Glob look through the agent's folder and leave out what their own settings deny.
    if (file === undefined) return tool === 'Grep' || tool === 'Glob' ? 'no' : 'maybe';
    return fitsPath(content, file, call.cwd, 'deny') ? 'yes' : 'no';
  }
  if (!namesTool(rule, tool)) return 'no';
  return fitsContent(tool, content, call) ?? 'maybe';
}

function allows(rule: Rule, tool: string, call: ToolCall): boolean {
  const { content } = rule;
  // `*` is about internal tools; a tool of a server is named.
  if (content === undefined)
    return namesTool(rule, tool) && (!tool.startsWith('mcp__') || rule.tool.startsWith('mcp__'));
  const family = fileTools[tool];
  if (family !== undefined && (rule.tool === tool || rule.tool === family.rule)) {
    const file = member(call, family.member);
    return file !== undefined && fitsPath(content, file, call.cwd, 'allow');
  }
  return rule.tool === tool && fitsContent(tool, content, call) === 'yes';
}

/** Each command of a line may be allowed by another rule. */
function allowsParts(allow: readonly Rule[], line: (() => CommandLine) | undefined): boolean {
  const patterns = allow.flatMap((rule) =>
    rule.tool === 'Bash' && rule.content !== undefined ? [readPattern(rule.content)] : [],
  );
  return line !== undefined && patterns.length > 0 && allowsLine(patterns, line());
}

/** What stands in parentheses against the call, for tools other than those of commands and files; undefined when it cannot be told. */
function fitsContent(tool: string, content: string, call: ToolCall): 'yes' | 'no' | undefined {
  if (tool === 'WebFetch') {
    const host = hostOf(member(call, 'url'));
    const wanted = content.slice('domain:'.length).toLowerCase();
    return host === undefined ? undefined : globMatches(wanted, host) ? 'yes' : 'no';
  }
  const name = namedTools[tool];
  const value = name === undefined ? undefined : member(call, name);
  if (value === undefined) return undefined;
  const prefix = /^(.*?):\*$/.exec(content)?.[1];
  return value === content || (prefix !== undefined && value.startsWith(prefix)) ? 'yes' : 'no';
}

/** The host of a URL, as it is looked up: in lower case, without a last dot. */
function hostOf(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  try {
    return new URL(/^[a-z][a-z0-9+.-]*:/i.test(url) ? url : `https://${url}`).hostname.replace(/\.$/, '') || undefined;
  } catch {
    return undefined;
  }
}

function member(call: ToolCall, name: string): string | undefined {
  const input = call.tool_input;
  const value = typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
