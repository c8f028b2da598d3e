// A session: one client of one grant at one endpoint. Sessions are opened and closed by the board, fed by transports.
import type { Grant } from './grant.ts';
import { rpcCode } from './protocol/messages.ts';
import type {
  Capabilities,
  Era,
  Implementation,
  JsonObject,
  RequestId,
  RpcMessage,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from './protocol/messages.ts';
import { isLoggable } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Answer } from './protocol/answer.ts';
import { reasonOf, takenBack } from './server-questions.ts';
import type { Caller } from './upstream-call.ts';

/**
 * The transport's half of one request: where its answer and side messages go. `answer` is called exactly once and last, except after
 * the transport has cancelled the call; then nothing is called any more.
 */
export interface Reply {
  answer(answer: Answer): void;
  /** A notification on this request's own stream. */
  notify(message: RpcNotification): void;
  /** Old era: a request to the client on this request's own stream. Its response comes back through `board.deliver`. */
  ask(message: RpcRequest): void;
}

/** URIs of resources that somebody has subscribed to, each with the name of the server that serves it. */
export type SubscribedUris = Map<string, string>;

/** What a transport tells of a new session. */
export interface SessionInit {
  readonly id: string;
  readonly era: Era;
  readonly grant: Grant;
  /** Plugin id of the transport. */
  readonly transport: string;
  /** Name of the one server that this endpoint shows, or undefined for all of them. */
  readonly server: string | undefined;
  readonly protocolVersion: string;
  readonly capabilities: Capabilities;
  readonly clientInfo: Implementation | undefined;
}

/** The stream of a request, as far as questions go. */
type QuestionStream = Pick<Reply, 'ask' | 'notify'>;

/** Something the client has been asked. */
interface Question {
  /** On whose stream; undefined: the session's own. */
  reply: QuestionStream | undefined;
  readonly resolve: (response: RpcResponse) => void;
}

/** One client of one grant. In the new era one object stands for all requests of a grant on a transport and endpoint. */
export class Session implements Caller {
  readonly id: string;
  readonly era: Era;
  readonly grant: Grant;
  readonly transport: string;
  readonly server: string | undefined;
  readonly protocolVersion: string;
  readonly capabilities: Capabilities;
  readonly clientInfo: Implementation | undefined;
  /** ms since the epoch. */
  readonly createdAt = Date.now();
  logLevel: string | undefined;
  /** The resources that the client has subscribed to (old era). */
  readonly subscriptions: SubscribedUris = new Map();
  /**
   * Old era: where messages go that belong to no request. The transport sets it at once and keeps what it cannot send yet.
   * Undefined in the new era, whose clients listen by `subscriptions/listen`.
   */
  outlet: ((message: RpcMessage) => void) | undefined;
  /** Old era: called by the board when a list was shown to this client. */
  onShown: ((kind: ListKind, digest: string) => void) | undefined;
  /** Aborted when the session is closed. */
  readonly ended = new AbortController();
  #over = false;
  #lastAsked = 0;
  readonly #asked = new Map<RequestId, Question>();

  constructor(init: SessionInit) {
    this.id = init.id;
    this.era = init.era;
    this.grant = init.grant;
    this.transport = init.transport;
    this.server = init.server;
    this.protocolVersion = init.protocolVersion;
    this.capabilities = init.capabilities;
    this.clientInfo = init.clientInfo;
  }

  /** True once the session is closed. Asked by every call: reading the signal would cost more. */
  get over(): boolean {
    return this.#over;
  }

  /**
   * Asks the client something, on a request's stream (`reply`) or on its own; resolves with the response, an error response when the
   * session ends first. When `withdrawn` is aborted before, the client is told that nobody waits for its answer (2025-11-25, cancellation).
   */
  ask(
    method: string,
    params: JsonObject | undefined,
    reply?: QuestionStream,
    withdrawn?: AbortSignal,
  ): Promise<RpcResponse> {
    if (withdrawn?.aborted === true) return Promise.resolve(takenBack(withdrawn));
    this.#lastAsked += 1;
    const id = this.#lastAsked;
    const message: RpcRequest = { jsonrpc: '2.0', id, method };
    if (params !== undefined) message.params = params;
    const answer = new Promise<RpcResponse>((resolve) => {
      this.#asked.set(id, { reply, resolve });
      if (reply !== undefined) reply.ask(message);
      else if (this.outlet !== undefined) this.outlet(message);
      else
        this.deliver({
          jsonrpc: '2.0',
          id,
          error: { code: rpcCode.internalError, message: 'the client cannot be asked here' },
        });
    });
    if (withdrawn === undefined) return answer;
    const takeBack = () => this.#takeBack(id, withdrawn);
    withdrawn.addEventListener('abort', takeBack);
    return answer.finally(() => withdrawn.removeEventListener('abort', takeBack));
  }

  /** The client's response to something it was asked; unknown and repeated ids are dropped. */
  deliver(response: RpcResponse): void {
    if (response.id === undefined) return;
    const question = this.#asked.get(response.id);
    this.#asked.delete(response.id);
    question?.resolve(response);
  }

  /**
   * A request has been taken back: what the client was asked on its stream needs no answer. It is told so outside of any request: the
   * stream is over, and a client that cancels does not know which questions came of what it has cancelled.
   */
  withdraw(reply: QuestionStream): void {
    const error = { code: rpcCode.internalError, message: 'the request was taken back' };
    for (const [id, question] of [...this.#asked]) {
      if (question.reply !== reply) continue;
      this.deliver({ jsonrpc: '2.0', id, error });
      this.send(cancelled(id, error.message));
    }
  }

  /** A request has been answered, and its stream is over: what is still asked there is the session's own matter. */
  detach(reply: QuestionStream): void {
    // Asked by every call: there is hardly ever a question.
    if (this.#asked.size === 0) return;
    for (const question of this.#asked.values()) if (question.reply === reply) question.reply = undefined;
  }

  /** Sends a message that belongs to no request. */
  send(message: RpcMessage): void {
    this.outlet?.(message);
  }

  /** A notification of a server that belongs to no call; log messages pass as far as the client wants them. */
  hear(message: RpcNotification): void {
    const unwanted =
      message.method === 'notifications/message' &&
      this.logLevel !== undefined &&
      !isLoggable(message.params?.['level'], this.logLevel);
    if (!unwanted) this.send(message);
  }

  /** A question has been taken back, or its call has ended: the client is told where it was asked. */
  #takeBack(id: RequestId, withdrawn: AbortSignal): void {
    const question = this.#asked.get(id);
    if (question === undefined) return;
    this.deliver({ ...takenBack(withdrawn), id });
    const message = cancelled(id, reasonOf(withdrawn));
    if (question.reply === undefined) this.send(message);
    else question.reply.notify(message);
  }

  /** Ends the session's own state. Only the board calls this. */
  end(): void {
    for (const id of [...this.#asked.keys()]) {
      this.deliver({ jsonrpc: '2.0', id, error: { code: rpcCode.internalError, message: 'the client has gone' } });
    }
    this.outlet = undefined;
    this.#over = true;
    this.ended.abort();
  }
}

/** Tells a client that nobody waits for its answer to something that it was asked. */
function cancelled(requestId: RequestId, reason: string): RpcNotification {
  return { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason } };
}
