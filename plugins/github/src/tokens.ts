// Which token a grant works with. What a token is used for is not known here.
import { createHash } from 'node:crypto';

interface Rule {
  readonly token: string;
  readonly pattern: RegExp;
  /** Characters that stand for themselves. */
  readonly exactness: number;
}

/** Tokens by grant. An exact id beats every pattern, a pattern with more characters of its own beats one with fewer. */
export class Tokens {
  readonly #default: string | undefined;
  readonly #exact: ReadonlyMap<string, string>;
  readonly #patterns: readonly Rule[];

  constructor(byDefault: string | undefined, byGrant: Readonly<Record<string, string>>) {
    const entries = Object.entries(byGrant);
    this.#default = byDefault;
    this.#exact = new Map(entries.filter(([grant]) => !grant.includes('*')));
    this.#patterns = entries
      .filter(([grant]) => grant.includes('*'))
      .map(([grant, token]) => ({ token, pattern: compile(grant), exactness: grant.replaceAll('*', '').length }))
      .toSorted((a, b) => b.exactness - a.exactness);
  }

  /** The token of a grant; undefined: it has none, and GitHub is asked as nobody. */
  of(grant: string): string | undefined {
    return this.#exact.get(grant) ?? this.#patterns.find(({ pattern }) => pattern.test(grant))?.token ?? this.#default;
  }

  /** The token to list with, where no grant is known. */
  get any(): string | undefined {
    return this.#default ?? this.#exact.values().next().value ?? this.#patterns[0]?.token;
  }
}

/** Tells tokens apart without being one. */
export function fingerprintOf(token: string | undefined): string {
  return token === undefined ? 'nobody' : createHash('sha256').update(token).digest('hex').slice(0, 16);
}

function compile(glob: string): RegExp {
  const parts = glob.split(/\*+/).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
