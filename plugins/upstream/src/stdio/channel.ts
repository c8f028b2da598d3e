// A child and the conversation with it, before and after its era is known. Which messages open a server is in `open.ts`.
import { CallFailure, ServerConversation } from 'plugboard';
import type { EventGate, Log, RpcMessage } from 'plugboard';
import type { StdioSettings } from '../settings.ts';
import type { Target } from '../target.ts';
import { Child } from './child.ts';

export class StdioChannel {
  readonly conversation: ServerConversation;
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<string>;
  readonly #server: string;
  readonly #log: Log;
  readonly #child: Child;
  readonly #release: () => Promise<void>;

  constructor({ shared, settings, key }: Target<StdioSettings>, gate: EventGate) {
    const { log, watchdog, limits } = shared;
    this.#server = settings.name;
    this.#log = log;
    this.conversation = new ServerConversation({
      server: settings.name,
      log,
      ofOneGrant: key.grant !== undefined,
      send: (message) => this.#send(message),
      events: gate,
      describe: (what) => settings.redact(`wrote ${what}`),
    });
    let tellEnd: (why: string) => void = () => {};
    this.ended = new Promise((resolve) => {
      tellEnd = resolve;
    });
    this.#child = new Child(
      { settings, maxLineBytes: limits.maxMessageBytes, log, watchdog },
      {
        line: (line) => this.conversation.receive(line),
        gone: (why) => {
          this.conversation.lost(why);
          tellEnd(why);
          void this.#child.stop().then(() => this.#release());
        },
      },
    );
    this.#release = shared.use();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Throws a {@link CallFailure} when there is no room: that ends one call, and not the process, which others may share. */
  #send(message: RpcMessage): void {
    if (this.#child.send(JSON.stringify(message))) return;
    throw new CallFailure('gone', `server "${this.#server}" is behind with reading what it is sent; try again later`);
  }

  /**
   * The error for a process that has ended or is given up. The last lines of its stderr are for operators alone: a program that fails
   * likes to say with which credentials, and the message goes to whoever called.
   */
  failure(message: string): Error {
    const words = this.#child.lastWords;
    if (words === '') return new Error(message);
    this.#log.warn(`server "${this.#server}": its last words: ${words}`, { server: this.#server });
    return Object.assign(new Error(`${message}; its last words are in the log`), {
      detail: `its last words: ${words}`,
    });
  }

  /** Fails open calls and ends the process; resolves when it is gone. */
  async stop(): Promise<void> {
    this.conversation.stop();
    await this.#child.stop();
    await this.#release();
  }
}
