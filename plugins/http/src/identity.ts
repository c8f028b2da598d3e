// Who sends a request: from its Authorization header to a grant, and how a refusal is answered. The board knows the credentials.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isDenied, isUnauthorized, RefusedRequest, rpcCode, Unauthorized } from 'plugboard';
import type { AuthenticationContext, BoardApi, Credential, Grant, Log } from 'plugboard';
import type { Responder } from './responder.ts';

export const transportId = 'http';

const anonymous: Credential = Object.freeze({ kind: 'none' });

/** Finds the grant of each request. */
export class Identity {
  readonly #board: BoardApi;
  readonly #responder: Responder;
  readonly #log: Log;
  /** One object per connection: asking for the peer's address costs a system call. */
  readonly #peers = new WeakMap<Socket, AuthenticationContext>();

  constructor(board: BoardApi, responder: Responder, log: Log) {
    this.#board = board;
    this.#responder = responder;
    this.#log = log;
  }

  /** The grant of a request. Throws or rejects when the credential is refused. */
  grantOf(request: IncomingMessage): Grant | Promise<Grant> {
    const { authorization } = request.headers;
    const credential = authorization === undefined ? anonymous : bearer(authorization);
    let peer = this.#peers.get(request.socket);
    if (peer === undefined) {
      peer = { transport: transportId, remoteAddress: request.socket.remoteAddress };
      this.#peers.set(request.socket, peer);
    }
    return this.#board.authenticate(credential, peer);
  }

  /** Answers a request whose credential was refused. Says nothing of the credential. */
  refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (error instanceof RefusedRequest) {
      this.#responder.json(response, error.answer.status ?? 403, error.answer.encode(undefined));
    } else if (isUnauthorized(error)) {
      const sent = request.headers.authorization !== undefined;
      const challenge = sent ? 'Bearer error="invalid_token"' : 'Bearer';
      const text = sent
        ? 'Unauthorized: the credential is not valid'
        : 'Unauthorized: send a token as Authorization: Bearer …';
      this.#responder.error(response, 401, rpcCode.invalidRequest, text, { headers: ['WWW-Authenticate', challenge] });
    } else if (isDenied(error)) this.#responder.error(response, 403, rpcCode.invalidRequest, error.message);
    else {
      this.#log.error('authentication failed to run', { error });
      this.#responder.fault(response);
    }
  }
}

function bearer(authorization: string): Credential {
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw new Unauthorized();
  return { kind: 'bearer', token };
}
