// Where the API is served: on a listener of its own, or beside /mcp on that of the plugin `http`.
import type { RequestListener } from 'node:http';
import { isLoopback, PlugboardError } from 'plugboard';
import type { Log } from 'plugboard';
import { Listener } from './listener.ts';
import type { Options } from './options.ts';

/** The part of the service `http` that is used here. */
export interface HttpService {
  address(): { readonly host: string; readonly url: string };
  mount(path: string, handler: RequestListener): () => void;
}

/** A served API. */
export interface Place {
  /** `http://127.0.0.1:8807`. */
  readonly origin: string;
  /** From now on no new requests come. */
  leave(): void;
  /** Ends what is still connected and only there for the API. */
  close(): void;
}

/** The path on the listener of the plugin `http`. */
const mountPath = '/api';

/**
 * Serves. Throws when that would be unsafe, or is not possible. Undefined: there is nowhere to serve, as in a proxy over standard input
 * and output that is made from the same configuration file.
 */
export async function serve(
  handler: RequestListener,
  chosen: Options,
  http: HttpService | undefined,
  log: Log,
): Promise<Place | undefined> {
  const { port, host, tokens } = chosen;
  if (port === undefined) return http === undefined ? undefined : mount(handler, http);
  const refused = (where: string) =>
    new PlugboardError(
      'REFUSED_BIND',
      `admin: refused to listen on ${where} without the option \`tokens\`: nobody could prove from there who they are`,
    );
  if (!isLoopback(host) && tokens.length === 0) throw refused(host);
  const listener = await Listener.listen(handler, { ...chosen, port }, log);
  const bound = (listener.server.address() as { address: string }).address;
  if (!isLoopback(bound) && tokens.length === 0) {
    listener.refuseNew();
    throw refused(`${host} (${bound})`);
  }
  return { origin: listener.origin, leave: () => listener.refuseNew(), close: () => listener.closeAll() };
}

function mount(handler: RequestListener, http: HttpService): Place {
  const leave = http.mount(mountPath, handler);
  return { origin: new URL(http.address().url).origin, leave, close: () => undefined };
}

/** True when only this machine reaches the API. */
export function isLocalPlace({ port, host }: Options, http: HttpService | undefined): boolean {
  return isLoopback(port === undefined ? (http?.address().host ?? '') : host);
}
