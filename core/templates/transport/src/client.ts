// One client: what it says reaches the board, in a session (protocol versions until 2025-11-25) or with an envelope (2026-07-28), and answers
// find their way back. No sockets here.
import {
  Answer,
  isNotification,
  isObject,
  isRequest,
  isResponse,
  metaKey,
  metaOf,
  newVersions,
  RefusedRequest,
  rpcCode,
} from 'plugboard';
import type {
  BoardApi,
  Capabilities,
  Envelope,
  Grant,
  Implementation,
  Log,
  OpenRequestHandle,
  Reply,
  RequestId,
  RpcNotification,
  RpcRequest,
  Session,
} from 'plugboard';
import type { LineTaker } from './lines.ts';

const transport = 'template-id';
/** Requests of one client that may be under way at a time. */
const maxCalls = 1000;

/** A request under way. */
interface Call {
  cancel(reason: string): void;
  answer(answer: Answer): void;
}

export class Client implements LineTaker {
  readonly #board: BoardApi;
  readonly #send: (text: string) => void;
  readonly #log: Log;
  readonly #calls = new Map<RequestId, Call>();
  readonly #stateless = new Set<Session>();
  #session: Session | undefined;
  /** What comes after `initialize` waits for its session. */
  #opening: Promise<void> = Promise.resolve();
  #ended = false;
  #idle: (() => void) | undefined;

  constructor(board: BoardApi, send: (text: string) => void, log: Log) {
    this.#board = board;
    this.#send = send;
    this.#log = log;
  }

