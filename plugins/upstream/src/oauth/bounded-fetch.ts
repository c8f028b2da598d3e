// Requests to authorization servers, with limits: a server names the addresses, so they are as trustworthy as the server.
import { linkAbort } from 'plugboard';

const timeLimit = 30_000;
const maxBytes = 1024 * 1024;
const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * A `fetch` for discovery, registration and tokens. Plain HTTP only on this machine and at the server's own origin; 30 seconds and
 * 1 MiB per answer. `signal` ends everything.
 */
export function boundedFetch(server: string, signal: AbortSignal): Fetch {
  const { origin } = new URL(server);
  return async (address, init = {}) => {
    const url = new URL(address);
    const safe =
      url.protocol === 'https:' || (url.protocol === 'http:' && (url.origin === origin || loopback.test(url.hostname)));
    if (!safe) throw new Error(`refused to ask ${url.origin}, which is not https`);
    const limit = linkAbort([signal, ...(init.signal ? [init.signal] : [])], timeLimit);
    try {
      return await bounded(await fetch(url, { ...init, signal: limit.signal }), url);
    } finally {
      limit.release();
    }
  };
}

async function bounded(response: Response, url: URL): Promise<Response> {
  const { status, statusText, headers } = response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > maxBytes) throw new Error(`${url.origin} answered with more than ${maxBytes} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  const empty = status === 204 || status === 205 || status === 304;
  return new Response(empty ? undefined : Buffer.concat(chunks), { status, statusText, headers });
}
