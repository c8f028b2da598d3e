// A client's end of Streamable HTTP as a channel of messages: posts, streams of answers, the stream of a session. No expectations live here.
import { Agent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { TransportChannel } from '@plugboard/test-kit/contract';
import { isObject, metaKey, metaOf } from 'plugboard';
import type { Era, JsonObject, RequestId } from 'plugboard';

const accept = 'application/json, text/event-stream';

/** Opens a channel to a proxy at `url`; `receive` takes every message that comes. */
export function httpChannel(url: string, receive: (message: unknown) => void): TransportChannel {
  return new HttpChannel(url, receive);
}

class HttpChannel implements TransportChannel {
  readonly #url: string;
  readonly #receive: (message: unknown) => void;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #abort = new AbortController();
  readonly #requests = new Map<RequestId, AbortController>();
  #session: string | undefined;
  /** Messages after `initialize` need the id of its session. */
  #opened: Promise<void> = Promise.resolve();

  constructor(url: string, receive: (message: unknown) => void) {
    this.#url = url;
    this.#receive = receive;
  }

  send(message: JsonObject): void {
    const post = () => this.#post(JSON.stringify(message), headersOf(message), message['id'] as RequestId | undefined);
    if (message['method'] === 'initialize') this.#opened = post();
    else void this.#opened.then(post);
  }

  sendRaw(text: string): void {
    void this.#post(text, {}, undefined);
  }

  /** 2026-07-28: a request is given up by closing its stream; before, by a notification. */
  cancel(id: RequestId, era: Era): void {
    if (era === 'new') this.#requests.get(id)?.abort();
    else this.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
  }

  close(): void {
    this.#abort.abort();
    this.#agent.destroy();
  }

  async #post(body: string, headers: Record<string, string>, id: RequestId | undefined): Promise<void> {
    const own = new AbortController();
    if (id !== undefined) this.#requests.set(id, own);
    const length = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
    const signal = AbortSignal.any([own.signal, this.#abort.signal]);
    await this.#exchange('POST', { ...length, ...headers }, body, signal);
  }

  /** Sends a request and hands on what its answer brings; resolves when the answer has begun and its session is known. */
  #exchange(
    method: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const session: Record<string, string> =
      this.#session === undefined ? {} : { 'mcp-session-id': this.#session, 'mcp-protocol-version': '2025-11-25' };
    return new Promise((resolve) => {
      const request = httpRequest(this.#url, {
        method,
        headers: { accept, ...session, ...headers },
        agent: this.#agent,
        signal,
      });
      request.on('error', () => resolve());
      request.on('response', (response) => {
        const opened = response.headers['mcp-session-id'];
        if (this.#session === undefined && typeof opened === 'string') {
          this.#session = opened;
          void this.#exchange('GET', {}, undefined, this.#abort.signal);
        }
        this.#read(response);
        resolve();
      });
      request.end(body);
    });
  }

  #read(response: IncomingMessage): void {
    const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
    let rest = '';
    response.setEncoding('utf8').on('error', () => {});
    response.on('data', (text: string) => {
      rest += text;
      if (!isStream) return;
      const events = rest.split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) for (const [, data] of event.matchAll(/^data: (.+)$/gm)) this.#hand(data ?? '');
    });
    response.on('end', () => {
      if (!isStream && rest !== '') this.#hand(rest);
    });
  }

  #hand(text: string): void {
    const message: unknown = JSON.parse(text);
    if (isObject(message)) this.#receive(message);
  }
}

/** 2026-07-28: what stands in the envelope stands in headers, too. */
function headersOf({ method, params }: JsonObject): Record<string, string> {
  const version = metaOf(params)?.[metaKey.protocolVersion];
  if (version === undefined) return {};
  const headers: Record<string, string> = { 'mcp-protocol-version': String(version), 'mcp-method': String(method) };
  const { name, uri } = params as { name?: string; uri?: string };
  if (method === 'tools/call' || method === 'prompts/get') headers['mcp-name'] = String(name);
  if (method === 'resources/read') headers['mcp-name'] = String(uri);
  return headers;
}
