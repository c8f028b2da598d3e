// What is remembered of servers between connections: the protocol generation they speak. In memory now; the interface is the seam for a store.
import type { Era } from 'plugboard';

/** What was found out about a server. */
export interface Verdict {
  readonly era: Era;
  /** HTTP, old era: the transport that worked. */
  readonly transport?: 'http' | 'sse';
  /** When it was found, in ms since the epoch; old findings are checked again. */
  readonly at: number;
}

/** Keeps verdicts by the fingerprint of a server's definition. */
export interface Verdicts {
  get(fingerprint: string): Verdict | undefined;
  set(fingerprint: string, verdict: Verdict): void;
  delete(fingerprint: string): void;
}

const maxAge = 24 * 3600_000;
const maxEntries = 1000;

/** Verdicts of this process; they outlive a change of the configuration. */
export class MemoryVerdicts implements Verdicts {
  readonly #verdicts = new Map<string, Verdict>();

  get(fingerprint: string): Verdict | undefined {
    const verdict = this.#verdicts.get(fingerprint);
    if (verdict !== undefined && Date.now() - verdict.at > maxAge) this.#verdicts.delete(fingerprint);
    return this.#verdicts.get(fingerprint);
  }

  set(fingerprint: string, verdict: Verdict): void {
    const [oldest] = this.#verdicts.keys();
    if (oldest !== undefined && this.#verdicts.size >= maxEntries) this.#verdicts.delete(oldest);
    this.#verdicts.set(fingerprint, verdict);
  }

  delete(fingerprint: string): void {
    this.#verdicts.delete(fingerprint);
  }
}
