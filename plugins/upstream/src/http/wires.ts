// The sockets for calls to one plain-HTTP origin: which are free, which wait for one. Reading and writing is in `wire.ts`.
import type { Exchange } from './exchange.ts';
import { Wire, type Address, type WireOwner } from './wire.ts';

interface Waiting {
  readonly request: string;
  readonly ascii: boolean;
  readonly exchange: Exchange;
}

/** ms between looks at idle sockets. */
const sweepTime = 500;

/** Headers that say how a message is sent, which is decided here. */
const ours = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const ascii = /^[\t\x20-\x7e]*$/;

/** Lines of some headers, names and values in turn; undefined when one of them is not for this way of sending. */
export function headerLines(headers: readonly string[]): string | undefined {
  let lines = '';
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    const value = headers[at + 1] ?? '';
    if (!token.test(name) || !ascii.test(value) || ours.has(name.toLowerCase())) return undefined;
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** As many sockets as there are calls at once, up to a limit; a call that is not answered keeps nobody waiting but beyond that. */
export class Wires implements WireOwner {
  /** False when this origin answers in a way that undici reads better. */
  usual = true;
  readonly #address: Address;
  readonly #start: string;
  readonly #limit: number;
  readonly #open = new Set<Wire>();
  /** The socket that was used last is used next; the others may become too old. */
  readonly #idle: { readonly wire: Wire; readonly until: number }[] = [];
  readonly #waiting: Waiting[] = [];
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  /** `limit`: sockets at once. */
  constructor(origin: URL, limit: number) {
    const host = origin.hostname.replace(/^\[(.*)\]$/, '$1');
    this.#address = { host, port: origin.port === '' ? 80 : Number(origin.port) };
    this.#start = `HTTP/1.1\r\nhost: ${origin.host}\r\nconnection: keep-alive\r\n`;
    this.#limit = limit;
  }

  /** Posts a body. `lines`: as made by {@link headerLines}. */
  post(path: string, lines: string, body: string, exchange: Exchange): void {
    const size = Buffer.byteLength(body);
    const ascii = size === body.length;
    const request = `POST ${path} ${this.#start}${lines}content-length: ${size}\r\n\r\n${body}`;
    if (this.#closed) exchange.fail(new Error('the connection is closed'));
    else if (this.#idle.length > 0) this.#idle.pop()?.wire.send(request, ascii, exchange);
    else if (this.#open.size < this.#limit) this.#connect().send(request, ascii, exchange);
    else {
      const waiting = { request, ascii, exchange };
      this.#waiting.push(waiting);
      exchange.carriedBy({ abort: () => this.#forget(waiting) });
    }
  }

  freed(wire: Wire, ms: number): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      wire.send(next.request, next.ascii, next.exchange);
      return;
    }
    this.#idle.push({ wire, until: performance.now() + ms });
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepTime).unref();
  }

  gone(wire: Wire): void {
    this.#open.delete(wire);
    const at = this.#idle.findIndex((each) => each.wire === wire);
    if (at >= 0) this.#idle.splice(at, 1);
    const next = this.#closed ? undefined : this.#waiting.shift();
    if (next !== undefined) this.#connect().send(next.request, next.ascii, next.exchange);
  }

  unusual(): void {
    this.usual = false;
  }

  /** Destroys all sockets; what is under way fails. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    const closed = new Error('the connection is closed');
    for (const { exchange } of this.#waiting.splice(0)) exchange.fail(closed);
    for (const wire of [...this.#open]) wire.close(closed);
  }

  #connect(): Wire {
    const wire = new Wire(this.#address, this);
    this.#open.add(wire);
    return wire;
  }

  #forget(waiting: Waiting): void {
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #sweep(): void {
    const now = performance.now();
    for (const { wire } of this.#idle.filter(({ until }) => until <= now)) wire.abort();
    if (this.#idle.length > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}
