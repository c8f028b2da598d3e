// Bytes in, lines out, with a limit on how long a line may be. What a line says is not known here.
import type { Buffer } from 'node:buffer';
import { Pieces } from 'plugboard';

/** Stands for a line that was longer than the limit; its bytes are gone. */
export const tooLong = Symbol('tooLong');

const newline = 10;
const carriageReturn = 13;

/** Splits a stream of bytes at line breaks. Keeps at most one line in memory; of a line over the limit nothing. */
export class LineReader {
  readonly #limit: number;
  readonly #parts = new Pieces();
  #skipping = false;

  /** `limit`: bytes of the longest line, without its line break. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The lines that this piece completes, without line breaks, in order; blank ones are left out. */
  push(chunk: Buffer): (Buffer | typeof tooLong)[] {
    const lines: (Buffer | typeof tooLong)[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#complete(chunk.subarray(start, end), lines);
      if (line !== undefined && line.length > 0) lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start), lines);
    return lines;
  }

  #complete(last: Buffer, lines: (Buffer | typeof tooLong)[]): Buffer | undefined {
    this.#keep(last, lines);
    const line = this.#parts.take();
    if (this.#skipping) {
      this.#skipping = false;
      return undefined;
    }
    return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
  }

  /** Said at the moment the limit is passed, not at the end of the line, which may never come. */
  #keep(part: Buffer, lines: (Buffer | typeof tooLong)[]): void {
    if (this.#skipping) return;
    if (this.#parts.length + part.length > this.#limit) {
      this.#skipping = true;
      this.#parts.clear();
      lines.push(tooLong);
    } else this.#parts.add(part);
  }
}
