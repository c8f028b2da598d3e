// New-era sessions: the protocol has none, so one object stands for all requests of a grant on a transport and endpoint.
import { randomUUID } from 'node:crypto';
import type { Grant } from './grant.ts';
import { newVersions } from './protocol/messages.ts';
import { Session } from './session.ts';

/** They are forgotten after this time (ms) without a request. */
const idle = 1_800_000;

/** The sessions that stand for new-era callers, made at their first request. */
export class StatelessSessions {
  readonly #sessions = new Map<string, Session | Promise<Session>>();
  readonly #lastUse = new Map<Session, number>();
  readonly #begin: (session: Session) => Promise<void> | undefined;

  /** `begin` admits a new session; a promise only where plugins have a say. */
  constructor(begin: (session: Session) => Promise<void> | undefined) {
    this.#begin = begin;
  }

  /** The session for a caller; a promise only while it begins. Rejects with what `begin` rejects with. */
  get(transport: string, grant: Grant, server: string | undefined): Session | Promise<Session> {
    const key = `${transport} ${grant.id} ${server ?? ''}`;
    const known = this.#sessions.get(key);
    if (known instanceof Promise) return known;
    if (known !== undefined && known.grant === grant) {
      this.#lastUse.set(known, Date.now());
      return known;
    }
    const id = randomUUID();
    const [protocolVersion] = newVersions;
    const init = {
      id,
      era: 'new',
      grant,
      transport,
      server,
      protocolVersion,
      capabilities: {},
      clientInfo: undefined,
    } as const;
    const session = new Session(init);
    const beginning = this.#begin(session);
    if (beginning === undefined) return this.#keep(key, session);
    const begun = beginning.then(
      () => this.#keep(key, session),
      (error: unknown) => {
        this.#sessions.delete(key);
        throw error;
      },
    );
    this.#sessions.set(key, begun);
    return begun;
  }

  /** Forgets a session that has ended. */
  delete(session: Session): void {
    this.#lastUse.delete(session);
    for (const [key, each] of this.#sessions) if (each === session) this.#sessions.delete(key);
  }

  /** Those that nobody has used for a while. */
  idle(now: number): Session[] {
    return [...this.#lastUse].flatMap(([session, lastUse]) => (now - lastUse > idle ? [session] : []));
  }

  #keep(key: string, session: Session): Session {
    this.#sessions.set(key, session);
    this.#lastUse.set(session, Date.now());
    return session;
  }
}
