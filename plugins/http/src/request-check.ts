// Whether a request may come in at all, judged by its headers: Host, Origin, Content-Type, Accept. Identity and eras live elsewhere.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HostCheck } from 'plugboard';
import type { Options } from './options.ts';

const refusals = {
  host: 'the Host header names another host; the option `allowedHosts` adds one',
  origin: 'requests from this Origin are refused; the option `allowedOrigins` adds one',
} as const;

/** Checks Host and Origin, and tells the browsers of configured origins that their pages may read the answers (CORS). */
export class RequestCheck {
  readonly #hosts: HostCheck;

  constructor({ host, allowedHosts, allowedOrigins }: Options) {
    this.#hosts = new HostCheck({ host, allowedHosts, allowedOrigins, localPages: true });
  }

  /** Why the request is refused (HTTP 403), or undefined. */
  refusal(request: IncomingMessage): string | undefined {
    const fault = this.#hosts.fault(request.headers);
    return fault === undefined ? undefined : refusals[fault];
  }

  /** Lets a configured origin read the answer; nobody else. */
  allowReading(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin === undefined || !this.#hosts.isAllowed(origin)) return;
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'Mcp-Session-Id, WWW-Authenticate, Retry-After');
    response.setHeader('Vary', 'Origin');
  }

  /** Headers that answer a preflight, or undefined when the origin is not a configured one. */
  preflight(request: IncomingMessage): string[] | undefined {
    const { origin } = request.headers;
    if (origin === undefined || !this.#hosts.isAllowed(origin)) return undefined;
    const asked = request.headers['access-control-request-headers'];
    const headers = ['Access-Control-Allow-Methods', 'GET, POST, DELETE', 'Access-Control-Max-Age', '600'];
    // Header names are repeated only when they are plain tokens: they come from outside.
    if (asked !== undefined && /^[\w\-, ]{1,1000}$/.test(asked)) headers.push('Access-Control-Allow-Headers', asked);
    return headers;
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
