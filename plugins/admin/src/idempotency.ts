// Requests that must not happen twice: the answers kept by Idempotency-Key. What a request does, and how an answer is sent, is not known here.
import { createHash } from 'node:crypto';
import { Problem } from 'plugboard';
import type { Log, Store, Stores } from 'plugboard';
import { ProblemWithHeaders } from './problems.ts';

/** What is sent for a route's result, and kept for its repetition. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string | undefined;
}

/** A request with a key. */
export interface Attempt {
  readonly actor: string;
  readonly key: string;
  /** All that must be the same for the request to be the same one. */
  readonly request: readonly (string | undefined)[];
  /** The answer must not be kept. */
  readonly secret: boolean;
}

/** ms that a key is remembered. */
const lifetime = 24 * 60 * 60 * 1000;

/** Characters of a body that is kept. */
const maxBody = 16 * 1024;

const prefix = 'idempotency/';

/** How the request of a key ended. `running` in a store means that the process ended first. */
type Kept = {
  readonly at: number;
  readonly fingerprint: string;
} & (
  | { readonly state: 'running' | 'secret' | 'large' }
  | {
      readonly state: 'done';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | undefined;
    }
);

/** The part of a store that is used here; without a store a map does. */
interface Shelf {
  get(key: string): Promise<{ readonly value: Kept } | undefined>;
  set(key: string, value: Kept): Promise<unknown>;
  delete(key: string): Promise<unknown>;
}

/** The keys of the last 24 hours. */
export class Idempotency {
  readonly #shelf: Shelf;
  readonly #log: Log;
  readonly #most: number;
  /** Key → when it was first used, oldest first. */
  readonly #index: Map<string, number>;
  /** Keys whose request is being answered → its fingerprint. */
  readonly #running = new Map<string, string>();

  private constructor(shelf: Shelf, index: Map<string, number>, most: number, log: Log) {
    this.#shelf = shelf;
    this.#index = index;
    this.#most = most;
    this.#log = log;
  }

  /** Keeps answers in the store, so that they outlive the process, or in memory when there is none. */
  static async open(stores: Stores | undefined, most: number, log: Log): Promise<Idempotency> {
    if (stores === undefined) return new Idempotency(memoryShelf(), new Map(), most, log);
    const store: Store<Kept> = await stores.open<Kept>('admin', { version: 1 });
    const entries = [...(await store.list(prefix))].sort((a, b) => a.value.at - b.value.at);
    return new Idempotency(store, new Map(entries.map(({ key, value }) => [key, value.at])), most, log);
  }

  /**
   * Runs a request unless its key has been used. Throws a {@link Problem}: 409 while the first is running, or when its answer is not
   * known; 422 when the key belongs to another request. A request that is refused has changed nothing, so its key may be used again.
   */
  async once(
    attempt: Attempt,
    run: () => Promise<Answer>,
  ): Promise<{ readonly answer: Answer; readonly replayed: boolean }> {
    const id = prefix + hash([attempt.actor, attempt.key]);
    const fingerprint = hash(attempt.request);
    const running = this.#running.get(id);
    if (running !== undefined) throw running === fingerprint ? stillRunning() : otherRequest();
    this.#running.set(id, fingerprint);
    try {
      const kept = await this.#find(id);
      if (kept !== undefined) return { answer: replay(kept, fingerprint), replayed: true };
      return { answer: await this.#first(id, fingerprint, attempt.secret, run), replayed: false };
    } finally {
      this.#running.delete(id);
    }
  }

  async #find(id: string): Promise<Kept | undefined> {
    const at = this.#index.get(id);
    if (at === undefined || at < Date.now() - lifetime) return undefined;
    return (await this.#shelf.get(id))?.value;
  }

  async #first(id: string, fingerprint: string, secret: boolean, run: () => Promise<Answer>): Promise<Answer> {
    const at = Date.now();
    this.#index.delete(id);
    this.#index.set(id, at);
    // Written before anything happens: after a crash in between nobody knows whether it did, and nobody shall do it again.
    await this.#shelf.set(id, { at, fingerprint, state: 'running' });
    let answer: Answer;
    try {
      answer = await run();
    } catch (error) {
      this.#index.delete(id);
      await this.#shelf.delete(id);
      throw error;
    }
    const { status, headers, body } = answer;
    const state = secret ? 'secret' : (body?.length ?? 0) > maxBody ? 'large' : 'done';
    const kept: Kept =
      state === 'done' ? { at, fingerprint, state, status, headers, body } : { at, fingerprint, state };
    await this.#keep(id, kept);
    return answer;
  }

  /** What has been done is done: that its answer cannot be kept is no reason to say that it failed. */
  async #keep(id: string, kept: Kept): Promise<void> {
    try {
      await this.#shelf.set(id, kept);
      await this.#forgetOld();
    } catch (error) {
      this.#log.error('the answer for an Idempotency-Key cannot be kept', { error });
    }
  }

  async #forgetOld(): Promise<void> {
    const oldest = Date.now() - lifetime;
    for (const [id, at] of this.#index) {
      if (at >= oldest && this.#index.size <= this.#most) break;
      if (this.#running.has(id) && this.#index.size <= this.#most * 2) break;
      this.#index.delete(id);
      await this.#shelf.delete(id);
    }
  }
}

/** Reads the header. Throws a {@link Problem} when it is no key: 1 to 255 visible characters, quotes around them allowed. */
export function readKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = header.trim().replace(/^"(.*)"$/, '$1');
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  const detail = 'Idempotency-Key must be 1 to 255 visible ASCII characters, e.g. a UUID.';
  throw new Problem(400, 'idempotency-key-malformed', detail);
}

function memoryShelf(): Shelf {
  const values = new Map<string, Kept>();
  return {
    get: (key) => {
      const value = values.get(key);
      return Promise.resolve(value === undefined ? undefined : { value });
    },
    set: (key, value) => Promise.resolve(values.set(key, value)),
    delete: (key) => Promise.resolve(values.delete(key)),
  };
}

function replay(kept: Kept, fingerprint: string): Answer {
  if (kept.fingerprint !== fingerprint) throw otherRequest();
  if (kept.state === 'done') return { status: kept.status, headers: kept.headers, body: kept.body };
  const details = {
    secret: 'This was done already. Its answer held a secret and was not kept; ask for a new one with another key.',
    large: 'This was done already. Its answer was too large to be kept; read what it was about instead.',
    running:
      'The proxy ended while it was doing this, so nobody knows whether it was done. Look, and use another key if it was not.',
  };
  throw new Problem(409, `idempotency-${kept.state === 'running' ? 'unknown' : kept.state}`, details[kept.state]);
}

function stillRunning(): Problem {
  const detail = 'The first request with this Idempotency-Key is still being answered; ask again in a moment.';
  return new ProblemWithHeaders(409, 'idempotency-running', detail, { 'Retry-After': '1' });
}

function otherRequest(): Problem {
  const detail = 'This Idempotency-Key belongs to another request; use a new key for each request.';
  return new Problem(422, 'idempotency-mismatch', detail);
}

function hash(parts: readonly (string | undefined)[]): string {
  return createHash('sha256')
    .update(JSON.stringify(parts.map((part) => part ?? null)))
    .digest('base64url');
}
