// Glob patterns of one call of `directory_tree` or `search_files`. The walk over folders is in `walk.ts`.
import { setImmediate } from 'node:timers/promises';
import { Minimatch } from 'minimatch';
import { LimitError } from './errors.ts';
import { withinTime } from './time-limit.ts';

/** How many paths are tried before others get a turn, and ms that these may take. */
const batchSize = 1000;
const batchTime = 500;
/** ms that all paths of one call may take. */
const callTime = 10_000;

/**
 * True for patterns that a made-up name can keep busy for ever: very long ones, choices, more than two wildcards in one
 * name or in the whole path. The usual ones need no watch, which costs more than they do.
 */
function isRisky(source: string): boolean {
  const names = source.split('/');
  const anywhere = names.filter((name) => name === '**').length;
  if (source.length > 1000 || /[({]/.test(source)) return true;
  return anywhere > 2 || names.some((name) => name !== '**' && name.split('*').length > 3);
}

export class Patterns {
  readonly #sources: readonly string[];
  readonly #risky: boolean;
  #compiled: readonly Minimatch[] | undefined;
  #spent = 0;

  constructor(sources: readonly string[]) {
    this.#sources = sources;
    this.#risky = sources.length > 20 || sources.some(isRisky);
  }

  /** Those of the paths that match any pattern. Throws when that takes too long. */
  async matching(paths: readonly string[]): Promise<Set<string>> {
    const found = new Set<string>();
    if (this.#sources.length === 0) return found;
    for (let start = 0; start < paths.length; start += batchSize) {
      if (start > 0) await setImmediate();
      for (const path of this.#tryBatch(paths.slice(start, start + batchSize))) found.add(path);
    }
    return found;
  }

  #tryBatch(paths: readonly string[]): string[] {
    const start = performance.now();
    const filter = () => paths.filter((path) => this.#matches(path));
    const found = this.#risky ? withinTime(batchTime, 'the patterns', filter) : filter();
    this.#spent += performance.now() - start;
    if (this.#spent > callTime) throw new LimitError(`the patterns take longer than ${callTime} ms: make them simpler`);
    return found;
  }

  #matches(path: string): boolean {
    // A pattern that begins with # is a comment, for Minimatch too: it matches nothing.
    this.#compiled ??= this.#sources.map((source) => new Minimatch(source, { dot: true }));
    return this.#compiled.some((pattern) => pattern.match(path));
  }
}

/** What `directory_tree` leaves out: a pattern without `*` means a name at any depth. */
export function treeExclusions(patterns: readonly string[]): Patterns {
  return new Patterns(
    patterns.flatMap((pattern) => (pattern.includes('*') ? [pattern] : [pattern, `**/${pattern}`, `**/${pattern}/**`])),
  );
}
