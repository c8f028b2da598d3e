// A board for the transport's tests: real sessions and answers, made-up methods, and a record of what it was told. No expectations live here.
import { Answer, oldVersions, RefusedRequest, Session, Unauthorized } from 'plugboard';
import type {
  BoardApi,
  Envelope,
  Grant,
  JsonObject,
  OpenRequest,
  OpenRequestHandle,
  Reply,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from 'plugboard';

export interface Handled {
  readonly session: Session;
  readonly request: RpcRequest;
  readonly reply: Reply;
  readonly envelope: Envelope | undefined;
  cancelled: string | undefined;
}

/**
 * Methods: `echo` answers its params at once, `later` in another turn, `big` with many bytes; `hang` waits to be answered by the test;
 * `ask` asks the client and answers what it said; `say` sends a notification first; `crash` throws.
 */
export class FakeBoard
  implements
    Pick<BoardApi, 'authenticate' | 'hasServer' | 'open' | 'stateless' | 'handle' | 'notify' | 'deliver' | 'close'>
{
  readonly grants = new Map<string | undefined, Grant>([
    [undefined, { id: 'default', tools: { allow: ['*'], deny: [] } }],
    ['good', { id: 'grant:alice', tools: { allow: ['*'], deny: [] } }],
  ]);
  readonly opened: { request: OpenRequest; session: Session }[] = [];
  readonly handled: Handled[] = [];
  readonly notified: { session: Session; notification: RpcNotification }[] = [];
  readonly closed: { session: Session; reason: string }[] = [];
  /** `open` waits for it. */
  gate: Promise<void> = Promise.resolve();
  /** True: the first answers of `authenticate` and `stateless` come in another turn. */
  slow = false;
  refuseOpen = false;
  #stateless: Session | undefined;

  /** As transports are handed it. */
  get api(): BoardApi {
    return this as unknown as BoardApi;
  }

  authenticate(credential: Parameters<BoardApi['authenticate']>[0]): Grant | Promise<Grant> {
    const grant = this.grants.get(credential.kind === 'bearer' ? credential.token : undefined);
    if (grant === undefined) throw new Unauthorized();
    return this.slow ? this.gate.then(() => grant) : grant;
  }

  hasServer(_grant: Grant, server: string): boolean {
    return server === 'known';
  }

  async open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    await this.gate;
    if (this.refuseOpen) throw new RefusedRequest(Answer.error(-32000, 'the house is full'));
    const asked = String(request.params['protocolVersion']);
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = this.#make('old', request.grant, request.server, protocolVersion);
    this.opened.push({ request, session });
    return {
      session,
      result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'fake', version: '1' } },
    };
  }

  stateless(_transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    if (this.#stateless === undefined || this.#stateless.ended.signal.aborted)
      this.#stateless = this.#make('new', grant, server, '2026-07-28');
    const session = this.#stateless;
    return this.slow ? this.gate.then(() => session) : session;
  }

  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    const handled: Handled = { session, request, reply, envelope, cancelled: undefined };
    this.handled.push(handled);
    const params = request.params ?? {};
    if (request.method === 'crash') throw new Error('the board crashed');
    if (request.method === 'echo') reply.answer(Answer.result({ params }));
    else if (request.method === 'later') setImmediate(() => reply.answer(Answer.result({ params })));
    else if (request.method === 'big')
      reply.answer(Answer.written(Buffer.from(JSON.stringify({ text: 'x'.repeat(Number(params['size'])) }))));
    else if (request.method === 'say') {
      reply.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
      reply.answer(Answer.result({ said: true }));
    } else if (request.method === 'ask') {
      void session
        .ask('elicitation/create', {}, reply)
        .then(({ result, error }) => reply.answer(Answer.result({ result, error })));
    } else if (request.method !== 'hang' && request.method !== 'subscriptions/listen')
      reply.answer(Answer.error(-32601, `Method not found: ${request.method}`));
    return {
      cancel: (reason) => {
        handled.cancelled ??= reason;
      },
    };
  }

  notify(session: Session, notification: RpcNotification): void {
    this.notified.push({ session, notification });
  }

  deliver(session: Session, response: RpcResponse): void {
    session.deliver(response);
  }

  async close(session: Session, reason: string): Promise<void> {
    this.closed.push({ session, reason });
    session.end();
  }

  #make(era: 'old' | 'new', grant: Grant, server: string | undefined, protocolVersion: string): Session {
    return new Session({
      id: `${era}-${this.opened.length}`,
      era,
      grant,
      transport: 'stdio',
      server,
      protocolVersion,
      capabilities: { elicitation: {} },
      clientInfo: undefined,
    });
  }
}
