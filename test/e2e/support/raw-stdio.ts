// JSON-RPC over the pipes of `plugboard up --stdio` by hand, line by line. Both eras. No expectations live here.
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { commandLine, guardChild, until } from '@plugboard/test-kit';
import type { JsonObject } from 'plugboard';
import { envelope, initializeParams } from './raw-http.ts';
import type { Message } from './raw-http.ts';

/** A proxy that serves this test as its one client. */
export class StdioProxy {
  readonly child: ChildProcessWithoutNullStreams;
  /** All messages that came, in order. */
  readonly received: Message[] = [];
  /** Lines that were no JSON: there must be none. */
  readonly rubbish: string[] = [];
  log = '';
  readonly ended: Promise<number | undefined>;
  #lists = 0;
  #waiting: { readonly fits: (message: Message) => boolean; readonly resolve: (message: Message) => void }[] = [];

  constructor(folder: string, configFile: string) {
    const { command, args } = commandLine('up', '--stdio', '--config', configFile);
    this.child = spawn(command, args, { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder } });
    guardChild(this.child);
    let rest = '';
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#line(line);
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => this.child.once('close', (code) => resolve(code ?? undefined)));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Writes bytes as they are. */
  write(bytes: string | Buffer): void {
    this.child.stdin.write(bytes);
  }

  /** Writes one message. */
  send(message: unknown): void {
    this.write(`${JSON.stringify(message)}\n`);
  }

  /** The next message that fits, among those that came and those that come. */
  async next(what: string, fits: (message: Message) => boolean, limit = 30_000): Promise<Message> {
    const found = this.received.find(fits);
    if (found !== undefined) return found;
    let timer: NodeJS.Timeout | undefined;
    const message = new Promise<Message>((resolve) => this.#waiting.push({ fits, resolve }));
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`within ${limit} ms: ${what}; the log: ${this.log}`)), limit);
    });
    return Promise.race([message, late]).finally(() => clearTimeout(timer));
  }

  /** Sends a request and waits for its answer. Ids must not be used twice. */
  async request(method: string, params: JsonObject, id: string | number): Promise<Message> {
    this.send({ jsonrpc: '2.0', id, method, params });
    return this.next(
      `an answer to ${method} (${JSON.stringify(id)})`,
      (message) => message.id === id && message.method === undefined,
    );
  }

  /** Opens a session of the old era. */
  async initialize(): Promise<void> {
    await this.request('initialize', initializeParams(), 'initialize');
    this.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  /** Waits until a tool is listed. */
  async listed(tool: string, era: 'old' | 'new'): Promise<void> {
    await until(`${tool} is not listed; the log: ${this.log}`, async () => {
      this.#lists += 1;
      const { result } = await this.request(
        'tools/list',
        era === 'old' ? {} : { _meta: envelope() },
        `list-${this.#lists}`,
      );
      return ((result?.['tools'] ?? []) as { name: string }[]).some(({ name }) => name === tool);
    });
  }

  /** Ends the input, as a client does that is done; resolves with the exit code. */
  end(): Promise<number | undefined> {
    this.child.stdin.end();
    return this.ended;
  }

  kill(): Promise<number | undefined> {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  #line(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      this.rubbish.push(line);
      return;
    }
    this.received.push(message);
    const fitting = this.#waiting.filter(({ fits }) => fits(message));
    this.#waiting = this.#waiting.filter((each) => !fitting.includes(each));
    for (const { resolve } of fitting) resolve(message);
  }
}
