// How a request leaves and its answer is read: time and size bounded, redirects followed by our own rules, the token for GitHub alone.
import { linkAbort } from 'plugboard';
import { FinalFailure } from './failure.ts';
import type { Attempt } from './ask.ts';

export interface FetchLimits {
  /** ms. */
  readonly timeout: number;
  readonly maxDownloadBytes: number;
}

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

const maxRedirects = 3;

/** The `fetch` for one asking. What it throws in its own words is a {@link FinalFailure}. */
export function boundedFetch(attempt: Attempt, limits: FetchLimits): Fetch {
  return async (url, init = {}) => {
    attempt.signal.throwIfAborted();
    attempt.sent = true;
    attempt.cut = false;
    const abort = linkAbort([attempt.signal], limits.timeout);
    try {
      const response = await follow(url, { ...init, signal: abort.signal, redirect: 'manual' }, attempt);
      const body = await readBody(response, limits.maxDownloadBytes, attempt);
      const { status, statusText } = response;
      return new Response(body, { status, statusText, headers: readableHeaders(response) });
    } finally {
      abort.release();
    }
  };
}

async function follow(url: string, first: RequestInit, attempt: Attempt): Promise<Response> {
  const { origin, protocol } = new URL(url);
  let here = url;
  let init = first;
  for (let hops = 0; ; hops += 1) {
    const response = await fetch(here, init);
    const target = targetOf(response, here);
    if (target === undefined) return response;
    await response.body?.cancel();
    if (hops === maxRedirects)
      throw new FinalFailure(`GitHub redirected more than ${maxRedirects} times: try again later`);
    // A change is repeated only where GitHub says so: elsewhere it would become a reading.
    if (attempt.writes && response.status !== 307 && response.status !== 308) throw moved(target);
    if (target.origin !== origin) init = elsewhere(init, target, protocol, attempt);
    here = target.href;
  }
}

/** Where a response leads to; undefined: it is the answer. */
function targetOf(response: Response, from: string): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  const location = response.headers.get('location') ?? '';
  if (!URL.canParse(location, from)) throw new FinalFailure('GitHub redirected to no address: try again later');
  return new URL(location, from);
}

/** The request for another host: none, but for logs, which GitHub keeps elsewhere; without the token and without a body in any case. */
function elsewhere(init: RequestInit, target: URL, protocol: string, attempt: Attempt): RequestInit {
  if (attempt.ask.as !== 'log' || attempt.writes)
    throw new FinalFailure(
      `GitHub redirected to another host (${target.host}), which is not followed: the token is meant for GitHub alone. ` +
        'If that host is the right one, somebody has to write it into the option baseUrl.',
    );
  if (target.protocol !== 'https:' && target.protocol !== protocol)
    throw new FinalFailure(`GitHub redirected to an address that is not https (${target.host}), which is not followed`);
  const { signal, redirect } = init;
  return { signal: signal ?? null, redirect: redirect ?? 'manual', headers: { accept: '*/*' } };
}

function moved(target: URL): FinalFailure {
  return new FinalFailure(
    `GitHub says that this has moved, to ${target.pathname.slice(0, 200)}: ` +
      'the repository was renamed or transferred. Look up its new name, e.g. with search_repositories, and use that. Nothing was changed.',
  );
}

async function readBody(response: Response, maxBytes: number, attempt: Attempt): Promise<Buffer<ArrayBuffer> | null> {
  // A Response of these statuses must have no body.
  if (response.body === null || [204, 205, 304].includes(response.status)) return null;
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop ends the transfer.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= maxBytes) continue;
    attempt.cut = true;
    break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}

/** The body is read already, so what describes its transfer is no longer true. */
function readableHeaders(response: Response): Headers {
  const headers = new Headers(response.headers);
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
  return headers;
}
