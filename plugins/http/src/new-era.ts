// New era: one POST is one request, its answer JSON or an event stream, and closing the connection takes the request back.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Answer, InFlight, isUnauthorized, metaKey, RefusedRequest, rpcCode } from 'plugboard';
import type {
  Capabilities,
  Envelope,
  Implementation,
  JsonObject,
  OpenRequestHandle,
  Reply,
  RpcNotification,
  RpcRequest,
  Session,
} from 'plugboard';
import { EventStream, frameOf } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { transportId } from './identity.ts';
import type { Identity } from './identity.ts';
import type { Context } from './context.ts';

/** Errors that the specification ties to an HTTP status, for answers that name none themselves. */
const statusOf = new Map<number, number>([
  [rpcCode.methodNotFound, 404],
  [rpcCode.headerMismatch, 400],
  [rpcCode.missingCapability, 400],
  [rpcCode.unsupportedVersion, 400],
]);

const parameterName = /^mcp-param-/i;
const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

/** Requests of one connection that wait behind another one's answer. Clients of MCP hardly ever send a second before the first is answered. */
const maxQueued = 32;

const closed = 'the client closed the stream';

/** How many requests are under way. */
interface Count {
  open: number;
}

/** One request under way. The board answers it through this object. */
class NewCall implements Reply {
  readonly request: RpcRequest;
  handle: OpenRequestHandle | undefined;
  readonly #era: NewEra;
  readonly #response: ServerResponse;
  readonly #startedAt: number;
  readonly #serial: number;
  readonly #count: Count;
  #stream: EventStream | undefined;
  /** Those that wait with it behind another answer on their connection. */
  #queue: Set<NewCall> | undefined;
  #done = false;

  constructor(request: RpcRequest, era: NewEra, response: ServerResponse, serial: number, count: Count) {
    this.#serial = serial;
    this.request = request;
    this.#era = era;
    this.#response = response;
    this.#startedAt = era.context.clock.now;
    this.#count = count;
    count.open += 1;
  }

  /** True when nobody waits for an answer any more. */
  get done(): boolean {
    return this.#done;
  }

