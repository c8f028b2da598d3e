// Sessions whose end one client's connection wants to hear of. A session may be shared by many connections, so nothing is left on it.
import { setMaxListeners } from 'node:events';
import type { Session } from '../session.ts';

export class Followed {
  readonly #over: (session: Session) => void;
  readonly #listeners = new Map<Session, () => void>();

  /** `over` is called once for each followed session that ends. */
  constructor(over: (session: Session) => void) {
    this.#over = over;
  }

  follow(session: Session): void {
    if (this.#listeners.has(session)) return;
    const { signal } = session.ended;
    const listener = () => {
      this.#listeners.delete(session);
      this.#over(session);
    };
    if (signal.aborted) {
      this.#over(session);
      return;
    }
    this.#listeners.set(session, listener);
    // Any number of connections may follow a session; Node would take more than ten listeners for a leak and tell the user.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', listener, { once: true });
  }

  /** Those that have not ended. */
  get sessions(): Session[] {
    return [...this.#listeners.keys()];
  }

  /** Hears of nothing any more. */
  stop(): void {
    for (const [session, listener] of this.#listeners) session.ended.signal.removeEventListener('abort', listener);
    this.#listeners.clear();
  }
}
