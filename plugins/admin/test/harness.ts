// A real proxy in this process with the plugin in it, a plugin beside it that adds routes, and requests over real sockets. No expectations live here.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { configFrom, definePlugin, Host, loadConfig, localCredentialFile, localServer, localTool, z } from 'plugboard';
import type { JsonObject, LogLine, Plugin, PluginApi, Stores } from 'plugboard';
import admin from '../src/index.ts';

export const tokens = [
  { name: 'vera', token: 'viewer-token-0123456789', role: 'viewer' },
  { name: 'otto', token: 'operator-token-0123456789', role: 'operator' },
  { name: 'anna', token: 'admin-token-0123456789', role: 'admin' },
] as const;

export const [viewer, operator, administrator] = tokens.map(({ token }) => token) as [string, string, string];

export interface StandOptions {
  /** Options of the plugin beside `port` and `tokens`. */
  readonly admin?: JsonObject;
  /** What a plugin beside it does, e.g. adds routes or registers servers. */
  readonly beside?: (api: PluginApi) => void;
  readonly stores?: Stores;
  /** Where lines of the log go, for a start that fails. */
  readonly log?: LogLine[];
  /** Further members of the configuration. */
  readonly config?: JsonObject;
  /** Write the configuration to a file, so that it can be changed. */
  readonly file?: boolean;
  /** What is done in the folder before the start. */
  readonly prepare?: (folder: string) => Promise<void>;
}

export interface Stand {
  readonly host: Host;
  /** `http://127.0.0.1:PORT/api/v1`. */
  readonly url: string;
  readonly folder: string;
  readonly credentialFile: string;
  readonly log: LogLine[];
  ask(method: string, route: string, ask?: Ask): Promise<Reply>;
  stop(): Promise<void>;
}

/** Starts a proxy with the plugin on a port of its own; it is stopped with the test. */
export async function stand(t: ExecutionContext, options: StandOptions = {}): Promise<Stand> {
  t.timeout(180_000);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-admin-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await options.prepare?.(folder);
  const log = options.log ?? [];
  const plugins: Record<string, Plugin> = {
    admin,
    beside: besidePlugin(options.beside),
    store: storePlugin(options.stores),
  };
  const chosen = { port: 0, tokens, ...options.admin };
  // A busy machine is no reason to fail.
  const limits = { applyTimeout: 60_000, hookTimeout: 60_000 };
  const value = {
    limits,
    ...options.config,
    plugins: { ...(options.stores === undefined ? {} : { './store.js': {} }), admin: chosen, './beside.js': {} },
  };
  const file = path.join(folder, 'plugboard.yaml');
  if (options.file === true) await writeFile(file, JSON.stringify(value, undefined, 2));
  const config = options.file === true ? await loadConfig(file) : await configFrom(value, folder);
  const host = await Host.start(config, logsInto(log), {
    load: (key) => {
      const plugin = plugins[path.basename(key, '.js')];
      if (plugin === undefined) return Promise.reject(new Error(`no plugin ${key}`));
      return Promise.resolve({ plugin, from: key, version: '1.2.3' });
    },
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= host.stop());
  t.teardown(stop);
  const credentialFile = localCredentialFile(folder, config.file);
  const url = await urlOf(credentialFile, log);
  return { host, url, folder, credentialFile, log, stop, ask: (method, route, ask) => send(url, method, route, ask) };
}

/** From the credential for this machine, or from the log where there is none. */
async function urlOf(file: string, log: readonly LogLine[]): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text !== undefined) return (JSON.parse(text) as { url: string }).url;
  return String(log.find(({ message }) => message === 'the management API is served')?.fields?.['url']);
}

function besidePlugin(apply: ((api: PluginApi) => void) | undefined): Plugin {
  return definePlugin({ id: 'beside', apiVersion: 1, wants: ['management'], apply: (api) => apply?.(api) });
}

function storePlugin(stores: Stores | undefined): Plugin {
  const id = 'store';
  return definePlugin({
    id,
    apiVersion: 1,
    provides: ['store'],
    apply: ({ services }) => services.provide('store', stores),
  });
}

function logsInto(lines: LogLine[]) {
  const write = (scope: string, level: LogLine['level']) => (message: string, fields?: object) =>
    void lines.push({ number: lines.length + 1, time: Date.now(), level, scope, message, fields: { ...fields } });
  return {
    scope: (name: string) => ({
      debug: write(name, 'debug'),
      info: write(name, 'info'),
      warn: write(name, 'warn'),
      error: write(name, 'error'),
    }),
    recent: ({
      server,
      after = 0,
      limit = 1000,
    }: {
      server?: string | undefined;
      after?: number | undefined;
      limit?: number | undefined;
    }) =>
      lines
        .filter(({ number, message }) => number > after && (server === undefined || message.includes(server)))
        .slice(-limit),
  };
}

/** A server with so many tools. */
export function serverOf(name: string, count: number, annotations?: JsonObject) {
  const tools = Array.from({ length: count }, (_each, index) =>
    localTool({
      name: `tool-${String(index).padStart(4, '0')}`,
      description: `Tool ${index}`,
      input: z.strictObject({ secret: z.string().optional() }),
      ...(annotations === undefined ? {} : { annotations }),
      run: () => ({ content: [{ type: 'text', text: 'done' }] }),
    }),
  );
  return localServer({ name, version: '1.0.0', isolation: 'shared', tools, open: () => ({}) });
}

export interface Ask {
  /** Default: that of the administrator; undefined as a value: none. */
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON; a string or buffer as it is. */
  readonly body?: unknown;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body, parsed; an empty object when it is not JSON. */
  readonly body: JsonObject;
}

/** Sends a request on a connection of its own and reads the whole answer. */
export async function send(url: string, method: string, route: string, ask: Ask = {}): Promise<Reply> {
  const message = await begin(url, method, route, ask);
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: message.statusCode ?? 0, headers: message.headers, text, body: parse(text) };
}

/** Sends a request and resolves when the answer begins. */
export function begin(url: string, method: string, route: string, ask: Ask = {}): Promise<IncomingMessage> {
  const { body } = ask;
  const token = 'token' in ask ? ask.token : administrator;
  const payload = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body);
  const headers: Record<string, string> = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
    ...ask.headers,
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}${route}`, { method, headers, agent: new Agent() });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(payload);
  });
}

function parse(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return {};
  }
}

export function key(): Record<string, string> {
  return { 'idempotency-key': randomUUID() };
}

/** Opens a session of the default grant. */
export async function openSession({ board }: Host, name = 'test'): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name, version: '1.0.0' } };
  const { session } = await board.open({ transport: 'test', grant: board.defaultGrant, params });
  return session.id;
}

/** One event of a stream. */
export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: JsonObject;
}

/** Reads an event stream. `next` waits for the next event; comments and the bare id at the start are passed over. */
export function readEvents(message: IncomingMessage) {
  const blocks = blocksOf(message);
  return {
    message,
    next: async (): Promise<StreamEvent | undefined> => {
      for (let block = await blocks.next(); block.done !== true; block = await blocks.next()) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block.value)?.[1] ?? '';
        if (field('data') !== '')
          return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) as JsonObject };
      }
      return undefined;
    },
    block: async (): Promise<string | undefined> => (await blocks.next()).value ?? undefined,
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
