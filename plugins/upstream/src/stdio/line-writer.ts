// Writes lines to a pipe: one write per turn of the event loop, and none while the pipe is full.
import type { Writable } from 'node:stream';

/** Gathers lines and writes them together: a write per message costs more than the message. */
export class LineWriter {
  readonly #pipe: Writable;
  readonly #limit: number;
  readonly #onOverflow: () => void;
  #lines: string[] = [];
  #size = 0;
  #scheduled = false;
  #full = false;
  #closed = false;

  /** `limit`: characters that may wait; more are a sign that the reader has stopped, told by `onOverflow`. */
  constructor(pipe: Writable, limit: number, onOverflow: () => void) {
    this.#pipe = pipe;
    this.#limit = limit;
    this.#onOverflow = onOverflow;
    pipe.on('drain', () => {
      this.#full = false;
      this.#flush();
    });
    // A reader that went away shows as its exit; the broken pipe itself says nothing more.
    pipe.on('error', () => this.#drop());
  }

  write(line: string): void {
    if (this.#closed) return;
    this.#lines.push(line);
    this.#size += line.length;
    if (this.#full && this.#size > this.#limit) {
      this.#drop();
      this.#onOverflow();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
  }

  /** Writes what waits and ends the pipe. */
  end(): void {
    this.#full = false;
    this.#flush();
    this.#closed = true;
    this.#pipe.end();
  }

  #flush(): void {
    if (this.#full || this.#closed || this.#lines.length === 0) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#size = 0;
    this.#full = !this.#pipe.write(text);
  }

  #drop(): void {
    this.#closed = true;
    this.#lines = [];
    this.#size = 0;
  }
}
