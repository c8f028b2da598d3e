// Splits a byte stream into lines with a size cap. What a line means is its reader's business.
import { Pieces } from 'plugboard';

const lineFeed = 10;
const carriageReturn = 13;

/** Calls `onLine` for every non-empty line without its end. A line longer than `limit` bytes is reported once and nothing is read after it. */
export class LineSplitter {
  readonly #limit: number;
  readonly #onLine: (line: Buffer) => void;
  readonly #onTooLong: () => void;
  readonly #parts = new Pieces();
  #stopped = false;

  constructor(limit: number, onLine: (line: Buffer) => void, onTooLong: () => void) {
    this.#limit = limit;
    this.#onLine = onLine;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1 && !this.#stopped; end = chunk.indexOf(lineFeed, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      this.#emit();
    }
    if (start < chunk.length && !this.#stopped) this.#keep(chunk.subarray(start));
  }

  #keep(part: Buffer): void {
    if (this.#parts.length + part.length <= this.#limit) {
      this.#parts.add(part);
      return;
    }
    this.#stopped = true;
    this.#parts.clear();
    this.#onTooLong();
  }

  #emit(): void {
    if (this.#stopped) return;
    const line = this.#parts.take();
    const end = line[line.length - 1] === carriageReturn ? line.length - 1 : line.length;
    if (end > 0) this.#onLine(end === line.length ? line : line.subarray(0, end));
  }
}
