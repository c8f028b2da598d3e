// Signals that ask a command to stop: the first one asks, its echo is not heard, and a later one ends the process at once.

/** ms within which a signal is an echo: Ctrl-C reaches a command from the terminal, and once more from the npm that started it. */
const echo = 500;

/** Listens until {@link StopSignals.end}; until then the signals no longer end the process by themselves. */
export class StopSignals {
  readonly #names: readonly NodeJS.Signals[];
  readonly #asked: (name: NodeJS.Signals) => void;
  #since: number | undefined;
  readonly #heard = (name: NodeJS.Signals, number: number) => {
    if (this.#since === undefined) {
      this.#since = performance.now();
      this.#asked(name);
    } else if (performance.now() - this.#since >= echo) process.exit(128 + number);
  };

  /** `asked` is called once, with the first signal. */
  constructor(names: readonly NodeJS.Signals[], asked: (name: NodeJS.Signals) => void) {
    this.#names = names;
    this.#asked = asked;
    for (const name of names) process.on(name, this.#heard);
  }

  end(): void {
    for (const name of this.#names) process.off(name, this.#heard);
  }
}
