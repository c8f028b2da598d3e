// Gives an answer whose first bytes were read by `wire.ts` to Node's own HTTP parser, which knows all that an answer may be.
import { request, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { Exchange } from './exchange.ts';

const maxHeaderSize = 32 * 1024;

/** One answer that is read by Node. Its request was sent elsewhere: what Node writes for it goes nowhere. */
export class Replay {
  readonly #bytes: Duplex;
  readonly #exchange: Exchange;
  readonly #over: (status: number) => void;
  #ended = false;

  /** `over` is called once, with the status of the answer, 0 when there was none; the exchange ends after that. */
  constructor(exchange: Exchange, over: (status: number) => void) {
    this.#exchange = exchange;
    this.#over = over;
    this.#bytes = new Duplex({ read: () => {}, write: (_chunk, _encoding, written) => written() });
    const asked = request({ method: 'POST', maxHeaderSize, createConnection: () => this.#bytes });
    asked.on('response', (response) => this.#read(response));
    asked.on('upgrade', () => this.#end(0, new Error('the answer changes the protocol')));
    asked.on('error', (error) => this.#end(0, error));
    asked.end();
  }

  /** Takes what came from the socket. */
  push(bytes: Buffer): void {
    this.#bytes.push(bytes);
  }

  /** Nothing more will come from the socket. */
  end(): void {
    this.#bytes.push(null);
  }

  /** Gives up; the exchange is told by somebody else. */
  stop(): void {
    this.#ended = true;
    this.#bytes.destroy();
  }

  #read(response: IncomingMessage): void {
    const status = response.statusCode ?? 0;
    this.#exchange.begin(status, response.headers);
    response.on('data', (chunk: Buffer) => this.#exchange.data(chunk));
    response.on('error', (error) => this.#end(status, error));
    response.on('end', () => this.#end(status, undefined));
  }

  #end(status: number, error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#over(status);
    this.#bytes.destroy();
    if (error === undefined) this.#exchange.finish();
    else this.#exchange.fail(error);
  }
}
