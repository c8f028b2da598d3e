// Old era: POST, GET and DELETE of clients with sessions (2025-11-25 and earlier, Streamable HTTP).
import type { ServerResponse } from 'node:http';
import { isObject, oldVersions, RefusedRequest, rpcCode } from 'plugboard';
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from 'plugboard';
import { claimsEnvelope } from './classify.ts';
import type { Exchange } from './exchange.ts';
import { transportId } from './identity.ts';
import { type Sorted, sort } from './message.ts';
import { OldPost } from './old-call.ts';
import type { Context } from './context.ts';
import { OldSession } from './old-session.ts';
import { accepts } from './request-check.ts';
import type { Full, Sessions } from './sessions.ts';

/** The one revision that has batches, and how long one may be. */
const batchVersion = '2025-03-26';
const maxBatch = 100;

const knownVersions: readonly string[] = oldVersions;

/** What refuses a request when a cap is reached: status, text. */
const refusals: Record<Full, readonly [number, string]> = {
  total: [503, 'The proxy has as many sessions as it may have; end one with DELETE, or try again later'],
  grant: [429, 'This caller has as many sessions as it may have; end one with DELETE, or try again later'],
};

export class OldEra {
  readonly #context: Context;
  readonly #sessions: Sessions;

  constructor(context: Context, sessions: Sessions) {
    this.#context = context;
    this.#sessions = sessions;
  }

