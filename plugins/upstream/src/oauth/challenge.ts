// What a server says when it does not let a request in: 401, or 403 for a scope that is missing (RFC 6750, RFC 9728). What to do about it is decided elsewhere.
import { headerOf } from '../http/exchange.ts';
import type { Reply } from '../http/exchange.ts';

export interface Challenge {
  readonly kind: 'unauthorized' | 'scope';
  /** Where the server describes itself. */
  readonly resourceMetadataUrl: string | undefined;
  /** Scopes that the request needs. */
  readonly scope: string | undefined;
}

/** True for an answer that signing in may help against. Cheap: it is asked of every answer. */
export function isChallenge(reply: Reply): boolean {
  if (reply.error !== undefined) return false;
  return reply.status === 401
    ? !otherScheme(reply)
    : reply.status === 403 && /insufficient_scope/.test(challengeOf(reply));
}

/** Reads the challenge with the SDK's reader. */
export async function readChallenge(reply: Reply): Promise<Challenge> {
  const { extractWWWAuthenticateParams } = await import('@modelcontextprotocol/client');
  const response = new Response(undefined, { headers: { 'www-authenticate': challengeOf(reply) } });
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response);
  return {
    kind: reply.status === 403 ? 'scope' : 'unauthorized',
    resourceMetadataUrl: resourceMetadataUrl?.href,
    scope,
  };
}

/** The challenge of the scheme Bearer, when there are several. */
function challengeOf(reply: Reply): string {
  const all = reply.headers['www-authenticate'];
  const lines = Array.isArray(all) ? all : [all ?? ''];
  return lines.find((line) => /^bearer\b/i.test(line)) ?? headerOf(reply.headers, 'www-authenticate') ?? '';
}

/** A server that names a scheme, but not ours, wants something that nobody can sign in for. */
function otherScheme(reply: Reply): boolean {
  const challenge = challengeOf(reply);
  return challenge !== '' && !/\b(bearer|dpop)\b/i.test(challenge);
}
