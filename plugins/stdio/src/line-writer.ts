// Lines out: written together, held back when the reader is slow, silent when it has gone. What is said is not known here.
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientOutbox, Log, RpcNotification } from 'plugboard';

export interface LineWriterEvents {
  /** The reader has caught up: {@link LineWriter.full} is false again. */
  drained(): void;
  /** The reader has gone (`EPIPE`), or the stream was closed. Called once at most. */
  gone(): void;
}

/** Streams that outlive their writer, each with one listener that takes their errors. */
const survivors = new WeakSet<Writable>();

/** Writes lines to a stream that it does not own. */
export class LineWriter implements ClientOutbox {
  readonly #output: Writable;
  readonly #dropAbove: number;
  readonly #log: Log;
  readonly #events: LineWriterEvents;
  #corked = false;
  #dead = false;
  #dropped = 0;

  /** Above `dropAbove` unread bytes notifications are dropped. */
  constructor(output: Writable, dropAbove: number, log: Log, events: LineWriterEvents) {
    this.#output = output;
    this.#dropAbove = dropAbove;
    this.#log = log;
    this.#events = events;
    output.on('error', this.#onEnd).on('close', this.#onEnd).on('drain', this.#onDrain);
  }

  /** True while the reader is behind: nobody should begin work that ends in more output. */
  get full(): boolean {
    return !this.#dead && this.#output.writableNeedDrain;
  }

  /** Writes a line; `line` has no line break of its own. */
  write(line: string | Buffer): void {
    if (this.#dead) return;
    if (!this.#corked) {
      // Everything that is said in one turn leaves in one system call.
      this.#corked = true;
      this.#output.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#output.uncork();
      });
    }
    if (typeof line === 'string') this.#output.write(`${line}\n`);
    else {
      this.#output.write(line);
      this.#output.write('\n');
    }
  }

  /**
   * Writes a notification, or leaves it out when the reader has fallen too far behind: nothing else bounds what servers may say unasked.
   * That a question is taken back is always told: there are no more of these than questions, and without it a user is asked in vain.
   */
  notify(message: RpcNotification): void {
    if (this.#output.writableLength <= this.#dropAbove || message.method === 'notifications/cancelled')
      this.write(JSON.stringify(message));
    else {
      this.#dropped += 1;
      if (this.#dropped === 1) this.#log.warn('the client does not read: notifications are dropped until it does');
    }
  }

  /** Lets go of the stream, after what was written has left or `limit` ms have passed. */
  async release(limit: number): Promise<void> {
    if (!this.#dead && !this.#output.destroyed && !this.#output.writableEnded) {
      const giveUp = new AbortController();
      const written = new Promise<void>((resolve) => this.#output.write('', () => resolve()));
      await Promise.race([written, sleep(limit, undefined, { signal: giveUp.signal }).catch(() => {})]);
      giveUp.abort();
    }
    this.#dead = true;
    // One listener for errors stays on each stream: a write that fails later must not bring the process down.
    if (!survivors.has(this.#output)) this.#output.on('error', () => {});
    survivors.add(this.#output);
    this.#output.off('error', this.#onEnd).off('close', this.#onEnd).off('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => {
    if (this.#dropped > 0) this.#log.warn('the client reads again', { droppedNotifications: this.#dropped });
    this.#dropped = 0;
    this.#events.drained();
  };

  readonly #onEnd = (): void => {
    if (this.#dead) return;
    this.#dead = true;
    this.#events.gone();
  };
}
