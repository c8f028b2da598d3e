// How the proxy introduces itself to a server when no client stands behind a connection.
import { version } from 'plugboard';
import type { Implementation } from 'plugboard';

/** The proxy's own `clientInfo`. */
export const identity: Implementation = { name: 'plugboard', version };
