// Events kept for resumption: a bounded log per session, and the streams whose events it holds (2025-11-25, transports: resumability).
import type { RequestId } from 'plugboard';
import { type EventStream, frameOf, primingFrame } from './event-stream.ts';

interface Kept {
  readonly stream: ResumableStream;
  readonly place: number;
  readonly frame: Buffer;
  /** Id of the request that the event carries to the client, if it carries one. */
  readonly asked: RequestId | undefined;
}

export interface LogLimits {
  readonly maxEvents: number;
  readonly maxEventBytes: number;
}

/** The events of one session, oldest first, bounded by number and bytes. */
export class EventLog {
  readonly #limits: LogLimits;
  readonly #lost: (asked: RequestId) => void;
  readonly #kept: Kept[] = [];
  #bytes = 0;

  /** `lost` is told of a request that nobody has read and nobody will. */
  constructor(limits: LogLimits, lost: (asked: RequestId) => void) {
    this.#limits = limits;
    this.#lost = lost;
  }

  /** True when an event of so many bytes can be kept at all. */
  fits(bytes: number): boolean {
    return bytes <= this.#limits.maxEventBytes;
  }

  add(event: Kept): void {
    this.#kept.push(event);
    this.#bytes += event.frame.length;
    event.stream.kept += 1;
    while (this.#kept.length > this.#limits.maxEvents || this.#bytes > this.#limits.maxEventBytes) this.#drop();
  }

  /** Events of a stream after a place, oldest first. */
  after(stream: ResumableStream, place: number): Kept[] {
    return this.#kept.filter((event) => event.stream === stream && event.place > place);
  }

  #drop(): void {
    const event = this.#kept.shift();
    if (event === undefined) return;
    this.#bytes -= event.frame.length;
    event.stream.kept -= 1;
    event.stream.dropped = event.place;
    if (event.asked !== undefined && event.place > event.stream.sent) this.#lost(event.asked);
  }
}

/**
 * One stream of a session as the specification means it: it outlives the connections that carry it. Number 0 is the stream of messages
 * that belong to no request. Event ids are `<stream>-<place>`.
 */
export class ResumableStream {
  readonly number: number;
  /** Events of this stream in the log. */
  kept = 0;
  /** Place of the last event that the log has dropped; 0: none. */
  dropped = 0;
  /** Place of the last event that was given to a connection. */
  sent = 0;
  /** No event comes any more. */
  finished = false;
  /** Since when no connection carries the stream; undefined while one does. */
  detachedAt: number | undefined;
  readonly #log: EventLog;
  #carrier: EventStream | undefined;
  #last = 0;

  constructor(number: number, log: EventLog) {
    this.number = number;
    this.#log = log;
  }

  /** True while a connection carries the stream. */
  get carried(): boolean {
    return this.#carrier?.open === true;
  }

  /**
   * Sends a message, or keeps it until it can be sent. `substitute` is kept in place of a message that is too large to be kept;
   * without one such a message is sent to whoever is there and then forgotten.
   */
  send(payload: Buffer | string, asked?: RequestId, substitute?: string): void {
    const event = this.#next(payload, asked);
    const written = this.#carrier?.write(event.frame) === true;
    if (written) this.sent = event.place;
    if (this.#log.fits(event.frame.length)) this.#log.add(event);
    else if (substitute !== undefined) this.#log.add({ ...event, frame: frameOf(substitute, this.#idOf(event.place)) });
    else this.dropped = event.place;
  }

  /** Keeps a message for whoever resumes the stream, without sending it now. */
  keep(payload: string): void {
    this.#log.add(this.#next(payload, undefined));
  }

  /** Says that no event comes any more, which ends the connection that carries the stream. */
  finish(): void {
    this.finished = true;
    this.#carrier?.end();
    this.#carrier = undefined;
  }

  /**
   * Gives the stream to a connection; the one that carried it until now is ended. Replays the events after `place`, or those that no
   * connection has been given yet. `retry` (ms) asks for a priming event.
   */
  attach(carrier: EventStream, place: number | undefined, retry: number | undefined): void {
    this.#carrier?.end();
    this.#carrier = carrier;
    this.detachedAt = undefined;
    const from = place ?? this.sent;
    if (retry !== undefined) carrier.write(primingFrame(this.#idOf(from), retry));
    for (const event of this.#log.after(this, from)) {
      if (!carrier.write(event.frame)) return;
      this.sent = Math.max(this.sent, event.place);
    }
    if (this.finished) this.finish();
  }

  /** The connection that carried the stream is gone. */
  detach(carrier: EventStream, now: number): void {
    if (this.#carrier !== carrier) return;
    this.#carrier = undefined;
    this.detachedAt = now;
  }

  /** Ends the connection that carries the stream; the stream goes on. */
  hangUp(): void {
    this.#carrier?.end();
    this.#carrier = undefined;
  }

  beat(now: number): void {
    this.#carrier?.beat(now);
  }

  /** True when every event after a place is still there. */
  has(place: number): boolean {
    return place >= this.dropped && place <= this.#last;
  }

  #next(payload: Buffer | string, asked: RequestId | undefined): Kept {
    this.#last += 1;
    return { stream: this, place: this.#last, frame: frameOf(payload, this.#idOf(this.#last)), asked };
  }

  #idOf(place: number): string {
    return `${this.number}-${place}`;
  }
}
