// The credential of an upgrade: a header, or, from browsers, which can set none, a subprotocol. Never the URL: it ends up in logs.
import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Credential } from 'plugboard';

/** The subprotocol that every client offers and the proxy chooses. */
export const subprotocol = 'mcp';

const tokenPrefix = 'bearer.';

/** The subprotocols that an upgrade offers. */
export function offered(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').flatMap((each) => each.trim() || []);
}

/** The credential that an upgrade carries; undefined when it is malformed, or there is more than one. */
export function credentialOf(request: IncomingMessage): Credential | undefined {
  const { authorization } = request.headers;
  const entries = offered(request).filter((each) => each.startsWith(tokenPrefix));
  if (authorization === undefined && entries.length === 0) return { kind: 'none' };
  if (entries.length > (authorization === undefined ? 1 : 0)) return undefined;
  const token =
    authorization === undefined
      ? decode(entries[0]?.slice(tokenPrefix.length) ?? '')
      : /^bearer +(\S+)$/i.exec(authorization)?.[1];
  return token === undefined ? undefined : { kind: 'bearer', token };
}

/** base64url without padding, in its one right form; a token has no white space in it. */
function decode(text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) return undefined;
  const token = bytes.toString('utf8');
  return /^\S+$/.test(token) && Buffer.from(token).equals(bytes) ? token : undefined;
}
