// Asking an old-era server again for what is watched there, after a connection was lost: when, and how often. What is watched: `subscriptions.ts`.
import type { Lease } from './lease.ts';
import type { SubscribedUris } from './session.ts';
import type { Caller } from './upstream-call.ts';

/** One resource that somebody watches. */
export interface Watch {
  readonly uri: string;
  readonly subscriber: SubscribedUris;
  readonly caller: Caller;
  /** The connection that should tell of it, opened when there is none. Throws or rejects when there can be none now. */
  lease(): Lease | Promise<Lease>;
  /** Tells whoever watches to look again: nobody knows what has changed meanwhile. */
  changed(): void;
}

export interface RewatchingInit {
  /** What is watched, and no connection tells of: by the id of the lease that should. */
  missing(): ReadonlyMap<string, readonly Watch[]>;
  /** False while the server is down: it is asked when it is up. */
  ready(): boolean;
  /** Something about the server for the log, in words that go on from its name. */
  warn(what: string): void;
}

/** ms between attempts; a connection that lasts `healthyAfter` begins with the first again. */
const backoff = { first: 250, most: 30_000, healthyAfter: 10_000 };
/** So many connections in a row that do not outlive the question, and it is most likely the question that they die of: then a long rest, ms. */
const mostUnanswered = 3;
const rest = 600_000;

/** The attempts at one connection. */
interface Place {
  timer?: NodeJS.Timeout | undefined;
  asking: boolean;
  /** ms since the epoch: when it was asked last. */
  asked: number;
  attempts: number;
  /** In a row. */
  unanswered: number;
  /** What was logged last. */
  told?: string;
}

/** What one server is asked again. */
export class Rewatching {
  readonly #init: RewatchingInit;
  /** By the id of the lease. */
  readonly #places = new Map<string, Place>();
  #stopped = false;

  constructor(init: RewatchingInit) {
    this.#init = init;
  }

  /** The server is up. Connections of their own that have outlived its fall still tell, and are not asked. */
  up(): void {
    for (const [id, watches] of this.#init.missing()) this.#bring(id, this.#placeOf(id), watches);
  }

  /** A caller's connection was lost: it is opened again if somebody watches there, whether anybody calls or not. */
  lost(id: string): void {
    if (!this.#init.missing().has(id)) {
      this.forget(id);
      return;
    }
    const place = this.#placeOf(id);
    if (Date.now() - place.asked > backoff.healthyAfter) place.attempts = 0;
    this.#later(id, place);
  }

  /** A caller's connection was opened, perhaps by a call that did not wait for the next attempt. */
  opened(id: string): void {
    const place = this.#places.get(id);
    if (place !== undefined) this.#bring(id, place, this.#init.missing().get(id));
  }

  /** A connection was closed because nobody needs it. */
  forget(id: string): void {
    clearTimeout(this.#places.get(id)?.timer);
    this.#places.delete(id);
  }

  stop(): void {
    this.#stopped = true;
    for (const id of [...this.#places.keys()]) this.forget(id);
  }

  #placeOf(id: string): Place {
    const place = this.#places.get(id) ?? { asking: false, asked: 0, attempts: 0, unanswered: 0 };
    this.#places.set(id, place);
    return place;
  }

  #bring(id: string, place: Place, watches: readonly Watch[] | undefined): void {
    const resting = place.timer !== undefined && place.unanswered >= mostUnanswered;
    if (place.asking || resting) return;
    if (watches === undefined) {
      this.forget(id);
      return;
    }
    clearTimeout(place.timer);
    place.timer = undefined;
    place.asking = true;
    void this.#askAll(id, place, watches).finally(() => (place.asking = false));
  }

  async #askAll(id: string, place: Place, watches: readonly Watch[]): Promise<void> {
    place.asked = Date.now();
    const outcomes = await Promise.all(watches.map(ask));
    const refusals = outcomes.filter(({ kind }) => kind === 'refused');
    if (refusals[0] !== undefined)
      this.#tell(place, `tells no more of ${refusals.length} resources that are watched: ${refusals[0].why}`);
    const unanswered = outcomes.find(({ kind }) => kind === 'unanswered');
    const unopened = outcomes.find(({ kind }) => kind === 'unopened');
    if (unanswered !== undefined) place.unanswered += 1;
    else if (unopened === undefined) place.unanswered = 0;
    const failed = unanswered ?? unopened;
    if (failed === undefined) return;
    this.#later(id, place);
    this.#tell(place, `cannot be asked to tell again of what is watched (${id}); it is tried again: ${failed.why}`);
  }

  #later(id: string, place: Place): void {
    if (this.#stopped || this.#places.get(id) !== place) return;
    if (place.timer === undefined) place.attempts += 1;
    clearTimeout(place.timer);
    const wait = Math.min(backoff.first * 2 ** (place.attempts - 1), backoff.most);
    const next = () => {
      place.timer = undefined;
      if (this.#init.ready()) this.#bring(id, place, this.#init.missing().get(id));
    };
    place.timer = setTimeout(next, place.unanswered < mostUnanswered ? wait : rest);
  }

  /** The same again and again would bury everything else in the log. */
  #tell(place: Place, what: string): void {
    if (place.told !== what) this.#init.warn(what);
    place.told = what;
  }
}

interface Outcome {
  readonly kind: 'done' | 'refused' | 'unopened' | 'unanswered';
  readonly why: string;
}

/** Asks for one resource. Whoever watches goes on doing so even if the server refuses now: it may not after its next start. */
async function ask({ uri, subscriber, caller, lease, changed }: Watch): Promise<Outcome> {
  const done = { kind: 'done', why: '' } as const;
  let at: Lease | undefined;
  try {
    at = await lease();
    if (at.connection.era === 'new' || !subscriber.has(uri)) return done;
    const answer = await at.subscribe(uri, subscriber, caller);
    if (!subscriber.has(uri)) {
      at.unsubscribe(uri, subscriber, caller);
      return done;
    }
    if (answer.failed) return { kind: 'refused', why: `${uri}: ${answer.message.error?.message}` };
    changed();
    return done;
  } catch (failure) {
    // Nobody watches any more: that may be why.
    if (!subscriber.has(uri)) return done;
    const why = failure instanceof Error ? failure.message : String(failure);
    return { kind: at === undefined ? 'unopened' : 'unanswered', why };
  }
}
