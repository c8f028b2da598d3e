// Questions and messages over a message port, the same on both sides. What they are about: `messages.ts`.
import { receiveMessageOnPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { decodeError, encodeError } from './crossing-errors.ts';
import type { CrossedError } from './crossing-errors.ts';

/** What one side says to the other: questions, by name `[body, answer]`, and messages that nobody answers. */
export interface Protocol {
  readonly asks: { readonly [name: string]: readonly [body: unknown, answer: unknown] };
  readonly tells: { readonly [name: string]: unknown };
}

/** What a side does with what it hears. `signal` is aborted when the other side gives up waiting, with its reason where that is a text. */
export interface Handlers<Heard extends Protocol> {
  readonly asks: {
    readonly [Name in keyof Heard['asks']]: (
      body: Heard['asks'][Name][0],
      signal: AbortSignal,
    ) => Heard['asks'][Name][1] | Promise<Heard['asks'][Name][1]>;
  };
  readonly tells: { readonly [Name in keyof Heard['tells']]: (body: Heard['tells'][Name]) => void };
}

type Wire =
  | { readonly ask: string; readonly id: number; readonly body: unknown }
  | { readonly cancel: number; readonly reason: string | undefined }
  | { readonly answer: number; readonly body: unknown }
  | { readonly refuse: number; readonly error: CrossedError }
  | { readonly tell: string; readonly body: unknown };

interface Waiting {
  resolve(answer: never): void;
  reject(error: Error): void;
}

/** One side of the conversation. */
export class Channel<Said extends Protocol, Heard extends Protocol> {
  readonly #port: MessagePort;
  readonly #broken: (error: unknown) => void;
  /** Undefined: what is heard waits for the port to be opened. */
  #handlers: Handlers<Heard> | undefined;
  readonly #waiting = new Map<number, Waiting>();
  readonly #serving = new Map<number, AbortController>();
  #lastId = 0;
  #closed: Error | undefined;

  /** `broken` hears of errors of handlers that nobody waits for. */
  constructor(port: MessagePort, broken: (error: unknown) => void) {
    this.#port = port;
    this.#broken = broken;
    port.on('message', (message: Wire) => this.#receive(message));
  }

  /** Says what is done with what is heard. */
  serve(handlers: Handlers<Heard>): void {
    this.#handlers = handlers;
  }

  /** Asks the other side. Rejects with its error, or with the reason for which the conversation ended. An aborted `signal` is only passed on. */
  ask<Name extends keyof Said['asks'] & string>(
    name: Name,
    body: Said['asks'][Name][0],
    signal?: AbortSignal,
  ): Promise<Said['asks'][Name][1]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<Said['asks'][Name][1]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post({ ask: name, id, body });
    });
    if (signal === undefined) return answer;
    const cancel = () =>
      this.#post({ cancel: id, reason: typeof signal.reason === 'string' ? signal.reason : undefined });
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    return answer.finally(() => signal.removeEventListener('abort', cancel));
  }

  /** Says something. */
  tell<Name extends keyof Said['tells'] & string>(name: Name, body: Said['tells'][Name]): void {
    if (this.#closed === undefined) this.#post({ tell: name, body });
  }

  /** Takes in what the other side has said already, before it is heard of that it has ended. */
  drain(): void {
    for (;;) {
      const said: { message: Wire } | undefined = receiveMessageOnPort(this.#port);
      if (said === undefined || this.#closed !== undefined) return;
      this.#receive(said.message);
    }
  }

  /** Ends the conversation: whoever waits for an answer is told why. */
  close(reason: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(reason);
    for (const serving of this.#serving.values()) serving.abort(reason);
    this.#port.close();
  }

  #receive(message: Wire): void {
    if (this.#closed !== undefined) return;
    if ('ask' in message) void this.#serve(message.ask, message.id, message.body);
    else if ('tell' in message) this.#hear(message.tell, message.body);
    else if ('cancel' in message) this.#serving.get(message.cancel)?.abort(message.reason);
    else if ('answer' in message) this.#settle(message.answer)?.resolve(message.body as never);
    else this.#settle(message.refuse)?.reject(decodeError(message.error));
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #hear(name: string, body: unknown): void {
    try {
      const handler = this.#handlers?.tells[name];
      if (handler === undefined) throw new Error(`nobody listens to "${name}"`);
      handler(body as never);
    } catch (error) {
      this.#broken(error);
    }
  }

  async #serve(name: string, id: number, body: unknown): Promise<void> {
    const abort = new AbortController();
    this.#serving.set(id, abort);
    try {
      const handler = this.#handlers?.asks[name];
      if (handler === undefined) throw new Error(`nobody answers "${name}"`);
      const answer: unknown = await handler(body, abort.signal);
      this.#post({ answer: id, body: answer });
    } catch (error) {
      this.#post({ refuse: id, error: encodeError(error) });
    } finally {
      this.#serving.delete(id);
    }
  }

  /** What cannot be copied as it is (a function in a definition, say) goes over as the JSON that clients would get. Throws when it is none. */
  #post(message: Wire): void {
    if (this.#closed !== undefined) return;
    try {
      this.#port.postMessage(message, []);
    } catch {
      this.#port.postMessage(JSON.parse(JSON.stringify(message)), []);
    }
  }
}
