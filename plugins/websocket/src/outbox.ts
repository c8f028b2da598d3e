// Messages out: written together, bounded when the reader is slow, silent when it has gone. What is said is not known here.
import type { Duplex } from 'node:stream';
import type { ClientOutbox, RpcNotification } from 'plugboard';
import type { WebSocket } from 'ws';

/** Bytes that may be unread before work for the reader is held back. */
const highWater = 256 * 1024;

const asText = { binary: false };

/** Notifications that a reader can do without: the next one of the kind says more. */
const lossy = new Set(['notifications/progress', 'notifications/message']);

export interface OutboxEvents {
  /** The reader has caught up: {@link Outbox.full} is false again. */
  drained(): void;
  /** More than the limit is unread, and there is something more to say. Called once; nothing is sent after it. */
  overflow(): void;
}

/** Sends text messages on an open WebSocket. It does not own the socket below it, but knows how much of it is unread. */
export class Outbox implements ClientOutbox {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #limit: number;
  readonly #events: OutboxEvents;
  #corked = false;
  #dead = false;
  #full = false;
  #dropped = 0;

  /** `limit`: unread bytes above which nothing more is queued. */
  constructor(ws: WebSocket, socket: Duplex, limit: number, events: OutboxEvents) {
    this.#ws = ws;
    this.#socket = socket;
    this.#limit = limit;
    this.#events = events;
    socket.on('drain', () => {
      if (!this.#full) return;
      this.#full = false;
      this.#events.drained();
    });
  }

  /** True while the reader is behind: nobody should begin work that ends in more output. */
  get full(): boolean {
    return this.#full;
  }

  /** Bytes that were sent and not taken by the reader's side yet. */
  get unread(): number {
    return this.#socket.writableLength;
  }

  /** Messages that were left out so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends one message. A single one may be of any size; it is the next that finds the queue too long. */
  write(message: string | Buffer): void {
    if (this.#dead || this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.unread > this.#limit) {
      this.#dead = true;
      this.#events.overflow();
      return;
    }
    if (!this.#corked) {
      // Everything that is said in one turn leaves in one system call.
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#ws.send(message, asText);
    // Past the socket's own mark, so that it tells when it has drained.
    if (this.unread > Math.max(highWater, this.#socket.writableHighWaterMark)) this.#full = true;
  }

  /** Sends a notification; one that can be done without is left out while the reader is behind. */
  notify(message: RpcNotification): void {
    if (this.unread <= this.#limit / 2 || !lossy.has(message.method)) this.write(JSON.stringify(message));
    else this.#dropped += 1;
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#dead = true;
  }
}
