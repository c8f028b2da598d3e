// Host and Origin of requests on the own listener, against DNS rebinding and pages of elsewhere. Beside /mcp the plugin `http` has checked them.
import type { IncomingMessage } from 'node:http';
import { HostCheck, isLoopback } from 'plugboard';

const refusals = {
  host: 'The Host header names another host; the option `allowedHosts` adds one.',
  origin: 'Requests of pages from elsewhere (Origin) are refused.',
} as const;

/** True when the peer of a request is this machine. */
export function isLocalPeer({ socket: { remoteAddress, localAddress } }: IncomingMessage): boolean {
  if (remoteAddress === undefined) return false;
  // A socket for both versions of IP shows an address of IPv4 as one of IPv6.
  return isLoopback(remoteAddress.replace(/^::ffff:/i, '')) || remoteAddress === localAddress;
}

/** Makes the check of a listener: why a request is refused (403), or undefined. */
export function originCheck(
  host: string,
  allowedHosts: readonly string[],
): (request: IncomingMessage) => string | undefined {
  const hosts = new HostCheck({ host, allowedHosts });
  return ({ headers }) => {
    const fault = hosts.fault(headers);
    return fault === undefined ? undefined : refusals[fault];
  };
}
