// The sessions of one client on a pipe or socket: the one that it has opened in the old era, and those that stand for it in the new one.
import type { BoardApi } from '../board-api.ts';
import type { Log } from '../plugin.ts';
import type { Answer } from '../protocol/answer.ts';
import type { JsonObject } from '../protocol/messages.ts';
import type { Session } from '../session.ts';
import { Followed } from './followed.ts';

/** The way of one client to its sessions. */
export interface ClientAdmission {
  /** Opens a session of the old era with the params of `initialize`. */
  open(params: JsonObject): Promise<{ session: Session; result: JsonObject }>;
  /** The session that stands for this client in the new era. May throw as well as reject. */
  stateless(): Session | Promise<Session>;
  /** The answer to a request that got no session. */
  explain(error: unknown): Answer;
}

export interface ClientSessionsInit {
  readonly board: BoardApi;
  readonly admission: ClientAdmission;
  readonly log: Log;
  /** True: its sessions of the new era are this client's alone, and end with it. */
  readonly ownsStateless: boolean;
}

export class ClientSessions {
  readonly #init: ClientSessionsInit;
  readonly #followed: Followed;
  readonly #lost: (session: Session, opened: boolean) => void;
  #opened: Session | undefined;
  #ended = false;
  #closed = false;

  /** `lost` is called when the board has ended a session, which may be the one that the client has opened. */
  constructor(init: ClientSessionsInit, lost: (session: Session, opened: boolean) => void) {
    this.#init = init;
    this.#lost = lost;
    this.#followed = new Followed((session) => this.#over(session));
  }

  /** True when the client leaves, or has left. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The session of the old era, as long as the board has not ended it. */
  get current(): Session | undefined {
    return this.#opened?.ended.signal.aborted === false ? this.#opened : undefined;
  }

  /** Keeps the session that the client has opened; it is to be followed as soon as the client has been told. */
  keep(session: Session): void {
    this.#opened = session;
  }

  /** Wants to hear of a session's end; at once when it has ended. */
  follow(session: Session): void {
    this.#followed.follow(session);
  }

  /** Runs with the session that stands for this client in the new era, at once if it is there. */
  withStateless(run: (session: Session) => void, fail: (error: unknown) => void): void {
    const remember = (session: Session): void => {
      if (!this.#closed) this.follow(session);
      else if (this.#init.ownsStateless) {
        void this.#close(session, 'the client has gone');
        return;
      }
      run(session);
    };
    try {
      const session = this.#init.admission.stateless();
      if (session instanceof Promise) session.then(remember).catch(fail);
      else remember(session);
    } catch (error) {
      fail(error);
    }
  }

  /** The client leaves, or is left: requests that were taken before still get their session, until all are closed. */
  end(): void {
    this.#ended = true;
  }

  /** Closes those that are this client's own, also those that still come. */
  async close(reason: string): Promise<void> {
    this.#closed = true;
    const own = new Set(this.#init.ownsStateless ? this.#followed.sessions : []);
    if (this.#opened !== undefined) own.add(this.#opened);
    this.#opened = undefined;
    this.#followed.stop();
    await Promise.all([...own].map((session) => this.#close(session, reason)));
  }

  #over(session: Session): void {
    if (!this.#ended) this.#lost(session, session === this.#opened);
  }

  async #close(session: Session, reason: string): Promise<void> {
    const { board, log } = this.#init;
    try {
      await board.close(session, reason);
    } catch (error) {
      log.error('a session did not end cleanly', { session: session.id, error });
    }
  }
}
