// Bytes that come in pieces and are wanted as one. How many there may be is their reader's business.
import { Buffer } from 'node:buffer';

/** So many small pieces are put together at once; what is no longer small stays as it came. */
const most = 256;
const small = 64 * 1024;

/**
 * Keeps pieces of bytes. A Buffer costs a hundred bytes beside its own, so that a sender of single bytes would fill the memory long
 * before any limit on their number: many small pieces become one.
 */
export class Pieces {
  #pieces: Buffer[] = [];
  /** Pieces before this one stay as they are. */
  #settled = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#pieces.length - this.#settled >= most) this.#settle();
  }

  /** All bytes, in order; nothing is kept. */
  take(): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#length);
    this.clear();
    return all;
  }

  clear(): void {
    this.#pieces = [];
    this.#settled = 0;
    this.#length = 0;
  }

  #settle(): void {
    const last = this.#pieces.slice(this.#settled);
    const size = last.reduce((sum, piece) => sum + piece.length, 0);
    if (size < most * small) {
      this.#pieces.length = this.#settled;
      this.#pieces.push(Buffer.concat(last, size));
    }
    this.#settled = this.#pieces.length;
  }
}
