// What is asked of GitHub and what comes back. Types, and what one asking keeps while it is under way.
import type { JsonObject } from 'plugboard';
import type { Place } from './place.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Ask {
  readonly method: Method;
  readonly place: Place;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly body?: JsonObject | undefined;
  /** `json` unless said otherwise. A `log` is fetched from wherever GitHub says that it is kept. */
  readonly as?: 'json' | 'raw' | 'diff' | 'log';
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  /** The parsed body; for anything but `json` a Buffer. */
  readonly data: unknown;
  /** True when there was more than may be read. Never for `json`. */
  readonly cut: boolean;
}

/** One asking on its way, with all its repeats. */
export class Attempt {
  readonly ask: Ask;
  readonly signal: AbortSignal;
  /** ms since 1970. */
  readonly deadline: number;
  /** True once GitHub may have heard of it. */
  sent = false;
  /** True when the body was longer than may be read. */
  cut = false;

  constructor(ask: Ask, signal: AbortSignal, maxWait: number) {
    this.ask = ask;
    this.signal = signal;
    this.deadline = Date.now() + maxWait;
  }

  get writes(): boolean {
    return this.ask.method !== 'GET';
  }

  /** True when there is time to wait that long (ms) and to ask once more. */
  allows(wait: number): boolean {
    return !this.signal.aborted && Date.now() + wait < this.deadline;
  }
}
