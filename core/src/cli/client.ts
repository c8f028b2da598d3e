// A very small MCP client for the command line: old era, Streamable HTTP (2025-11-25, transports), one request at a time.
import { Agent } from 'node:http';
import { PlugboardError } from '../errors.ts';
import { isObject, isRequest, oldVersions, rpcCode } from '../protocol/messages.ts';
import type { JsonObject, RpcErrorBody, RpcNotification, Tool } from '../protocol/messages.ts';
import { version } from '../version.ts';
import type { Console } from './console.ts';
import { EventStreamReader } from './event-stream.ts';
import { patience, send } from './http.ts';
import type { Reply } from './http.ts';
import type { Target } from './target.ts';

/** An error answer of the proxy. */
export class RpcFailure extends PlugboardError {
  readonly rpc: RpcErrorBody;
  constructor(method: string, rpc: RpcErrorBody) {
    super('REQUEST_FAILED', `${method}: ${rpc.message} (${rpc.code})`);
    this.rpc = rpc;
  }
}

/** Hears notifications that come with an answer: progress, log messages. */
export type Hear = (notification: RpcNotification) => void;

/** Connected to one proxy, as one caller. */
export class Client {
  readonly #target: Target;
  readonly #output: Console;
  readonly #agent = new Agent({ keepAlive: true });
  #session: string | undefined;
  #protocol: string = oldVersions[0];
  #last = 0;

  private constructor(target: Target, output: Console) {
    this.#target = target;
    this.#output = output;
  }

  /** Throws NOT_RUNNING when nothing listens there, UNAUTHORIZED when the credential is refused. */
  static async connect(target: Target, output: Console): Promise<Client> {
    const client = new Client(target, output);
    try {
      const params = {
        protocolVersion: oldVersions[0],
        capabilities: {},
        clientInfo: { name: 'plugboard-cli', version },
      };
      const result = await client.request('initialize', params);
      if (typeof result['protocolVersion'] === 'string') client.#protocol = result['protocolVersion'];
      await client.#send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    } catch (error) {
      await client.close();
      throw error;
    }
    if (target.doubt !== undefined) output.note(target.doubt);
    return client;
  }

  /** All tools, over all pages. */
  async listTools(signal?: AbortSignal): Promise<Tool[]> {
    const tools: Tool[] = [];
    const seen = new Set<unknown>();
    let cursor: unknown;
    do {
      const result = await this.request('tools/list', cursor === undefined ? {} : { cursor }, undefined, signal);
      tools.push(...((result['tools'] ?? []) as Tool[]));
      seen.add(cursor);
      cursor = result['nextCursor'];
    } while (cursor !== undefined && !seen.has(cursor));
    return tools;
  }

  /** Sends a request and waits for its answer, as long as the proxy keeps the stream open. Throws {@link RpcFailure} for an error answer. */
  async request(method: string, params: JsonObject, hear: Hear = () => {}, signal?: AbortSignal): Promise<JsonObject> {
    this.#last += 1;
    const id = this.#last;
    const limit = method === 'tools/call' ? undefined : patience;
    const cancel = () =>
      void this.#send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }).catch(() => {});
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const response = await this.#post({ jsonrpc: '2.0', id, method, params }, limit, signal);
      const session = response.headers['mcp-session-id'];
      if (typeof session === 'string') this.#session = session;
      for await (const message of messagesOf(response, this.#target.url)) {
        if (message['id'] === id && isObject(message['error']))
          throw new RpcFailure(method, message['error'] as unknown as RpcErrorBody);
        if (message['id'] === id && isObject(message['result'])) return message['result'];
        if (isRequest(message)) await this.#decline(message.id);
        else if (typeof message['method'] === 'string') hear(message as unknown as RpcNotification);
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    throw new PlugboardError('REQUEST_FAILED', `${method}: the proxy closed the connection before it answered`);
  }

  /** Ends the session. Never rejects. */
  async close(): Promise<void> {
    if (this.#session !== undefined) {
      await this.#exchange('DELETE', undefined, patience)
        .then((response) => response.drop())
        .catch(() => {});
    }
    this.#agent.destroy();
  }

  /** This client can do nothing but ask. */
  async #decline(id: string | number): Promise<void> {
    await this.#send({
      jsonrpc: '2.0',
      id,
      error: { code: rpcCode.methodNotFound, message: 'the command line cannot be asked' },
    });
  }

  async #send(message: JsonObject): Promise<void> {
    const response = await this.#post(message, patience);
    response.drop();
  }

  async #post(message: JsonObject, limit: number | undefined, signal?: AbortSignal): Promise<Reply> {
    const response = await this.#exchange('POST', JSON.stringify(message), limit, signal);
    if (response.status >= 200 && response.status < 300) return response;
    throw await this.#refusal(response, typeof message['method'] === 'string' ? message['method'] : 'response');
  }

  async #refusal(response: Reply, method: string): Promise<PlugboardError> {
    const { status } = response;
    const text = await response.text().catch(() => '');
    const said = rpcErrorOf(text)?.message ?? `HTTP ${status}`;
    if (status === 401)
      return new PlugboardError('UNAUTHORIZED', `${this.#target.url}: ${said}; ${this.#target.credential}`);
    const error = rpcErrorOf(text);
    if (error !== undefined) return new RpcFailure(method, error);
    return new PlugboardError(
      'NOT_RUNNING',
      `${this.#target.url} answers ${method} with HTTP ${status}: it is no Plugboard`,
    );
  }

  #exchange(
    method: 'POST' | 'DELETE',
    body: string | undefined,
    limit: number | undefined,
    signal?: AbortSignal,
  ): Promise<Reply> {
    const { url, token } = this.#target;
    const headers: Record<string, string> = {
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': this.#protocol,
    };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (this.#session !== undefined) headers['mcp-session-id'] = this.#session;
    return send(url, { method, headers, body, agent: this.#agent, limit, signal, output: this.#output });
  }
}

/** Reads a JSON document of the proxy, such as `/readyz`. Throws NOT_RUNNING when nothing listens there. */
export async function getJson(
  url: string,
  token?: string,
  output?: Console,
): Promise<{ status: number; body: unknown }> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await send(url, { method: 'GET', headers, limit: patience, output });
  return { status: response.status, body: readJson(await response.text(), url) };
}

async function* messagesOf(response: Reply, url: string): AsyncGenerator<JsonObject> {
  if (response.headers['content-type']?.startsWith('text/event-stream') !== true) {
    const message = readJson((await response.text()) || 'null', url);
    if (isObject(message)) yield message;
    return;
  }
  const reader = new EventStreamReader();
  for await (const chunk of response.chunks()) {
    for (const data of reader.read(chunk)) {
      const message = data === '' ? undefined : readJson(data, url);
      if (isObject(message)) yield message;
    }
  }
}

function readJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PlugboardError('NOT_RUNNING', `${url} does not answer with JSON: it is no Plugboard`);
  }
}

function rpcErrorOf(text: string): RpcErrorBody | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return isObject(message) && isObject(message['error']) ? (message['error'] as unknown as RpcErrorBody) : undefined;
  } catch {
    return undefined;
  }
}
