// Why a server is down, in words for clients and for operators, and how loudly the log is told of it. When it is tried again: `server.ts`.

/** So many failures in a row, and a server is not taken for one that is back in a moment. */
const lastingAfter = 3;

/** The failures of one server since it was up last. */
export class Downtime {
  /** Why it is down, in words that clients may read. */
  reason: string | undefined;
  /** What operators should know beyond that. */
  #detail: string | undefined;
  readonly #server: string;
  #failures = 0;
  /** The reason that was logged last. */
  #told: string | undefined;

  constructor(server: string) {
    this.#server = server;
  }

  /** True when it keeps failing: it is not waited for. */
  get lasting(): boolean {
    return this.#failures >= lastingAfter;
  }

  /** The reason and what only operators may read. */
  get wholeReason(): string | undefined {
    return this.#detail === undefined ? this.reason : `${this.reason}; ${this.#detail}`;
  }

  /** It has failed, perhaps once more. Returns the level for the log: the same again and again would bury everything else there. */
  failed(error: unknown): 'debug' | 'warn' {
    this.#failures += 1;
    this.reason = this.#reasonOf(error);
    this.#detail = detailOf(error);
    const level = this.#failures > 1 && this.reason === this.#told ? 'debug' : 'warn';
    this.#told = this.reason;
    return level;
  }

  /** It is up. */
  over(): void {
    this.reason = undefined;
    this.#detail = undefined;
    this.#failures = 0;
  }

  /** Without its name, which stands in front wherever this is shown. */
  #reasonOf(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const name = `server "${this.#server}" `;
    return text.startsWith(name) ? text.slice(name.length) : text;
  }
}

/** What an error says to operators alone; see `ServerDefinition.open`. */
function detailOf(error: unknown): string | undefined {
  const detail = error instanceof Error ? (error as { detail?: unknown }).detail : undefined;
  return typeof detail === 'string' ? detail : undefined;
}
