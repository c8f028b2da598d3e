// Who the client of a connection is and which session it gets, and the error when it gets none. The board knows the credentials.
import { Answer, isDenied, isUnauthorized, RefusedRequest, rpcCode, Unauthorized } from 'plugboard';
import type {
  AuthenticationContext,
  BoardApi,
  ClientAdmission,
  Credential,
  Grant,
  JsonObject,
  Log,
  Session,
} from 'plugboard';

export const transportId = 'websocket';

export interface AdmissionInit {
  readonly board: BoardApi;
  readonly log: Log;
  readonly credential: Credential;
  readonly peer: AuthenticationContext;
  /** Id of the grant that the connection was opened for. */
  readonly grantId: string;
  /** The one server of the endpoint. */
  readonly server: string | undefined;
}

/** The way of one connection to its sessions. Its credential is asked about each time, for it may be taken back. */
export class Admission implements ClientAdmission {
  readonly #init: AdmissionInit;

  constructor(init: AdmissionInit) {
    this.#init = init;
  }

  /** Opens a session of the old era with the params of `initialize`. */
  async open(params: JsonObject): Promise<{ session: Session; result: JsonObject }> {
    const grant = await this.#grant();
    return this.#init.board.open({ transport: transportId, grant, server: this.#init.server, params });
  }

  /** The session that stands for this client in the new era. May throw as well as reject. */
  stateless(): Session | Promise<Session> {
    const find = (grant: Grant) => this.#init.board.stateless(transportId, grant, this.#init.server);
    const grant = this.#grant();
    return grant instanceof Promise ? grant.then(find) : find(grant);
  }

  /** True unless the credential is refused by now. A check that cannot be made refuses nobody who is in already. */
  async holds(): Promise<boolean> {
    try {
      await this.#grant();
      return true;
    } catch (error) {
      return !isUnauthorized(error);
    }
  }

  /** The answer to a request that got no session. Says nothing of the credential. */
  explain(error: unknown): Answer {
    if (error instanceof RefusedRequest) return error.answer;
    if (isUnauthorized(error))
      return Answer.error(rpcCode.invalidRequest, 'Unauthorized: the credential is not valid any more');
    if (isDenied(error)) return Answer.error(rpcCode.invalidRequest, error.message);
    this.#init.log.error('a request could not be started', { error });
    return Answer.error(rpcCode.internalError, 'The proxy failed to start this request; its log says why');
  }

  #grant(): Grant | Promise<Grant> {
    const { board, credential, peer } = this.#init;
    const grant = board.authenticate(credential, peer);
    return grant instanceof Promise ? grant.then((found) => this.#checked(found)) : this.#checked(grant);
  }

  #checked(grant: Grant): Grant {
    const { board, grantId, server } = this.#init;
    // The connection counts as one of the grant that it was opened for.
    if (grant.id !== grantId) throw new Unauthorized();
    if (server === undefined || board.hasServer(grant, server)) return grant;
    throw new RefusedRequest(Answer.error(rpcCode.invalidRequest, `There is no server "${server}" for this client`));
  }
}
