// Drives the plugin the way the core does: applies it, opens servers, sends calls. No test lives here.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { metaKey, UpstreamCall } from 'plugboard';
import type {
  CallRelay,
  Capabilities,
  Connection,
  Era,
  JsonObject,
  LeaseKey,
  PluginApi,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  ServerDefinition,
  Tool,
} from 'plugboard';
import upstream from '../src/index.ts';

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

/** What was told of an open connection. */
export class Told {
  readonly notifications: RpcNotification[] = [];
  readonly requests: RpcRequest[] = [];
  /** For each of these, how it is learnt that the server takes it back. */
  readonly withdrawn: (AbortSignal | undefined)[] = [];
  readonly closed: Error[] = [];
  answer: (request: RpcRequest) => Promise<RpcResponse> = () => Promise.resolve({ jsonrpc: '2.0', result: {} });
}

export interface Opened {
  readonly connection: Connection;
  readonly told: Told;
}

/** The plugin, applied with some servers. */
export class Harness {
  readonly log: LogLine[] = [];
  readonly servers = new Map<string, ServerDefinition>();
  readonly open: Connection[] = [];
  /** Where the configuration stands. */
  directory = process.cwd();
  #stop: () => void | Promise<void> = () => {};

  static async start(t: ExecutionContext, options: JsonObject, directory?: string): Promise<Harness> {
    const harness = new Harness();
    if (directory !== undefined) harness.directory = directory;
    await harness.apply(options);
    t.teardown(() => harness.stop());
    return harness;
  }

  async apply(options: JsonObject): Promise<void> {
    const line = (level: string) => (message: string) => void this.log.push({ level, message });
    const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    const api = {
      log,
      directory: this.directory,
      services: { provide: () => {} },
      servers: { register: (server: ServerDefinition) => this.servers.set(server.name, server) },
    } as unknown as PluginApi;
    const parsed = upstream.options?.parse(options);
    this.#stop = (await upstream.apply(api, parsed)) ?? (() => {});
  }

  async connect(name: string, key: Partial<LeaseKey> = {}, abort = new AbortController()): Promise<Opened> {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`no server ${name}`);
    const told = new Told();
    const events = {
      notification: (message: RpcNotification) => void told.notifications.push(message),
      request: (message: RpcRequest, withdrawn?: AbortSignal) => {
        told.requests.push(message);
        told.withdrawn.push(withdrawn);
        return told.answer(message);
      },
      closed: (reason: Error) => void told.closed.push(reason),
    };
    const full: LeaseKey = {
      kind: 'task',
      id: 'test',
      grant: 'default',
      capabilities: {},
      clientInfo: undefined,
      ...key,
    };
    const connection = await server.open(full, events, abort.signal);
    this.open.push(connection);
    return { connection, told };
  }

  /** Ends the generation, as the host does; connections stay with whoever holds them. */
  async release(): Promise<void> {
    await this.#stop();
  }

  async stop(): Promise<void> {
    await this.#stop();
    await Promise.all(this.open.map((each) => each.close()));
  }

  messages(level?: string): string[] {
    return this.log.filter((line) => level === undefined || line.level === level).map((line) => line.message);
  }
}

export interface CallInit {
  readonly relay?: CallRelay;
  readonly tool?: Tool;
  readonly headers?: Record<string, string>;
  readonly timeout?: number;
  readonly capabilities?: Capabilities;
}

const forTests = { name: 'test-client', version: '1.0.0' };

/** A call in the shape of the connection's era, sent. */
export function send(
  connection: Connection,
  method: string,
  params: JsonObject = {},
  init: CallInit = {},
): UpstreamCall {
  const { era } = connection;
  const call = new UpstreamCall({
    method,
    params:
      era === 'new'
        ? { ...params, _meta: { ...envelope(init.capabilities), ...(params['_meta'] as JsonObject | undefined) } }
        : params,
    caller: callerOf(era),
    relay: init.relay,
    tool: init.tool,
    headers: init.headers,
    timeout: init.timeout ?? 30_000,
    maxTimeout: 60_000,
  });
  connection.send(call);
  return call;
}

/** The result of a call; throws when it failed or the answer is an error. */
export async function ask(
  connection: Connection,
  method: string,
  params: JsonObject = {},
  init: CallInit = {},
): Promise<JsonObject> {
  const { message } = await send(connection, method, params, init).answer;
  if (message.error !== undefined) throw new Error(`${message.error.code} ${message.error.message}`);
  return message.result ?? {};
}

export function tool(
  connection: Connection,
  name: string,
  args: JsonObject = {},
  init: CallInit = {},
): Promise<JsonObject> {
  return ask(connection, 'tools/call', { name, arguments: args }, init);
}

/** The text of a tool's result. */
export function textOf(result: JsonObject): string {
  const [first] = result['content'] as { text?: string }[];
  return first?.text ?? '';
}

function envelope(capabilities: Capabilities = {}): JsonObject {
  return {
    [metaKey.protocolVersion]: '2026-07-28',
    [metaKey.clientInfo]: forTests,
    [metaKey.clientCapabilities]: capabilities,
  };
}

function callerOf(era: Era) {
  return {
    era,
    protocolVersion: era === 'new' ? '2026-07-28' : '2025-11-25',
    capabilities: {},
    clientInfo: forTests,
    logLevel: undefined,
  };
}

/** Waits until something is so; the deadline is only there to end a broken test. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The path of a compiled child program. */
export function child(name: string): string {
  return fileURLToPath(new URL(`./children/${name}.js`, import.meta.url));
}

/** The path of a file in an installed package. */
export function installed(specifier: string): string {
  return fileURLToPath(import.meta.resolve(specifier));
}

/** True while a process runs; one that has ended and was not collected yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** An HTTP server on a port of its own, closed with the test. */
export async function serve(t: ExecutionContext, listener: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export async function bodyOf(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as JsonObject);
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
