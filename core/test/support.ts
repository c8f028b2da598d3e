// What the core's tests share: a host made of given plugins, and clients of both eras that speak to its board as a transport would.
import { Answer, configFrom, definePlugin, Host, localServer, localTool, z } from '../src/index.ts';
import type {
  BoardApi,
  Capabilities,
  ConnectionEvents,
  Grant,
  JsonObject,
  ListenFilter,
  Log,
  Plugin,
  Reply,
  RpcMessage,
  RpcNotification,
  RpcResponse,
  ServerDefinition,
  Session,
  UpstreamCall,
} from '../src/index.ts';

/** A log that keeps its lines. */
export function keepLog(): { scope(plugin: string): Log; lines: string[] } {
  const lines: string[] = [];
  const scope = (plugin: string): Log => {
    const add = (level: string) => (message: string) => void lines.push(`${level} ${plugin}: ${message}`);
    return { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') };
  };
  return { scope, lines };
}

/** A host that runs the given plugins, in order, with the given options. */
export async function startHost(
  plugins: readonly (Plugin | [Plugin, JsonObject])[],
  config: JsonObject = {},
): Promise<{
  host: Host;
  board: BoardApi;
  lines: string[];
  configure(next: typeof plugins, config?: JsonObject): Promise<void>;
}> {
  const { lines, ...logs } = keepLog();
  const known = new Map<string, Plugin>();
  const make = (list: typeof plugins, rest: JsonObject) => {
    const options: JsonObject = {};
    for (const each of list) {
      const [plugin, given] = Array.isArray(each) ? each : [each, {}];
      known.set(plugin.id, plugin);
      options[plugin.id] = given;
    }
    return configFrom({ ...rest, plugins: options }, process.cwd());
  };
  const load = (key: string) => {
    const plugin = known.get(key);
    return plugin === undefined
      ? Promise.reject(new Error(`no plugin ${key}`))
      : Promise.resolve({ plugin, from: 'test', version: undefined });
  };
  const host = await Host.start(await make(plugins, config), logs, { load });
  return {
    host,
    board: host.board,
    lines,
    configure: async (next, rest = config) => host.reload(await make(next, rest)),
  };
}

/** A plugin that registers one in-process server whose tools echo their name and arguments. */
export function echoServer(
  name: string,
  tools: readonly string[],
  isolation: 'shared' | 'task' | 'session' = 'task',
): Plugin {
  return definePlugin({
    id: `server-${name.toLowerCase().replaceAll('_', '-')}`,
    apiVersion: 1,
    apply: ({ servers }) =>
      servers.register(
        localServer({
          name,
          version: '1.0.0',
          isolation,
          open: (key) => ({ lease: key.id }),
          tools: tools.map((tool) =>
            localTool({
              name: tool,
              description: `echo of ${tool}`,
              input: z.looseObject({}),
              run: (args, { state }: { state: { lease: string } }) => ({
                content: [{ type: 'text', text: JSON.stringify({ server: name, tool, args, lease: state.lease }) }],
              }),
            }),
          ),
        }),
      ),
  });
}

/** One request of a test client: its response, and what came on its stream before. */
export interface Exchanged {
  readonly response: RpcResponse;
  readonly stream: readonly RpcMessage[];
}

/** One `subscriptions/listen` stream of a test client. */
export interface TestStream {
  readonly heard: readonly RpcNotification[];
  readonly answers: readonly Answer[];
  leave(): void;
}

/** A client that speaks to the board as a transport does. */
export class TestClient {
  readonly board: BoardApi;
  readonly session: Session;
  readonly #envelope: boolean;
  /** Messages that came outside of any request. */
  readonly heard: RpcMessage[] = [];
  /** How the client answers what it is asked; undefined: not at all. */
  onAsked: (message: RpcMessage) => JsonObject | undefined = () => ({});
  /** New era: what each request says the client can do. */
  capabilities: Capabilities = {};
  #lastId = 0;

  private constructor(board: BoardApi, session: Session, envelope: boolean) {
    this.board = board;
    this.session = session;
    this.#envelope = envelope;
    if (!envelope) session.outlet = (message) => this.#hear(message);
  }

  static async old(
    board: BoardApi,
    grant: Grant = board.defaultGrant,
    capabilities: JsonObject = {},
    server?: string,
  ): Promise<TestClient> {
    const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } };
    const { session } = await board.open({ transport: 'test', grant, server, params });
    return new TestClient(board, session, false);
  }

  static async new(board: BoardApi, grant: Grant = board.defaultGrant, server?: string): Promise<TestClient> {
    return new TestClient(board, await board.stateless('test', grant, server), true);
  }

  /** Sends a request and waits for its response. */
  request(method: string, params: JsonObject = {}, id: string | number = (this.#lastId += 1)): Promise<Exchanged> {
    const stream: RpcMessage[] = [];
    return new Promise((resolve) => {
      const reply: Reply = {
        answer: (answer: Answer) =>
          resolve({ response: JSON.parse(answer.encode(id).toString()) as RpcResponse, stream }),
        notify: (message) => void stream.push(message),
        ask: (message) => {
          stream.push(message);
          this.#hear(message);
        },
      };
      const envelope = {
        protocolVersion: '2026-07-28',
        capabilities: this.capabilities,
        clientInfo: undefined,
        logLevel: undefined,
      };
      this.board.handle(
        this.session,
        { jsonrpc: '2.0', id, method, params },
        reply,
        this.#envelope ? envelope : undefined,
      );
    });
  }

  /** New era: opens a stream of change notices. */
  listen(notifications: JsonObject): TestStream {
    const heard: RpcNotification[] = [];
    const answers: Answer[] = [];
    const id = `listen-${(this.#lastId += 1)}`;
    const exchange = this.board.handle(
      this.session,
      { jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { notifications } },
      { answer: (answer) => void answers.push(answer), notify: (message) => void heard.push(message), ask: () => {} },
      { protocolVersion: '2026-07-28', capabilities: this.capabilities, clientInfo: undefined, logLevel: undefined },
    );
    return { heard, answers, leave: () => exchange.cancel('the client has gone') };
  }

  /** Names of the tools that the client sees. */
  async toolNames(): Promise<string[]> {
    const { response } = await this.request('tools/list');
    return ((response.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name);
  }

  /** Calls a tool of {@link echoServer}: what it echoed, or undefined when the call was refused. */
  async echo(
    name: string,
    args: JsonObject = {},
  ): Promise<{ server: string; tool: string; args: JsonObject; lease: string } | undefined> {
    const { response } = await this.request('tools/call', { name, arguments: args });
    const content = response.result?.['content'] as { text: string }[] | undefined;
    return content === undefined || response.result?.['isError'] === true
      ? undefined
      : JSON.parse(content[0]?.text ?? '');
  }

  #hear(message: RpcMessage): void {
    this.heard.push(message);
    if (!('method' in message && 'id' in message)) return;
    const result = this.onAsked(message);
    if (result !== undefined) this.board.deliver(this.session, { jsonrpc: '2.0', id: message.id, result });
  }
}