  line(text: string): void {
    if (this.#ended) return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.#refuse(undefined, rpcCode.parseError, 'Parse error: the line is not JSON');
      return;
    }
    if (isRequest(message)) this.#request(message);
    else if (isNotification(message)) this.#notification(message);
    else if (isResponse(message) && this.#session !== undefined) this.#board.deliver(this.#session, message);
    else this.#refuse(undefined, rpcCode.invalidRequest, 'Invalid request: the line is no JSON-RPC 2.0 message');
  }

  tooLong(limit: number): void {
    const text = `The message is longer than ${limit} bytes (option maxLineBytes of the plugin "${transport}"); it was skipped`;
    this.#refuse(undefined, rpcCode.invalidRequest, text);
  }

  /** The client has gone: nobody reads answers any more. */
  async leave(reason: string): Promise<void> {
    if (this.#ended && this.#calls.size === 0 && this.#session === undefined) return;
    this.#ended = true;
    for (const call of this.#calls.values()) call.cancel(reason);
    this.#calls.clear();
    const sessions = [...this.#stateless, ...(this.#session === undefined ? [] : [this.#session])];
    this.#stateless.clear();
    this.#session = undefined;
    await Promise.all(sessions.map((session) => this.#board.close(session, reason)));
  }

  /** The proxy stops: reads no more; calls under way have `limit` ms to finish. */
  async finish(limit: number): Promise<void> {
    this.#ended = true;
    if (this.#calls.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#idle = resolve;
        setTimeout(resolve, limit).unref();
      });
      await idle;
    }
    for (const call of this.#calls.values()) call.answer(Answer.error(rpcCode.serverGone, 'the proxy stops'));
    await this.leave('the proxy stops');
  }

  #request(request: RpcRequest): void {
    const { id } = request;
    if (this.#calls.has(id)) return this.#refuse(id, rpcCode.invalidRequest, 'A request with this id is under way');
    if (this.#calls.size >= maxCalls) return this.#refuse(id, rpcCode.serverGone, 'Too many requests are under way');
    const reply = this.#begin(request);
    const envelope = envelopeOf(request);
    if (envelope instanceof Answer) reply.answer(envelope);
    else if (request.method === 'initialize') this.#opening = this.#open(request, reply);
    else {
      void this.#opening
        .then(() => this.#sessionFor(envelope))
        .then(
          (session) => reply.handle(this.#board.handle(session, request, reply, envelope)),
          (error: unknown) => reply.answer(this.#explain(error)),
        );
    }
    return undefined;
  }

  #notification(message: RpcNotification): void {
    const { method, params } = message;
    const id = params?.['requestId'];
    if (method === 'notifications/cancelled') this.#calls.get(id as RequestId)?.cancel('the client has cancelled');
    else void this.#opening.then(() => this.#session && this.#board.notify(this.#session, message));
  }

  /** Opens the session of a client that sends `initialize`. */
  async #open(request: RpcRequest, reply: Reply): Promise<void> {
    try {
      const grant = await this.#grant();
      const { session, result } = await this.#board.open({ transport, grant, params: request.params ?? {} });
      if (this.#ended) return await this.#board.close(session, 'the client has gone');
      this.#session = session;
      session.outlet = (message) => this.#send(JSON.stringify(message));
      reply.answer(Answer.result(result));
    } catch (error) {
      reply.answer(this.#explain(error));
    }
    return undefined;
  }

  async #sessionFor(envelope: Envelope | undefined): Promise<Session> {
    if (envelope === undefined) {
      if (this.#session !== undefined) return this.#session;
      throw new RefusedRequest(Answer.error(rpcCode.invalidRequest, 'Send initialize first, or an envelope'));
    }
    const session = await this.#board.stateless(transport, await this.#grant());
    this.#stateless.add(session);
    return session;
  }

  #grant(): Grant | Promise<Grant> {
    return this.#board.authenticate({ kind: 'none' }, { transport });
  }

  /** Notes a request, and makes the way back for its answer. */
  #begin({ id }: RpcRequest): Reply & { handle(handle: OpenRequestHandle): void } {
    let handle: OpenRequestHandle | undefined;
    let done = false;
    const end = (): boolean => {
      if (done) return false;
      done = true;
      this.#calls.delete(id);
      if (this.#calls.size === 0) this.#idle?.();
      return true;
    };
    const answer = (given: Answer): void => {
      if (end()) this.#send(given.encode(id).toString());
    };
    this.#calls.set(id, { answer, cancel: (reason) => end() && handle?.cancel(reason) });
    const tell = (message: object): void => {
      if (!done) this.#send(JSON.stringify(message));
    };
    return {
      answer,
      notify: tell,
      ask: tell,
      handle: (given) => {
        handle = given;
        if (done) given.cancel('the client has cancelled');
      },
    };
  }

  #refuse(id: RequestId | undefined, code: number, text: string): void {
    this.#send(Answer.error(code, text).encode(id).toString());
  }

  #explain(error: unknown): Answer {
    if (error instanceof RefusedRequest) return error.answer;
    this.#log.error('a request could not be started', { error });
    return Answer.error(rpcCode.internalError, 'The proxy failed to start this request; its log says why');
  }
}

/** The envelope of a request (2026-07-28, basic protocol), the error that refuses a wrong one, or undefined where there is none. */
function envelopeOf({ params }: RpcRequest): Envelope | Answer | undefined {
  const meta = metaOf(params);
  const version = meta?.[metaKey.protocolVersion];
  if (meta === undefined || version === undefined) return undefined;
  if (!newVersions.some((each) => each === version)) {
    const data = { supported: [...newVersions], requested: version };
    return Answer.error(rpcCode.unsupportedVersion, 'Unsupported protocol version', data);
  }
  const capabilities = meta[metaKey.clientCapabilities];
  if (!isObject(capabilities)) {
    return Answer.error(rpcCode.invalidParams, `Invalid _meta envelope: ${metaKey.clientCapabilities}: not an object`);
  }
  const level = meta[metaKey.logLevel];
  return {
    protocolVersion: newVersions[0],
    capabilities: capabilities as Capabilities,
    clientInfo: meta[metaKey.clientInfo] as Implementation | undefined,
    logLevel: typeof level === 'string' ? level : undefined,
  };
}
