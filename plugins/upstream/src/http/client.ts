// The HTTP side of one connection: its headers, its requests under way, handshake round trips. Which messages are sent is not decided here.
import { InFlight, isObject, proxyIdentity } from 'plugboard';
import type { RpcRequest, RpcResponse } from 'plugboard';
import type { HttpSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import type { Authorizer } from '../oauth/authorizer.ts';
import { GuardedRequest } from '../oauth/guarded-request.ts';
import { dispatch, Exchange, headerOf } from './exchange.ts';
import type { Reply, ReplySink, Sent } from './exchange.ts';
import { isLost } from './failures.ts';
import type { Lanes, Pools } from './pools.ts';
import { headerLines } from './wires.ts';

const maxRedirects = 3;
const maxLingering = 32;
const redirects = new Set([301, 302, 307, 308]);

/** What a handshake request came to. */
export interface RoundTrip {
  /** The JSON-RPC response, also when it came with an error status. */
  readonly response: RpcResponse | undefined;
  readonly reply: Reply;
}

export interface Posted {
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** `openings`: calls of our own, whose answers' headers count. */
  readonly lane: 'calls' | 'openings' | 'control' | 'streams';
  /** Names and values in turn. Best the same array for every request, for what it looks like on the wire is kept with it. */
  readonly headers: readonly string[];
  /** Further headers, of this request alone. */
  readonly more?: readonly string[] | undefined;
  readonly body?: string;
  /** Instead of the server's own path. */
  readonly path?: string;
}

/** Headers as lines, by the array they stand in; empty: they cannot be. */
const linesOf = new WeakMap<readonly string[], string>();

export class HttpClient {
  readonly settings: HttpSettings;
  /** Headers of every POST, names and values in turn. */
  readonly postHeaders: readonly string[];
  /** Headers of every GET of a stream. */
  readonly streamHeaders: readonly string[];
  readonly #pools: Pools;
  readonly #lanes: Lanes;
  readonly #live = new InFlight<Sent>();
  readonly #forget = (sent: Sent): void => {
    this.#live.delete(sent.serial);
    const at = this.#lingering.indexOf(sent);
    if (at >= 0) this.#lingering.splice(at, 1);
  };
  /** Gets tokens; undefined: nobody can sign in at this server. */
  readonly authorizer: Authorizer | undefined;
  /** Answered, and not ended yet. */
  readonly #lingering: Sent[] = [];
  /** Path and query; a redirect within the origin changes it during the handshake. */
  #path: string;

  private constructor(settings: HttpSettings, pools: Pools, lanes: Lanes, authorizer: Authorizer | undefined) {
    this.settings = settings;
    this.authorizer = authorizer;
    this.#pools = pools;
    this.#lanes = lanes;
    this.#path = settings.path;
    const agent = settings.headers.some((each, index) => index % 2 === 0 && each.toLowerCase() === 'user-agent');
    const common = [
      ...settings.headers,
      ...(agent ? [] : ['user-agent', `${proxyIdentity.name}/${proxyIdentity.version}`]),
    ];
    this.postHeaders = [...common, 'content-type', 'application/json', 'accept', 'application/json, text/event-stream'];
    this.streamHeaders = [...common, 'accept', 'text/event-stream'];
  }

  static async make(settings: HttpSettings, { pools, authorizers, log }: Shared): Promise<HttpClient> {
    return new HttpClient(
      settings,
      pools,
      await pools.lanes(settings.origin),
      await authorizers.of(settings.oauth, log),
    );
  }

  /** Sends one request. */
  request(posted: Posted, sink: ReplySink): Sent {
    if (this.authorizer === undefined) return this.#send(posted, sink);
    const once = (extra: readonly string[], inner: ReplySink) =>
      this.#send(extra.length === 0 ? posted : { ...posted, more: [...(posted.more ?? []), ...extra] }, inner);
    const sent = new GuardedRequest(this.authorizer, once, sink, this.#forget);
    if (!sent.ended) this.#live.set(sent.serial, sent);
    return sent;
  }

  /** Opens a stream that stays open. Undefined when the origin has as many as are allowed. */
  stream(posted: Omit<Posted, 'lane'>, sink: ReplySink): Sent | undefined {
    if (this.#lanes.openStreams >= this.#pools.maxSockets) return undefined;
    this.#lanes.openStreams += 1;
    const counted: ReplySink = {
      started: (status, from) => sink.started?.(status, from),
      text: (bytes) => sink.text?.(bytes),
      event: (type, data) => sink.event?.(type, data),
      id: (id) => sink.id?.(id),
      retry: (ms) => sink.retry?.(ms),
      done: (reply) => {
        this.#lanes.openStreams -= 1;
        sink.done(reply);
      },
    };
    return this.request({ ...posted, lane: 'streams' }, counted);
  }

  /** Sends a short message whose answer says nothing; resolves with the reply. */
  control(posted: Omit<Posted, 'lane'>): Promise<Reply> {
    return new Promise((resolve) => {
      this.request({ ...posted, lane: 'control' }, { done: resolve });
    });
  }

  /**
   * Sends a request of our own and waits for its response; follows redirects within the origin, for frameworks answer `/mcp` with one
   * to `/mcp/`. Rejects only with the signal's reason. `other`: takes what else comes on the stream.
   */
  async roundTrip(
    request: RpcRequest,
    headers: readonly string[],
    signal: AbortSignal,
    other?: (bytes: Buffer) => void,
  ): Promise<RoundTrip> {
    for (let count = 0; ; count += 1) {
      const trip = await this.#roundTrip(request, headers, signal, other);
      // An idle socket that the server closed in the same moment; openings may be asked twice.
      if (count === 0 && isLost(trip.reply)) continue;
      if (!redirects.has(trip.reply.status) || count === maxRedirects || !this.#follow(trip.reply)) return trip;
    }
  }

  /** A stream whose answer is there should end by itself. Those that do not are ended, oldest first, when there are many. */
  linger(answered: Sent): void {
    this.#lingering.push(answered);
    if (this.#lingering.length > maxLingering) this.#lingering[0]?.abort(new Error('answered'));
  }

  /** Ends everything that is under way. */
  abortAll(reason: Error): void {
    for (const each of this.#live.all()) each.abort(reason);
  }

  #send(posted: Posted, sink: ReplySink): Sent {
    const sent = new Exchange(this.#pools.maxMessageBytes, sink, this.#forget);
    if (posted.lane !== 'calls' || !this.#post(posted, sent)) this.#dispatch(posted, sent);
    if (!sent.ended) this.#live.set(sent.serial, sent);
    return sent;
  }

  /** Sends a call over a socket of ours; false when it is none for that. */
  #post({ method, headers, more, body, path }: Posted, sent: Exchange): boolean {
    const { wires } = this.#lanes;
    if (wires?.usual !== true || method !== 'POST' || body === undefined || path !== undefined) return false;
    let lines = linesOf.get(headers);
    if (lines === undefined) {
      lines = headerLines(headers) ?? '';
      linesOf.set(headers, lines);
    }
    const others = more === undefined ? '' : headerLines(more);
    if (lines === '' || others === undefined) return false;
    wires.post(this.#path, lines + others, body, sent);
    return true;
  }

  #dispatch({ method, lane, headers, more = [], body, path = this.#path }: Posted, sent: Exchange): void {
    const pool = this.#lanes[lane === 'openings' ? 'calls' : lane];
    const request = { method, path, headers: [...headers, ...more], ...(body === undefined ? {} : { body }) };
    dispatch(pool, request, sent);
  }

  #roundTrip(
    request: RpcRequest,
    headers: readonly string[],
    signal: AbortSignal,
    other?: (bytes: Buffer) => void,
  ): Promise<RoundTrip> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(request);
      let status = 0;
      let replyHeaders: Reply['headers'] = {};
      const stop = () => {
        // First, for the abort ends the exchange, which would resolve.
        reject(signal.reason as Error);
        sent.abort(signal.reason as Error);
      };
      const finish = (response: RpcResponse | undefined, reply: Reply) => {
        signal.removeEventListener('abort', stop);
        resolve({ response, reply });
      };
      const sink: ReplySink = {
        started: (code, from) => {
          status = code;
          replyHeaders = from.headers;
        },
        text: (bytes) => {
          const response = responseIn(bytes, request.id);
          if (response === undefined) {
            other?.(bytes);
            return;
          }
          finish(response, { status, headers: replyHeaders, streamed: false, text: '', error: undefined });
          if (!sent.ended) this.linger(sent);
        },
        done: (reply) => finish(reply.status >= 400 ? errorIn(reply.text) : undefined, reply),
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal.addEventListener('abort', stop, { once: true });
      const sent = this.request({ method: 'POST', lane: 'openings', headers, body }, sink);
    });
  }

  /** Takes a redirect's address when it stays within the origin: credentials go nowhere else. */
  #follow(reply: Reply): boolean {
    const location = headerOf(reply.headers, 'location');
    const base = this.settings.origin + this.#path;
    if (location === undefined || !URL.canParse(location, base)) return false;
    const url = new URL(location, base);
    if (url.origin !== this.settings.origin) return false;
    this.#path = url.pathname + url.search;
    return true;
  }
}

/** The response to a request in a JSON text, which may be a batch. */
function responseIn(bytes: Buffer, id: RpcRequest['id']): RpcResponse | undefined {
  const messages: unknown = parse(bytes.toString('utf8'));
  for (const message of Array.isArray(messages) ? messages : [messages]) {
    if (isObject(message) && message['method'] === undefined && message['id'] === id)
      return message as unknown as RpcResponse;
  }
  return undefined;
}

/** The JSON-RPC error in the body of an error status. */
export function errorIn(text: string): RpcResponse | undefined {
  const message = parse(text);
  const error = isObject(message) ? message['error'] : undefined;
  return isObject(error) && typeof error['code'] === 'number' ? (message as RpcResponse | undefined) : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
