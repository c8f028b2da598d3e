// Tokens of tasks: made, found by their hash, refused. What a token is for, and when it expires, is asked of its task.
import { createHash, randomBytes } from 'node:crypto';
import { Unauthorized } from 'plugboard';
import type { TaskEntry } from './entry.ts';

/** All tokens of tasks begin with it, so that others are left to those who know them. */
export const tokenPrefix = 'pbt_';

export function newToken(): { readonly token: string; readonly hash: string } {
  const token = tokenPrefix + randomBytes(32).toString('base64url');
  return { token, hash: hashOf(token) };
}

export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Which task a token belongs to. */
export class Tokens {
  readonly #entries = new Map<string, TaskEntry>();
  /** Hashes of tokens that come from elsewhere, by the id of their task. */
  readonly #given: ReadonlyMap<string, string>;

  /** `given`: option `tokens`. */
  constructor(given: Readonly<Record<string, string>>) {
    this.#given = new Map(Object.entries(given).map(([id, token]) => [id, hashOf(token)]));
  }

  /** True for a token that is in force, or was when it was last looked at. */
  has(token: string): boolean {
    return this.#entries.has(hashOf(token));
  }

  /** Knows the tokens of a task from now on, and no others of it. */
  index(entry: TaskEntry): void {
    this.drop(entry);
    const given = this.#given.get(entry.id);
    if (given !== undefined) {
      this.#entries.set(given, entry);
      entry.hashes.push(given);
    }
    const { token } = entry.record;
    if (token === undefined) return;
    this.#entries.set(token.hash, entry);
    entry.hashes.push(token.hash);
    if (token.previous === undefined || token.previous.until <= Date.now()) return;
    this.#entries.set(token.previous.hash, entry);
    entry.hashes.push(token.previous.hash);
  }

  /** Refuses all tokens of a task from now on. */
  drop(entry: TaskEntry): void {
    for (const hash of entry.hashes) this.#entries.delete(hash);
    entry.hashes.length = 0;
  }

  /**
   * The task of a token. Throws `Unauthorized`, with the same words for a token that never was, was revoked or rotated, has expired,
   * or belonged to a task that is gone.
   */
  find(token: string, now = Date.now()): TaskEntry {
    const hash = hashOf(token);
    const entry = this.#entries.get(hash);
    if (entry === undefined || entry.gone) throw new Unauthorized();
    if (this.#given.get(entry.id) === hash) return entry;
    const { previous } = entry.record.token ?? {};
    if (previous?.hash === hash && previous.until <= now) throw new Unauthorized();
    const expiry = entry.expiresAt;
    if (expiry === undefined || expiry <= now) throw new Unauthorized();
    return entry;
  }
}
