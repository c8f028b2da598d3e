// How often a plugin may fail before it is no longer asked: one that fails at every call costs every call its time and the log its sense.
import { PluginError } from './errors.ts';

/** ms for which a fault counts. */
const span = 60_000;

/** Counts the faults of one plugin. */
export class FaultBudget {
  readonly #limit: number;
  #times: number[] = [];
  #spent = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True once it was used up; it stays so until the plugin is applied again. */
  get spent(): boolean {
    return this.#spent;
  }

  /** Uses up what is left. True when there was something left. */
  exhaust(): boolean {
    const before = this.#spent;
    this.#spent = true;
    return !before;
  }

  /** Notes a fault. True when it was the last one that was allowed. */
  spend(): boolean {
    const now = Date.now();
    this.#times = [...this.#times.filter((time) => now - time < span), now];
    if (this.#spent || this.#times.length < this.#limit) return false;
    this.#spent = true;
    return true;
  }
}

/** What a request gets that a switched-off plugin would have decided. */
export class SwitchedOff extends PluginError {
  constructor(plugin: string, hook: string) {
    super(
      plugin,
      hook,
      new Error('it has failed too often and is switched off: what it decides is refused until it is corrected'),
    );
    this.name = 'SwitchedOff';
  }
}