/** Waits until something holds; fails after `limit` ms. */
export async function until(holds: () => boolean | Promise<boolean>, limit = 10_000): Promise<void> {
  const deadline = Date.now() + limit;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it did not hold within ${limit} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a {@link HandServer} is made of. */
export interface HandServerInit extends Partial<ServerDefinition> {
  readonly name: string;
  readonly era?: 'old' | 'new';
  /** See `Connection`. */
  readonly separate?: boolean;
  /** What `server/discover` or `initialize` says beside lists. */
  readonly capabilities?: Capabilities;
  /** The results of its list methods; others are empty. */
  readonly lists?: Readonly<Record<string, JsonObject>>;
}

/** A server made by hand: it notes what it is asked and told, and answers as the test says. */
export class HandServer {
  readonly calls: UpstreamCall[] = [];
  /** New era: what it was asked to tell of, the newest last. */
  readonly filters: ListenFilter[] = [];
  readonly events: ConnectionEvents[] = [];
  /** Its answer to anything but lists; undefined: none. */
  answer: (call: UpstreamCall) => Answer | undefined = () => Answer.result({});
  /** Waited for before a connection for callers is there. */
  opening: () => Promise<unknown> = () => Promise.resolve();
  readonly definition: ServerDefinition;
  readonly #era: 'old' | 'new';

  constructor({ name, era = 'old', separate, capabilities = {}, lists = {}, ...rest }: HandServerInit) {
    this.#era = era;
    const send = (call: UpstreamCall) => {
      if (call.method.endsWith('/list') && call.method !== 'tasks/list') {
        const empty = { tools: [], resources: [], resourceTemplates: [], prompts: [] };
        call.resolve(Answer.result({ ...empty, ...lists[call.method] }));
        return;
      }
      this.calls.push(call);
      const answer = this.answer(call);
      if (answer !== undefined) call.resolve(answer);
    };
    const info = {
      protocolVersion: era === 'old' ? '2025-11-25' : '2026-07-28',
      capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, ...capabilities },
      serverInfo: { name, version: '1' },
    };
    const listen = (filter: ListenFilter) => void this.filters.push(filter);
    this.definition = {
      name,
      kind: 'hand-made',
      isolation: 'task',
      asks: false,
      open: async ({ kind }, events) => {
        if (kind !== 'catalogue') await this.opening();
        this.events.push(events);
        return { era, info, separate, send, notify: () => {}, listen, close: async () => {} };
      },
      ...rest,
    };
  }

  get plugin(): Plugin {
    return definePlugin({
      id: `hand-${this.definition.name}`,
      apiVersion: 1,
      apply: ({ servers }) => servers.register(this.definition),
    });
  }

  /** The URIs of its calls of a method. */
  uris(method: string): unknown[] {
    return this.calls.flatMap((call) => (call.method === method ? [call.params?.['uri']] : []));
  }

  /** Tells of a changed resource where it was asked to: on the connections of callers, in the new era on the first. */
  updated(uri: string): void {
    const message = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } } as const;
    const asked = this.#era === 'new' || this.events.length === 1 ? this.events.slice(0, 1) : this.events.slice(1);
    for (const events of asked) events.notification(message);
  }
}

/** Resolves when all servers of a board are up. */
export function ready(board: BoardApi): Promise<void> {
  return until(() => board.servers().every(({ state }) => state === 'ready'));
}
