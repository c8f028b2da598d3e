// Reads a server-sent event stream from bytes to bytes (WHATWG HTML, 9.2). Events are not interpreted here.
import { Pieces } from 'plugboard';

const lineFeed = 10;
const carriageReturn = 13;
const colon = 0x3a;
const space = 0x20;
const dataField = Buffer.from('data');
const feed = Buffer.from([lineFeed]);
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
const maxRetry = 3600_000;

export interface EventStreamHandlers {
  /** An event with data. `type` is `message` unless the stream named another. */
  event(data: Buffer, type: string): void;
  /** The id of the last event that was complete; it also comes with events that carry no data. */
  id(id: string): void;
  /** How long the server wants us to wait before we connect again, in ms. */
  retry(ms: number): void;
  /** An event is longer than the limit; nothing is read after it. */
  tooLong(): void;
}

/**
 * Works on bytes because the commonest event is one line of JSON that goes on as it came: decoding it to text and back would cost more
 * than everything else that is done with it.
 */
export class EventStream {
  readonly #limit: number;
  readonly #handlers: EventStreamHandlers;
  /** The beginning of a line that has not ended. */
  readonly #part = new Pieces();
  #afterReturn = false;
  #firstLine = true;
  /** The data of an event that has not ended: its first line, and all lines where there are more. */
  #first: Buffer | undefined;
  readonly #data = new Pieces();
  #type = '';
  #id: string | undefined;
  #stopped = false;

  constructor(limit: number, handlers: EventStreamHandlers) {
    this.#limit = limit;
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    let start = 0;
    if (this.#afterReturn && chunk.length > 0) {
      if (chunk[0] === lineFeed) start = 1;
      this.#afterReturn = false;
    }
    let feed = chunk.indexOf(lineFeed, start);
    let back = chunk.indexOf(carriageReturn, start);
    while ((feed !== -1 || back !== -1) && !this.#stopped) {
      const end = back !== -1 && (feed === -1 || back < feed) ? back : feed;
      this.#line(this.#join(chunk.subarray(start, end)));
      start = end + 1;
      if (end === back) {
        if (start === chunk.length) this.#afterReturn = true;
        else if (chunk[start] === lineFeed) start += 1;
        back = chunk.indexOf(carriageReturn, start);
      }
      if (feed !== -1 && feed < start) feed = chunk.indexOf(lineFeed, start);
    }
    if (start < chunk.length && !this.#stopped) this.#keep(chunk.subarray(start));
  }

  #keep(part: Buffer): void {
    this.#part.add(part);
    this.#check();
  }

  #join(last: Buffer): Buffer {
    if (this.#part.length === 0) return last;
    this.#keep(last);
    return this.#part.take();
  }

  #check(): void {
    if (this.#part.length + this.#data.length + (this.#first?.length ?? 0) > this.#limit) this.#stop();
  }

  #line(raw: Buffer): void {
    if (this.#stopped) return;
    const line = this.#firstLine && raw.indexOf(byteOrderMark) === 0 ? raw.subarray(byteOrderMark.length) : raw;
    this.#firstLine = false;
    if (line.length === 0) this.#dispatch();
    else if (line[0] !== colon) this.#field(line);
  }

  #field(line: Buffer): void {
    const mark = line.indexOf(colon);
    const name = mark === -1 ? line : line.subarray(0, mark);
    const valueStart = mark === -1 ? line.length : line[mark + 1] === space ? mark + 2 : mark + 1;
    const value = line.subarray(valueStart);
    if (name.equals(dataField)) {
      this.#take(value);
      return;
    }
    const text = value.toString('utf8');
    switch (name.toString('latin1')) {
      case 'event':
        this.#type = text;
        break;
      case 'id':
        if (!text.includes('\0')) this.#id = text;
        break;
      case 'retry':
        if (/^\d+$/.test(text)) this.#handlers.retry(Math.min(Number(text), maxRetry));
        break;
      default:
    }
  }

  /** Another line of data. */
  #take(value: Buffer): void {
    if (this.#data.length > 0) {
      this.#data.add(feed);
      this.#data.add(value);
    } else if (this.#first !== undefined) {
      this.#data.add(this.#first);
      this.#data.add(feed);
      this.#data.add(value);
      this.#first = undefined;
    } else this.#first = value;
    this.#check();
  }

  #dispatch(): void {
    const data = this.#first ?? (this.#data.length > 0 ? this.#data.take() : undefined);
    const type = this.#type;
    this.#type = '';
    this.#first = undefined;
    if (this.#id !== undefined) this.#handlers.id(this.#id);
    this.#id = undefined;
    if (data !== undefined && data.length > 0) this.#handlers.event(data, type === '' ? 'message' : type);
  }

  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#part.clear();
    this.#first = undefined;
    this.#data.clear();
    this.#handlers.tooLong();
  }
}
