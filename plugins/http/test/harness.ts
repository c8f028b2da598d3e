// Starts the plugin as the host does and talks to it over real sockets. No expectations live here.
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { FakeBoard, recordedLog } from '@plugboard/test-kit/stand';
import type { LogLine } from '@plugboard/test-kit/stand';
import type { ExecutionContext } from 'ava';
import type { JsonObject, PluginApi, RpcMessage } from 'plugboard';
import plugin, { type HttpService } from '../src/index.ts';

export interface Running {
  readonly board: FakeBoard;
  readonly service: HttpService;
  readonly port: number;
  readonly log: LogLine[];
  readonly stop: () => Promise<void>;
}

/** Applies the plugin with the given options on a free port; it is stopped when the test ends. */
export async function start(t: ExecutionContext, options: object = {}, board = new FakeBoard()): Promise<Running> {
  const log: LogLine[] = [];
  let service: HttpService | undefined;
  const api = {
    board,
    log: recordedLog(log),
    services: { provide: (_name: string, offered: unknown) => void (service = offered as HttpService) },
    signal: new AbortController().signal,
    directory: process.cwd(),
  };
  const chosen = plugin.options?.parse({ port: 0, drain: 200, ...options });
  const applied = (await plugin.apply(api as unknown as PluginApi, chosen)) as () => Promise<void>;
  if (service === undefined) throw new Error('the plugin provides no service "http"');
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= applied());
  t.teardown(stop);
  return { board, service, port: service.address().port, log, stop };
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[] | undefined>;
  /** An object is sent as JSON; a string or buffer as it is. */
  readonly body?: unknown;
  readonly agent?: Agent;
}

/** An answer whose headers are there; its body comes by `text()` or event by event. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly message: IncomingMessage;
  text(): Promise<string>;
  json(): Promise<JsonObject>;
  /** The next event with data; undefined when the stream has ended. Keep-alive comments and priming events are skipped. */
  next(): Promise<Event | undefined>;
  /** The next block of the stream, whatever it is. */
  block(): Promise<string | undefined>;
  /** Breaks the connection. */
  drop(): void;
}

export interface Event {
  readonly id: string | undefined;
  readonly message: RpcMessage & JsonObject;
}

const both = 'application/json, text/event-stream';

/** Sends one HTTP request on a connection of its own. */
export function send(port: number, ask: Ask): Promise<Reply> {
  const { method = 'POST', path = '/mcp', body, agent } = ask;
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const base: Record<string, string | string[] | undefined> = { accept: both, ...ask.headers };
  if (payload !== undefined) base['content-type'] ??= 'application/json';
  if (payload !== undefined && base['transfer-encoding'] === undefined)
    base['content-length'] ??= String(Buffer.byteLength(payload));
  const headers = Object.fromEntries(Object.entries(base).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: agent ?? new Agent() });
    request.on('response', (message) => resolve(replyOf(message)));
    request.on('error', reject);
    request.end(payload);
  });
}

function replyOf(message: IncomingMessage): Reply {
  const blocks = blocksOf(message);
  const block = async (): Promise<string | undefined> => (await blocks.next()).value ?? undefined;
  const text = async (): Promise<string> => {
    let all = '';
    for await (const chunk of message) all += String(chunk);
    return all;
  };
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    message,
    block,
    text,
    json: async () => JSON.parse(await text()) as JsonObject,
    next: async () => {
      for (let each = await block(); each !== undefined; each = await block()) {
        const data = /^data: (.+)$/m.exec(each)?.[1];
        if (data !== undefined)
          return { id: /^id: (.+)$/m.exec(each)?.[1], message: JSON.parse(data) as Event['message'] };
      }
      return undefined;
    },
    drop: () => message.destroy(),
  };
}

async function* blocksOf(message: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of message) {
      rest += String(chunk);
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      yield* blocks;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
}

