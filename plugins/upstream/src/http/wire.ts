// One socket to an HTTP server, and the reading of the commonest answer alone: 200, with JSON or events. Every other answer is
// given, from its first byte, to Node's own parser (`replay.ts`). Which socket sends what is decided in `wires.ts`.
import { connect, type Socket } from 'node:net';
import type { Exchange } from './exchange.ts';
import { Replay } from './replay.ts';

/** Where a socket goes. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Whoever lends sockets out. */
export interface WireOwner {
  /** The answer is read; the socket may be used again within `ms`. */
  freed(wire: Wire, ms: number): void;
  /** The socket is not usable any more. Called once. */
  gone(wire: Wire): void;
  /** An answer with a good status was not one that is read here. */
  unusual(): void;
}

/** What is read of a plain answer's head. */
export interface PlainHead {
  /** Bytes of the body; undefined: it comes in chunks. */
  readonly length: number | undefined;
  readonly events: boolean;
  /** Seconds for which the server keeps the socket; undefined: it does not say. 0: it closes. */
  readonly kept: number | undefined;
}

const readSize = 65_536;
const maxHead = 16_384;
const maxLine = 4096;
const maxTrailers = 64;
const connectTime = 10_000;
const probeAfter = 60_000;
/**
 * ms that an idle socket is kept, and ms that it is dropped before the server said it would: most servers close after 5 s, and a request
 * that meets the closing of its socket is lost without anybody knowing whether it was read.
 */
const idleTime = 2500;
const idleMargin = 2500;
const feed = 10;

