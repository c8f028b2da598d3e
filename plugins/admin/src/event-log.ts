// The latest events, in order, for streams and for those who come back. Sending them lives in `event-streams.ts`.
import { randomBytes } from 'node:crypto';
import type { ManagementEvent } from 'plugboard';

/** An event with its place in the log. */
export interface LoggedEvent {
  readonly number: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly event: ManagementEvent;
}

/** A ring of events. Numbers count up from 1. */
export class EventLog {
  /** Ids of another process, or of another life of this plugin, begin differently. */
  readonly #epoch = randomBytes(6).toString('hex');
  readonly #ring: LoggedEvent[] = [];
  readonly #most: number;
  #newest = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Number of the newest event; 0: there was none yet. */
  get newest(): number {
    return this.#newest;
  }

  /** Number of the oldest event that is kept. */
  get oldest(): number {
    return this.#newest - this.#ring.length + 1;
  }

  add(event: ManagementEvent): void {
    this.#newest += 1;
    this.#ring[(this.#newest - 1) % this.#most] = { number: this.#newest, at: Date.now(), event };
  }

  /** The event of a number; undefined when it is no longer, or not yet, there. */
  get(number: number): LoggedEvent | undefined {
    const found = this.#ring[(number - 1) % this.#most];
    return found?.number === number ? found : undefined;
  }

  /** The id that a client sends back to go on behind an event. */
  idOf(number: number): string {
    return `${this.#epoch}-${number}`;
  }

  /** The number of the event behind which an id goes on; undefined when something behind it is lost. */
  after(id: string): number | undefined {
    const [epoch, digits = ''] = id.split('-');
    const number = Number(digits);
    if (epoch !== this.#epoch || !/^\d{1,15}$/.test(digits) || number > this.#newest) return undefined;
    return number >= this.oldest - 1 ? number : undefined;
  }
}
