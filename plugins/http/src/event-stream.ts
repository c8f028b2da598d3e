// Server-sent events: a message as a frame, and one response that carries frames. What is kept for later lives in `event-log.ts`.
import type { OutgoingHttpHeader, ServerResponse } from 'node:http';
import type { Responder } from './responder.ts';

const streamHead: OutgoingHttpHeader[] = [
  'Content-Type',
  'text/event-stream',
  'Cache-Control',
  'no-cache, no-transform',
  'X-Accel-Buffering',
  'no',
];
const comment = Buffer.from(': keep-alive\n\n');
const frameEnd = Buffer.from('\n\n');

/** The frame of one JSON text; `id` makes it resumable. */
export function frameOf(payload: Buffer | string, id?: string): Buffer {
  const head = id === undefined ? 'event: message\ndata: ' : `event: message\nid: ${id}\ndata: `;
  if (typeof payload === 'string') return Buffer.from(`${head}${payload}\n\n`);
  const text = payload.includes(0x0d) || payload.includes(0x0a) ? onOneLine(payload) : payload;
  return Buffer.concat([Buffer.from(head, 'latin1'), text, frameEnd]);
}

/** Line breaks between the tokens of somebody else's JSON would end the event early. Inside strings JSON has none, so a space will do. */
function onOneLine(json: Buffer): Buffer {
  const text = Buffer.from(json);
  for (let at = 0; at < text.length; at += 1) if (text[at] === 0x0d || text[at] === 0x0a) text[at] = 0x20;
  return text;
}

/** An event without a message: gives the client an id to resume from before anything happened (2025-11-25, transports). */
export function primingFrame(id: string, retry: number): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retry}\ndata: \n\n`);
}

/** How streams behave; a part of the plugin's options. */
export interface StreamLimits {
  /** ms between keep-alive comments. */
  readonly keepAlive: number;
  /** Bytes that a reader may leave unread before the next event disconnects it. */
  readonly maxQueuedBytes: number;
}

/** One response on its way as a stream of events. It is gone when the client or {@link EventStream.end} closes it. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #responder: Responder;
  readonly #limits: StreamLimits;
  #lastWrite: number;
  /** Bytes of the longest frame that may still be on its way: to be longer than the limit makes nobody a slow reader. */
  #longest = 0;

  /** Sends the headers. `now` is the time of the transport's clock. */
  constructor(response: ServerResponse, responder: Responder, limits: StreamLimits, now: number) {
    this.#response = response;
    this.#responder = responder;
    this.#limits = limits;
    this.#lastWrite = now;
    response.writeHead(200, streamHead);
    response.flushHeaders();
  }

  /** False when the client is gone. */
  get open(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Sends a frame. False when it was not sent, because the client is gone or reads too slowly, which disconnects it. */
  write(frame: Buffer): boolean {
    if (!this.open) return false;
    if (this.#isBehind()) {
      this.#response.destroy();
      return false;
    }
    this.#response.write(frame);
    this.#longest = Math.max(this.#longest, frame.length);
    return true;
  }

  /** Sends the last frame, however much is unread before it, and ends the response: an answer must not be lost to what went before. */
  endWith(frame: Buffer): void {
    if (this.open) this.#response.write(frame);
    this.end();
  }

  /** True when the reader leaves too much unread. */
  #isBehind(): boolean {
    const { maxQueuedBytes } = this.#limits;
    if (this.#response.writableLength <= maxQueuedBytes) {
      this.#longest = 0;
      return false;
    }
    // Node holds what is written until the end of the turn: a burst of ours is not yet a slow reader.
    this.#response.socket?.uncork();
    return this.#response.writableLength > maxQueuedBytes + this.#longest;
  }

  /** Sends a comment when it is time, so that nobody in between takes the connection for dead. */
  beat(now: number): void {
    if (now - this.#lastWrite < this.#limits.keepAlive || !this.open) return;
    this.#lastWrite = now;
    // Bytes are waiting, so no comment is needed. It would also hide from the socket's timer that the client does not read.
    if (this.#response.writableLength > 0) this.#responder.watch(this.#response);
    else this.#response.write(comment);
  }

  /** Ends the response. */
  end(): void {
    if (!this.open) return;
    this.#response.end();
    this.#responder.watch(this.#response);
  }
}
