// Whose turn it is: one connection has a bounded number of requests carried out at a time, and the rest waits in order.
import type { Call } from './call.ts';

/** The requests of one connection by what becomes of them. */
export class Turns {
  readonly #limit: number;
  readonly #running = new Set<Call>();
  readonly #waiting = new Map<Call, () => void>();
  #starting = false;

  /** `limit`: requests that are carried out at a time. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `start` when it is the call's turn: at once, or when others are over. */
  take(call: Call, start: () => void): void {
    if (call.free) {
      start();
      return;
    }
    this.#waiting.set(call, start);
    this.#next();
  }

  /** A call is over, or is not wanted any more. */
  leave(call: Call): void {
    this.#waiting.delete(call);
    if (this.#running.delete(call)) this.#next();
  }

  /** Starts what may start. A call may be over before its start returns, so this is a loop and not a recursion. */
  #next(): void {
    if (this.#starting) return;
    this.#starting = true;
    try {
      for (const [call, start] of this.#waiting) {
        if (this.#running.size >= this.#limit) break;
        this.#waiting.delete(call);
        this.#running.add(call);
        start();
      }
    } finally {
      this.#starting = false;
    }
  }
}
