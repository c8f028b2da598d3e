// Warnings about one server, a few a second: a server that goes wrong goes wrong often.
import type { Log } from '../plugin.ts';

const perSecond = 5;

export class Throttle {
  readonly #log: Log;
  readonly #server: string;
  #second = 0;
  #count = 0;
  #dropped = 0;

  constructor(log: Log, server: string) {
    this.#log = log;
    this.#server = server;
  }

  warn(text: string): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.end();
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > perSecond) this.#dropped += 1;
    else this.#log.warn(`server "${this.#server}" ${text}`, { server: this.#server });
  }

  /** Reports what was left out. */
  end(): void {
    if (this.#dropped > 0)
      this.#log.warn(`server "${this.#server}": ${this.#dropped} more warnings left out`, { server: this.#server });
    this.#dropped = 0;
  }
}