/** Sends raw bytes on a socket of its own and resolves with everything that came back until it was closed. */
export function sendRaw(port: number, bytes: string | Buffer, options: { end?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.write(bytes);
      if (options.end === true) socket.end();
    });
    socket.on('data', (chunk) => (got += chunk.toString('latin1')));
    socket.on('close', () => resolve(got));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
  });
}

/** Sends a POST on a socket that the test can break, read slowly, or leave alone. */
export function rawPost(port: number, body: unknown, headers: Record<string, string | undefined> = {}): Socket {
  const payload = JSON.stringify(body);
  const all: Record<string, string | undefined> = {
    host: `127.0.0.1:${port}`,
    accept: both,
    'content-type': 'application/json',
    ...headers,
  };
  const lines = Object.entries({ ...all, 'content-length': String(Buffer.byteLength(payload)) });
  const head = lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`])).join('\r\n');
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  socket.write(`POST /mcp HTTP/1.1\r\n${head}\r\n\r\n${payload}`);
  return socket;
}

/** How many connections a server has. */
export function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

const clientInfo = { name: 'test', version: '1.0.0' };

/** A session of the old era as a client holds it. */
export class OldClient {
  readonly port: number;
  readonly path: string;
  readonly version: string;
  id = '';
  readonly #headers: Record<string, string>;

  private constructor(port: number, path: string, version: string, headers: Record<string, string>) {
    this.port = port;
    this.path = path;
    this.version = version;
    this.#headers = headers;
  }

  /** Opens a session. */
  static async open(
    port: number,
    options: { path?: string; version?: string; headers?: Record<string, string> } = {},
  ): Promise<OldClient> {
    const client = new OldClient(port, options.path ?? '/mcp', options.version ?? '2025-11-25', options.headers ?? {});
    const params = { protocolVersion: client.version, capabilities: {}, clientInfo };
    const reply = await client.post(
      { jsonrpc: '2.0', id: 0, method: 'initialize', params },
      { 'mcp-protocol-version': undefined },
    );
    if (reply.status !== 200) throw new Error(`initialize was answered ${reply.status}: ${await reply.text()}`);
    client.id = String(reply.headers['mcp-session-id']);
    await reply.text();
    return client;
  }

  headers(more: Record<string, string | undefined> = {}): Record<string, string | undefined> {
    const session = this.id === '' ? {} : { 'mcp-session-id': this.id };
    return { 'mcp-protocol-version': this.version, ...session, ...this.#headers, ...more };
  }

  post(body: unknown, headers: Record<string, string | undefined> = {}): Promise<Reply> {
    return send(this.port, { path: this.path, body, headers: this.headers(headers) });
  }

  request(id: string | number, method: string, params?: object): Promise<Reply> {
    return this.post({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) });
  }

  /** Opens the stream of messages that belong to no request, or resumes a stream. */
  get(lastEventId?: string): Promise<Reply> {
    const headers = this.headers({ accept: 'text/event-stream', 'last-event-id': lastEventId });
    return send(this.port, { method: 'GET', path: this.path, headers });
  }

  delete(): Promise<Reply> {
    return send(this.port, { method: 'DELETE', path: this.path, headers: this.headers() });
  }
}

export const newVersion = '2026-07-28';

export function envelope(more: object = {}): JsonObject {
  return {
    'io.modelcontextprotocol/protocolVersion': newVersion,
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': clientInfo,
    ...more,
  };
}

/** Sends a well-formed request of the new era. */
export function sendNew(
  port: number,
  id: string | number,
  method: string,
  params: JsonObject = {},
  headers: Record<string, string | undefined> = {},
  path = '/mcp',
): Promise<Reply> {
  const name = params['name'] ?? params['uri'] ?? params['taskId'];
  const named = typeof name === 'string' ? { 'mcp-name': name } : {};
  const standard = { 'mcp-protocol-version': newVersion, 'mcp-method': method, ...named, ...headers };
  return send(port, {
    path,
    headers: standard,
    body: { jsonrpc: '2.0', id, method, params: { _meta: envelope(), ...params } },
  });
}
