// Whose turn it is: one connection has a bounded number of requests carried out at a time, and the rest waits in order.
import type { CallTurns, ClientCall } from 'plugboard';

/** The requests of one connection by what becomes of them. */
export class Turns implements CallTurns {
  readonly #limit: number;
  readonly #waiting = new Map<ClientCall, () => void>();
  #running = 0;
  #starting = false;

  /** `limit`: requests that are carried out at a time. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  take(call: ClientCall, start: () => void): void {
    if (isFree(call)) {
      start();
    } else if (this.#running < this.#limit && this.#waiting.size === 0) {
      this.#start(call, start);
    } else this.#waiting.set(call, start);
  }

  leave(call: ClientCall): void {
    if (call.counted) {
      call.counted = false;
      this.#running -= 1;
      this.#next();
    } else if (this.#waiting.size > 0) this.#waiting.delete(call);
  }

  #start(call: ClientCall, start: () => void): void {
    call.counted = true;
    this.#running += 1;
    start();
  }

  /** Starts what may start. A call may be over before its start returns, so this is a loop and not a recursion. */
  #next(): void {
    if (this.#starting) return;
    this.#starting = true;
    try {
      for (const [call, start] of this.#waiting) {
        if (this.#running >= this.#limit) break;
        this.#waiting.delete(call);
        this.#start(call, start);
      }
    } finally {
      this.#starting = false;
    }
  }
}

/** True for what waits for nobody's turn and takes none: streams, and the question whether we are alive. */
function isFree(call: ClientCall): boolean {
  return call.standing || call.request.method === 'ping';
}
