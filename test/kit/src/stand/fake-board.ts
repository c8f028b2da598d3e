// A board for tests of transports: real sessions and answers, made-up methods, and a record of what it was told. No servers, no expectations.
import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { Answer, oldVersions, rpcCode, Session, Unauthorized } from 'plugboard';
import type {
  AuthenticationContext,
  BoardApi,
  Capabilities,
  Credential,
  Envelope,
  Grant,
  Implementation,
  JsonObject,
  OpenRequest,
  OpenRequestHandle,
  Reply,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  ServerStatus,
} from 'plugboard';

/** A request that reached the board. */
export interface HandledRequest {
  readonly session: Session;
  readonly request: RpcRequest;
  readonly reply: Reply;
  readonly envelope: Envelope | undefined;
  /** Why the transport cancelled it, once it did. */
  cancelled: string | undefined;
}

/** A grant that may use every tool. */
export function grantNamed(id: string): Grant {
  return { id, tools: { allow: ['*'], deny: [] } };
}

/** A server as the board lists it. */
export function serverStatus(name: string, state: ServerStatus['state'], reason?: string): ServerStatus {
  const counts = { tools: 2, quarantined: 0, resources: 0, prompts: 0, leases: 0, restarts: 0 };
  const origin = { kind: 'test', plugin: 'test', isolation: 'shared', era: undefined, protocolVersion: undefined };
  return { name, title: undefined, owner: undefined, state, reason, ...origin, ...counts };
}

/**
 * What becomes of a request is told by its method, with or without `test/` before it: `echo` answers its params at once, `soon` in
 * the same turn, `later` in another one; `big` answers with as many bytes as its param `size` says; `say` sends a notification first;
 * `ask` asks the client, and answers what it said; `crash` throws. `hang`, and any other method with a slash, wait until the test answers
 * them, which it does through {@link FakeBoard.take} or {@link FakeBoard.handled}.
 */
export class FakeBoard implements BoardApi {
  readonly name = 'fake';
  protected = false;
  readonly defaultGrant = grantNamed('default');
  readonly grants = new Map<string, Grant>();
  /** Token → grant. */
  readonly tokens = new Map<string, Grant>();
  serverList: ServerStatus[] = [serverStatus('alpha', 'ready'), serverStatus('beta', 'ready')];
  /** `open` waits for it, and, when it is `slow`, `authenticate` and `stateless` do. */
  gate: Promise<void> = Promise.resolve();
  slow = false;
  /** What `open` does instead of opening. */
  refuseOpen: (() => never) | undefined;
  /** What `authenticate` does instead. */
  refuseAuthentication: (() => never) | undefined;

  readonly seen: { credential: Credential; context: AuthenticationContext }[] = [];
  readonly opened: { request: OpenRequest; session: Session }[] = [];
  readonly handled: HandledRequest[] = [];
  readonly notified: { session: Session; notification: RpcNotification }[] = [];
  readonly delivered: { session: Session; response: RpcResponse }[] = [];
  readonly closed: { session: Session; reason: string }[] = [];
  /** Sessions that were not closed, of both eras, by their ids. */
  readonly sessions = new Map<string, Session>();
  readonly #stateless = new Map<string, Session>();
  readonly #waiting: HandledRequest[] = [];
  readonly #takers: ((request: HandledRequest) => void)[] = [];

  authenticate(credential: Credential, context: AuthenticationContext): Grant | Promise<Grant> {
    this.seen.push({ credential, context });
    this.refuseAuthentication?.();
    const find = (): Grant => {
      if (credential.kind === 'none' && !this.protected) return this.defaultGrant;
      const grant = credential.kind === 'bearer' ? this.tokens.get(credential.token) : undefined;
      if (grant === undefined) throw new Unauthorized();
      return grant;
    };
    return this.slow ? this.gate.then(find) : find();
  }

  hasServer(_grant: Grant, server: string): boolean {
    return this.serverList.some(({ name }) => name === server);
  }

