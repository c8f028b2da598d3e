// JSON-RPC over HTTP by hand, where a test must decide about ids, tokens, headers, sockets. Both eras. No expectations live here.
import { Agent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from 'plugboard';

/** A JSON-RPC message, right or wrong. */
export type Message = JsonObject & {
  id?: unknown;
  result?: JsonObject;
  error?: { code: number; message: string };
  method?: string;
};

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** All messages of the body, as JSON or as events. */
  readonly messages: readonly Message[];
}

export interface HttpAsk {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

/** What every answer of a proxy is judged by, beside its status. */
const accept = 'application/json, text/event-stream';

/** Sends one request; resolves with the whole answer, rejects when the connection breaks. */
export function sendHttp(
  url: string,
  { method = 'POST', path, headers = {}, body, signal }: HttpAsk,
  agent?: Agent,
): Promise<HttpReply> {
  const { hostname, port, pathname } = new URL(url);
  const length: Record<string, string> =
    body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const all = { accept, 'content-type': 'application/json', ...length, ...headers };
  return new Promise((resolve, reject) => {
    const options = {
      host: hostname,
      port,
      method,
      path: path ?? pathname,
      headers: all,
      agent: agent ?? new Agent(),
      ...(signal && { signal }),
    };
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          messages: messagesOf(text, response.headers),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

function messagesOf(text: string, headers: IncomingHttpHeaders): Message[] {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) {
    return [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data ?? '') as Message);
  }
  return type.startsWith('application/json') && text !== '' ? [JSON.parse(text) as Message].flat() : [];
}

export interface RawClientOptions {
  readonly token?: string;
  readonly capabilities?: JsonObject;
  readonly agent?: Agent;
}

/** A client of one era that says what it is told to say. */
export interface RawClient {
  readonly era: 'old' | 'new';
  readonly headers: Readonly<Record<string, string>>;
  /** Old era: the id of the session. */
  readonly session: string | undefined;
  /** Sends a request with exactly this id and these params (new era: and the envelope). */
  request(method: string, params?: JsonObject, id?: unknown, signal?: AbortSignal): Promise<HttpReply>;
  /** The result of a request; throws its error. */
  result(method: string, params?: JsonObject): Promise<JsonObject>;
  /** The text of a tool's result. */
  call(name: string, args?: JsonObject): Promise<string>;
  toolNames(): Promise<string[]>;
  /** Ends the session. */
  end(): Promise<HttpReply>;
  /** Breaks all connections. */
  vanish(): void;
}

/** Opens a client: with a session in the old era, without anything in the new one. */
export async function rawClient(era: 'old' | 'new', url: string, options: RawClientOptions = {}): Promise<RawClient> {
  const { token, capabilities = {} } = options;
  const agent = options.agent ?? new Agent({ keepAlive: true, maxSockets: 64 });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  if (era === 'old') await openSession(url, headers, capabilities, agent);
  const request = (
    method: string,
    params: JsonObject = {},
    id: unknown = 1,
    signal?: AbortSignal,
  ): Promise<HttpReply> => {
    const own =
      era === 'old' ? {} : { 'mcp-protocol-version': newVersion, 'mcp-method': method, ...nameHeader(method, params) };
    const sent =
      era === 'old'
        ? params
        : { ...params, _meta: { ...envelope(capabilities), ...(params['_meta'] as JsonObject | undefined) } };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: sent });
    return sendHttp(url, { headers: { ...headers, ...own }, body, ...(signal && { signal }) }, agent);
  };
  let lastId = 0;
  const result = async (method: string, params?: JsonObject): Promise<JsonObject> => {
    lastId += 1;
    const { messages, status, text } = await request(method, params, `result-${lastId}`);
    const last = messages.at(-1);
    if (last?.result === undefined) throw new Error(`${method}: ${last?.error?.message ?? `${status} ${text}`}`);
    return last.result;
  };
  return {
    era,
    headers,
    session: headers['mcp-session-id'],
    request,
    result,
    call: async (name, args = {}) => {
      const { content } = await result('tools/call', { name, arguments: args });
      return ((content ?? []) as { text?: string }[]).map(({ text }) => text).join('\n');
    },
    toolNames: async () => ((await result('tools/list'))['tools'] as { name: string }[]).map(({ name }) => name),
    end: () => sendHttp(url, { method: 'DELETE', headers }, agent),
    vanish: () => agent.destroy(),
  };
}

const newVersion = '2026-07-28';

/** The envelope of a request of the new era. */
export function envelope(capabilities: JsonObject = {}): JsonObject {
  const prefix = 'io.modelcontextprotocol/';
  return {
    [`${prefix}protocolVersion`]: newVersion,
    [`${prefix}clientCapabilities`]: capabilities,
    [`${prefix}clientInfo`]: { name: 'raw', version: '1.0.0' },
  };
}

/** Params of `initialize`. */
export function initializeParams(capabilities: JsonObject = {}): JsonObject {
  return { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'raw', version: '1.0.0' } };
}

function nameHeader(method: string, params: JsonObject): Record<string, string> {
  if (method !== 'tools/call' && method !== 'prompts/get' && method !== 'resources/read') return {};
  const name = String(params[method === 'resources/read' ? 'uri' : 'name']);
  return { 'mcp-name': /^[\x21-\x7e]*$/.test(name) ? name : `=?base64?${Buffer.from(name).toString('base64')}?=` };
}

async function openSession(
  url: string,
  headers: Record<string, string>,
  capabilities: JsonObject,
  agent: Agent,
): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: initializeParams(capabilities) });
  const reply = await sendHttp(url, { headers, body }, agent);
  const session = reply.headers['mcp-session-id'];
  if (typeof session !== 'string') throw new Error(`initialize: ${reply.status} ${reply.text}`);
  headers['mcp-session-id'] = session;
  headers['mcp-protocol-version'] = '2025-11-25';
  await sendHttp(
    url,
    { headers, body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) },
    agent,
  );
}
