// HTTP requests of one call: connections go to checked addresses only, and end with the call. What is asked for, and
// whether it may be, is decided elsewhere.
import { linkAbort } from 'plugboard';
import type { LinkedAbort } from 'plugboard';
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector } from 'undici';
import { bareHost } from './policy.ts';
import type { Policy } from './policy.ts';
import { Refusal } from './settings.ts';

/** All addresses of a host. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export const systemResolve: Resolve = (host) => systemLookup(host, { all: true });

export interface Response {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

export interface ExchangeInit {
  readonly policy: Policy;
  readonly resolve: Resolve;
  readonly userAgent: string;
  readonly maxRedirects: number;
  /** ms for everything together. */
  readonly timeout: number;
  /** Aborted when the caller gives up. */
  readonly signal: AbortSignal;
}

export class Exchange {
  readonly signal: AbortSignal;
  readonly #init: ExchangeInit;
  readonly #agent: Agent;
  readonly #abort: LinkedAbort;

  constructor(init: ExchangeInit) {
    this.#init = init;
    this.#abort = linkAbort([init.signal], init.timeout);
    this.signal = this.#abort.signal;
    this.#agent = guardedAgent(init.policy, init.resolve, init.timeout);
  }

  /**
   * Asks for a URL and goes where it is redirected to, each step checked like the first; `before` is called ahead of
   * each. Throws a {@link Refusal} with what to do.
   */
  async follow(start: URL, before: (url: URL) => Promise<void> = async () => {}): Promise<Response> {
    let url = start;
    for (let step = 0; step <= this.#init.maxRedirects; step += 1) {
      this.#init.policy.checkUrl(url);
      await before(url);
      const response = await this.#get(url);
      const location = redirectOf(response);
      if (location === undefined) return response;
      response.body.on('error', () => {}).destroy();
      url = nextUrl(url, location);
    }
    throw new Refusal(
      `${start.href} is redirected more than ${this.#init.maxRedirects} times (option maxRedirects): ` +
        `fetch where it leads to, ${url.href}`,
    );
  }

  async #get(url: URL): Promise<Response> {
    try {
      const { statusCode, headers, body } = await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: {
          'user-agent': this.#init.userAgent,
          accept: 'text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.8, */*;q=0.5',
          'accept-encoding': 'gzip, br',
        },
        signal: this.signal,
      });
      return { url, status: statusCode, headers, body };
    } catch (error) {
      throw this.explain(url, error);
    }
  }

  /** The reason of a failure in words; a {@link Refusal} stays as it is. */
  explain(url: URL, error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    const { signal, timeout } = this.#init;
    if (signal.aborted) return new Refusal('the call was cancelled');
    if (this.signal.aborted)
      return new Refusal(
        `${url.href} took longer than ${timeout} ms (option timeout): try again later, or another page`,
      );
    const { code = '', message = '' } = error as { code?: string; message?: string };
    return new Refusal(`Failed to fetch ${url.href}: ${reasons[code] ?? certificate(code) ?? (message || code)}`);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    this.#abort.release();
    await this.#agent.destroy();
  }
}

/** Connects only to what the policy has seen: the address that is checked is the address that is used. */
function guardedAgent(policy: Policy, resolve: Resolve, timeout: number): Agent {
  const lookup: LookupFunction = (host, options, callback) => {
    resolve(host).then(
      (addresses) => {
        try {
          policy.checkAddresses(
            host,
            addresses.map(({ address }) => address),
          );
        } catch (error) {
          callback(error as Error, '');
          return;
        }
        const [first] = addresses;
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family ?? 4);
      },
      (error: Error) => callback(error, ''),
    );
  };
  // The time for everything together is the exchange's own signal's part.
  const connect = buildConnector({ lookup, timeout: timeout + 1000, rejectUnauthorized: true, maxCachedSessions: 0 });
  const guarded: buildConnector.connector = (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      try {
        policy.checkAddresses(bareHost(new URL(`http://${options.hostname}`)), [socket.remoteAddress ?? '']);
        callback(null, socket);
      } catch (refusal) {
        socket.destroy();
        callback(refusal as Error, null);
      }
    });
  };
  return new Agent({ connect: guarded, headersTimeout: 0, bodyTimeout: 0, connections: 2 });
}

function redirectOf({ status, headers }: Response): string | undefined {
  const { location } = headers;
  return [301, 302, 303, 307, 308].includes(status) && typeof location === 'string' ? location : undefined;
}

function nextUrl(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw new Refusal(`${from.href} redirects to something that is no URL`);
  const url = new URL(location, from);
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw new Refusal(
      `${from.href} redirects from https to http, which is not followed: fetch ${url.href} if that will do`,
    );
  }
  url.hash = '';
  return url;
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host: check its spelling',
  EAI_AGAIN: 'the name of its host cannot be resolved at the moment: try again later',
  ECONNREFUSED: 'nothing listens there: check host and port',
  ECONNRESET: 'the connection was ended by the other side: try again later',
  UND_ERR_SOCKET: 'the connection was ended by the other side: try again later',
  UND_ERR_CONNECT_TIMEOUT: 'it cannot be reached in time: try again later',
  ETIMEDOUT: 'it cannot be reached in time: try again later',
  UND_ERR_HEADERS_OVERFLOW: 'its headers are too large',
};

function certificate(code: string): string | undefined {
  if (!/CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO/.test(code)) return undefined;
  return `its certificate or encryption is not valid (${code}); this is not passed over`;
}
