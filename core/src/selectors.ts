// Selectors: how rules name tools (and resources and prompts), and what a set of rules lets through. Which rules hold is the board's business.
import { closest } from './nearest.ts';
import type { Rules } from './grant.ts';
import { compileGlob, maxAlternatives } from './glob.ts';
import type { Glob } from './glob.ts';

/** Selectors that one set of rules may hold, and characters that one may have. */
export const maxSelectors = 10_000;
export const maxSelectorLength = 512;

/** Selectors that get suggestions when they match nothing: each is compared with the whole catalogue. */
const maxSuggested = 20;

/** A name of the catalogue: a tool (or resource, or prompt) and the server it belongs to. */
export interface SelectableName {
  readonly server: string;
  readonly tool: string;
}

/** A selector that matches nothing, with up to three names that it may have meant. */
export interface UnmatchedSelector {
  readonly selector: string;
  readonly nearest: readonly string[];
}

/** Compiled rules. Deny beats allow; nothing is allowed that no pattern allows; the order of patterns does not matter. */
export interface RuleMatcher {
  allows(server: string, tool: string): boolean;
  /** True when a deny pattern means it, whatever allow patterns say. */
  denies(server: string, tool: string): boolean;
  /** True when one allow pattern covers all of the server (`github`, `github:*`, `*`) and no deny pattern does. */
  wholeServer(server: string): boolean;
  /** False when nothing of the server can be allowed: no allow pattern names it, or a deny pattern covers all of it. */
  mayAllow(server: string): boolean;
  /** Selectors that match no name of the catalogue. Those that may mean one of the `pending` servers, which are not listed yet, are left out. */
  unmatched(catalogue: Iterable<SelectableName>, pending?: readonly string[]): UnmatchedSelector[];
  /** What each allow selector stands for in a catalogue: tools by server, servers without a list included. */
  meanings(catalogue: ReadonlyMap<string, ReadonlySet<string>>): SelectorMeaning[];
}

/** What one selector stands for. */
export interface SelectorMeaning {
  readonly selector: string;
  /** Servers that it may mean. */
  readonly servers: readonly string[];
  readonly names: readonly SelectableName[];
}

/** What compiling depends on: bare forms such as `github_create_issue` are read by the servers that there are. */
export interface SelectorContext {
  /** Names of all registered servers, running or not. Compile again when they change. */
  readonly servers: readonly string[];
  /** The proxy's own name, for `mcp__<proxy>__server_tool`. */
  readonly proxy?: string;
}

/** What is wrong with a selector as written, or undefined. */
export function checkSelector(selector: string): string | undefined {
  if (selector.length > maxSelectorLength)
    return `selector of ${selector.length} characters (at most ${maxSelectorLength})`;
  const [server, tool] = splitSelector(selector);
  if (server === '' || tool === '')
    return `selector ${JSON.stringify(selector)}: write server:tool, e.g. github:create_* or github:*`;
  try {
    pairsOf(server, tool ?? '*');
    return undefined;
  } catch (error) {
    return `selector ${JSON.stringify(selector)}: ${(error as Error).message}`;
  }
}

/**
 * Compiles rules. Read are `server:tool` with globs in both parts, `*`, a bare `server`, `server_tool`, `mcp__server__tool` and
 * `mcp__<proxy>__server_tool`. Throws an Error naming the selector for one that {@link checkSelector} refuses.
 */
export function compileRules(rules: Rules, context: SelectorContext): RuleMatcher {
  const allow = new PatternSet(rules.allow, context);
  const deny = new PatternSet(rules.deny, context);
  return {
    allows: (server, tool) => allow.has(server, tool) && !deny.has(server, tool),
    denies: (server, tool) => deny.has(server, tool),
    wholeServer: (server) => allow.hasWhole(server) && !deny.hasWhole(server),
    mayAllow: (server) => allow.touches(server) && !deny.hasWhole(server),
    unmatched: (catalogue, pending = []) =>
      findUnmatched([...allow.patterns, ...deny.patterns], catalogue, pending, context),
    meanings: (catalogue) => allow.patterns.map((pattern) => meaningOf(pattern, catalogue)),
  };
}

