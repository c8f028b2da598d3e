// A server whose tools a test writes: in the proxy's own process, speaking as a server of the old era does. It records what it was asked.
import { Answer, definePlugin, rpcCode } from 'plugboard';
import type {
  Capabilities,
  Connection,
  ConnectionEvents,
  JsonObject,
  LeaseKey,
  Plugin,
  RpcResponse,
  ServerDefinition,
  Tool,
  ToolResult,
  UpstreamCall,
} from 'plugboard';

/** One call as the fake server got it. */
export class FakeCall {
  readonly tool: string;
  readonly arguments: JsonObject;
  /** The lease it came on. */
  readonly lease: string;
  /** Aborted when the client cancels, or a time limit passes. */
  readonly signal: AbortSignal;
  readonly #call: UpstreamCall;

  constructor(call: UpstreamCall, lease: string) {
    const { name, arguments: given } = call.params ?? {};
    const abort = new AbortController();
    call.onCancel = ({ message }) => abort.abort(new Error(message));
    this.#call = call;
    this.tool = String(name);
    this.arguments = (given ?? {}) as JsonObject;
    this.lease = lease;
    this.signal = abort.signal;
  }

  /** Reports progress to the client that called. */
  progress(progress: number, total?: number): void {
    const params: JsonObject = { progressToken: this.#call.id, progress };
    if (total !== undefined) params['total'] = total;
    this.#call.notify({ jsonrpc: '2.0', method: 'notifications/progress', params });
  }

  /** Asks the client that called, e.g. `elicitation/create`; resolves with its response. Abort `withdrawn` to take the question back. */
  ask(method: string, params: JsonObject, withdrawn?: AbortSignal): Promise<RpcResponse> {
    return this.#call.ask({ jsonrpc: '2.0', id: 1, method, params }, withdrawn);
  }
}

/** What a tool answers: a text or a whole result. What it throws becomes a result with `isError`. */
export type FakeAnswer = (args: JsonObject, call: FakeCall) => string | ToolResult | Promise<string | ToolResult>;

/** A tool: its answer, or its answer with parts of its definition. */
export type FakeTool = FakeAnswer | { readonly definition: Partial<Tool>; readonly answer: FakeAnswer };

export interface FakeServerOptions {
  /** Default: `shared`. */
  readonly isolation?: ServerDefinition['isolation'];
  /** True when its tools use {@link FakeCall.ask}. */
  readonly asks?: boolean;
  /** Texts by URI. */
  readonly resources?: Readonly<Record<string, string>>;
  /** Texts by name. */
  readonly prompts?: Readonly<Record<string, string>>;
}

/** A server for tests. Hand it to `pluginHost` under `servers`, or its `plugin` to any host. */
export class FakeServer {
  readonly name: string;
  /** Registers the server. */
  readonly plugin: Plugin;
  /** All calls that reached it, in order. */
  readonly calls: FakeCall[] = [];
  readonly #tools: Map<string, FakeTool>;
  readonly #options: FakeServerOptions;
  readonly #connections = new Set<ConnectionEvents>();

  constructor(name: string, tools: Readonly<Record<string, FakeTool>>, options: FakeServerOptions) {
    this.name = name;
    this.#tools = new Map(Object.entries(tools));
    this.#options = options;
    const { isolation = 'shared', asks = false } = options;
    const open = async (key: LeaseKey, events: ConnectionEvents) => this.#connect(key, events);
    this.plugin = definePlugin({
      id: `fake-${name.toLowerCase().replaceAll('_', '-')}`,
      apiVersion: 1,
      apply: ({ servers }) => servers.register({ name, kind: 'in-process', isolation, asks, open }),
    });
  }

  /** Adds or replaces a tool, or, with undefined, removes it; connected clients are told. */
  setTool(name: string, tool: FakeTool | undefined): void {
    if (tool === undefined) this.#tools.delete(name);
    else this.#tools.set(name, tool);
    for (const events of this.#connections)
      events.notification({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  }

  #connect(key: LeaseKey, events: ConnectionEvents): Connection {
    const capabilities: Capabilities = { tools: { listChanged: true } };
    if (this.#options.resources !== undefined) capabilities['resources'] = {};
    if (this.#options.prompts !== undefined) capabilities['prompts'] = {};
    this.#connections.add(events);
    return {
      era: 'old',
      info: { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: this.name, version: '1.0.0' } },
      send: (call) => void this.#answer(call, key).then((answer) => call.resolve(answer)),
      notify: () => {},
      listen: () => {},
      close: async () => void this.#connections.delete(events),
    };
  }

  async #answer(call: UpstreamCall, key: LeaseKey): Promise<Answer> {
    const { resources = {}, prompts = {} } = this.#options;
    const { method, params = {} } = call;
    if (method === 'tools/call') return await this.#run(new FakeCall(call, key.id));
    if (method === 'tools/list') return Answer.result({ tools: [...this.#tools].map(describe) });
    if (method === 'resources/list')
      return Answer.result({ resources: Object.keys(resources).map((uri) => ({ uri, name: uri })) });
    if (method === 'resources/templates/list') return Answer.result({ resourceTemplates: [] });
    if (method === 'prompts/list') return Answer.result({ prompts: Object.keys(prompts).map((name) => ({ name })) });
    const uri = String(params['uri']);
    const text = method === 'resources/read' ? resources[uri] : prompts[String(params['name'])];
    if (method === 'resources/read' && text !== undefined) return Answer.result({ contents: [{ uri, text }] });
    if (method === 'prompts/get' && text !== undefined)
      return Answer.result({ messages: [{ role: 'user', content: { type: 'text', text } }] });
    if (method === 'ping') return Answer.result({});
    return Answer.error(rpcCode.methodNotFound, `the fake server has no answer to ${method}`);
  }

  async #run(call: FakeCall): Promise<Answer> {
    this.calls.push(call);
    const tool = this.#tools.get(call.tool);
    if (tool === undefined) return Answer.error(rpcCode.invalidParams, `Unknown tool: ${call.tool}`);
    try {
      const answer = await (typeof tool === 'function' ? tool : tool.answer)(call.arguments, call);
      return Answer.result(typeof answer === 'string' ? { content: [{ type: 'text', text: answer }] } : answer);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return Answer.result({ content: [{ type: 'text', text }], isError: true });
    }
  }
}

/** A server whose tools are functions of the test: `fakeServer('notes', { read: () => 'a note' })`. */
export function fakeServer(
  name: string,
  tools: Readonly<Record<string, FakeTool>>,
  options: FakeServerOptions = {},
): FakeServer {
  return new FakeServer(name, tools, options);
}

function describe([name, tool]: [string, FakeTool]): Tool {
  const definition = typeof tool === 'function' ? {} : tool.definition;
  return { description: `The tool ${name} of a test`, inputSchema: { type: 'object' }, ...definition, name };
}
