// How the proxy introduces itself to a server when no client stands behind a connection.
import { version } from '../version.ts';
import type { Implementation } from '../protocol/messages.ts';

/** The proxy's own `clientInfo`. */
export const proxyIdentity: Implementation = { name: 'plugboard', version };
