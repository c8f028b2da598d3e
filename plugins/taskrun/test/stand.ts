// What the tests share: a proxy in this process with a store, the management API and servers to choose from; its API; MCP clients of both eras. No expectations live here.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { until } from '@plugboard/test-kit';
import type { ExecutionContext } from 'ava';
import { configFrom, definePlugin, Host, isObject, localServer, localTool, z } from 'plugboard';
import type { JsonObject, Log, Plugin } from 'plugboard';
import taskrun from '../src/index.ts';

/** A log that keeps its lines, with their fields. */
export function keepLog() {
  const lines: string[] = [];
  const scope = (plugin: string): Log => {
    const add = (level: string) => (message: string, fields?: object) =>
      void lines.push(`${level} ${plugin}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
    return { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') };
  };
  return { lines, scope };
}

/** Servers whose tools say who they are, and for whom they work. */
export function echoServers(servers: Readonly<Record<string, readonly string[]>>): Plugin {
  return definePlugin({
    id: 'echo-servers',
    apiVersion: 1,
    apply: (api) => {
      for (const [name, tools] of Object.entries(servers))
        api.servers.register(
          localServer({
            name,
            version: '1.0.0',
            isolation: 'task',
            open: ({ grant }) => ({ grant }),
            tools: tools.map((tool) =>
              localTool({
                name: tool,
                description: tool,
                input: z.looseObject({}),
                run: (args, { state }: { state: { grant: string | undefined } }) => ({
                  content: [{ type: 'text', text: JSON.stringify({ server: name, tool, grant: state.grant, args }) }],
                }),
              }),
            ),
          }),
        );
    },
  });
}

export interface StandOptions {
  readonly servers?: Readonly<Record<string, readonly string[]>>;
  readonly options?: JsonObject;
  /** More plugins with their options. */
  readonly plugins?: JsonObject;
  /** A folder to go on in. */
  readonly folder?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: JsonObject;
  readonly headers: Headers;
}

/** A proxy with tasks. */
export class Stand {
  readonly host: Host;
  readonly folder: string;
  readonly lines: string[];
  readonly #api: { url: string; token: string };

  constructor(host: Host, folder: string, lines: string[], api: { url: string; token: string }) {
    this.host = host;
    this.folder = folder;
    this.lines = lines;
    this.#api = api;
  }

  get url(): string {
    return `${new URL(this.#api.url).origin}/mcp`;
  }

  get board() {
    return this.host.board;
  }

  /** One request of the management API. */
  async api(method: string, route: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.#api.url + route, {
      method,
      headers: { authorization: `Bearer ${this.#api.token}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed: unknown = text === '' ? {} : JSON.parse(text);
    return { status: response.status, body: isObject(parsed) ? parsed : {}, headers: response.headers };
  }

  /** The same, for requests that must succeed. */
  async ok(method: string, route: string, body?: unknown, headers?: Record<string, string>): Promise<JsonObject> {
    const answer = await this.api(method, route, body, headers);
    if (answer.status >= 300) throw new Error(`${method} ${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Creates or replaces a task and gives it a token. */
  async task(object: JsonObject): Promise<{ id: string; token: string }> {
    const { name } = object['metadata'] as { name: string };
    const { id } = await this.ok('PUT', `/tasks/${name}`, object);
    const { token } = await this.ok('POST', `/tasks/${name}/token`, {});
    return { id: String(id), token: String(token) };
  }

  grant(id: string) {
    const session = [...this.board.sessions.values()].find(({ grant }) => grant.id.startsWith(`task:${id}:`));
    if (session === undefined) throw new Error(`task ${id} has no session`);
    return session.grant;
  }
}

/** Starts a proxy; it ends with the test. */
export async function stand(t: ExecutionContext, given: StandOptions = {}): Promise<Stand & { stop(): Promise<void> }> {
  t.timeout(180_000);
  const {
    servers = { github: ['create_issue', 'get_issue', 'merge_pr'], docs: ['search', 'read'] },
    options = {},
    plugins = {},
  } = given;
  const folder = given.folder ?? (await mkdtemp(path.join(tmpdir(), 'plugboard-taskrun-')));
  const { lines, scope } = keepLog();
  const own: Record<string, Plugin> = { taskrun, './echo.js': echoServers(servers) };
  const { loadPlugin } = await loader();
  const config = {
    plugins: {
      http: { port: 0 },
      'store-lowdb': { fsync: 'never' },
      admin: {},
      './echo.js': {},
      ...plugins,
      taskrun: options,
    },
  };
  const host = await Host.start(
    await configFrom(config, folder),
    { scope },
    {
      load: async (key, directory) => {
        const plugin = own[key];
        return plugin === undefined ? await loadPlugin(key, directory) : { plugin, from: 'test', version: undefined };
      },
    },
  );
  const stop = () => host.stop();
  t.teardown(async () => {
    await stop();
    if (given.folder === undefined) await rm(folder, { recursive: true, force: true });
  });
  const credential = JSON.parse(await readFile(path.join(folder, '.plugboard', 'admin.json'), 'utf8')) as {
    url: string;
    token: string;
  };
  await until('the servers are up', () => host.board.servers().every(({ state }) => state === 'ready'));
  return Object.assign(new Stand(host, folder, lines, credential), { stop });
}

/** Other plugins come as packages. */
async function loader() {
  const load = async (key: string) => {
    const module = (await import(`@plugboard/${key}`)) as { default: Plugin };
    return { plugin: module.default, from: key, version: undefined };
  };
  return { loadPlugin: load as (key: string, directory: string) => ReturnType<typeof load> };
}

/** The manifest of a task. */
export function manifest(
  name: string,
  toolConfig: JsonObject = {},
  spec: JsonObject = {},
  metadata: JsonObject = {},
): JsonObject {
  return {
    apiVersion: 'orchestrator.io/v1',
    kind: 'TaskRun',
    metadata: { name, ...metadata },
    spec: { taskId: 7, serviceName: 'shop', agentName: 'rex', contextVersion: 1, toolConfig, ...spec },
  };
}

/** `toolConfig` with rules over all servers. */
export const tools = (allow: readonly string[], deny: readonly string[] = [], more: JsonObject = {}): JsonObject => ({
  tools: { allow, deny },
  ...more,
});

export const eras = ['old', 'new'] as const;
export type Era = (typeof eras)[number];

/** A client that counts what it is told. */
export interface McpClient {
  readonly era: Era;
  /** Times at which the list of tools was said to have changed, and URIs of updated resources. */
  readonly changed: number[];
  readonly updated: string[];
  names(): Promise<string[]>;
  call(name: string, args?: JsonObject): Promise<string>;
  read(uri: string): Promise<string>;
  resources(): Promise<string[]>;
  prompts(): Promise<string[]>;
  prompt(name: string): Promise<string>;
  /** Wants to hear of changes of lists and of these resources. */
  watch(uris: string[]): Promise<void>;
  close(): Promise<void>;
}

export async function connect(t: ExecutionContext, era: Era, url: string, token: string): Promise<McpClient> {
  const mode = era === 'old' ? ('legacy' as const) : { pin: '2026-07-28' };
  const client = new Client({ name: 'test', version: '1.0.0' }, { capabilities: {}, versionNegotiation: { mode } });
  const changed: number[] = [];
  const updated: string[] = [];
  client.setNotificationHandler('notifications/tools/list_changed', () => void changed.push(performance.now()));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  const fresh = { cacheMode: 'refresh' } as const;
  const close = async () => await client.close();
  t.teardown(() => close().catch(() => {}));
  return {
    era,
    changed,
    updated,
    names: async () => (await client.listTools(undefined, fresh)).tools.map(({ name }) => name).sort(),
    call: async (name, args = {}) => textOf(await client.callTool({ name, arguments: args })),
    read: async (uri) => {
      const [first] = (await client.readResource({ uri }, fresh)).contents;
      return first !== undefined && 'text' in first ? first.text : '';
    },
    resources: async () => (await client.listResources(undefined, fresh)).resources.map(({ uri }) => uri),
    prompts: async () => (await client.listPrompts(undefined, fresh)).prompts.map(({ name }) => name),
    prompt: async (name) => {
      const { messages } = await client.getPrompt({ name });
      return messages.map(({ content }) => ('text' in content ? content.text : '')).join('\n');
    },
    watch: async (uris) => {
      const lists = { toolsListChanged: true, resourcesListChanged: true };
      if (era === 'new') await client.listen({ ...lists, ...(uris.length > 0 && { resourceSubscriptions: uris }) });
      else for (const uri of uris) await client.subscribeResource({ uri });
    },
    close,
  };
}

function textOf(result: unknown): string {
  const { content } = result as { content?: { type: string; text?: string }[] };
  return (content ?? []).map(({ text }) => text ?? '').join('\n');
}
