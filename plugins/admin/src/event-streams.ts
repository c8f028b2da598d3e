// The open event streams (server-sent events): who reads how far. A stream reads the event log at its own pace; nothing is queued for it.
import type { ServerResponse } from 'node:http';
import { Problem } from 'plugboard';
import type { Log, ManagementEvent } from 'plugboard';
import { EventLog } from './event-log.ts';
import type { LoggedEvent } from './event-log.ts';
import { ProblemWithHeaders } from './problems.ts';

export interface StreamLimits {
  /** Events kept. */
  readonly events: number;
  /** Streams at a time. */
  readonly streams: number;
  /** ms between comments that keep the connection alive. */
  readonly keepAlive: number;
  /** ms that a reader may take nothing. */
  readonly stallTimeout: number;
}

/** ms after which a client connects again when its stream breaks. */
const retry = 2000;

interface Stream {
  readonly response: ServerResponse;
  readonly wants: (type: string) => boolean;
  /** Number of the last event that was sent or passed over. */
  sent: number;
  /** When the reader stopped reading; undefined while it reads. */
  blockedAt: number | undefined;
}

/** All streams, and the log they read. */
export class EventStreams {
  readonly log: EventLog;
  readonly #limits: StreamLimits;
  readonly #report: Log;
  readonly #streams = new Set<Stream>();
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(limits: StreamLimits, report: Log) {
    this.log = new EventLog(limits.events);
    this.#limits = limits;
    this.#report = report;
    this.#timer = setInterval(() => this.#keepAlive(), Math.min(limits.keepAlive, limits.stallTimeout));
    this.#timer.unref();
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Puts an event on all streams. */
  publish(event: ManagementEvent): void {
    if (this.#closed) return;
    this.log.add(event);
    for (const stream of this.#streams) this.#pump(stream);
  }

  /**
   * Answers with a stream that goes on behind the event `lastId`, or with the next event when there is none. What was missed for good is
   * said by an event `reset`. Throws a {@link Problem} (503) when there are too many streams.
   */
  open(response: ServerResponse, lastId: string | undefined, wants: (type: string) => boolean): void {
    if (this.#closed) throw new Problem(503, 'stopping', 'The management API is stopping; connect again.');
    if (this.#streams.size >= this.#limits.streams) {
      const detail = `There are ${this.#limits.streams} event streams already (option \`streams\`); close one, or try again later.`;
      throw new ProblemWithHeaders(503, 'streams-exhausted', detail, { 'Retry-After': '10' });
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' });
    const resumed = lastId === undefined ? this.log.newest : this.log.after(lastId);
    const stream: Stream = { response, wants, sent: resumed ?? this.log.newest, blockedAt: undefined };
    this.#streams.add(stream);
    response.on('drain', () => {
      stream.blockedAt = undefined;
      this.#pump(stream);
    });
    response.once('close', () => this.#streams.delete(stream));
    // The id at once: who loses the connection before the first event goes on from here all the same.
    this.#write(
      stream,
      `retry: ${retry}\nid: ${this.log.idOf(stream.sent)}\n${resumed === undefined ? this.#reset() : ': open\n\n'}`,
    );
    this.#pump(stream);
  }

  /** Ends all streams; from now on nothing is published. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const { response } of this.#streams) response.end();
  }

  /** Sends what the stream has not had yet, as far as its reader takes it. */
  #pump(stream: Stream): void {
    while (stream.blockedAt === undefined && stream.sent < this.log.newest) {
      const next = this.log.get(stream.sent + 1);
      if (next === undefined) {
        this.#drop(stream, 'it is further behind than events are kept');
        return;
      }
      stream.sent += 1;
      if (stream.wants(next.event.type)) this.#write(stream, this.#format(next));
    }
    if (stream.blockedAt !== undefined && stream.sent < this.log.oldest - 1)
      this.#drop(stream, 'it is further behind than events are kept');
  }

  #write(stream: Stream, text: string): void {
    if (!stream.response.write(text)) stream.blockedAt ??= performance.now();
  }

  #format({ number, at, event: { type, subject, data } }: LoggedEvent): string {
    const json = JSON.stringify({ type, subject, at: new Date(at).toISOString(), data });
    return `id: ${this.log.idOf(number)}\nevent: ${type.replace(/[\r\n]/g, '')}\ndata: ${json}\n\n`;
  }

  #reset(): string {
    const reason = 'events since Last-Event-ID are no longer kept: read anew what you show';
    return `event: reset\ndata: ${JSON.stringify({ type: 'reset', subject: '', at: new Date().toISOString(), data: { reason } })}\n\n`;
  }

  #keepAlive(): void {
    const now = performance.now();
    for (const stream of this.#streams) {
      if (stream.blockedAt === undefined) this.#write(stream, ': alive\n\n');
      else if (now - stream.blockedAt > this.#limits.stallTimeout) this.#drop(stream, 'its reader takes nothing');
    }
  }

  /** The client comes back with its last id, and hears `reset` if that is too old. */
  #drop(stream: Stream, reason: string): void {
    this.#streams.delete(stream);
    stream.response.destroy();
    this.#report.info(`an event stream was closed: ${reason}`);
  }
}
