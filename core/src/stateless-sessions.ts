// New-era sessions: the protocol has none, so one object stands for all requests of a grant on a transport and endpoint.
import { randomUUID } from 'node:crypto';
import type { Grant } from './grant.ts';
import { newVersions } from './protocol/messages.ts';
import { Session } from './session.ts';

/** They are forgotten after this time (ms) without a request. */
const idle = 1_800_000;

/** One session and what it stands for; a promise while it begins. */
interface Kept {
  readonly transport: string;
  readonly server: string | undefined;
  session: Session | Promise<Session>;
}

/** The sessions that stand for new-era callers, made at their first request. */
export class StatelessSessions {
  /** By grant; a caller rarely has more than one, so a list is searched. */
  readonly #sessions = new Map<Grant, Kept[]>();
  readonly #lastUse = new Map<Session, number>();
  readonly #begin: (session: Session) => Promise<void> | undefined;

  /** `begin` admits a new session; a promise only where plugins have a say. */
  constructor(begin: (session: Session) => Promise<void> | undefined) {
    this.#begin = begin;
  }

  /** The session for a caller; a promise only while it begins. Rejects with what `begin` rejects with. */
  get(transport: string, grant: Grant, server: string | undefined): Session | Promise<Session> {
    const list = this.#sessions.get(grant);
    const known = list?.find((each) => each.transport === transport && each.server === server);
    if (known !== undefined) {
      if (known.session instanceof Session) this.#lastUse.set(known.session, Date.now());
      return known.session;
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
    const kept: Kept = { transport, server, session };
    this.#sessions.set(grant, [...(list ?? []), kept]);
    this.#lastUse.set(session, Date.now());
    let beginning: Promise<void> | undefined;
    try {
      beginning = this.#begin(session);
    } catch (error) {
      this.delete(session);
      throw error;
    }
    if (beginning === undefined) return session;
    kept.session = beginning.then(
      () => (kept.session = session),
      (error: unknown) => {
        this.#remove(grant, kept);
        this.#lastUse.delete(session);
        throw error;
      },
    );
    return kept.session;
  }

  /** Forgets a session that has ended. */
  delete(session: Session): void {
    this.#lastUse.delete(session);
    const kept = this.#sessions.get(session.grant)?.find((each) => each.session === session);
    if (kept !== undefined) this.#remove(session.grant, kept);
  }

  /** Those that nobody has used for a while. One that is `inUse`, by a request that goes on and on, is used now. */
  idle(now: number, inUse: (session: Session) => boolean): Session[] {
    const old = [...this.#lastUse].flatMap(([session, lastUse]) => (now - lastUse > idle ? [session] : []));
    const used = new Set(old.filter(inUse));
    for (const session of used) this.#lastUse.set(session, now);
    return old.filter((session) => !used.has(session));
  }

  #remove(grant: Grant, kept: Kept): void {
    const rest = this.#sessions.get(grant)?.filter((each) => each !== kept) ?? [];
    if (rest.length === 0) this.#sessions.delete(grant);
    else this.#sessions.set(grant, rest);
  }
}
