// One keep-alive HTTP/1.1 connection on a bare socket: one request at a time, the whole answer back. Knows no MCP.
// node:http's client and undici cost as much CPU per call as the servers measured here, so neither can drive the load.
import { connect, type Socket } from 'node:net';

/** One HTTP answer. `head` is the raw status line and headers; `stream` tells an SSE body. */
export interface Answer {
  status: number;
  head: string;
  body: Buffer;
  stream: boolean;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const empty = Buffer.alloc(0);
const endOfHead = Buffer.from('\r\n\r\n');

export class Connection {
  readonly #socket: Socket;
  #waiting: Waiting | undefined;
  #input: Buffer = empty;
  #head: string | undefined;
  #parts: Buffer[] = [];
  /** Bytes still to come of the body or of the current chunk; -1 while a chunk's size line is awaited. */
  #missing = 0;
  #chunked = false;
  #lastChunk = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#receive(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /** Connects to the host and port of `url`. */
  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** Sends one request (`head` ends with `Content-Length: `) and resolves with its answer; rejects when the socket dies. */
  send(head: string, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error('the server closed the connection'));
      this.#waiting = { resolve, reject };
      this.#socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  #receive(data: Buffer): void {
    this.#input = this.#input.length === 0 ? data : Buffer.concat([this.#input, data]);
    if (this.#head === undefined && !this.#readHead()) return;
    if (this.#chunked ? this.#readChunks() : this.#readBody()) this.#finish();
  }

  #readHead(): boolean {
    const end = this.#input.indexOf(endOfHead);
    if (end < 0) return false;
    this.#head = this.#input.toString('latin1', 0, end);
    this.#input = this.#input.subarray(end + 4);
    this.#chunked = /\r\ntransfer-encoding: *chunked/i.test(this.#head);
    this.#missing = this.#chunked ? -1 : Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1] ?? 0);
    this.#lastChunk = false;
    return true;
  }

  #readBody(): boolean {
    this.#take();
    return this.#missing === 0;
  }

  #readChunks(): boolean {
    for (;;) {
      if (this.#missing > 0) this.#take();
      if (this.#missing > 0) return false;
      // A chunk's data is followed by CRLF; so is the size line, and so is the empty last chunk.
      if (this.#missing === 0) {
        if (this.#input.length < 2) return false;
        this.#input = this.#input.subarray(2);
        if (this.#lastChunk) return true;
        this.#missing = -1;
      }
      const end = this.#input.indexOf('\r\n');
      if (end < 0) return false;
      this.#missing = Number.parseInt(this.#input.toString('latin1', 0, end), 16);
      this.#lastChunk = this.#missing === 0;
      this.#input = this.#input.subarray(end + 2);
    }
  }

  #take(): void {
    const part = this.#input.subarray(0, this.#missing);
    if (part.length > 0) this.#parts.push(part);
    this.#missing -= part.length;
    this.#input = this.#input.subarray(part.length);
  }

  #finish(): void {
    const head = this.#head ?? '';
    const body = this.#parts.length === 1 ? (this.#parts[0] ?? empty) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#head = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({
      status: Number(head.slice(9, 12)),
      head,
      body,
      stream: /\r\ncontent-type: *text\/event-stream/i.test(head),
    });
  }
}
