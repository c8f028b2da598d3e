// Who the client is and which session it gets, and the error when it gets none. The board knows the credentials.
import { Answer, isUnauthorized, RefusedRequest, rpcCode } from 'plugboard';
import type { BoardApi, ClientAdmission, Grant, JsonObject, Log, Session } from 'plugboard';

const transportId = 'stdio';

export interface AdmissionInit {
  readonly board: BoardApi;
  readonly log: Log;
  readonly server: string | undefined;
  readonly token: string | undefined;
}

/** The way of one client to its sessions. Its credential is asked about each time, for it may be taken back. */
export class Admission implements ClientAdmission {
  readonly #board: BoardApi;
  readonly #log: Log;
  readonly #server: string | undefined;
  readonly #token: string | undefined;

  constructor({ board, log, server, token }: AdmissionInit) {
    this.#board = board;
    this.#log = log;
    this.#server = server;
    this.#token = token;
  }

  /** Opens a session of the old era with the params of `initialize`. */
  async open(params: JsonObject): Promise<{ session: Session; result: JsonObject }> {
    const grant = await this.#grant();
    return this.#board.open({ transport: transportId, grant, server: this.#server, params });
  }

  /** The session that stands for this client in the new era. May throw as well as reject. */
  stateless(): Session | Promise<Session> {
    const find = (grant: Grant) => this.#board.stateless(transportId, grant, this.#server);
    const grant = this.#grant();
    return grant instanceof Promise ? grant.then(find) : find(grant);
  }

  /** The answer to a request that got no session. Says nothing of the credential. */
  explain(error: unknown): Answer {
    if (error instanceof RefusedRequest) return error.answer;
    if (isUnauthorized(error)) {
      this.#log.error('the token of the client is not valid: correct plugins.stdio.token');
      return Answer.error(
        rpcCode.invalidRequest,
        'Unauthorized: the token is not valid; correct the option "token" of the plugin "stdio"',
      );
    }
    this.#log.error('a request could not be started', { error });
    return Answer.error(rpcCode.internalError, 'The proxy failed to start this request; its log says why');
  }

  #grant(): Grant | Promise<Grant> {
    const credential =
      this.#token === undefined ? ({ kind: 'none' } as const) : ({ kind: 'bearer', token: this.#token } as const);
    const grant = this.#board.authenticate(credential, { transport: transportId });
    return grant instanceof Promise ? grant.then((found) => this.#checked(found)) : this.#checked(grant);
  }

  #checked(grant: Grant): Grant {
    const server = this.#server;
    if (server === undefined || this.#board.hasServer(grant, server)) return grant;
    const text = `There is no server "${server}" for this client: correct the option "server" of the plugin "stdio", or allow its tools`;
    throw new RefusedRequest(Answer.error(rpcCode.invalidRequest, text));
  }
}
