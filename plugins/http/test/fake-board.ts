// A board that does what the test says: requests wait in a queue until the test takes and answers them. No routing, no servers.
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
export interface TakenCall {
  readonly session: Session;
  readonly request: RpcRequest;
  readonly reply: Reply;
  readonly envelope: Envelope | undefined;
  /** Why it was cancelled by the transport, once it was. */
  cancelled: string | undefined;
}

export function grantNamed(id: string): Grant {
  return { id, tools: { allow: ['*'], deny: [] } };
}

export function serverStatus(name: string, state: ServerStatus['state'], reason?: string): ServerStatus {
  const counts = { tools: 2, quarantined: 0, resources: 0, prompts: 0, leases: 0, restarts: 0 };
  const origin = { kind: 'test', plugin: 'test', isolation: 'shared', era: undefined, protocolVersion: undefined };
  return { name, title: undefined, owner: undefined, state, reason, ...origin, ...counts };
}

/** The part of the board that transports use. */
type Used = Omit<
  BoardApi,
  'name' | 'quarantined' | 'endGrant' | 'inspect' | 'catalogue' | 'stopServer' | 'startServer'
>;

export class FakeBoard implements Used {
  protected = false;
  readonly defaultGrant = grantNamed('default');
  readonly grants = new Map<string, Grant>();
  readonly sessions = new Map<string, Session>();
  /** Token → grant. */
  readonly tokens = new Map<string, Grant>();
  /** Answers by promises, as a board with hooks does. */
  slow = false;
  serverList: ServerStatus[] = [serverStatus('alpha', 'ready'), serverStatus('beta', 'ready')];
  readonly notified: { session: Session; notification: RpcNotification }[] = [];
  readonly delivered: { session: Session; response: RpcResponse }[] = [];
  readonly closed: { id: string; reason: string }[] = [];
  readonly seen: { credential: Credential; context: AuthenticationContext }[] = [];
  readonly opened: OpenRequest[] = [];
  /** What `open` does instead of opening. */
  refuseOpen: (() => never) | undefined;
  /** What `authenticate` does instead. */
  refuseAuthentication: (() => never) | undefined;
  readonly #stateless = new Map<string, Session>();
  readonly #queue: TakenCall[] = [];
  readonly #takers: ((call: TakenCall) => void)[] = [];

  authenticate(credential: Credential, context: AuthenticationContext): Grant | Promise<Grant> {
    this.seen.push({ credential, context });
    this.refuseAuthentication?.();
    const find = (): Grant => {
      if (credential.kind === 'none' && !this.protected) return this.defaultGrant;
      const grant = credential.kind === 'bearer' ? this.tokens.get(credential.token) : undefined;
      if (grant === undefined) throw new Unauthorized();
      return grant;
    };
    return this.slow ? Promise.resolve().then(find) : find();
  }

  hasServer(_grant: Grant, server: string): boolean {
    return this.serverList.some((each) => each.name === server);
  }

  async open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }> {
    await Promise.resolve();
    this.opened.push(request);
    this.refuseOpen?.();
    const asked = request.params['protocolVersion'] as string;
    const protocolVersion = (oldVersions as readonly string[]).includes(asked) ? asked : oldVersions[0];
    const session = new Session({
      id: randomUUID(),
      era: 'old',
      grant: request.grant,
      transport: request.transport,
      server: request.server,
      protocolVersion,
      capabilities: (request.params['capabilities'] ?? {}) as Capabilities,
      clientInfo: request.params['clientInfo'] as Implementation | undefined,
    });
    this.sessions.set(session.id, session);
    const capabilities = { tools: { listChanged: true }, logging: {} };
    return { session, result: { protocolVersion, capabilities, serverInfo: { name: 'fake', version: '1.0.0' } } };
  }

  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session> {
    const key = `${grant.id}/${server ?? ''}`;
    let session = this.#stateless.get(key);
    if (session === undefined) {
      const shared = { protocolVersion: '2026-07-28', capabilities: {}, clientInfo: undefined };
      session = new Session({ id: `stateless:${key}`, era: 'new', grant, transport, server, ...shared });
      this.#stateless.set(key, session);
    }
    return this.slow ? Promise.resolve(session) : session;
  }

  /** `test/echo` is answered at once, `test/soon` a little later, every other method with a slash by the test. */
  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle {
    const call: TakenCall = { session, request, reply, envelope, cancelled: undefined };
    const echo = (): void => reply.answer(Answer.result({ params: request.params ?? {} }));
    if (request.method === 'ping') reply.answer(Answer.result({}));
    else if (request.method === 'test/echo') echo();
    else if (request.method === 'test/soon') queueMicrotask(echo);
    else if (!/^(?!notifications)\w+\//.test(request.method))
      reply.answer(Answer.error(rpcCode.methodNotFound, 'Method not found'));
    else {
      const taker = this.#takers.shift();
      if (taker === undefined) this.#queue.push(call);
      else taker(call);
    }
    return {
      cancel(reason: string): void {
        call.cancelled = reason;
      },
    };
  }

  /** The next request that waits for its answer. */
  take(): Promise<TakenCall> {
    const call = this.#queue.shift();
    return call === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(call);
  }

  notify(session: Session, notification: RpcNotification): void {
    this.notified.push({ session, notification });
  }

  deliver(session: Session, response: RpcResponse): void {
    this.delivered.push({ session, response });
    session.deliver(response);
  }

  async close(session: Session, reason: string): Promise<void> {
    await Promise.resolve();
    this.closed.push({ id: session.id, reason });
    this.sessions.delete(session.id);
    session.end();
  }

  servers(): ServerStatus[] {
    return this.serverList;
  }

  tools(): Promise<[]> {
    return Promise.resolve([]);
  }

  grantChanged(): void {}

  warnings(): string[] {
    return [];
  }
}
