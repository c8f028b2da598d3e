// One HTTP exchange with a proxy of this machine, with errors for people. What is asked and answered is the business of its callers.
import { request as httpRequest } from 'node:http';
import type { Agent, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { PlugboardError } from '../errors.ts';
import { linkAbort } from '../linked-abort.ts';
import type { Console } from './console.ts';

/** ms for the proxy to answer what it answers itself. */
export const patience = 15_000;

/** ms after which a person is told what is waited for. */
const tellAfter = 2000;

/** A request. */
export interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | undefined;
  /** Keeps connections; without one each request has its own. */
  readonly agent?: Agent;
  /** ms for the whole answer; undefined: as long as it takes. */
  readonly limit?: number | undefined;
  /** Aborted when nobody wants the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Told when there is something to wait for. */
  readonly output?: Console | undefined;
}

/** An answer whose headers are here. Reading it throws as {@link send} does. */
export class Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly #message: IncomingMessage;
  readonly #explain: (error: Error) => Error;

  constructor(message: IncomingMessage, explain: (error: Error) => Error) {
    this.status = message.statusCode ?? 0;
    this.headers = message.headers;
    this.#message = message;
    this.#explain = explain;
  }

  /** The body as it arrives. */
  async *chunks(): AsyncGenerator<string> {
    this.#message.setEncoding('utf8');
    try {
      for await (const chunk of this.#message) yield chunk as string;
    } catch (error) {
      throw this.#explain(error as Error);
    }
  }

  /** The whole body. */
  async text(): Promise<string> {
    const chunks: string[] = [];
    for await (const chunk of this.chunks()) chunks.push(chunk);
    return chunks.join('');
  }

  /** Reads no more of it than the connection needs. */
  drop(): void {
    this.#message.resume();
  }
}

/** Resolves when the answer begins. Throws NOT_RUNNING when nothing listens there, REQUEST_FAILED when it takes too long or breaks off, CANCELLED. */
export function send(url: string, { method, headers, body, agent, limit, signal, output }: Ask): Promise<Reply> {
  const ends = linkAbort(signal === undefined ? [] : [signal], limit);
  const slow =
    limit === undefined ? undefined : setTimeout(() => output?.note(`waiting for ${url} …`), tellAfter).unref();
  const explain = (error: NodeJS.ErrnoException, began: boolean): Error => {
    if (ends.signal.aborted) return whyAborted(url, ends.signal.reason, limit);
    if (began || error.code === 'ECONNRESET')
      return new PlugboardError('REQUEST_FAILED', `${url}: the proxy stopped before it answered`, { cause: error });
    const why = `nothing answers at ${url} (${error.code ?? error.message})`;
    return new PlugboardError('NOT_RUNNING', why, { cause: error });
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: agent ?? false, signal: ends.signal }, (response) => {
      clearTimeout(slow);
      response.once('close', ends.release);
      resolve(new Reply(response, (error) => explain(error, true)));
    });
    request.on('error', (error) => {
      clearTimeout(slow);
      ends.release();
      reject(explain(error, false));
    });
    request.end(body);
  });
}

function whyAborted(url: string, reason: unknown, limit: number | undefined): Error {
  // By the reason: what the request itself throws says the same of both.
  if (reason instanceof DOMException && reason.name === 'TimeoutError')
    return new PlugboardError('REQUEST_FAILED', `${url}: no answer within ${(limit ?? 0) / 1000} s`);
  return new PlugboardError('CANCELLED', 'cancelled before the answer came');
}
