// Old era: all sessions of this transport: caps, who may use which, and the end of those that nobody uses any more.
import type { Grant } from 'plugboard';
import type { Context } from './context.ts';
import type { OldSession } from './old-session.ts';

/** Which cap keeps a new session out. */
export type Full = 'total' | 'grant';

export class Sessions {
  readonly #context: Context;
  readonly #open = new Map<string, OldSession>();
  readonly #places = new Map<string, number>();
  #taken = 0;

  constructor(context: Context) {
    this.#context = context;
    context.clock.onTick((now) => this.#beat(now));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a place for a session that is about to be opened; tells which cap is reached instead. */
  reserve(grant: Grant): Full | undefined {
    const { maxSessions, maxSessionsPerGrant } = this.#context.options;
    const places = this.#places.get(grant.id) ?? 0;
    if (this.#taken >= maxSessions) return 'total';
    if (places >= maxSessionsPerGrant) return 'grant';
    this.#taken += 1;
    this.#places.set(grant.id, places + 1);
    return undefined;
  }

  /** Gives a place back, when a session was not opened after all or is over. */
  release(grant: Grant): void {
    this.#taken -= 1;
    const places = (this.#places.get(grant.id) ?? 1) - 1;
    if (places > 0) this.#places.set(grant.id, places);
    else this.#places.delete(grant.id);
  }

  /** Adds a session for which a place was reserved. */
  add(session: OldSession): void {
    this.#open.set(session.session.id, session);
  }

  /**
   * The session of an id, for the grant and endpoint that it was opened with. For everybody else it does not exist: an id alone must
   * not say whether it is somebody's.
   */
  find(id: string, grant: Grant, server: string | undefined): OldSession | undefined {
    const found = this.#open.get(id);
    if (found === undefined || found.session.grant.id !== grant.id || found.session.server !== server) return undefined;
    if (!found.session.ended.signal.aborted) return found;
    this.#forget(found, 'the session was ended');
    return undefined;
  }

  /** Ends a session; resolves when the board has let go of it. */
  async close(session: OldSession, reason: string): Promise<void> {
    if (!this.#forget(session, reason)) return;
    try {
      await this.#context.board.close(session.session, reason);
    } catch (error) {
      this.#context.log.error('a session did not end cleanly', { session: session.session.id, error });
    }
  }

  /** Ends all sessions. */
  async closeAll(reason: string): Promise<void> {
    await Promise.all([...this.#open.values()].map((session) => this.close(session, reason)));
  }

  /** Ends the streams of all sessions that no call belongs to. */
  hangUp(): void {
    for (const session of this.#open.values()) session.hangUp();
  }

  /** Number of calls that a client waits for. */
  get calls(): number {
    let calls = 0;
    for (const session of this.#open.values()) calls += session.calls.size;
    return calls;
  }

  #forget(session: OldSession, reason: string): boolean {
    if (!this.#open.delete(session.session.id)) return false;
    this.release(session.session.grant);
    session.end(reason);
    return true;
  }

  #beat(now: number): void {
    const { idleTimeout } = this.#context.options;
    for (const session of this.#open.values()) {
      session.beat(now);
      if (session.session.ended.signal.aborted) this.#forget(session, 'the session was ended');
      else if (now - session.lastSign >= idleTimeout) void this.close(session, 'nobody used the session for too long');
    }
  }
}
