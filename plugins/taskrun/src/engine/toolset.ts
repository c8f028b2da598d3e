// From what was asked for and what changed since to the rules of a grant. The later word wins; a ceiling wins over everything.
// What a selector means is the board's business: it is asked here, never read.
import type { Rules } from 'plugboard';

/** Selectors that add tools or take them away; a later layer wins over an earlier one. */
export interface Layer {
  readonly adds: boolean;
  readonly selectors: readonly string[];
}

/** What is known of the tools that there are now, as `server:tool`. */
export interface Catalogue {
  readonly tools: readonly string[];
  /** The tools that a selector stands for. */
  meaning(selector: string): ReadonlySet<string>;
}

/** Rules of which a tool must pass every one. */
export interface Compiled {
  readonly rules: readonly [Rules, ...Rules[]];
  /** True when the catalogue was asked: compile again when it changes. Until then a tool too few is shown, never one too many. */
  readonly volatile: boolean;
  /** True when some rule names tools one by one: it says nothing of whole servers any more. */
  readonly enumerated: boolean;
}

/** Which server's own layer the last one is, for a look at the text that saves asking the catalogue. */
interface LastWord {
  readonly server: string;
}

/**
 * Compiles layers. Rules know allow and deny with deny over allow, so a selector that is taken away can stand under `deny` only while no
 * later layer gives some of its tools back; one that does becomes a rule of its own, which lists what it leaves.
 */
export function compile(layers: readonly Layer[], catalogue: () => Catalogue, own: LastWord): Compiled {
  const allow = new Set(layers.flatMap(({ adds, selectors }) => (adds ? selectors : [])));
  const deny = new Set<string>();
  const bounds: Rules[] = [];
  let volatile = false;
  for (const [index, { adds, selectors }] of layers.entries()) {
    if (adds) continue;
    const later = new Set(layers.slice(index + 1).flatMap((each) => (each.adds ? each.selectors : [])));
    const givenBack: string[] = [];
    for (const selector of selectors) {
      if (later.has(selector)) continue;
      const asked = [...later].filter((each) => !apart(selector, each, own));
      if (asked.length === 0) deny.add(selector);
      else {
        volatile = true;
        if (overlaps(catalogue(), selector, asked)) givenBack.push(selector);
        else deny.add(selector);
      }
    }
    if (givenBack.length > 0) bounds.push(remainder(catalogue(), givenBack, later));
  }
  const base: Rules = { allow: [...allow], deny: [...deny] };
  return { rules: [base, ...bounds], volatile, enumerated: bounds.length > 0 };
}

/** Everything but what some selectors stand for, and what is given back later. New tools are not in it: compile again when there are. */
function remainder(catalogue: Catalogue, taken: readonly string[], later: ReadonlySet<string>): Rules {
  const gone = new Set(taken.flatMap((selector) => [...catalogue.meaning(selector)]));
  const left = catalogue.tools.filter((tool) => !gone.has(tool)).map(literal);
  return { allow: [...later, ...left], deny: [] };
}

function overlaps(catalogue: Catalogue, selector: string, others: readonly string[]): boolean {
  const meant = catalogue.meaning(selector);
  // What means nothing yet may mean anything later.
  if (meant.size === 0) return false;
  return others.some((other) => [...catalogue.meaning(other)].some((tool) => meant.has(tool)));
}

const pattern = /[*?[\]{}\\]/;

/** True when two selectors can be seen to have no tool in common without knowing what servers there are. */
function apart(selector: string, other: string, own: LastWord): boolean {
  const server = serverPart(selector);
  const otherServer = serverPart(other);
  if (server !== undefined && otherServer !== undefined && server !== otherServer) return true;
  // A bare name may mean a server or a tool of one; only where it says nothing like the server's name is it surely another.
  const fold = (text: string) => text.replaceAll('-', '_');
  const unlike = !selector.startsWith('mcp__') && !fold(selector).includes(fold(own.server));
  return otherServer === own.server && !pattern.test(selector) && unlike;
}

/** The literal server of `server:…`; undefined for a pattern and for a bare name. */
function serverPart(selector: string): string | undefined {
  const cut = selector.indexOf(':');
  const server = cut < 0 ? undefined : selector.slice(0, cut);
  return server === undefined || pattern.test(server) ? undefined : server;
}

/** `server:tool` as a selector that means just this one. */
export function literal(tool: string): string {
  return tool.replace(/[\\*?[\]{},]/g, '\\$&');
}

/** True for the selectors that plainly mean a whole server. */
export function meansWhole(selector: string, server: string): boolean {
  return selector === '*' || selector === '*:*' || selector === server || selector === `${server}:*`;
}
