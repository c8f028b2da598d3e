// A client's end of the transport's streams, in memory: what it sends, what it reads, and whether it reads. No expectations live here.
import { PassThrough, Writable } from 'node:stream';
import { createStdioTransport } from '@plugboard/stdio';
import type { StdioTransport, StdioTransportOptions } from '@plugboard/stdio';
import { metaKey } from 'plugboard';
import type { JsonObject, Log } from 'plugboard';
import type { FakeBoard } from '@plugboard/test-kit/stand';

export type Message = JsonObject & {
  id?: unknown;
  error?: { code: number; message: string; data?: unknown };
  result?: JsonObject;
  method?: string;
  params?: JsonObject;
};

export class Pipe {
  readonly input = new PassThrough({ highWaterMark: 1024 });
  readonly output: Writable;
  readonly transport: StdioTransport;
  /** All lines that came, parsed. */
  readonly lines: (Message | Message[])[] = [];
  readonly logged: string[] = [];
  ends = 0;
  #reading = true;
  #held: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #rest = '';

  constructor(board: FakeBoard, options: Partial<StdioTransportOptions> = {}) {
    this.output = new Writable({
      highWaterMark: 4096,
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#reading) this.#read(chunk, done);
        else this.#held.push(() => this.#read(chunk, done));
      },
    });
    const log = (message: string, fields?: object) => void this.logged.push(`${message} ${JSON.stringify(fields)}`);
    const logs: Log = { debug: log, info: log, warn: log, error: log };
    const onEnd = () => {
      this.ends += 1;
      this.#wake();
    };
    this.transport = createStdioTransport(board, {
      input: this.input,
      output: this.output,
      log: logs,
      maxLineBytes: 64 * 1024,
      onEnd,
      ...options,
    });
  }

  /** Sends values as one line each, all in one piece. */
  send(...messages: unknown[]): void {
    this.input.write(messages.map((each) => `${JSON.stringify(each)}\n`).join(''));
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: string | Buffer): void {
    this.input.write(bytes);
  }

  /** Waits until something is so; looks again whenever a line came or the end was called. */
  async until(so: () => boolean): Promise<void> {
    while (!so()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The answer with this id; waits for it. */
  async answer(id: unknown): Promise<Message> {
    let found: Message | undefined;
    const isAnswer = (each: Message | Message[]): each is Message =>
      !Array.isArray(each) && each.method === undefined && 'id' in each && each.id === id;
    await this.until(() => (found = this.lines.find(isAnswer)) !== undefined);
    return found as Message;
  }

  /** Sends a request and waits for its answer. */
  request(id: string | number, method: string, params?: JsonObject): Promise<Message> {
    this.send({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) });
    return this.answer(id);
  }

  initialize(id: string | number = 'init', protocolVersion = '2025-11-25'): Promise<Message> {
    return this.request(id, 'initialize', {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    });
  }

  stopReading(): void {
    this.#reading = false;
  }

  readOn(): void {
    this.#reading = true;
    for (const each of this.#held.splice(0)) each();
  }

  #read(chunk: Buffer, done: () => void): void {
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    this.lines.push(...lines.map((line) => JSON.parse(line) as Message));
    // In another turn, as the system does it.
    setImmediate(done);
    this.#wake();
  }

  #wake(): void {
    for (const each of this.#waiting.splice(0)) each();
  }
}

/** Params of the new era. */
export function enveloped(params: JsonObject = {}, meta: JsonObject = {}): JsonObject {
  const envelope = {
    [metaKey.protocolVersion]: '2026-07-28',
    [metaKey.clientCapabilities]: {},
    [metaKey.clientInfo]: { name: 'test', version: '1' },
  };
  return { ...params, _meta: { ...envelope, ...meta } };
}

/** Lets everything that is due happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
