// An MCP server on a WebSocket, written by hand: it speaks the eras it is told to and does what a test wants, also what no server should.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { isObject, metaKey } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

export interface Heard {
  readonly connection: number;
  readonly message: JsonObject;
}

const newVersion = '2026-07-28';
const serverInfo = { name: 'scripted', version: '1' };
const complete = { resultType: 'complete', _meta: { [metaKey.serverInfo]: serverInfo } };

/** Tools: `echo` answers its arguments, `hang` never answers, `ask` asks the client, `big` answers `size` bytes, `progress` reports first. */
export class ScriptedServer {
  readonly #t: ExecutionContext;
  /** Everything that was said, in order. */
  readonly heard: Heard[] = [];
  readonly handshakes: IncomingMessage[] = [];
  /** Connections that are open. */
  readonly open = new Map<number, WebSocket>();
  eras: readonly ('old' | 'new')[] = ['old', 'new'];
  capabilities: JsonObject = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    logging: {},
  };
  /** What is done with a method of the other era, or of none. */
  unknown: 'refuse' | 'silence' | 'hang up' = 'refuse';
  /** Names and texts of the tools now. */
  tools: readonly string[] = ['echo', 'hang', 'ask', 'big', 'progress'];
  /** HTTP status with which connections are refused. */
  refuse: number | undefined;
  /** Instead of the first answer on a connection. */
  onMessage: ((connection: number, message: JsonObject, socket: WebSocket) => boolean) | undefined;
  port = 0;
  #server: WebSocketServer | undefined;
  #connections = 0;
  readonly #listens = new Map<WebSocket, Map<unknown, JsonObject>>();

  private constructor(t: ExecutionContext) {
    this.#t = t;
  }

  static async start(
    t: ExecutionContext,
    more: Partial<Pick<ScriptedServer, 'eras' | 'unknown'>> = {},
  ): Promise<ScriptedServer> {
    const server = Object.assign(new ScriptedServer(t), more);
    await server.listen();
    t.teardown(() => server.stop());
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/mcp`;
  }

  /** Listens, again on the same port after {@link ScriptedServer.stop}. */
  async listen(): Promise<void> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: this.port,
      perMessageDeflate: true,
      handleProtocols: (protocols) => protocols.has('mcp') && 'mcp',
      verifyClient: (_info, callback) => callback(this.refuse === undefined, this.refuse),
    });
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    server.on('connection', (socket, request) => this.#connected(socket, request));
  }

  /** Ends all connections and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of server.clients) socket.terminate();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** What was said with a method. */
  of(method: string): Heard[] {
    return this.heard.filter(({ message }) => message['method'] === method);
  }

  /** Tells a change: to those who listen for it, in the old era to all. */
  announce(method: string, params?: JsonObject): void {
    for (const socket of this.open.values()) {
      const listens = this.#listens.get(socket);
      if (listens === undefined) socket.send(JSON.stringify({ jsonrpc: '2.0', method, params }));
      for (const id of listens?.keys() ?? [])
        socket.send(
          JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: { [metaKey.subscriptionId]: id } } }),
        );
    }
  }

  #connected(socket: WebSocket, request: IncomingMessage): void {
    this.#connections += 1;
    const connection = this.#connections;
    this.handshakes.push(request);
    this.open.set(connection, socket);
    socket.on('close', () => this.open.delete(connection));
    socket.on('error', (error) => this.#t.log(String(error)));
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as JsonObject;
      this.heard.push({ connection, message });
      if (this.onMessage?.(connection, message, socket) !== true) this.#answer(socket, message);
    });
  }

  #answer(socket: WebSocket, message: JsonObject): void {
    const { id, method } = message;
    const params = (message['params'] ?? {}) as JsonObject;
    const meta = (params['_meta'] ?? {}) as JsonObject;
    if (id === undefined || method === undefined) {
      if (method === 'notifications/cancelled') this.#listens.get(socket)?.delete(params['requestId']);
      return;
    }
    const isNew = meta[metaKey.protocolVersion] === newVersion;
    const send = (part: JsonObject) => socket.send(JSON.stringify({ jsonrpc: '2.0', id, ...part }));
    const result = (value: JsonObject) => send({ result: isNew ? { ...value, ...complete } : value });
    const foreign = !this.eras.includes(isNew ? 'new' : 'old');
    if (foreign && this.unknown === 'hang up') return socket.close(1002, 'what is that?');
    if (foreign && this.unknown === 'silence') return undefined;
    if (foreign) return send({ error: { code: -32601, message: 'Method not found' } });
    if (method === 'initialize')
      return result({ protocolVersion: '2025-11-25', capabilities: this.capabilities, serverInfo });
    if (method === 'server/discover')
      return result({
        supportedVersions: [newVersion],
        capabilities: this.capabilities,
        ttlMs: 0,
        cacheScope: 'private',
      });
    if (method === 'tools/list') {
      const tools = this.tools.map((name) => ({ name, inputSchema: { type: 'object' } }));
      return result({ tools, ...(isNew ? { ttlMs: 0, cacheScope: 'private' } : {}) });
    }
    if (method === 'resources/list')
      return result({
        resources: [{ uri: 'test://one', name: 'one' }],
        ...(isNew ? { ttlMs: 0, cacheScope: 'private' } : {}),
      });
    if (method === 'resources/templates/list')
      return result({ resourceTemplates: [], ...(isNew ? { ttlMs: 0, cacheScope: 'private' } : {}) });
    if (method === 'subscriptions/listen') return this.#listen(socket, id, params);
    if (method === 'tools/call') return this.#call(socket, id, params, result);
    return result({});
  }

  #listen(socket: WebSocket, id: unknown, params: JsonObject): void {
    const listens = this.#listens.get(socket) ?? new Map<unknown, JsonObject>();
    this.#listens.set(socket, listens.set(id, params));
    const acknowledged = { notifications: params['notifications'], _meta: { [metaKey.subscriptionId]: id } };
    socket.send(
      JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: acknowledged }),
    );
  }

  #call(socket: WebSocket, id: unknown, params: JsonObject, result: (value: JsonObject) => void): void {
    const args = (params['arguments'] ?? {}) as JsonObject;
    const text = (value: string) => result({ content: [{ type: 'text', text: value }] });
    const name = params['name'];
    if (name === 'echo') text(JSON.stringify(args));
    else if (name === 'big') text('x'.repeat(Number(args['size'])));
    else if (name === 'progress') {
      const progressToken = isObject(params['_meta']) ? params['_meta']['progressToken'] : undefined;
      socket.send(
        JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } }),
      );
      // The SDK's clients miss progress that comes together with the result.
      setTimeout(() => text('done'), 100);
    } else if (name === 'ask') {
      const question = {
        message: 'well?',
        requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
      };
      socket.send(
        JSON.stringify({ jsonrpc: '2.0', id: `q-${String(id)}`, method: 'elicitation/create', params: question }),
      );
      socket.on('message', (data: Buffer) => {
        const answer = JSON.parse(data.toString('utf8')) as JsonObject;
        if (answer['id'] === `q-${String(id)}`) text(JSON.stringify(answer['result']));
      });
    }
  }
}
