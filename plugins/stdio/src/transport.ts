// The transport: one client on a pair of streams. Lines in, lines out, back-pressure and the end; what is said lives in the core.
import { Buffer } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Answer, ClientConversation, idOfRequest, isTooDeep, maxDepth, rpcCode } from 'plugboard';
import type { BoardApi, Log } from 'plugboard';
import { Admission } from './admission.ts';
import { LineReader, tooLong } from './line-reader.ts';
import { LineWriter } from './line-writer.ts';

export interface StdioTransportOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly log: Log;
  /** Bytes of the longest line that is read. */
  readonly maxLineBytes: number;
  /** Shows this server only. */
  readonly server?: string | undefined;
  /** Credential of the client; without one it is the caller without a credential. */
  readonly token?: string | undefined;
  /** The client has gone; called once, after its sessions were closed. Not called after {@link StdioTransport.stop}. */
  onEnd(): void;
}

export interface StdioTransport {
  /** Reads no more, lets requests under way finish for a short time, and closes the sessions. The streams stay open. */
  stop(): Promise<void>;
}

/** ms that requests under way, and what was written, have to finish when the transport is stopped. */
const drainLimit = 1500;
/** Requests under way at a time. To read no more instead is no choice: what they wait for may be the client's next line. */
const maxCalls = 1000;

/** The same when the input has ended: its last request may have to wait for a server that only just starts. */
const lastLimit = 3000;

/** Serves one client on `input` and `output`, from now on. */
export function createStdioTransport(board: BoardApi, options: StdioTransportOptions): StdioTransport {
  return new Transport(board, options);
}

class Transport implements StdioTransport {
  readonly #options: StdioTransportOptions;
  readonly #reader: LineReader;
  readonly #writer: LineWriter;
  readonly #conversation: ClientConversation;
  #lines: (Buffer | typeof tooLong)[] = [];
  /** Input has ended or the transport is stopped: nothing more is read, what was read is still answered. */
  #finishing = false;
  #ending: Promise<void> | undefined;
  #allWorkedOff: (() => void) | undefined;
  #ended = false;
  /** Nobody reads answers any more. */
  #vanished = false;

  constructor(board: BoardApi, options: StdioTransportOptions) {
    const { input, output, log, maxLineBytes, server, token } = options;
    this.#options = options;
    this.#reader = new LineReader(maxLineBytes);
    this.#writer = new LineWriter(output, 4 * maxLineBytes, log, {
      drained: () => this.#work(),
      gone: () => this.#onGone(),
    });
    const admission = new Admission({ board, log, server, token });
    this.#conversation = new ClientConversation({
      board,
      admission,
      outbox: this.#writer,
      log,
      maxCalls,
      ownsStateless: true,
      anew: 'send initialize to begin another',
      ready: () => this.#work(),
    });
    input.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onGone);
    // A stream that is over says so no more.
    if (input.readableEnded || input.destroyed) setImmediate(this.#onGone);
  }

  async stop(): Promise<void> {
    if (!this.#ended) await this.#end('the proxy stops', drainLimit);
  }

  readonly #onData = (chunk: Buffer | string): void => {
    this.#lines.push(...this.#reader.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
    this.#work();
  };

  readonly #onEnd = (): void => {
    if (this.#ending !== undefined) return;
    void this.#end('the client has gone', lastLimit).then(() => {
      if (!this.#vanished) this.#options.onEnd();
    });
  };

  /** Behind the end of input it says nothing new. */
  readonly #onClose = (): void => {
    if (this.#ending === undefined) this.#onGone();
  };

  readonly #onGone = (): void => {
    if (this.#ended) return;
    this.#vanished = true;
    this.#deafen();
    void this.#leave();
  };

  #end(reason: string, limit: number): Promise<void> {
    this.#ending ??= this.#finish(reason, performance.now() + limit);
    return this.#ending;
  }

  /** Works off what was read, and lets requests under way end, until `deadline`. */
  async #finish(reason: string, deadline: number): Promise<void> {
    const left = () => Math.max(0, deadline - performance.now());
    this.#finishing = true;
    const { input } = this.#options;
    input.off('data', this.#onData).pause();
    const workedOff = new Promise<void>((resolve) => (this.#allWorkedOff = resolve));
    this.#work();
    await within(workedOff, left());
    if (this.#ended) return;
    this.#deafen();
    await this.#conversation.finish(reason, left());
    await this.#writer.release(drainLimit);
  }

  async #leave(): Promise<void> {
    await this.#conversation.vanish('the client has gone');
    await this.#writer.release(0);
    this.#options.onEnd();
  }

  /** Works off the lines that are there, until one must be waited for or the client does not read its answers. */
  #work(): void {
    let next = 0;
    while (next < this.#lines.length && !this.#mustWait && !this.#ended) {
      const line = this.#lines[next] as Buffer | typeof tooLong;
      next += 1;
      this.#receive(line);
    }
    if (this.#ended) return;
    this.#lines = this.#lines.slice(next);
    if (this.#finishing) {
      if (this.#lines.length === 0 && !this.#mustWait) this.#allWorkedOff?.();
      return;
    }
    const { input } = this.#options;
    if (this.#mustWait) input.pause();
    else if (input.isPaused()) input.resume();
  }

  get #mustWait(): boolean {
    return this.#conversation.opening || this.#writer.full;
  }

  #receive(line: Buffer | typeof tooLong): void {
    if (line === tooLong) {
      const text = `The message is longer than ${this.#options.maxLineBytes} bytes (option maxLineBytes of the plugin "stdio"); it was skipped`;
      this.#conversation.refuse(undefined, text);
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(line.toString('utf8'));
    } catch {
      this.#writer.write(Answer.error(rpcCode.parseError, 'Parse error: the line is not JSON').encode(undefined));
      return;
    }
    if (!isTooDeep(line)) this.#conversation.receive(value);
    else
      this.#conversation.refuse(idOfRequest(value), `The message nests deeper than ${maxDepth} levels; it was skipped`);
  }

  /** Hears nothing any more. The stream itself stays as it is, for whoever comes next. */
  #deafen(): void {
    this.#ended = true;
    this.#lines = [];
    const { input } = this.#options;
    input.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('error', this.#onGone);
    // An error that comes late is nobody's any more, and must not bring the process down.
    if (!input.listeners('error').includes(ignore)) input.on('error', ignore);
    input.pause();
  }
}

/** Waits for the promise, at most so many ms. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  const giveUp = new AbortController();
  await Promise.race([promise, sleep(ms, undefined, { signal: giveUp.signal }).catch(() => {})]);
  giveUp.abort();
}

function ignore(): void {}
