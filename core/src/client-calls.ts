// The requests of one client that are under way, by the ids that the client gave them. What a request is, its owner knows.
import { InFlight } from './in-flight.ts';
import type { RequestId } from './protocol/messages.ts';

/** Most clients count their requests: those stay out of a Map, which is not made for what comes and goes ({@link InFlight}). */
export class ClientCalls<Call> {
  readonly #counted = new InFlight<Call>();
  /** Made for the first id that is no number: most sessions have none. */
  #named: Map<RequestId, Call> | undefined;

  get size(): number {
    return this.#counted.size + (this.#named?.size ?? 0);
  }

  get(id: RequestId): Call | undefined {
    return isCounted(id) ? this.#counted.get(id) : this.#named?.get(id);
  }

  /** Adds a call under an id that is not there. */
  set(id: RequestId, call: Call): void {
    if (isCounted(id)) this.#counted.set(id, call);
    else (this.#named ??= new Map()).set(id, call);
  }

  /** Does nothing when it is not there. */
  delete(id: RequestId): void {
    if (isCounted(id)) this.#counted.delete(id);
    else this.#named?.delete(id);
  }

  /** All of them, as they are now. */
  all(): Call[] {
    return [...this.#counted.all(), ...(this.#named?.values() ?? [])];
  }
}

function isCounted(id: RequestId): id is number {
  return typeof id === 'number' && id >= 0 && Number.isSafeInteger(id);
}