  async open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    await this.gate;
    this.refuseOpen?.();
    const { params } = request;
    const asked = String(params['protocolVersion']);
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = new Session({
      id: randomUUID(),
      era: 'old',
      grant: request.grant,
      transport: request.transport,
      server: request.server,
      protocolVersion,
      capabilities: { elicitation: {}, ...(params['capabilities'] as Capabilities | undefined) },
      clientInfo: params['clientInfo'] as Implementation | undefined,
    });
    this.sessions.set(session.id, session);
    this.opened.push({ request, session });
    const capabilities = { tools: { listChanged: true }, logging: {} };
    return { session, result: { protocolVersion, capabilities, serverInfo: { name: 'fake', version: '1.0.0' } } };
  }

  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    const id = `stateless:${transport} ${grant.id} ${server ?? ''}`;
    let session = this.#stateless.get(id);
    if (session === undefined || session.ended.signal.aborted) {
      const shared = { protocolVersion: '2026-07-28', capabilities: {}, clientInfo: undefined };
      session = new Session({ id, era: 'new', grant, transport, server, ...shared });
      this.#stateless.set(id, session);
      this.sessions.set(id, session);
    }
    const found = session;
    return this.slow ? this.gate.then(() => found) : found;
  }

  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    const handled: HandledRequest = { session, request, reply, envelope, cancelled: undefined };
    this.handled.push(handled);
    const method = request.method.replace(/^test\//, '');
    const ready = Object.hasOwn(answers, method) ? answers[method as keyof typeof answers] : undefined;
    if (ready !== undefined) ready(reply, request.params ?? {}, session);
    else if (method !== 'hang' && !/^(?!notifications)\w+\//.test(request.method))
      reply.answer(Answer.error(rpcCode.methodNotFound, `Method not found: ${request.method}`));
    else this.#keep(handled);
    return { cancel: (reason) => void (handled.cancelled ??= reason) };
  }

  /** The next request that waits for its answer, in the order of their coming. */
  take(): Promise<HandledRequest> {
    const next = this.#waiting.shift();
    return next === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(next);
  }

  /** Requests of a method that were handed over. */
  of(method: string): HandledRequest[] {
    return this.handled.filter(({ request }) => request.method === method);
  }

  notify(session: Session, notification: RpcNotification): void {
    this.notified.push({ session, notification });
  }

  deliver(session: Session, response: RpcResponse): void {
    this.delivered.push({ session, response });
    session.deliver(response);
  }

  async close(session: Session, reason: string): Promise<void> {
    this.closed.push({ session, reason });
    this.sessions.delete(session.id);
    session.end();
  }

  /** Clears the record, so that it holds nothing of what is over. */
  forget(): void {
    for (const list of [this.seen, this.opened, this.handled, this.notified, this.delivered, this.closed])
      list.length = 0;
    this.#waiting.length = 0;
  }

  servers(): ServerStatus[] {
    return this.serverList;
  }

  // What transports do not use.
  tools = (): Promise<[]> => Promise.resolve([]);
  inspect = (): [] => [];
  quarantined = (): [] => [];
  warnings = (): [] => [];
  catalogue = (): undefined => undefined;
  grantChanged = (): void => {};
  endGrant = (): Promise<void> => Promise.resolve();
  startServer = (): void => {};
  stopServer = (): Promise<void> => Promise.resolve();

  #keep(handled: HandledRequest): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#waiting.push(handled);
    else taker(handled);
  }
}

type ReadyAnswer = (reply: Reply, params: JsonObject, session: Session) => void;

const echo: ReadyAnswer = (reply, params) => reply.answer(Answer.result({ params }));

const answers = {
  ping: (reply) => reply.answer(Answer.result({})),
  echo,
  soon: (...call) => queueMicrotask(() => echo(...call)),
  later: (...call) => void setImmediate(() => echo(...call)),
  big: (reply, { size }) =>
    reply.answer(Answer.written(Buffer.from(JSON.stringify({ text: 'x'.repeat(Number(size)) })))),
  say: (reply) => {
    reply.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
    reply.answer(Answer.result({ said: true }));
  },
  ask: (reply, _params, session) => {
    void session
      .ask('elicitation/create', {}, reply)
      .then(({ result, error }) => reply.answer(Answer.result({ result, error })));
  },
  crash: () => {
    throw new Error('the board crashed');
  },
} satisfies Record<string, ReadyAnswer>;
