// Globs over names: `*`, `?`, `[a-c]`, `[!x]`, `{a,b}`, `\` before a literal. Which names are meant is the business of `selectors.ts`.
//
// Not picomatch or minimatch: they compile to a regular expression that backtracks. `*a*a*a*a*a*b` against 200 times `a` took two
// minutes there, and names come from servers that nobody vouches for. Here time grows with pattern × text and no faster. There are
// also no paths in names: `*` matches slashes and leading dots.

/** Alternatives that one pattern may expand to, so that nested braces stay cheap. */
export const maxAlternatives = 256;

type Token =
  | { readonly kind: 'literal'; readonly code: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | ClassToken;

interface ClassToken {
  readonly kind: 'class';
  readonly negated: boolean;
  /** Inclusive ranges of character codes. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** One alternative of a glob, after its braces were expanded. */
export class Glob {
  readonly #tokens: readonly Token[];
  /** The text itself when the glob has no wildcard. */
  readonly literal: string | undefined;

  private constructor(tokens: readonly Token[], literal: string | undefined) {
    this.#tokens = tokens;
    this.literal = literal;
  }

  /** A text without a wildcard, as most patterns are. */
  static plain(text: string): Glob {
    return new Glob([], text);
  }

  static of(tokens: readonly Token[]): Glob {
    if (tokens.some((token) => token.kind !== 'literal')) return new Glob(tokens, undefined);
    return Glob.plain(
      tokens.map((token) => (token.kind === 'literal' ? String.fromCharCode(token.code) : '')).join(''),
    );
  }

  /** True for `*`: it matches every text. */
  get everything(): boolean {
    return this.#tokens.length === 1 && this.#tokens[0]?.kind === 'star';
  }

  /** True when the whole text matches. A mismatch goes back to the last star only, which is enough: earlier ones took the least they could. */
  matches(text: string): boolean {
    if (this.literal !== undefined) return text === this.literal;
    const tokens = this.#tokens;
    let at = 0;
    let token = 0;
    let starToken = -1;
    let starAt = 0;
    while (at < text.length) {
      const current = tokens[token];
      if (current?.kind === 'star') {
        starToken = token++;
        starAt = at;
      } else if (current !== undefined && accepts(current, text.charCodeAt(at))) {
        token++;
        at++;
      } else if (starToken >= 0) {
        token = starToken + 1;
        at = ++starAt;
      } else return false;
    }
    while (tokens[token]?.kind === 'star') token++;
    return token === tokens.length;
  }
}

/** Compiles a pattern to its alternatives. Throws an Error that says what is wrong when braces expand to more than 256. */
export function compileGlob(pattern: string): Glob[] {
  if (!special.test(pattern)) return [Glob.plain(pattern)];
  return expandBraces(pattern).map((alternative) => Glob.of(tokenize(alternative)));
}

/** What makes a pattern more than a text. */
const special = /[\\*?[{]/;

function accepts(token: Token, code: number): boolean {
  if (token.kind === 'literal') return token.code === code;
  if (token.kind === 'class') return token.ranges.some(([from, to]) => code >= from && code <= to) !== token.negated;
  return true;
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (character === '?') tokens.push({ kind: 'any' });
    else if (character === '[') {
      const end = classEnd(pattern, at);
      tokens.push(end < 0 ? { kind: 'literal', code: pattern.charCodeAt(at) } : readClass(pattern.slice(at + 1, end)));
      if (end >= 0) at = end;
    } else {
      if (character === '\\' && at + 1 < pattern.length) at++;
      tokens.push({ kind: 'literal', code: pattern.charCodeAt(at) });
    }
  }
  return tokens;
}

/** Index of the `]` that closes the class opened at `start`, or -1: then the bracket is a literal, as shells have it. */
function classEnd(pattern: string, start: number): number {
  const negated = pattern[start + 1] === '!' || pattern[start + 1] === '^';
  return pattern.indexOf(']', start + (negated ? 3 : 2));
}

function readClass(body: string): ClassToken {
  const negated = body.startsWith('!') || body.startsWith('^');
  const members = negated ? body.slice(1) : body;
  const ranges: [number, number][] = [];
  for (let at = 0; at < members.length; at++) {
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    ranges.push([members.charCodeAt(at), members.charCodeAt(isRange ? at + 2 : at)]);
    if (isRange) at += 2;
  }
  return { kind: 'class', negated, ranges };
}

/** `a{b,c}d` → `abd`, `acd`. Braces without a comma stay as they are, so that URI templates can be written. */
function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [{ text: pattern, from: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const group = findGroup(next.text, next.from);
    if (group === undefined) done.push(next.text);
    else {
      const { text } = next;
      // Put back in reverse, so that alternatives come out in the order they are written.
      for (const choice of group.choices.toReversed()) {
        open.push({ text: text.slice(0, group.start) + choice + text.slice(group.end + 1), from: group.start });
      }
    }
    if (done.length + open.length > maxAlternatives)
      throw new Error(`its braces expand to more than ${maxAlternatives} alternatives`);
  }
  return [...new Set(done)];
}

interface Group {
  readonly start: number;
  readonly end: number;
  readonly choices: readonly string[];
}

/** The first group of braces with a comma in it, at or after `from`. One pass; a stack holds the groups that are open. */
function findGroup(text: string, from: number): Group | undefined {
  const open: { start: number; commas: number[] }[] = [];
  let first: Group | undefined;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '{') open.push({ start: at, commas: [] });
    else if (character === ',') open.at(-1)?.commas.push(at);
    else if (character === '}') {
      const group = open.pop();
      if (group === undefined || group.commas.length === 0) continue;
      if (first === undefined || group.start < first.start)
        first = { start: group.start, end: at, choices: split(text, group, at) };
    }
    if (first !== undefined && open.length === 0) return first;
  }
  return first;
}

function split(text: string, group: { start: number; commas: number[] }, end: number): string[] {
  const cuts = [group.start, ...group.commas, end];
  return cuts.slice(1).map((cut, index) => text.slice((cuts[index] ?? 0) + 1, cut));
}
