// Host and Origin of requests on the own listener, against DNS rebinding and pages of elsewhere. Beside /mcp the plugin `http` has checked them.
import type { IncomingMessage } from 'node:http';

/** Names that always mean this machine. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(host);
}

/** True when the peer of a request is this machine. */
export function isLocalPeer({ socket: { remoteAddress, localAddress } }: IncomingMessage): boolean {
  return remoteAddress !== undefined && (isLoopback(remoteAddress) || remoteAddress === localAddress);
}

/** Makes the check of a listener: why a request is refused (403), or undefined. */
export function originCheck(
  host: string,
  allowedHosts: readonly string[],
): (request: IncomingMessage) => string | undefined {
  const checksHost = isLoopback(host) || allowedHosts.length > 0;
  const own = isLoopback(host) ? [...loopbackNames, host.includes(':') ? `[${host}]` : host] : [];
  const served = new Set([...own, ...allowedHosts].map((name) => name.toLowerCase()));
  const isServed = (name: string) => served.has(name) || served.has(name.replace(/:\d{1,5}$/, ''));
  return ({ headers }) => {
    const name = headers.host?.toLowerCase() ?? '';
    if (checksHost && !isServed(name)) return 'The Host header names another host; the option `allowedHosts` adds one.';
    if (headers.origin === undefined) return undefined;
    const page = /^https?:\/\/([^/]+)$/i.exec(headers.origin)?.[1]?.toLowerCase();
    // A page of this listener itself. Worth something only where Host was checked.
    if (page !== undefined && checksHost && page === name) return undefined;
    return 'Requests of pages from elsewhere (Origin) are refused.';
  };
}
