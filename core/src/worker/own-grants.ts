// The grants that a plugin in a worker has answered with: every answer is a copy, and the proxy knows a grant by its identity.
import { isDeepStrictEqual } from 'node:util';
import type { Grant } from '../grant.ts';

/** The oldest is forgotten when there are more. */
const most = 10_000;

export class OwnGrants {
  readonly #grants = new Map<string, Grant>();

  /** The same object as long as the plugin says the same of a grant. */
  keep(grant: Grant): Grant {
    const known = this.#grants.get(grant.id);
    if (known !== undefined && isDeepStrictEqual(known, grant)) return known;
    this.#grants.delete(grant.id);
    this.#grants.set(grant.id, grant);
    const [oldest] = this.#grants.keys();
    if (this.#grants.size > most && oldest !== undefined) this.#grants.delete(oldest);
    return grant;
  }

  /** True for a grant that the plugin made. */
  has(grant: Grant): boolean {
    return this.#grants.get(grant.id) === grant;
  }
}