/** One selector: the pairs of globs that it stands for. */
interface Pattern {
  readonly selector: string;
  readonly pairs: readonly Pair[];
}

interface Pair {
  readonly server: Glob;
  readonly tool: Glob;
}

/** Patterns by how fast they are looked up: literal pairs, whole servers, globs of one server, and those that must be tried one by one. */
class PatternSet {
  readonly patterns: readonly Pattern[];
  #everything = false;
  readonly #whole = new Set<string>();
  readonly #literal = new Map<string, Set<string>>();
  readonly #toolGlobs = new Map<string, Glob[]>();
  readonly #globs: Pair[] = [];

  constructor(selectors: readonly string[], context: SelectorContext) {
    if (selectors.length > maxSelectors) throw new Error(`${selectors.length} selectors (at most ${maxSelectors})`);
    const reader = new SelectorReader(context);
    this.patterns = selectors.map((selector) => ({ selector, pairs: reader.read(selector) }));
    for (const { pairs } of this.patterns) for (const pair of pairs) this.#add(pair);
  }

  #add(pair: Pair): void {
    const server = pair.server.literal;
    if (server === undefined) {
      if (isEverything(pair)) this.#everything = true;
      else this.#globs.push(pair);
    } else if (pair.tool.everything) this.#whole.add(server);
    else if (pair.tool.literal !== undefined)
      upsert(this.#literal, server, () => new Set<string>()).add(pair.tool.literal);
    else upsert(this.#toolGlobs, server, () => []).push(pair.tool);
  }

  has(server: string, tool: string): boolean {
    return (
      this.#everything ||
      this.#whole.has(server) ||
      this.#literal.get(server)?.has(tool) === true ||
      this.#toolGlobs.get(server)?.some((glob) => glob.matches(tool)) === true ||
      this.#globs.some((pair) => pair.server.matches(server) && pair.tool.matches(tool))
    );
  }

  touches(server: string): boolean {
    return (
      this.hasWhole(server) ||
      this.#literal.has(server) ||
      this.#toolGlobs.has(server) ||
      this.#globs.some((pair) => pair.server.matches(server))
    );
  }

  hasWhole(server: string): boolean {
    return (
      this.#everything ||
      this.#whole.has(server) ||
      this.#globs.some((pair) => pair.tool.everything && pair.server.matches(server))
    );
  }
}

/** Reads selectors as written into pairs of globs. */
class SelectorReader {
  /** Longest first, so that `my_server_tool` means server `my_server` where there is one, and not `my`. */
  readonly #servers: readonly string[];
  readonly #proxy: string;

  constructor(context: SelectorContext) {
    this.#servers = [...context.servers].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
    this.#proxy = context.proxy ?? 'plugboard';
  }

  read(selector: string): Pair[] {
    const problem = checkSelector(selector);
    if (problem !== undefined) throw new Error(problem);
    const [server, tool] = splitSelector(selector);
    if (tool !== undefined) return pairsOf(server, tool);
    return this.#readClientName(selector) ?? this.#readBare(selector);
  }

