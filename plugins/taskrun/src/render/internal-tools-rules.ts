// The grammar of Claude Code's permission rules: `Tool`, `Tool(content)`, with wildcards. Which calls a rule is about is not decided here.
import { canonicalName } from './internal-tools-known.ts';

/** A rule, read. */
export interface Rule {
  /** As written. */
  readonly text: string;
  /** The tool's name as Claude Code has it now; may hold `*`. */
  readonly tool: string;
  /** What stands in parentheses; undefined when the rule is about every call. */
  readonly content: string | undefined;
}

/** A rule that is not valid, and why. */
export interface Problem {
  readonly text: string;
  readonly problem: string;
}

const maxLength = 2000;

/** Reads a rule, `bash` as `Bash`. What Claude Code would refuse, or would accept and never match, is a problem. */
export function readRule(text: string): Rule | Problem {
  const split = text.length > maxLength ? undefined : splitRule(text.trim());
  if (split === undefined)
    return { text, problem: 'write Tool or Tool(content), such as Read or Bash(npm run test:*)' };
  const { name, content } = split;
  const tool = name.startsWith('mcp__') ? name : (canonicalName(name) ?? name);
  const problem = checkName(tool, content) ?? (content === undefined ? undefined : checkContent(tool, content));
  return problem === undefined ? { text, tool, content } : { text, problem };
}

export function isProblem(rule: Rule | Problem): rule is Problem {
  return 'problem' in rule;
}

/** The rule as Claude Code reads it. */
export function formatRule({ tool, content }: Pick<Rule, 'tool' | 'content'>): string {
  return content === undefined ? tool : `${tool}(${content.replaceAll(/[\\()]/g, '\\$&')})`;
}

/** True when the rule's name, which may hold `*`, is about the tool. `mcp__server` is about all tools of the server. */
export function namesTool(rule: Rule, tool: string): boolean {
  if (rule.tool === tool) return true;
  if (rule.tool.includes('*')) return globMatches(rule.tool, tool);
  return (
    rule.tool.startsWith('mcp__') &&
    !rule.tool.slice('mcp__'.length).includes('__') &&
    tool.startsWith(`${rule.tool}__`)
  );
}

/**
 * True when a text matches a pattern in which `*` stands for anything. It goes back to the last star only, so its time grows with
 * pattern × text: commands come from an agent that nobody vouches for.
 * @param one the character that stands for any single one, if there is such
 */
export function globMatches(pattern: string, text: string, one?: string): boolean {
  let at = 0;
  let next = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    if (pattern[next] === '*') {
      star = next++;
      starAt = at;
    } else if (next < pattern.length && (pattern[next] === text[at] || pattern[next] === one)) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (pattern[next] === '*') next++;
  return next === pattern.length;
}

/** The name and what stands in the outer parentheses; `\(`, `\)` and `\\` inside stand for themselves. `Bash(*)` is `Bash`. */
function splitRule(text: string): { name: string; content: string | undefined } | undefined {
  const [, name, inside] = /^([A-Za-z*][\w*-]*)(?:\(([^]*)\))?$/.exec(text) ?? [];
  if (name === undefined || inside?.trim() === '') return undefined;
  if (inside === undefined || inside === '*') return { name, content: undefined };
  let depth = 0;
  for (const [each] of inside.matchAll(/\\.|[()]/g)) {
    if (each === '(') depth++;
    else if (each === ')' && --depth < 0) return undefined;
  }
  return depth === 0 ? { name, content: inside.replaceAll(/\\([\\()])/g, '$1') } : undefined;
}

function checkName(tool: string, content: string | undefined): string | undefined {
  if (tool.startsWith('mcp__') && content !== undefined)
    return 'rules for tools of servers take nothing in parentheses';
  if (tool.includes('*') && content !== undefined) return 'a name with * takes nothing in parentheses';
  if (!/^(?:mcp__[\w*-]+|[A-Z*][\w*-]*)$/.test(tool)) return 'names of tools begin with a capital letter';
  return undefined;
}

function checkContent(tool: string, content: string): string | undefined {
  if (tool === 'Bash') {
    if (content.slice(0, -2).includes(':*')) return 'the :* must be at the end; inside, write *';
    if (/^:?\*?$/.test(content.trim())) return 'write a command before :*';
  } else if (tool === 'WebFetch') {
    if (!/^domain:[^\s/:]+$/.test(content)) return 'write WebFetch(domain:example.com)';
  } else if (tool === 'WebSearch') {
    if (/[*?]/.test(content)) return 'searches are compared as they are; wildcards are not read';
  } else if (['Read', 'Edit', 'Write', 'NotebookEdit', 'Glob'].includes(tool) && content.includes(':*')) {
    return ':* is for commands; for paths write * or **';
  }
  return undefined;
}
