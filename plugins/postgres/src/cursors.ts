// The open results of one task: tokens, their expiry, and how many there may be. What a cursor is lives in `cursor.ts`.
import { randomBytes } from 'node:crypto';
import type { RowCursor } from './cursor.ts';
import { Refusal } from './errors.ts';

interface Kept {
  readonly cursor: RowCursor;
  readonly timer: NodeJS.Timeout;
}

/** Cursors by token. A token is good once: each page comes with the next one. */
export class Cursors {
  readonly #kept = new Map<string, Kept>();
  readonly #closing = new Set<Promise<void>>();
  readonly #max: number;
  readonly #timeout: number;
  #closed = false;

  constructor(max: number, timeout: number) {
    this.#max = max;
    this.#timeout = timeout;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Keeps a cursor for the next page; the oldest gives way when there are too many. Undefined when none may be kept: it is closed then. */
  keep(cursor: RowCursor): string | undefined {
    if (this.#closed || this.#max === 0) {
      this.#close(cursor);
      return undefined;
    }
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= this.#max && oldest !== undefined) this.#drop(oldest);
    const token = randomBytes(18).toString('base64url');
    const timer = setTimeout(() => this.#drop(token), this.#timeout);
    timer.unref();
    this.#kept.set(token, { cursor, timer });
    return token;
  }

  /** Hands a cursor over to whoever shows its token. */
  take(token: string): RowCursor {
    const kept = this.#kept.get(token);
    if (kept === undefined)
      throw new Refusal(
        'there is no such cursor: it was used before, has expired, or gave way to newer ones. Run the query again, with an ORDER BY and a condition that skips what you have seen.',
      );
    clearTimeout(kept.timer);
    this.#kept.delete(token);
    return kept.cursor;
  }

  /** Closes all; none is kept from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const token of [...this.#kept.keys()]) this.#drop(token);
    await Promise.allSettled(this.#closing);
  }

  #drop(token: string): void {
    const kept = this.#kept.get(token);
    if (kept === undefined) return;
    clearTimeout(kept.timer);
    this.#kept.delete(token);
    this.#close(kept.cursor);
  }

  #close(cursor: RowCursor): void {
    const closing = cursor.close();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing)).catch(() => {});
  }
}
