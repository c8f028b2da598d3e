// The address on this machine to which a browser returns after signing in (RFC 8252, loopback redirection). What the answer is worth is not judged here.
import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const path = '/callback';

/** What came back, and how to tell the person in front of the browser what became of it. */
export interface Callback {
  readonly params: URLSearchParams;
  finish(said: string, good: boolean): void;
}

export class CallbackListener {
  /** `http://127.0.0.1:PORT/callback`. */
  readonly url: string;
  readonly #server: Server;
  readonly #waiting: { readonly state: string; readonly resolve: (callback: Callback) => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = redirectUrl((server.address() as AddressInfo).port);
    server.on('request', (request, response) => this.#serve(request, response));
  }

  /**
   * Listens on 127.0.0.1. `preferred`: a port to take if it is free; `fixed`: the only port that will do.
   * Rejects when `fixed` is taken.
   */
  static async open(preferred: number | undefined, fixed: number | undefined): Promise<CallbackListener> {
    if (fixed !== undefined) return new CallbackListener(await listen(fixed));
    const server = preferred === undefined ? undefined : await listen(preferred).catch(() => undefined);
    return new CallbackListener(server ?? (await listen(0)));
  }

  /** The one answer that carries this state. Others get a page that says so, and change nothing. */
  answer(state: string): Promise<Callback> {
    return new Promise((resolve) => this.#waiting.push({ state, resolve }));
  }

  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Ends at once, whoever is connected. */
  destroy(): void {
    this.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const state = url.searchParams.get('state') ?? '';
    const place = this.#waiting.findIndex((each) => same(each.state, state));
    if (request.method !== 'GET' || url.pathname !== path) page(response, 404, 'There is nothing here.');
    else if (place === -1)
      page(response, 400, 'This answer belongs to no sign-in that is open. Start again with the address in the log.');
    else {
      const [waiting] = this.#waiting.splice(place, 1);
      waiting?.resolve({ params: url.searchParams, finish: (said, good) => page(response, good ? 200 : 400, said) });
    }
  }
}

/** The port of a redirect address of this kind. */
export function portOf(url: string | undefined): number | undefined {
  const port = url === undefined || !URL.canParse(url) ? Number.NaN : Number(new URL(url).port);
  return port > 0 ? port : undefined;
}

function redirectUrl(port: number): string {
  return `http://127.0.0.1:${port}${path}`;
}

function listen(port: number): Promise<Server> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function page(response: ServerResponse, status: number, said: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'",
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(
    `<!doctype html><meta charset="utf-8"><title>Plugboard</title><p>${said.replace(/[<>&]/g, escape)}</p>\n`,
  );
}

function escape(character: string): string {
  return `&#${character.charCodeAt(0)};`;
}
