// Steps of something that takes seconds: one line that changes on a terminal, a line each elsewhere. Ctrl-C ends it in order.
import type { Console } from './console.ts';
import { StopSignals } from './stop-signals.ts';

export class Steps {
  readonly #output: Console;
  readonly #abort = new AbortController();
  readonly #signals = new StopSignals(['SIGINT'], () => this.#abort.abort());
  #ended = false;

  constructor(output: Console) {
    this.#output = output;
  }

  /** Aborted by Ctrl-C. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  show(text: string): void {
    if (this.#ended || this.#output.json) return;
    if (this.#output.animated) this.#output.progress(`${text} …`);
    else this.#output.note(`${text} …`);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signals.end();
    this.#output.progress(undefined);
  }
}
