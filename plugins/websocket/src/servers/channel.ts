// One WebSocket to a server and the conversation on it, before and after its era is known. Which messages open it: `open.ts`.
import type { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ServerConversation } from 'plugboard';
import type { ConnectionEvents, LeaseKey, Log, RpcMessage } from 'plugboard';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { Outbox } from '../outbox.ts';
import type { ServerLimits } from './definition.ts';
import type { ServerSettings } from './entry.ts';

/** ms that a server has to answer a close. */
const closeTimeout = 2000;

/** What is heard of the server that belongs to no call. */
type ChannelEvents = Pick<ConnectionEvents, 'notification' | 'request'>;

/** Thrown when the server refuses the handshake of WebSocket for good: to try again changes nothing. */
export class Refused extends Error {}

export interface ChannelInit {
  readonly settings: ServerSettings;
  readonly limits: ServerLimits;
  readonly log: Log;
  readonly key: LeaseKey;
}

export class Channel {
  readonly conversation: ServerConversation;
  /** Resolves with the reason when the connection is gone. */
  readonly ended: Promise<string>;
  readonly #ws: WebSocket;
  readonly #outbox: Outbox;
  readonly #heartbeat: NodeJS.Timeout;
  #why: string | undefined;
  #heard = true;

  /** Connects. Rejects with an Error that says what to do; nothing is left open then. */
  static async open(init: ChannelInit, events: ChannelEvents, signal: AbortSignal): Promise<Channel> {
    const { url, headers } = init.settings;
    const options = {
      headers: { ...headers },
      // A compressed message of a few bytes may be gigabytes.
      perMessageDeflate: false,
      maxPayload: init.limits.maxServerMessageBytes,
      handshakeTimeout: init.limits.connectTimeout,
      closeTimeout,
    };
    const ws = new WebSocket(url, ['mcp'], options);
    let socket: Duplex | undefined;
    ws.once('upgrade', (response) => (socket = response.socket));
    await opened(ws, init.settings, signal);
    return new Channel(ws, socket as Duplex, init, events);
  }

  private constructor(
    ws: WebSocket,
    socket: Duplex,
    { settings, limits, log, key }: ChannelInit,
    events: ChannelEvents,
  ) {
    this.#ws = ws;
    this.#outbox = new Outbox(ws, socket, limits.maxQueuedBytes, {
      drained: () => {},
      overflow: () => this.#fail(`left more than ${limits.maxQueuedBytes} bytes unread`),
    });
    this.conversation = new ServerConversation({
      server: settings.name,
      log,
      ofOneGrant: key.grant !== undefined,
      send: (message: RpcMessage) => this.#outbox.write(JSON.stringify(message)),
      events,
      describe: (what) => settings.redact(`sent ${what}`),
    });
    ws.on('message', (data: RawData, isBinary: boolean) => {
      this.#heard = true;
      if (isBinary) this.conversation.warn('sent a binary message; it was dropped');
      else this.conversation.receive(data as Buffer);
    });
    ws.on('ping', () => (this.#heard = true));
    ws.on('pong', () => (this.#heard = true));
    ws.on('error', (error: Error) => (this.#why ??= `broke the connection: ${error.message}`));
    this.ended = new Promise((resolve) => {
      ws.on('close', (code: number, reason: Buffer) => {
        clearInterval(this.#heartbeat);
        const why = settings.redact(this.#why ?? `closed the connection${words(code, reason)}`);
        this.conversation.lost(why);
        this.conversation.endListens(why);
        resolve(why);
      });
    });
    this.#heartbeat = setInterval(() => this.#beat(limits.heartbeat), limits.heartbeat);
    this.#heartbeat.unref();
    ws.resume();
  }

  /** Fails open calls and closes; resolves when the socket is gone. */
  async close(): Promise<void> {
    this.conversation.stop();
    this.#ws.close(1000);
    await this.ended;
  }

  #beat(heartbeat: number): void {
    if (!this.#heard) this.#fail(`gave no sign of life for ${2 * heartbeat} ms`);
    this.#heard = false;
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  #fail(why: string): void {
    this.#why ??= why;
    this.#ws.terminate();
  }
}

/** Resolves when the WebSocket is open, still paused; rejects, with nothing left of it, when it cannot be opened or `signal` is aborted. */
async function opened(ws: WebSocket, { name, shown, redact }: ServerSettings, signal: AbortSignal): Promise<void> {
  const place = `server "${name}" at ${shown}`;
  let giveUp = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      giveUp = () => reject(signal.reason as Error);
      // What the server says at once must not be heard before somebody listens.
      ws.once('open', () => {
        ws.pause();
        resolve();
      });
      // It stays for good: an error that comes late is nobody's any more, and must not bring the process down.
      ws.on('error', (error) => reject(new Error(redact(`${place} cannot be reached: ${advice(error)}`))));
      ws.once('unexpected-response', (_request, response: IncomingMessage) => {
        response.resume();
        reject(refusal(place, response));
      });
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true });
    });
  } catch (error) {
    ws.terminate();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function refusal(place: string, { statusCode: status = 0, headers }: IncomingMessage): Error {
  if (status === 401 || status === 403)
    return new Refused(
      `${place} refused the connection (HTTP ${status}): correct its headers; signing in by OAuth is not possible over WebSocket`,
    );
  if (status >= 300 && status < 400)
    return new Refused(
      `${place} answered with a redirect (HTTP ${status}); configure the address it leads to: ${origin(headers.location)}`,
    );
  if (status === 404 || status === 426 || status === 200)
    return new Refused(`${place} offers no WebSocket there (HTTP ${status}); correct its url`);
  return new Error(`${place} refused the connection (HTTP ${status}); see its own log`);
}

/** Where a redirect leads, without what may be secret in it. */
function origin(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return 'unknown';
  const { protocol, host, pathname } = new URL(location);
  return `${protocol}//${host}${pathname}`;
}

function advice(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'nobody listens there; start it, or correct its url';
  if (error.code === 'ENOTFOUND') return 'its host name is not known; correct its url';
  if (/subprotocol/i.test(error.message)) return `${error.message}; MCP over WebSocket needs the subprotocol "mcp"`;
  return error.message;
}

function words(code: number, reason: Buffer): string {
  const said = reason.toString('utf8').slice(0, 120);
  if (code === 1006) return ' without a word';
  return ` (code ${code}${said === '' ? '' : `: ${JSON.stringify(said)}`})`;
}
