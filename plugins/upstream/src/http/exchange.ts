// One HTTP request and the reading of its response, by undici's dispatch interface. What the messages mean is the sink's business.
import type { Dispatcher, Pool } from 'undici';
import { EventStream } from './event-stream.ts';

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** How a response ended. */
export interface Reply {
  /** 0 when no response came at all. */
  readonly status: number;
  readonly headers: Headers;
  /** True when the body was an event stream. */
  readonly streamed: boolean;
  /** The body of a response that is neither JSON nor events, and of every response with an error status; bounded. */
  readonly text: string;
  /** Why it broke off; undefined when it came to its end. */
  readonly error: Error | undefined;
}

/** Receives a response. All but `done` are optional to make short sinks short. */
export interface ReplySink {
  /** Status and headers are there, the body is not. */
  started?(status: number, headers: Headers): void;
  /** One JSON text: a JSON body, or the data of an event of type `message`. */
  text?(bytes: Buffer): void;
  /** An event of another type. */
  event?(type: string, data: Buffer): void;
  id?(id: string): void;
  retry?(ms: number): void;
  /** The end, exactly once, whatever happened. */
  done(reply: Reply): void;
}

/** A request under way. */
export interface Sent {
  readonly ended: boolean;
  /** Gives the request up, wherever it is; the sink is told at once. */
  abort(reason: Error): void;
}

/** The response was longer than is read. */
export class TooLong extends Error {}

const maxErrorBytes = 1024 * 1024;

/** Sends a request; the response goes to the sink. Never throws. `ended` is told before the sink's `done`. */
export function exchange(
  pool: Pool,
  request: Dispatcher.DispatchOptions,
  limit: number,
  sink: ReplySink,
  ended: (exchange: Sent) => void,
): Sent {
  const handler = new Exchange(limit, sink, ended);
  try {
    pool.dispatch(request, handler);
  } catch (error) {
    handler.fail(error as Error);
  }
  return handler;
}

export class Exchange implements Dispatcher.DispatchHandler, Sent {
  readonly #limit: number;
  readonly #sink: ReplySink;
  readonly #onEnd: (exchange: Sent) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted: Error | undefined;
  #ended = false;
  #status = 0;
  #headers: Headers = {};
  #mode: 'json' | 'events' | 'text' = 'text';
  #events: EventStream | undefined;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(limit: number, sink: ReplySink, ended: (exchange: Sent) => void) {
    this.#limit = limit;
    this.#sink = sink;
    this.#onEnd = ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#controller?.abort(this.#aborted);
    this.fail(this.#aborted);
  }

  /** Ends the exchange for the sink. */
  fail(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this);
    const text = this.#mode === 'text' ? Buffer.concat(this.#chunks).toString('utf8') : '';
    this.#chunks = [];
    this.#sink.done({ status: this.#status, headers: this.#headers, streamed: this.#mode === 'events', text, error });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Aborted while it waited for a socket.
    if (this.#aborted !== undefined) controller.abort(this.#aborted);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    const type = mediaType(headers);
    if (status < 300 && type === 'application/json') this.#mode = 'json';
    else if (status < 300 && type === 'text/event-stream') this.#read();
    this.#sink.started?.(status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#events !== undefined) {
      this.#events.push(chunk);
      return;
    }
    this.#size += chunk.length;
    if (this.#size <= (this.#status < 300 ? this.#limit : maxErrorBytes)) this.#chunks.push(chunk);
    else if (this.#status < 300) this.#tooLong();
  }

  onResponseEnd(): void {
    if (this.#ended) return;
    if (this.#mode === 'json' || this.#looksLikeJson()) {
      const chunks = this.#chunks;
      this.#chunks = [];
      this.#sink.text?.(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#size));
    }
    this.fail(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  #read(): void {
    this.#mode = 'events';
    const sink = this.#sink;
    this.#events = new EventStream(this.#limit, {
      event: (data, type) => {
        if (type === 'message') sink.text?.(data);
        else sink.event?.(type, data);
      },
      id: (id) => sink.id?.(id),
      retry: (ms) => sink.retry?.(ms),
      tooLong: () => this.#tooLong(),
    });
  }

  /** Some servers forget the content type of a good answer. */
  #looksLikeJson(): boolean {
    const first = this.#chunks[0]?.[0];
    return this.#mode === 'text' && this.#status >= 200 && this.#status < 300 && (first === 0x7b || first === 0x5b);
  }

  #tooLong(): void {
    this.abort(new TooLong(`a message of more than ${this.#limit} bytes`));
  }
}

/** The media type of a response without parameters, in lower case. */
export function mediaType(headers: Headers): string {
  const value = headerOf(headers, 'content-type') ?? '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** A header as one string. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