  /** Opens a session. */
  initialize(message: RpcRequest, { server, grant, response }: Exchange): void {
    const { responder, board, log } = this.#context;
    const params = message.params ?? {};
    const full = this.#sessions.reserve(grant);
    if (full !== undefined) {
      const [status, text] = refusals[full];
      responder.error(response, status, rpcCode.serverGone, text, { id: message.id, headers: ['Retry-After', '10'] });
      return;
    }
    board.open({ transport: transportId, grant, server, params }).then(
      ({ session, result }) => {
        const opened = new OldSession(session, this.#context);
        this.#sessions.add(opened);
        const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result });
        if (response.destroyed) void this.#sessions.close(opened, 'the client left before the session was open');
        else responder.json(response, 200, body, ['Mcp-Session-Id', session.id]);
      },
      (error: unknown) => {
        this.#sessions.release(grant);
        if (error instanceof RefusedRequest) {
          responder.json(response, error.answer.status ?? 200, error.answer.encode(message.id));
          return;
        }
        log.error('a session could not be opened', { error });
        responder.fault(response, message.id);
      },
    );
  }

  /** A single message for an open session. */
  message(sorted: Sorted, exchange: Exchange): void {
    const { response } = exchange;
    const id = sorted.kind === 'request' ? sorted.message.id : undefined;
    const session = this.#sessionOf(exchange, id);
    if (session === undefined) return;
    if (sorted.kind === 'request') {
      if (this.#refuses(session, [sorted.message], response, id)) return;
      const post = new OldPost(session, response, 1, false);
      session.start(post, sorted.message);
      post.watch();
      return;
    }
    this.#receive(session, sorted);
    this.#context.responder.nothing(response, 202);
  }

  /** A batch. All of it is checked before any of it is handed over. */
  batch(messages: readonly unknown[], exchange: Exchange): void {
    const { response } = exchange;
    const refuse = (text: string): void => this.#context.responder.error(response, 400, rpcCode.invalidRequest, text);
    if (messages.length === 0 || messages.length > maxBatch) return refuse(`A batch has 1 to ${maxBatch} messages`);
    if (messages.some(claimsEnvelope)) return refuse('Messages of protocol version 2026-07-28 cannot be batched');
    const sorted = messages.map(sort);
    const invalid = sorted.find((each) => each.kind === 'invalid');
    if (invalid !== undefined) return refuse(`A message of the batch is ${invalid.why}`);
    const session = this.#sessionOf(exchange, undefined);
    if (session === undefined) return undefined;
    if (session.session.protocolVersion !== batchVersion)
      return refuse(`Only protocol version ${batchVersion} has batches`);
    const requests = sorted.flatMap((each) => (each.kind === 'request' ? [each.message] : []));
    if (requests.some((each) => each.method === 'initialize')) return refuse('initialize cannot be part of a batch');
    if (this.#refuses(session, requests, response, undefined)) return undefined;
    const post = new OldPost(session, response, requests.length, true);
    for (const each of sorted) {
      if (each.kind === 'request') session.start(post, each.message);
      else this.#receive(session, each);
    }
    if (requests.length === 0) this.#context.responder.nothing(response, 202);
    else post.watch();
    return undefined;
  }

  /** Opens or resumes a stream. */
  get(sessionId: string, exchange: Exchange): void {
    const { request, response } = exchange;
    const { responder } = this.#context;
    if (!accepts(request.headers.accept, 'text/event-stream')) {
      responder.error(response, 406, rpcCode.invalidRequest, 'Not Acceptable: send Accept: text/event-stream');
      return;
    }
    const session = this.#find(sessionId, exchange, undefined);
    if (session === undefined) return;
    const lastEventId = request.headers['last-event-id'];
    if (typeof lastEventId !== 'string' || lastEventId === '') session.listen(response);
    else if (!session.resume(response, lastEventId)) {
      responder.error(response, 400, rpcCode.invalidRequest, 'The events after Last-Event-ID are not kept any more');
    }
  }

  /** Ends a session. */
  delete(sessionId: string, exchange: Exchange): void {
    const session = this.#find(sessionId, exchange, undefined);
    if (session === undefined) return;
    void this.#sessions.close(session, 'the client ended the session');
    this.#context.responder.nothing(exchange.response, 204);
  }

  #receive(session: OldSession, sorted: Sorted): void {
    if (sorted.kind === 'response') this.#deliver(session, sorted.message);
    else if (sorted.kind === 'notification') this.#notify(session, sorted.message);
  }

  #deliver(session: OldSession, response: RpcResponse): void {
    session.lastSign = this.#context.clock.now;
    this.#context.board.deliver(session.session, response);
  }

  #notify(session: OldSession, notification: RpcNotification): void {
    session.lastSign = this.#context.clock.now;
    this.#context.board.notify(session.session, notification);
    if (notification.method !== 'notifications/cancelled' || !isObject(notification.params)) return;
    // The board answers such a request no more, so its connection must be ended here.
    session.calls.get(notification.params['requestId'] as RequestId)?.withdraw();
  }

  /** Refuses requests whose ids are in use, and too many at once. True when it did. */
  #refuses(
    session: OldSession,
    requests: readonly RpcRequest[],
    response: ServerResponse,
    id: RequestId | undefined,
  ): boolean {
    const { responder, options, clock } = this.#context;
    session.lastSign = clock.now;
    if (session.calls.size + requests.length > options.maxCallsPerSession) {
      const text = 'This session has as many requests under way as it may have; wait for an answer';
      responder.error(response, 429, rpcCode.serverGone, text, { id, headers: ['Retry-After', '1'] });
      return true;
    }
    const taken = requests.some((request) => session.calls.get(request.id) !== undefined);
    if (!taken && (requests.length < 2 || new Set(requests.map((request) => request.id)).size === requests.length))
      return false;
    responder.error(
      response,
      400,
      rpcCode.invalidRequest,
      'A request with this id is already under way in this session',
      { id },
    );
    return true;
  }

  /** The session that a request names; without one the request is answered here. */
  #sessionOf(exchange: Exchange, id: RequestId | undefined): OldSession | undefined {
    const sessionId = exchange.request.headers['mcp-session-id'];
    if (typeof sessionId === 'string') return this.#find(sessionId, exchange, id);
    const text =
      'The Mcp-Session-Id header is missing; send initialize first, or a request of protocol version 2026-07-28';
    this.#context.responder.error(exchange.response, 400, rpcCode.invalidRequest, text, { id });
    return undefined;
  }

  #find(
    sessionId: string,
    { request, response, server, grant }: Exchange,
    id: RequestId | undefined,
  ): OldSession | undefined {
    const { responder } = this.#context;
    const session = this.#sessions.find(sessionId, grant, server);
    if (session === undefined) {
      responder.error(response, 404, rpcCode.invalidRequest, 'Session not found; send initialize to open a new one', {
        id,
      });
      return undefined;
    }
    const version = request.headers['mcp-protocol-version'];
    // Any known version will do: the one agreed on at `initialize` is what counts, and some clients send another.
    if (version === undefined || knownVersions.includes(version as string)) return session;
    const text = `Unsupported MCP-Protocol-Version (supported with a session: ${knownVersions.join(', ')})`;
    responder.error(response, 400, rpcCode.invalidRequest, text, { id });
    return undefined;
  }
}
