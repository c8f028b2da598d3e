// Whether a request may come in at all, judged by its headers: Host, Origin, Content-Type, Accept. Identity and eras live elsewhere.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Names that always mean this machine. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** Different Host headers remembered; clients send one or two, attackers any number. */
const maxJudged = 100;

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Checks Host and Origin against DNS rebinding (2025-11-25, transports: security warning). */
export class RequestCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #checksHost: boolean;
  readonly #loopback: boolean;
  readonly #judged = new Map<string, boolean>();

  constructor(host: string, allowedHosts: readonly string[], allowedOrigins: readonly string[]) {
    this.#loopback = isLoopback(host);
    this.#checksHost = this.#loopback || allowedHosts.length > 0;
    const names = this.#loopback ? [...loopbackNames, urlHost(host), ...allowedHosts] : allowedHosts;
    this.#hosts = new Set(names.map((name) => name.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** Why the request is refused (HTTP 403), or undefined. */
  refusal(request: IncomingMessage): string | undefined {
    const { host, origin } = request.headers;
    if (this.#checksHost && !this.#isServed(host))
      return 'the Host header names another host; the option `allowedHosts` adds one';
    if (origin !== undefined && !this.#isAllowed(origin, host))
      return 'requests from this Origin are refused; the option `allowedOrigins` adds one';
    return undefined;
  }

  /** Lets a configured origin read the answer; nobody else. */
  allowReading(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin === undefined || !this.#origins.has(origin.toLowerCase())) return;
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'Mcp-Session-Id, WWW-Authenticate, Retry-After');
    response.setHeader('Vary', 'Origin');
  }

  /** Headers that answer a preflight, or undefined when the origin is not a configured one. */
  preflight(request: IncomingMessage): string[] | undefined {
    const { origin } = request.headers;
    if (origin === undefined || !this.#origins.has(origin.toLowerCase())) return undefined;
    const asked = request.headers['access-control-request-headers'];
    const headers = ['Access-Control-Allow-Methods', 'GET, POST, DELETE', 'Access-Control-Max-Age', '600'];
    // Header names are repeated only when they are plain tokens: they come from outside.
    if (asked !== undefined && /^[\w\-, ]{1,1000}$/.test(asked)) headers.push('Access-Control-Allow-Headers', asked);
    return headers;
  }

  #isServed(host: string | undefined): boolean {
    if (host === undefined) return false;
    let served = this.#judged.get(host);
    if (served === undefined) {
      const whole = host.toLowerCase();
      served = this.#hosts.has(whole) || this.#hosts.has(whole.replace(/:\d{1,5}$/, ''));
      if (this.#judged.size >= maxJudged) this.#judged.clear();
      this.#judged.set(host, served);
    }
    return served;
  }

  #isAllowed(origin: string, host: string | undefined): boolean {
    if (this.#origins.has(origin.toLowerCase())) return true;
    const match = /^https?:\/\/([^/]+)$/i.exec(origin);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined) return false;
    if (this.#loopback && loopbackNames.includes(name.replace(/:\d{1,5}$/, ''))) return true;
    // The page was served from here. Worth something only where Host itself was checked.
    return this.#checksHost && name === host?.toLowerCase();
  }
}

/** True when a Content-Type says JSON; parameters are ignored. */
export function isJson(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true;
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
}

/** True when an Accept header admits a media type by name or wildcard. No header admits all (RFC 9110, section 12.5.1). */
export function accepts(header: string | undefined, type: 'application/json' | 'text/event-stream'): boolean {
  if (header === undefined || header.includes(type)) return true;
  const family = `${type.slice(0, type.indexOf('/'))}/*`;
  return header.split(',').some((range) => {
    const name = range.split(';', 1)[0]?.trim().toLowerCase();
    return name === '*/*' || name === family || name === type;
  });
}
