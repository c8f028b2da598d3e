// What a child writes to its standard error: always drained, logged within limits, and the last lines kept for error messages.
import { stripVTControlCharacters } from 'node:util';
import type { Log } from 'plugboard';

const maxLineBytes = 2000;
const keptLines = 8;
const linesPerSecond = 50;
const lineFeed = 10;
const nothing = Buffer.alloc(0);

/** Takes the bytes of one child's stderr. */
export class StderrLog {
  readonly #server: string;
  readonly #log: Log;
  readonly #redact: (text: string) => string;
  readonly #last: Buffer[] = [];
  #line: Buffer = nothing;
  #cut = false;
  #second = 0;
  #logged = 0;
  #dropped = 0;

  constructor(server: string, log: Log, redact: (text: string) => string) {
    this.#server = server;
    this.#log = log;
    this.#redact = redact;
  }

  /** The last lines, in one line of text; empty when there was nothing. */
  get tail(): string {
    return this.#last
      .map((line) => this.#clean(line))
      .filter((text) => text !== '')
      .join(' | ');
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#emit();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  end(): void {
    this.#emit();
    this.#reportDropped();
  }

  #keep(part: Buffer): void {
    const room = maxLineBytes - this.#line.length;
    if (part.length > room) this.#cut = true;
    if (room > 0)
      this.#line =
        this.#line.length === 0 ? part.subarray(0, room) : Buffer.concat([this.#line, part.subarray(0, room)]);
  }

  #emit(): void {
    const line = this.#line;
    const cut = this.#cut;
    this.#line = nothing;
    this.#cut = false;
    if (line.length === 0) return;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#reportDropped();
      this.#second = second;
      this.#logged = 0;
    }
    this.#logged += 1;
    this.#last.push(line);
    if (this.#last.length > keptLines) this.#last.shift();
    // A flood is counted, not read: cleaning a line costs more than skipping it.
    if (this.#logged > linesPerSecond) {
      this.#dropped += 1;
      return;
    }
    const text = this.#clean(line);
    if (text === '') return;
    this.#log.info(`${this.#server}: ${text}${cut ? ' … (cut)' : ''}`, { server: this.#server, stream: 'stderr' });
  }

  #clean(line: Buffer): string {
    return this.#redact(stripVTControlCharacters(line.toString('utf8')).trim());
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const text = `${this.#server}: ${this.#dropped} lines of stderr left out (more than ${linesPerSecond} in a second)`;
    this.#log.warn(text, { server: this.#server, stream: 'stderr' });
    this.#dropped = 0;
  }
}
