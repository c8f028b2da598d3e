// One HTTP request and its response as messages, however it is sent. What the messages mean is the sink's business.
import { Pieces } from 'plugboard';
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
  started?(status: number, from: Pick<Reply, 'headers'>): void;
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
  /** Of this request alone, in the order of sending. */
  readonly serial: number;
  readonly ended: boolean;
  /** Gives the request up, wherever it is; the sink is told at once. */
  abort(reason: Error): void;
}

/** What a request is sent by. */
export interface Carrier {
  abort(reason: Error): void;
}

/** The response was longer than is read. */
export class TooLong extends Error {}

const maxErrorBytes = 1024 * 1024;
const empty = Buffer.alloc(0);

let lastSerial = 0;

/** The number of the next request. */
export function nextSerial(): number {
  lastSerial += 1;
  return lastSerial;
}

/** One request and its response: gathers JSON, reads events, and ends exactly once. `ended` is told before the sink's `done`. */
export class Exchange implements Sent, Reply {
  readonly serial = nextSerial();
  status = 0;
  text = '';
  error: Error | undefined;
  readonly #limit: number;
  readonly #sink: ReplySink;
  readonly #onEnd: (exchange: Sent) => void;
  #carrier: Carrier | undefined;
  #aborted: Error | undefined;
  #ended = false;
  #headers: Headers | undefined;
  /** The head of a plain response, whose headers hardly anybody asks for. */
  #head: string | undefined;
  #mode: 'json' | 'events' | 'text' = 'text';
  #events: EventStream | undefined;
  #first: Buffer | undefined;
  /** All chunks, when there are more than one. */
  #more: Pieces | undefined;
  #size = 0;

  /** `limit`: the longest message that is read, in bytes. */
  constructor(limit: number, sink: ReplySink, ended: (exchange: Sent) => void) {
    this.#limit = limit;
    this.#sink = sink;
    this.#onEnd = ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get streamed(): boolean {
    return this.#mode === 'events';
  }

  get headers(): Headers {
    this.#headers ??= this.#head === undefined ? {} : headersIn(this.#head);
    return this.#headers;
  }

  abort(reason: Error): void {
    if (this.#ended) return;
    this.#aborted ??= reason;
    this.#carrier?.abort(this.#aborted);
    this.fail(this.#aborted);
  }

  /** The request has found something to be sent by, or to wait for. */
  carriedBy(carrier: Carrier): void {
    this.#carrier = carrier;
    // Aborted while it waited for a socket.
    if (this.#aborted !== undefined) carrier.abort(this.#aborted);
  }

  /** Status and headers of the response. */
  begin(status: number, headers: Headers): void {
    if (status < 200 || this.#ended) return;
    this.status = status;
    this.#headers = headers;
    const type = mediaType(headers);
    if (status < 300 && type === 'application/json') this.#mode = 'json';
    else if (status < 300 && type === 'text/event-stream') this.#read();
    this.#sink.started?.(status, this);
  }

  /** The same for a response with status 200 that is known to be events or JSON. */
  beginPlain(events: boolean, head: string): void {
    this.status = 200;
    this.#head = head;
    if (events) this.#read();
    else this.#mode = 'json';
    this.#sink.started?.(200, this);
  }

  /** A part of the body; it is kept. */
  data(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#events !== undefined) {
      this.#events.push(chunk);
      return;
    }
    this.#size += chunk.length;
    const good = this.status < 300;
    if (this.#size > (good ? this.#limit : maxErrorBytes)) {
      if (good) this.#tooLong();
    } else if (this.#first === undefined) this.#first = chunk;
    else {
      if (this.#more === undefined) {
        this.#more = new Pieces();
        this.#more.add(this.#first);
      }
      this.#more.add(chunk);
    }
  }

  /** The body is whole. */
  finish(): void {
    if (this.#ended) return;
    // It serves somebody else by now.
    this.#carrier = undefined;
    if (this.#mode === 'json' || this.#looksLikeJson()) {
      const bytes = this.#body();
      this.#forget();
      this.#sink.text?.(bytes);
    }
    this.fail(undefined);
  }

  /** Ends the exchange for the sink. */
  fail(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.error = error;
    if (this.#mode === 'text') this.text = this.#body().toString('utf8');
    this.#forget();
    this.#onEnd(this);
    this.#sink.done(this);
  }

  #body(): Buffer {
    if (this.#more !== undefined) return this.#more.take();
    return this.#first ?? empty;
  }

  #forget(): void {
    this.#first = undefined;
    this.#more = undefined;
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
    const byte = this.#first?.[0];
    return this.#mode === 'text' && this.status >= 200 && this.status < 300 && (byte === 0x7b || byte === 0x5b);
  }

  #tooLong(): void {
    this.abort(new TooLong(`a message of more than ${this.#limit} bytes`));
  }
}

/** Sends a request by undici; the response goes to the exchange. Never throws. */
export function dispatch(pool: Pool, request: Dispatcher.DispatchOptions, exchange: Exchange): void {
  try {
    pool.dispatch(request, {
      onRequestStart: (controller) => exchange.carriedBy(controller),
      onResponseStart: (_controller, status, headers) => exchange.begin(status, headers),
      onResponseData: (_controller, chunk) => exchange.data(chunk),
      onResponseEnd: () => exchange.finish(),
      onResponseError: (_controller, error) => exchange.fail(error),
    });
  } catch (error) {
    exchange.fail(error as Error);
  }
}

/** The headers of a head; of those that come twice, all values. */
function headersIn(head: string): Headers {
  const headers: Record<string, string | string[]> = {};
  for (const line of head.split('\r\n').slice(1, -1)) {
    const mark = line.indexOf(':');
    const name = line.slice(0, mark).toLowerCase();
    const value = line.slice(mark + 1).trim();
    const known = headers[name];
    headers[name] = known === undefined ? value : [known, value].flat();
  }
  return headers;
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