  /** `mcp__server__tool` and `mcp__<proxy>__server_tool`, as clients write names. */
  #readClientName(selector: string): Pair[] | undefined {
    if (!selector.startsWith('mcp__')) return undefined;
    const rest = selector.slice('mcp__'.length);
    const server = this.#servers.find(
      (name) => alike(rest, name) || alike(rest.slice(0, name.length + 2), `${name}__`),
    );
    if (server !== undefined)
      return rest.length === server.length
        ? whole(server)
        : pairsOf(escapeGlob(server), orAll(rest.slice(server.length + 2)));
    if (alike(rest, this.#proxy)) return pairsOf('*', '*');
    if (alike(rest.slice(0, this.#proxy.length + 2), `${this.#proxy}__`))
      return this.#readBare(orAll(rest.slice(this.#proxy.length + 2)));
    const cut = rest.indexOf('__');
    return cut < 1 ? pairsOf(orAll(rest), '*') : pairsOf(rest.slice(0, cut), orAll(rest.slice(cut + 2)));
  }

  /** `server`, `server_tool`, or a glob over server names. */
  #readBare(selector: string): Pair[] {
    for (const name of this.#servers) {
      if (alike(selector, name)) return whole(name);
      if (alike(selector.slice(0, name.length + 1), `${name}_`) && selector.length > name.length + 1) {
        return pairsOf(escapeGlob(name), selector.slice(name.length + 1));
      }
    }
    return pairsOf(selector, '*');
  }
}

const whole = (server: string) => pairsOf(escapeGlob(server), '*');

const orAll = (tool: string) => (tool === '' ? '*' : tool);

function pairsOf(server: string, tool: string): Pair[] {
  const servers = compileGlob(server);
  const tools = compileGlob(tool);
  if (servers.length * tools.length > maxAlternatives)
    throw new Error(`its braces expand to more than ${maxAlternatives} alternatives`);
  return servers.flatMap((serverGlob) => tools.map((toolGlob) => ({ server: serverGlob, tool: toolGlob })));
}

/** The two sides of the first colon; the second is undefined when there is none. */
function splitSelector(selector: string): [server: string, tool: string | undefined] {
  const cut = selector.indexOf(':');
  return cut < 0 ? [selector, undefined] : [selector.slice(0, cut), selector.slice(cut + 1)];
}

/** Equal when `-` and `_` count as the same: clients and agents mix them up. */
function alike(a: string, b: string): boolean {
  return a.length === b.length && a.replaceAll('-', '_') === b.replaceAll('-', '_');
}

/** A literal text as a glob. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]{},]/g, '\\$&');
}

function upsert<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function findUnmatched(
  patterns: readonly Pattern[],
  catalogue: Iterable<SelectableName>,
  pending: readonly string[],
  context: SelectorContext,
): UnmatchedSelector[] {
  const names = [...catalogue];
  const byServer = new Map<string, Set<string>>();
  for (const { server, tool } of names) upsert(byServer, server, () => new Set<string>()).add(tool);
  const matches = (pair: Pair) =>
    isEverything(pair) || matchesAny(pair, byServer) || pending.some((server) => pair.server.matches(server));
  const unmatched = patterns.filter(({ pairs }) => !pairs.some(matches));
  return unmatched.map(({ selector }, index) => ({
    selector,
    nearest: index < maxSuggested ? nearestNames(selector, context.servers, names) : [],
  }));
}

/** Up to three servers, or tools as `server:tool`, that a selector may have meant which matches nothing. */
export function nearestNames(
  selector: string,
  servers: readonly string[],
  names: readonly SelectableName[],
): readonly string[] {
  const [server, tool] = splitSelector(selector);
  // Beside a short name, `:*` alone would make a typo look far.
  if (tool === '*') return closest(server, servers, 3);
  return closest(selector, [...servers, ...names.map((each) => `${each.server}:${each.tool}`)], 3);
}

function meaningOf({ selector, pairs }: Pattern, catalogue: ReadonlyMap<string, ReadonlySet<string>>): SelectorMeaning {
  const servers = new Set<string>();
  const names = new Map<string, SelectableName>();
  for (const { server, tool } of pairs) {
    const { literal } = server;
    const meant = literal === undefined ? [...catalogue.keys()].filter((name) => server.matches(name)) : [literal];
    for (const name of meant) {
      const tools = catalogue.get(name);
      if (tools === undefined) continue;
      servers.add(name);
      const found = tool.literal === undefined ? [...tools].filter((each) => tool.matches(each)) : [tool.literal];
      for (const each of found) if (tools.has(each)) names.set(`${name}\0${each}`, { server: name, tool: each });
    }
  }
  return { selector, servers: [...servers], names: [...names.values()] };
}

function isEverything(pair: Pair): boolean {
  return pair.server.everything && pair.tool.everything;
}

function matchesAny(pair: Pair, byServer: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const { server, tool } = pair;
  if (server.literal !== undefined) return matchesTool(tool, byServer.get(server.literal));
  for (const [name, tools] of byServer) if (server.matches(name) && matchesTool(tool, tools)) return true;
  return false;
}

function matchesTool(glob: Glob, tools: ReadonlySet<string> | undefined): boolean {
  if (tools === undefined) return false;
  if (glob.literal !== undefined) return tools.has(glob.literal);
  for (const tool of tools) if (glob.matches(tool)) return true;
  return false;
}
