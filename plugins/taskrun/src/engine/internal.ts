// Internal tools of the agent: which selectors mean them, and the rules in force after live changes.
import { canonicalName } from '../render/internal-tools-known.ts';
import type { InternalTools } from '../task.ts';
import type { LiveChange } from './record.ts';

const prefix = 'internal:';

/** True when a live change is about an internal tool. */
export const isInternal = (selector: string) => selector.startsWith(prefix);

/** The selector as it is kept: permission rules of internal tools (`Bash(rm:*)`, `WebFetch`) get `internal:` in front. */
export function marked(selector: string): string {
  const tool = /^([A-Z][A-Za-z]*)(?:\(.*\))?$/s.exec(selector)?.[1];
  return tool !== undefined && canonicalName(tool) !== undefined ? prefix + selector : selector;
}

/** The permission rule of a marked selector. */
export const ruleOf = (selector: string) => selector.slice(prefix.length);

/** The rules of internal tools in force: what was switched on or off since the object was written wins over it. */
export function internalTools(written: InternalTools, live: readonly LiveChange[]): InternalTools {
  const allow = new Set(written.allow);
  const deny = new Set(written.deny);
  for (const { selector, on } of live) {
    if (!isInternal(selector)) continue;
    const rule = ruleOf(selector);
    (on ? deny : allow).delete(rule);
    (on ? allow : deny).add(rule);
  }
  return { allow: [...allow], deny: [...deny] };
}
