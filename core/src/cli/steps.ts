// Steps of something that takes seconds: one line that changes on a terminal, a line each elsewhere. Ctrl-C ends it in order.
import type { Console } from './console.ts';

export class Steps {
  readonly #output: Console;
  readonly #abort = new AbortController();
  readonly #onSignal = () => this.#abort.abort();
  #shown = false;
  #ended = false;

  constructor(output: Console) {
    this.#output = output;
    process.once('SIGINT', this.#onSignal);
  }

  /** Aborted by Ctrl-C. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  show(text: string): void {
    if (this.#ended || this.#output.json) return;
    if (this.#output.animated) {
      process.stderr.write(`\r\u001b[K${this.#output.paint('dim', `${text} …`)}`);
      this.#shown = true;
    } else this.#output.note(`${text} …`);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    process.off('SIGINT', this.#onSignal);
    if (this.#shown) process.stderr.write('\r\u001b[K');
  }
}
