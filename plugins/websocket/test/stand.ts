// Starts the plugin as the host does, and clients on real sockets. No expectations live here.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { FakeBoard, recordedLog, until } from '@plugboard/test-kit/stand';
import type { LogLine } from '@plugboard/test-kit/stand';
import type { ExecutionContext } from 'ava';
import { isObject, metaKey } from 'plugboard';
import type { JsonObject, PluginApi, ServerDefinition } from 'plugboard';
import { WebSocket } from 'ws';
import plugin from '../src/index.ts';
import type { WebSocketService } from '../src/index.ts';

export interface Running {
  readonly board: FakeBoard;
  readonly service: WebSocketService;
  readonly servers: Map<string, ServerDefinition>;
  readonly port: number;
  readonly url: string;
  readonly log: LogLine[];
  readonly stop: () => Promise<void>;
}

/** Applies the plugin with the given options, on a free port unless they say otherwise; it is stopped when the test ends. */
export async function start(
  t: ExecutionContext,
  options: JsonObject = {},
  board = new FakeBoard(),
  http?: unknown,
): Promise<Running> {
  t.timeout(120_000);
  const log: LogLine[] = [];
  const servers = new Map<string, ServerDefinition>();
  let service: WebSocketService | undefined;
  const api = {
    board,
    log: recordedLog(log),
    services: {
      provide: (_name: string, offered: unknown) => void (service = offered as WebSocketService),
      find: () => http,
    },
    servers: { register: (server: ServerDefinition) => servers.set(server.name, server) },
    signal: new AbortController().signal,
    directory: process.cwd(),
  };
  const own = http === undefined ? { port: 0 } : {};
  const chosen = plugin.options?.parse({ ...own, drain: 200, ...options });
  const applied = (await plugin.apply(api as unknown as PluginApi, chosen)) as () => Promise<void>;
  if (service === undefined) throw new Error('the plugin provides no service');
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= Promise.resolve(applied()));
  t.teardown(stop);
  const address = service.address();
  return { board, service, servers, log, stop, port: address?.port ?? 0, url: address?.url ?? '' };
}

export const newVersion = '2026-07-28';

export function envelope(more: JsonObject = {}): JsonObject {
  return {
    [metaKey.protocolVersion]: newVersion,
    [metaKey.clientCapabilities]: {},
    [metaKey.clientInfo]: { name: 'test', version: '1' },
    ...more,
  };
}

export interface ClientOptions {
  readonly headers?: Record<string, string>;
  readonly protocols?: string[];
  readonly origin?: string;
  readonly perMessageDeflate?: boolean;
  readonly autoPong?: boolean;
}

/** What a client was answered instead of a connection. */
export interface Rejection {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: JsonObject;
}

/** A client that keeps what it is told. */
export class Client {
  readonly ws: WebSocket;
  readonly inbox: JsonObject[] = [];
  /** Arrays that came. */
  readonly batches: JsonObject[][] = [];
  /** Code and reason, once it is closed. */
  end: { code: number; reason: string } | undefined;
  #lastId = 0;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('error', () => {});
    ws.on('message', (data: Buffer) => {
      const message: unknown = JSON.parse(data.toString('utf8'));
      if (Array.isArray(message)) this.batches.push(message as JsonObject[]);
      else if (isObject(message)) this.inbox.push(message);
    });
    ws.on('close', (code, reason) => (this.end = { code, reason: reason.toString() }));
  }

  /** Connects; it is ended with the test. Throws a {@link Rejection} when it is not let in. */
  static async open(t: ExecutionContext, url: string, options: ClientOptions = {}): Promise<Client> {
    const { protocols = ['mcp'], ...rest } = options;
    const ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...rest });
    t.teardown(() => ws.terminate());
    const client = new Client(ws);
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
      ws.once('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => {
          const rejection = {
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: JSON.parse(text) as JsonObject,
          };
          reject(Object.assign(new Error(`rejected: ${rejection.status}`), rejection));
        });
      });
    });
    return client;
  }

  /** Connects and opens a session of the old era. */
  static async session(
    t: ExecutionContext,
    url: string,
    options: ClientOptions & { version?: string; capabilities?: JsonObject } = {},
  ): Promise<Client> {
    const { version: protocolVersion = '2025-11-25', capabilities = {}, ...rest } = options;
    const client = await Client.open(t, url, rest);
    await client.ask('initialize', { protocolVersion, capabilities, clientInfo: { name: 'test', version: '1' } });
    client.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return client;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' || message instanceof Buffer ? message : JSON.stringify(message), {
      binary: false,
    });
  }

  /** Sends a request and resolves with its response. */
  async ask(method: string, params?: JsonObject, id?: string | number): Promise<JsonObject> {
    this.#lastId += 1;
    const own = id ?? `own-${this.#lastId}`;
    const before = this.inbox.length;
    this.send({ jsonrpc: '2.0', id: own, method, ...(params === undefined ? {} : { params }) });
    return this.answer(own, before);
  }

  /** The same in the new era. */
  askNew(method: string, params: JsonObject = {}, id?: string | number): Promise<JsonObject> {
    return this.ask(method, { _meta: envelope(), ...params }, id);
  }

  /** The result of `tools/call`; throws when it is an error. */
  async result(method: string, params?: JsonObject): Promise<JsonObject> {
    const { result, error } = await this.ask(method, params);
    if (!isObject(result)) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** The first answer to a request, among those that came after the first `before` messages. */
  answer(id: unknown, before = 0): Promise<JsonObject> {
    return until(`the answer to ${String(id)}: ${JSON.stringify(this.end)}`, () =>
      this.inbox.slice(before).find((message) => message['id'] === id && message['method'] === undefined),
    );
  }

  /** Resolves when it is closed, with code and reason. */
  ended(): Promise<{ code: number; reason: string }> {
    return until('the end of the connection', () => this.end);
  }
}

/** The rejection of a connection that must not come about. */
export async function rejectionOf(t: ExecutionContext, url: string, options: ClientOptions = {}): Promise<Rejection> {
  const error: unknown = await Client.open(t, url, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) throw new Error(`${url} was let in`);
  return error as Rejection;
}

/** A socket on which the handshake was done by hand, for frames that no library would send. */
export async function bareSocket(t: ExecutionContext, port: number, more: readonly string[] = []): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  const lines = [
    'GET /ws HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: mcp',
    ...more,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(head.toString('latin1'));
  return socket;
}

/** One frame as a client sends it: masked with zeros. `first`: FIN, RSV bits and opcode. */
export function frame(first: number, payload: Buffer | string, claimed?: number): Buffer {
  const data = Buffer.from(payload);
  const size = claimed ?? data.length;
  let head: Buffer;
  if (size < 126) head = Buffer.from([first, 0x80 | size]);
  else if (size < 65_536) head = Buffer.from([first, 0x80 | 126, size >> 8, size & 255]);
  else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, Buffer.alloc(4), data]);
}

/** The code of the close frame with which a bare socket is ended. */
export async function closeCodeOf(socket: Socket): Promise<number> {
  let bytes: Buffer = Buffer.alloc(0);
  socket.on('data', (part: Buffer) => (bytes = Buffer.concat([bytes, part])));
  await new Promise((resolve) => socket.once('close', resolve));
  const at = bytes.indexOf(0x88);
  return at < 0 ? 1006 : bytes.readUInt16BE(at + 2);
}
