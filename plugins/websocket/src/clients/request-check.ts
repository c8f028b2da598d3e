// Whether an upgrade may come in at all, judged by Host and Origin (DNS rebinding, pages of other sites). Identity lives elsewhere.
import type { IncomingMessage } from 'node:http';

/** Names that always mean this machine. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/**
 * Checks Host and Origin. Nothing keeps a page from reading what a WebSocket answers, so unlike over HTTP no other page of this machine
 * is let in either: only the configured origins, and the very host that is asked.
 */
export class RequestCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #checksHost: boolean;

  /** `host`: the address that is listened on. */
  constructor(host: string, allowedHosts: readonly string[], allowedOrigins: readonly string[]) {
    const loopback = isLoopback(host);
    this.#checksHost = loopback || allowedHosts.length > 0;
    const names = loopback ? [...loopbackNames, urlHost(host), ...allowedHosts] : allowedHosts;
    this.#hosts = new Set(names.map((name) => name.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** Why the upgrade is refused (HTTP 403), or undefined. */
  refusal({ headers: { host, origin } }: IncomingMessage): string | undefined {
    if (this.#checksHost && !this.#isServed(host))
      return 'the Host header names another host; the option `allowedHosts` adds one';
    if (origin !== undefined && !this.#isAllowed(origin, host))
      return 'connections from this Origin are refused; the option `allowedOrigins` adds one';
    return undefined;
  }

  #isServed(host: string | undefined): boolean {
    const whole = host?.toLowerCase();
    return whole !== undefined && (this.#hosts.has(whole) || this.#hosts.has(whole.replace(/:\d{1,5}$/, '')));
  }

  #isAllowed(origin: string, host: string | undefined): boolean {
    if (this.#origins.has(origin.toLowerCase())) return true;
    // The page was served from here. Worth something only where Host itself was checked.
    const name = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
    return this.#checksHost && name !== undefined && name === host?.toLowerCase();
  }
}
