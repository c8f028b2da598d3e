// Writes lines to a pipe: a write per turn of the event loop, none while the pipe is full, and nothing that would wait without bound.
import type { Writable } from 'node:stream';

/** Characters written at once: the pipe tells of its progress only between two writes. */
const mostAtOnce = 1024 * 1024;

/** Gathers lines and writes them together: a write per message costs more than the message. */
export class LineWriter {
  readonly #pipe: Writable;
  readonly #limit: number;
  readonly #patience: number;
  readonly #onStall: () => void;
  #lines: string[] = [];
  #size = 0;
  #scheduled = false;
  #full = false;
  #closed = false;
  /** Runs from the first line that found no room until the pipe takes something. */
  #stalled: NodeJS.Timeout | undefined;

  /** `limit`: characters that may wait. When there is no room and nothing is read for `patience` ms, `onStall` tells it. */
  constructor(pipe: Writable, limit: number, patience: number, onStall: () => void) {
    this.#pipe = pipe;
    this.#limit = limit;
    this.#patience = patience;
    this.#onStall = onStall;
    pipe.on('drain', () => {
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
      this.#full = false;
      this.#flush();
    });
    // A reader that went away shows as its exit; the broken pipe itself says nothing more.
    pipe.on('error', () => this.#drop());
  }

  /** False when there is no room for the line; those that wait are not given up for it. */
  write(line: string): boolean {
    if (this.#closed) return true;
    if (this.#full && this.#size + line.length > this.#limit) {
      this.#stalled ??= setTimeout(this.#onStall, this.#patience).unref();
      return false;
    }
    this.#lines.push(line);
    this.#size += line.length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
    return true;
  }

  /** Writes what waits and ends the pipe. */
  end(): void {
    if (this.#lines.length > 0) this.#pipe.write(`${this.#lines.join('\n')}\n`);
    this.#drop();
    this.#pipe.end();
  }

  #flush(): void {
    while (!this.#full && this.#lines.length > 0) this.#full = !this.#pipe.write(`${this.#next()}\n`);
  }

  /** The lines of the next write. */
  #next(): string {
    if (this.#size <= mostAtOnce) {
      const all = this.#lines.join('\n');
      this.#lines = [];
      this.#size = 0;
      return all;
    }
    let count = 0;
    let size = 0;
    while (count < this.#lines.length && (count === 0 || size + this.#lines[count]!.length <= mostAtOnce)) {
      size += this.#lines[count]!.length;
      count += 1;
    }
    this.#size -= size;
    return this.#lines.splice(0, count).join('\n');
  }

  #drop(): void {
    clearTimeout(this.#stalled);
    this.#closed = true;
    this.#lines = [];
    this.#size = 0;
  }
}
