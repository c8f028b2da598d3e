// A board for the transport's tests: real sessions and answers, made-up methods, and a record of what it was told. No expectations live here.
import { randomUUID } from 'node:crypto';
import { Answer, oldVersions, RefusedRequest, Session, Unauthorized } from 'plugboard';
import type {
  AuthenticationContext,
  BoardApi,
  Credential,
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

export function grantNamed(id: string): Grant {
  return { id, tools: { allow: ['*'], deny: [] } };
}

/**
 * Methods: `echo` answers its params at once, `later` in another turn, `big` with many bytes; `hang` waits to be answered by the test;
 * `ask` asks the client and answers what it said; `say` sends a notification first; `crash` throws.
 */
export class FakeBoard
  implements
    Pick<
      BoardApi,
      'authenticate' | 'hasServer' | 'open' | 'stateless' | 'handle' | 'notify' | 'deliver' | 'close' | 'protected'
    >
{
  protected = false;
  readonly defaultGrant = grantNamed('default');
  /** Token → grant. */
  readonly tokens = new Map<string, Grant>();
  readonly seen: { credential: Credential; context: AuthenticationContext }[] = [];
  readonly opened: { request: OpenRequest; session: Session }[] = [];
  readonly handled: Handled[] = [];
  readonly notified: { session: Session; notification: RpcNotification }[] = [];
  readonly closed: { session: Session; reason: string }[] = [];
  readonly #stateless = new Map<string, Session>();
  /** Sessions that were not closed. */
  readonly sessions = new Set<Session>();
  /** `open`, and with `slow` also `authenticate` and `stateless`, wait for it. */
  gate: Promise<void> = Promise.resolve();
  slow = false;
  refuseOpen = false;
  /** What `authenticate` does instead. */
  refuseAuthentication: (() => never) | undefined;

  /** As transports are handed it. */
  get api(): BoardApi {
    return this as unknown as BoardApi;
  }

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
    return server === 'known';
  }

  async open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    await this.gate;
    if (this.refuseOpen) throw new RefusedRequest(Answer.error(-32000, 'the house is full'));
    const asked = String(request.params['protocolVersion']);
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = this.#make('old', request.grant, request.server, protocolVersion);
    this.opened.push({ request, session });
    const serverInfo = { name: 'fake', version: '1' };
    return { session, result: { protocolVersion, capabilities: { tools: {} }, serverInfo } };
  }

  stateless(_transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    const key = `${grant.id} ${server ?? ''}`;
    let session = this.#stateless.get(key);
    if (session === undefined || session.ended.signal.aborted) {
      session = this.#make('new', grant, server, '2026-07-28');
      this.#stateless.set(key, session);
    }
    const found = session;
    return this.slow ? this.gate.then(() => found) : found;
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

  /** Requests of a method that were handed over. */
  of(method: string): Handled[] {
    return this.handled.filter(({ request }) => request.method === method);
  }

  notify(session: Session, notification: RpcNotification): void {
    this.notified.push({ session, notification });
  }

  deliver(session: Session, response: RpcResponse): void {
    session.deliver(response);
  }

  async close(session: Session, reason: string): Promise<void> {
    this.closed.push({ session, reason });
    this.sessions.delete(session);
    session.end();
  }

  #make(era: 'old' | 'new', grant: Grant, server: string | undefined, protocolVersion: string): Session {
    const session = new Session({
      id: `${era}-${randomUUID()}`,
      era,
      grant,
      transport: 'websocket',
      server,
      protocolVersion,
      capabilities: { elicitation: {} },
      clientInfo: undefined,
    });
    this.sessions.add(session);
    return session;
  }
}
