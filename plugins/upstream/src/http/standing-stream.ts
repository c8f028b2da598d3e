// The GET stream of an old-era session, for messages that belong to no request (2025-11-25, Streamable HTTP). Messages are not read here.
import { Backoff } from 'plugboard';
import type { Log } from 'plugboard';
import type { HttpClient } from './client.ts';
import type { Reply, Sent } from './exchange.ts';
import { explain, isUnreachable } from './failures.ts';
import { isExpired } from './old-session.ts';
import type { OldSession } from './old-session.ts';

export interface StandingStreamInit {
  readonly client: HttpClient;
  readonly log: Log;
  readonly session: OldSession;
  text(bytes: Buffer): void;
  /** The server does not know the session any more. */
  expired(): void;
  /** The server cannot be reached for so long that nobody should think it is there. */
  lost(why: string): void;
}

const maxUnreachable = 4;

/** Opens the stream and keeps it open: breaks are followed by a new GET with `Last-Event-ID`, at the pace the server asks for. */
export class StandingStream {
  readonly #init: StandingStreamInit;
  readonly #backoff = new Backoff();
  #exchange: Sent | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string | undefined;
  #retry: number | undefined;
  #stopped = false;
  #settled: () => void = () => {};

  constructor(init: StandingStreamInit) {
    this.#init = init;
  }

  /** Resolves when the stream is there, or is not to be had now. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled = resolve;
      this.#connect();
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#exchange?.abort(new Error('no longer needed'));
    this.#settled();
  }

  #connect(): void {
    const { client, session } = this.#init;
    const resume = this.#lastId === undefined ? [] : ['last-event-id', this.#lastId];
    this.#exchange = client.stream(
      { method: 'GET', headers: [...client.streamHeaders, ...session.headers, ...resume] },
      {
        started: () => this.#settled(),
        text: (bytes) => {
          this.#backoff.reset();
          this.#init.text(bytes);
        },
        id: (id) => {
          this.#lastId = id;
        },
        retry: (ms) => {
          this.#retry = ms;
        },
        done: (reply) => this.#ended(reply),
      },
    );
    if (this.#exchange === undefined) this.#again('too many streams are open');
  }

  #ended(reply: Reply): void {
    this.#settled();
    if (this.#stopped) return;
    const { client, log, session } = this.#init;
    if (isExpired(session, reply)) {
      this.#init.expired();
    } else if (reply.status >= 300 && reply.status < 500 && reply.status !== 408 && reply.status !== 429) {
      // 405 is the way to say that there is none; others say it in their own words.
      log.debug(`server "${client.settings.name}" offers no stream for unsolicited messages (HTTP ${reply.status})`);
    } else if (isUnreachable(reply.error) && this.#backoff.failures >= maxUnreachable) {
      this.#init.lost(explain(client.settings, reply));
    } else if (reply.status >= 200 && reply.status < 300 && !reply.streamed) {
      log.debug(`server "${client.settings.name}" answers the request for a stream with something else`);
    } else this.#again(reply.error === undefined ? `HTTP ${reply.status}` : reply.error.message);
  }

  #again(why: string): void {
    const patient = this.#backoff.failures > 0 || this.#retry === undefined;
    const backoff = this.#backoff.next();
    const wait = patient ? Math.max(this.#retry ?? 0, backoff) : (this.#retry ?? backoff);
    this.#init.log.debug(
      `server "${this.#init.client.settings.name}": stream ended (${why}); opened again in ${wait} ms`,
    );
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#timer.unref();
  }
}
