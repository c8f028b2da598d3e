// A child and the conversation with it, before and after its era is known. Which messages open a server is in `open.ts`.
import { ServerConversation } from 'plugboard';
import type { EventGate, RpcMessage } from 'plugboard';
import type { StdioSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import { Child } from './child.ts';

export class StdioChannel {
  readonly conversation: ServerConversation;
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<string>;
  readonly #child: Child;
  readonly #release: () => Promise<void>;

  constructor(shared: Shared, settings: StdioSettings, gate: EventGate) {
    const { log, watchdog, limits } = shared;
    this.conversation = new ServerConversation({
      server: settings.name,
      log,
      send: (message: RpcMessage) => this.#child.send(JSON.stringify(message)),
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

  /** The last lines of the process's stderr, as the end of a sentence; empty when it wrote nothing. */
  get lastWords(): string {
    const words = this.#child.lastWords;
    return words === '' ? '' : `; its last words: ${words}`;
  }

  /** Fails open calls and ends the process; resolves when it is gone. */
  async stop(): Promise<void> {
    this.conversation.stop();
    await this.#child.stop();
    await this.#release();
  }
}
