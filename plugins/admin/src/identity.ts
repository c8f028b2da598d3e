// Who sends a request, and how often somebody may guess. The tokens themselves live in `credentials.ts`.
import type { IncomingMessage } from 'node:http';
import type { Actor, Log } from 'plugboard';
import type { Credentials } from './credentials.ts';
import type { Failures } from './failures.ts';
import { isLocalPeer } from './origin-check.ts';
import { ProblemWithHeaders } from './problems.ts';

/** Makes what tells the actor of a request. It throws a problem: 401, or 429 for an address that has sent too many wrong tokens. */
export function identifier(
  credentials: Credentials,
  failures: Failures,
  log: Log,
): (request: IncomingMessage) => Actor {
  return (request) => {
    const token = readToken(request);
    // It cannot be guessed, so it needs no protection against guessing: nobody can lock the owner of this machine out.
    const local = isLocalPeer(request) ? credentials.identifyLocal(token) : undefined;
    if (local !== undefined) return local;
    const { remoteAddress } = request.socket;
    refuseWaiting(failures.wait(remoteAddress));
    const actor = credentials.identify(token);
    if (actor !== undefined) return actor;
    failures.add(remoteAddress);
    if (failures.wait(remoteAddress) > 0)
      log.warn('too many wrong tokens: this address has to wait', { remoteAddress });
    throw unauthorized(
      'The token is not valid; it may have been changed or taken away.',
      'Bearer realm="plugboard", error="invalid_token"',
    );
  };
}

function readToken({ headers: { authorization } }: IncomingMessage): string {
  const token = /^bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '')?.[1];
  if (token !== undefined) return token;
  throw unauthorized('Send a token of the management API: Authorization: Bearer …', 'Bearer realm="plugboard"');
}

function refuseWaiting(seconds: number): void {
  if (seconds === 0) return;
  const detail = `Too many wrong tokens came from this address; try again in ${seconds} s.`;
  throw new ProblemWithHeaders(429, 'too-many-failures', detail, { 'Retry-After': String(seconds) });
}

function unauthorized(detail: string, challenge: string): ProblemWithHeaders {
  return new ProblemWithHeaders(401, 'unauthorized', detail, { 'WWW-Authenticate': challenge });
}