  answer(answer: Answer): void {
    if (!this.#close()) return;
    const { id } = this.request;
    if (this.#stream === undefined) this.#era.context.responder.answer(this.#response, httpStatus(answer), answer, id);
    else this.#stream.endWith(frameOf(answer.encode(id)));
  }

  notify(message: RpcNotification): void {
    if (!this.#done) this.#open().write(frameOf(JSON.stringify(message)));
  }

  /** Requests of the server do not exist in this era (2026-07-28, transports). The board never makes one. */
  ask(message: RpcRequest): void {
    this.#era.context.log.error('a request to a client of the new era was dropped', { method: message.method });
  }

  beat(now: number): void {
    if (this.#stream !== undefined) this.#stream.beat(now);
    else if (now - this.#startedAt >= this.#era.context.options.streamAfter) this.#open();
  }

  /** Called when the request has been handed over: from now on a closed connection takes it back. */
  watch(socket: Socket): void {
    if (this.#done) return;
    this.#response.on('close', () => this.cancel(closed));
    // Node tells a response of its connection only when its turn has come.
    if (this.#response.socket === null) this.#queue = this.#era.queue(socket, this);
  }

  /** Ends the request; its client gets no answer. */
  cancel(reason: string): void {
    if (!this.#close()) return;
    this.handle?.cancel(reason);
    this.#stream?.end();
  }

  /** Ends the request with an error for its client. */
  abandon(reason: string): void {
    if (this.#done) return;
    this.handle?.cancel(reason);
    this.answer(Answer.error(rpcCode.serverGone, reason, undefined, 503));
  }

  #open(): EventStream {
    const { responder, options, clock } = this.#era.context;
    this.#stream ??= new EventStream(this.#response, responder, options, clock.now);
    return this.#stream;
  }

  #close(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#count.open -= 1;
    this.#era.calls.delete(this.#serial);
    this.#queue?.delete(this);
    return true;
  }
}

/** Serves all requests of the new era. */
export class NewEra {
  readonly context: Context;
  readonly calls = new InFlight<NewCall>();
  readonly #identity: Identity;
  readonly #counts = new WeakMap<Session, Count>();
  readonly #queues = new WeakMap<Socket, Set<NewCall>>();
  #lastSerial = 0;

  constructor(context: Context, identity: Identity) {
    this.context = context;
    this.#identity = identity;
    context.clock.onTick((now) => {
      for (const call of this.calls.all()) call.beat(now);
    });
  }

  /** A request whose envelope and headers were found right. */
  request(message: RpcRequest, exchange: Exchange): void {
    try {
      const session = this.context.board.stateless(transportId, exchange.grant, exchange.server);
      if (!(session instanceof Promise)) this.#start(message, session, exchange);
      else {
        session
          .then((ready) => this.#start(message, ready, exchange))
          .catch((error: unknown) => this.#refuse(message, exchange, error));
      }
    } catch (error) {
      this.#refuse(message, exchange, error);
    }
  }

  /**
   * A notification is accepted, whatever it says. A cancel over HTTP is the closed stream, and the session is shared by all clients of
   * a grant: an id in `notifications/cancelled` could be another client's.
   */
  notification(message: RpcNotification, exchange: Exchange): void {
    this.context.responder.nothing(exchange.response, 202);
    if (message.method !== 'notifications/cancelled') void this.#notify(message, exchange);
  }

  /** Adds a call to those that wait behind another on a connection, which is given up when they are too many. */
  queue(socket: Socket, call: NewCall): Set<NewCall> {
    let waiting = this.#queues.get(socket);
    if (waiting === undefined) {
      const calls = (waiting = new Set());
      this.#queues.set(socket, calls);
      socket.on('close', () => {
        for (const each of [...calls]) each.cancel(closed);
      });
    }
    waiting.add(call);
    if (waiting.size > maxQueued) socket.destroy();
    return waiting;
  }

  /** Ends the requests that would stay open for ever. */
  hangUp(reason: string): void {
    for (const call of this.calls.all()) if (call.request.method === 'subscriptions/listen') call.cancel(reason);
  }

  /** Ends all requests. */
  abandon(reason: string): void {
    for (const call of this.calls.all()) call.abandon(reason);
  }

  async #notify(message: RpcNotification, { grant, server }: Exchange): Promise<void> {
    try {
      this.context.board.notify(await this.context.board.stateless(transportId, grant, server), message);
    } catch (error) {
      this.context.log.error('a notification failed', { method: message.method, error });
    }
  }

  #refuse(message: RpcRequest, { request, response }: Exchange, error: unknown): void {
    const { responder, log } = this.context;
    if (isUnauthorized(error)) {
      this.#identity.refuse(request, response, error);
      return;
    }
    if (error instanceof RefusedRequest) {
      responder.json(response, httpStatus(error.answer), error.answer.encode(message.id));
      return;
    }
    log.error('a request could not be started', { method: message.method, error });
    responder.fault(response, message.id);
  }

  #start(message: RpcRequest, session: Session, { request, response }: Exchange): void {
    if (response.destroyed) return;
    const count = this.#countOf(session);
    if (count.open >= this.context.options.maxCallsPerSession) {
      const text = 'This caller has as many requests under way as it may have; wait for an answer';
      const headers = ['Retry-After', '1'];
      this.context.responder.error(response, 429, rpcCode.serverGone, text, { id: message.id, headers });
      return;
    }
    this.#lastSerial += 1;
    const call = new NewCall(message, this, response, this.#lastSerial, count);
    this.calls.set(this.#lastSerial, call);
    call.handle = this.context.board.handle(session, message, call, envelopeOf(message, request));
    call.watch(request.socket);
  }

  #countOf(session: Session): Count {
    let count = this.#counts.get(session);
    if (count === undefined) this.#counts.set(session, (count = { open: 0 }));
    return count;
  }
}

/** The envelope, whose form was already checked. */
function envelopeOf(message: RpcRequest, request: IncomingMessage): Envelope {
  const meta = message.params?.['_meta'] as JsonObject;
  return {
    protocolVersion: meta[metaKey.protocolVersion] as string,
    capabilities: meta[metaKey.clientCapabilities] as Capabilities,
    clientInfo: meta[metaKey.clientInfo] as Implementation | undefined,
    logLevel: meta[metaKey.logLevel] as string | undefined,
    headers: parameterHeaders(request),
  };
}

/** `Mcp-Param-*` headers by lower-case name. Hardly anybody sends one: they are looked for in the raw list, which costs less. */
function parameterHeaders({ rawHeaders, headers }: IncomingMessage): Readonly<Record<string, string>> {
  let found: Record<string, string> | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (parameterName.test(name)) (found ??= {})[name.toLowerCase()] = headers[name.toLowerCase()] as string;
  }
  return found ?? noHeaders;
}

function httpStatus(answer: Answer): number {
  if (answer.status !== undefined) return answer.status;
  return answer.failed ? (statusOf.get(answer.message.error?.code ?? 0) ?? 200) : 200;
}
