// One client's connection: messages in, in turns with other connections; signs of life, limits and the end. What is said lives in the core.
import type { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { Answer, ClientConversation, idOfRequest, isTooDeep, maxDepth, rpcCode } from 'plugboard';
import type { AuthenticationContext, Credential, Session } from 'plugboard';
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../clock.ts';
import { Outbox } from '../outbox.ts';
import { Admission } from './admission.ts';
import type { Context } from './context.ts';
import { Turns } from './turns.ts';

/** Close codes of RFC 6455, section 7.4.1. */
export const closeCode = { goingAway: 1001, unsupported: 1003, policy: 1008 } as const;

/** Messages that one connection has carried out before others have their turn. */
const perTurn = 32;
/** Messages of no use, and pings, that a client may send between two heartbeats. */
const maxRubbish = 100;
const maxPings = 1000;

export interface ConnectionInit {
  readonly ws: WebSocket;
  /** The socket below it. */
  readonly socket: Duplex;
  readonly credential: Credential;
  readonly peer: AuthenticationContext;
  readonly grantId: string;
  readonly server: string | undefined;
  readonly clock: Clock;
}

export class Connection {
  readonly grantId: string;
  /** Resolves when socket and sessions are gone. */
  readonly closed: Promise<void>;
  readonly #context: Context;
  readonly #ws: WebSocket;
  readonly #socket: Duplex & { readonly bytesWritten?: number };
  readonly #admission: Admission;
  readonly #outbox: Outbox;
  readonly #conversation: ClientConversation;
  #messages: Buffer[] = [];
  #ended = false;
  #inTurn = 0;
  #yielding = false;
  readonly #clock: Clock;
  /** Times of the clock. */
  #heardAt: number;
  #messageAt: number;
  #checkedAt: number;
  #progress: { readonly bytes: number; readonly at: number };
  #pinged = false;
  #rubbish = 0;
  #pings = 0;

  constructor(context: Context, { ws, socket, credential, peer, grantId, server, clock }: ConnectionInit) {
    const { board, log, options } = context;
    this.#context = context;
    this.#ws = ws;
    this.#socket = socket;
    this.grantId = grantId;
    this.#clock = clock;
    this.#heardAt = clock.now;
    this.#messageAt = clock.now;
    this.#checkedAt = clock.now;
    this.#progress = { bytes: 0, at: clock.now };
    this.#admission = new Admission({ board, log, credential, peer, grantId, server });
    this.#outbox = new Outbox(ws, socket, options.maxQueuedBytes, {
      drained: () => this.#work(),
      overflow: () => this.#terminate(`it left more than ${options.maxQueuedBytes} bytes unread`),
    });
    this.#conversation = new ClientConversation({
      board,
      admission: this.#admission,
      outbox: this.#outbox,
      log,
      maxCalls: options.maxCalls + options.maxWaiting,
      turns: new Turns(options.maxCalls),
      // One object stands for all connections of a grant: it is not this one's to close.
      ownsStateless: false,
      anew: 'connect again',
      ready: () => this.#work(),
      ended: (session) => void this.#sessionEnded(session),
      unauthorized: () => void this.#sessionEnded(undefined),
      rubbish: () => this.#count(),
    });
    this.closed = new Promise((resolve) => {
      ws.on('close', () => void this.#leave('the client has gone').then(resolve));
    });
    ws.on('message', (data: RawData, isBinary: boolean) => this.#receive(data as Buffer, isBinary));
    ws.on('ping', () => this.#heard((this.#pings += 1)));
    ws.on('pong', () => this.#heard(0));
    // What a broken frame or socket leads to is its close, which follows; the connection is over already.
    ws.on('error', (error: Error) => {
      log.debug('a connection broke', { why: error.message });
      void this.#leave('the connection broke');
    });
  }

  /** Looks after what takes time. Called at every tick of the clock. */
  beat(): void {
    if (this.#ended) return;
    const { now } = this.#clock;
    const { heartbeat } = this.#context.options;
    const why = this.#stalled(now) ?? this.#silent(now);
    if (why !== undefined) {
      this.#terminate(why);
      return;
    }
    this.#retireIdle(now);
    if (now - this.#checkedAt < heartbeat) return;
    this.#checkedAt = now;
    this.#rubbish = 0;
    this.#pings = 0;
    // A credential that was taken back is noticed here when no session tells.
    void this.#endUnlessAdmitted();
  }

  /** Ends in good order: calls under way may finish within `limit` ms, then the connection is closed. */
  async drain(reason: string, limit: number): Promise<void> {
    if (!this.#ended) await this.#conversation.finish(reason, limit);
    this.close(closeCode.goingAway, reason);
    await this.closed;
  }

  /** Closes; what was sent before is delivered first, as far as the client reads. */
  close(code: number, reason: string): void {
    void this.#leave(reason);
    // While it is paused, neither the client's own close nor its end would be seen.
    this.#ws.resume();
    this.#ws.close(code, reason);
  }

  #terminate(why: string): void {
    this.#context.log.warn(`a client was disconnected: ${why}`, { grant: this.grantId });
    void this.#leave(why);
    this.#ws.terminate();
  }

  /** Nothing is heard or said any more. */
  async #leave(reason: string): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#messages = [];
    await this.#conversation.vanish(reason);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    this.#heard(0);
    this.#messageAt = this.#heardAt;
    if (isBinary) {
      this.close(closeCode.unsupported, 'messages are text');
      return;
    }
    this.#messages.push(data);
    if (!this.#yielding) this.#work();
  }

  /** Works off the messages that are there, until one must be waited for, the client does not read, or others have their turn. */
  #work(): void {
    let next = 0;
    while (next < this.#messages.length && this.#inTurn < perTurn && !this.#mustWait && !this.#ended) {
      const message = this.#messages[next] as Buffer;
      next += 1;
      this.#inTurn += 1;
      this.#carryOut(message);
    }
    if (this.#ended) return;
    this.#messages = next === this.#messages.length ? [] : this.#messages.slice(next);
    if (this.#inTurn >= perTurn) this.#yield();
    this.#read(!this.#mustWait && !this.#yielding && this.#messages.length === 0);
  }

  /** Others have their turn, then this one again. A socket may deliver thousands of messages in one turn of the event loop. */
  #yield(): void {
    if (this.#yielding) return;
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      this.#inTurn = 0;
      this.#work();
    });
  }

  get #mustWait(): boolean {
    return this.#conversation.opening || this.#outbox.full;
  }

  #read(wanted: boolean): void {
    if (wanted === !this.#ws.isPaused) return;
    if (wanted) {
      // Nothing could be heard meanwhile.
      this.#heard(0);
      this.#ws.resume();
    } else this.#ws.pause();
  }

  #carryOut(message: Buffer): void {
    let value: unknown;
    try {
      value = JSON.parse(message.toString('utf8'));
    } catch {
      this.#count();
      this.#outbox.write(Answer.error(rpcCode.parseError, 'Parse error: the message is not JSON').encode(undefined));
      return;
    }
    if (!isTooDeep(message)) this.#conversation.receive(value);
    else {
      this.#count();
      this.#conversation.refuse(idOfRequest(value), `The message nests deeper than ${maxDepth} levels; it was skipped`);
    }
  }

  /** Something useless came. */
  #count(): void {
    this.#rubbish += 1;
    if (this.#rubbish === maxRubbish) this.close(closeCode.policy, 'too many messages that are none of the protocol');
  }

  #heard(pings: number): void {
    this.#heardAt = this.#clock.now;
    this.#pinged = false;
    if (pings > maxPings && !this.#ended) this.close(closeCode.policy, 'too many pings');
  }

  /** Why the client is given up as a reader. */
  #stalled(now: number): string | undefined {
    const bytes = (this.#socket.bytesWritten ?? 0) - this.#outbox.unread;
    if (this.#outbox.unread === 0 || bytes !== this.#progress.bytes) this.#progress = { bytes, at: now };
    const { stallTimeout } = this.#context.options;
    return now - this.#progress.at >= stallTimeout ? `it has read nothing for ${stallTimeout} ms` : undefined;
  }

  /** Why the client is given up as dead; asks it for a sign of life before. */
  #silent(now: number): string | undefined {
    const { heartbeat } = this.#context.options;
    if (this.#ws.isPaused || now - this.#heardAt < heartbeat) return undefined;
    if (!this.#pinged) {
      this.#pinged = true;
      this.#ws.ping();
    }
    return now - this.#heardAt >= 2 * heartbeat ? `it gave no sign of life for ${2 * heartbeat} ms` : undefined;
  }

  #retireIdle(now: number): void {
    const { idleTimeout, sessionTimeout } = this.#context.options;
    if (this.#conversation.calls > 0 || this.#conversation.opening) return;
    const limit = this.#conversation.session === undefined ? idleTimeout : sessionTimeout;
    if (now - this.#messageAt >= limit) this.close(closeCode.goingAway, 'nobody used the connection for too long');
  }

  async #sessionEnded(session: Session | undefined): Promise<void> {
    if (await this.#endUnlessAdmitted()) return;
    // Of the old era nothing is left to say; in the new one the next request gets another session.
    if (session?.era === 'old' && !this.#ended) this.close(closeCode.goingAway, 'the proxy has ended the session');
  }

  /** True when the credential is refused by now; the connection is closed then. */
  async #endUnlessAdmitted(): Promise<boolean> {
    if (this.#ended || (await this.#admission.holds())) return false;
    if (!this.#ended) this.close(closeCode.policy, 'the credential is not valid any more');
    return true;
  }
}