/** Whole lines only: no folded ones, no bare line feeds, no control characters. */
const plain =
  /^HTTP\/1\.1 200(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+$/;
const beginning = 'HTTP/1.1 200';
const chunkSize = /^([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const field = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

/** Reads a head up to and with the line break of its last line. Undefined: not a plain answer. */
export function readPlainHead(head: string): PlainHead | undefined {
  if (!plain.test(head)) return undefined;
  const lower = head.toLowerCase();
  const type = valueOf(lower, '\r\ncontent-type:');
  const media = type?.split(';', 1)[0]?.trim();
  const events = media === 'text/event-stream';
  if (!events && media !== 'application/json') return undefined;
  const length = valueOf(lower, '\r\ncontent-length:');
  const transfer = valueOf(lower, '\r\ntransfer-encoding:');
  if ((length === undefined) === (transfer === undefined)) return undefined;
  if (length === undefined ? transfer !== 'chunked' : !/^\d{1,15}$/.test(length)) return undefined;
  const connection = valueOf(lower, '\r\nconnection:') ?? 'keep-alive';
  if (connection !== 'keep-alive' && connection !== 'close') return undefined;
  if (lower.includes('\r\ncontent-encoding:') || lower.includes('\r\nupgrade:')) return undefined;
  const hint = /(?:^|[,;\s])timeout=(\d{1,6})(?:$|[,;\s])/.exec(valueOf(lower, '\r\nkeep-alive:') ?? '')?.[1];
  const kept = connection === 'close' ? 0 : hint === undefined ? undefined : Number(hint);
  return { length: length === undefined ? undefined : Number(length), events, kept };
}

/** The value of a header that may come once; one that comes twice has a value that nothing allows. */
function valueOf(lower: string, mark: string): string | undefined {
  const at = lower.indexOf(mark);
  if (at < 0) return undefined;
  const end = lower.indexOf('\r\n', at + mark.length);
  return lower.indexOf(mark, end) < 0 ? lower.slice(at + mark.length, end).trim() : '\0';
}

/** An error as the system would give it. */
export function socketError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** What is awaited. In `body` and `chunk`: bytes that are counted; in the others: a line. */
type Stage = 'idle' | 'head' | 'body' | 'chunk' | 'chunk end' | 'size' | 'trailer';

export class Wire {
  readonly #owner: WireOwner;
  readonly #socket: Socket;
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(readSize);
  #exchange: Exchange | undefined;
  #stage: Stage = 'idle';
  /** The beginning of a head that is not complete. */
  #held: Buffer | undefined;
  #missing = 0;
  #line = '';
  #trailers = 0;
  #kept: number | undefined;
  #replay: Replay | undefined;
  #gone = false;

  constructor(address: Address, owner: WireOwner) {
    this.#owner = owner;
    this.#socket = connect({
      ...address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: probeAfter,
      // Read into one place, which saves an allocation for each read: what is kept is copied out of it.
      onread: { buffer: this.#buffer, callback: (count) => this.#read(count) },
    });
    const late = () => this.#lost(socketError('CONNECT_TIMEOUT', `no connection within ${connectTime} ms`));
    const timer = setTimeout(late, connectTime);
    this.#socket.once('connect', () => clearTimeout(timer));
    this.#socket.on('error', (error) => this.#lost(error));
    this.#socket.on('end', () => this.#closed());
    this.#socket.on('close', () => {
      clearTimeout(timer);
      this.#closed();
    });
  }

  /** Sends a request whose answer goes to the exchange. Only while the wire is free. `ascii`: it has no other characters. */
  send(request: string, ascii: boolean, exchange: Exchange): void {
    this.#exchange = exchange;
    this.#stage = 'head';
    // In one write; `latin1` is copied as it is.
    this.#socket.write(request, ascii ? 'latin1' : 'utf8');
    exchange.carriedBy(this);
  }

  /** Gives up the exchange under way, and the socket with it. */
  abort(): void {
    this.#exchange = undefined;
    this.#replay?.stop();
    this.#drop();
  }

  /** Ends the socket; the exchange under way fails. */
  close(reason: Error): void {
    this.#lost(reason);
  }

  #read(count: number): boolean {
    const exchange = this.#exchange;
    if (exchange === undefined) this.#drop();
    else if (this.#replay !== undefined) this.#replay.push(this.#copy(this.#buffer, 0, count));
    else if (this.#stage !== 'head') this.#readOn(exchange, this.#buffer, 0, count);
    else if (this.#held === undefined) this.#readHead(exchange, this.#buffer, count);
    else {
      const all = Buffer.concat([this.#held, this.#buffer.subarray(0, count)]);
      this.#held = undefined;
      this.#readHead(exchange, all, all.length);
    }
    return true;
  }

  #readHead(exchange: Exchange, bytes: Buffer, end: number): void {
    const text = bytes.toString('latin1', 0, Math.min(end, maxHead));
    const at = text.indexOf('\r\n\r\n');
    if (at < 0 && text.length < maxHead && beginning.startsWith(text.slice(0, beginning.length))) {
      this.#held = this.#copy(bytes, 0, end);
      return;
    }
    const head = at < 0 ? undefined : readPlainHead(text.slice(0, at + 2));
    if (head === undefined) {
      this.#replay = new Replay(exchange, (status) => this.#replayed(status));
      this.#replay.push(this.#copy(bytes, 0, end));
      return;
    }
    this.#kept = head.kept;
    this.#stage = head.length === undefined ? 'size' : 'body';
    this.#missing = head.length ?? 0;
    exchange.beginPlain(head.events, text.slice(0, at + 2));
    if (this.#exchange !== exchange) return;
    this.#readOn(exchange, bytes, at + 4, end);
  }

  /** Reads what follows the head, as far as it is there. */
  #readOn(exchange: Exchange, bytes: Buffer, from: number, end: number): void {
    let at = from;
    do {
      if (this.#stage === 'body' || this.#stage === 'chunk') {
        const taken = Math.min(this.#missing, end - at);
        if (taken > 0) exchange.data(this.#copy(bytes, at, at + taken));
        at += taken;
        this.#missing -= taken;
        // Whoever takes the parts may give the exchange up.
        if (this.#missing > 0 || this.#exchange !== exchange) return;
        if (this.#stage === 'body') this.#complete(exchange, at === end);
        else this.#stage = 'chunk end';
      } else at = this.#readLine(exchange, bytes, at, end);
    } while (at < end && this.#exchange === exchange);
  }

  /** Reads a line of the chunked coding (RFC 9112, section 7.1), as far as it is there. Returns the place after it. */
  #readLine(exchange: Exchange, bytes: Buffer, at: number, end: number): number {
    const found = bytes.indexOf(feed, at);
    const stop = found < 0 || found >= end ? end : found;
    this.#line += bytes.toString('latin1', at, stop);
    if (this.#line.length > maxLine) this.#lost(socketError('HPE_INVALID', 'a line between chunks is too long'));
    else if (stop < end) {
      const line = this.#line;
      this.#line = '';
      if (!line.endsWith('\r') || !this.#take(exchange, line.slice(0, -1), stop + 1 === end))
        this.#lost(socketError('HPE_INVALID', 'the chunks of the answer cannot be read'));
      return stop + 1;
    }
    return end;
  }

  /** Takes a line between chunks; false: it must not be there. `last`: nothing more has come. */
  #take(exchange: Exchange, line: string, last: boolean): boolean {
    if (this.#stage === 'chunk end') {
      this.#stage = 'size';
      return line === '';
    }
    if (this.#stage === 'size') {
      const digits = chunkSize.exec(line)?.[1];
      this.#missing = Number.parseInt(digits ?? '0', 16);
      this.#stage = this.#missing === 0 ? 'trailer' : 'chunk';
      return digits !== undefined;
    }
    if (line === '') {
      this.#complete(exchange, last);
      return true;
    }
    this.#trailers += 1;
    return this.#trailers <= maxTrailers && field.test(line);
  }

  /** The answer is whole. `clean`: nothing came after it. */
  #complete(exchange: Exchange, clean: boolean): void {
    this.#exchange = undefined;
    this.#stage = 'idle';
    this.#trailers = 0;
    const idle = this.#kept === undefined ? idleTime : Math.min(idleTime, this.#kept * 1000 - idleMargin);
    if (clean && idle > 0) this.#owner.freed(this, idle);
    else this.#drop();
    exchange.finish();
  }

  /** Another parser has read the answer. */
  #replayed(status: number): void {
    if (status >= 200 && status < 300) this.#owner.unusual();
    this.#exchange = undefined;
    this.#drop();
  }

  /** A copy of some bytes; their place is read into again. */
  #copy(bytes: Buffer, from: number, to: number): Buffer {
    const copy = Buffer.allocUnsafe(to - from);
    bytes.copy(copy, 0, from, to);
    return copy;
  }

  #closed(): void {
    if (this.#gone) return;
    if (this.#replay === undefined) this.#lost(socketError('ECONNRESET', 'the other side closed the connection'));
    else {
      this.#replay.end();
      this.#drop();
    }
  }

  #lost(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#drop();
    this.#replay?.stop();
    exchange?.fail(error);
  }

  #drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    this.#owner.gone(this);
  }
}
