// An MCP server inside this process: tools as typed functions, without a protocol peer in between.
import type { Connection, LeaseKey, ServerDefinition } from './connection.ts';
import { messageOf } from './config-problems.ts';
import { Answer, methodNotFound } from './protocol/answer.ts';
import { isObject, oldVersions, rpcCode } from './protocol/messages.ts';
import type { Capabilities, JsonObject, Tool, ToolResult } from './protocol/messages.ts';
import { CallFailure } from './upstream-call.ts';
import type { UpstreamCall } from './upstream-call.ts';
import * as z from './z.ts';

/** What a tool's function is told beside its arguments. */
export interface LocalContext<State> {
  /** What {@link LocalServer.open} made for this lease. */
  readonly state: State;
  /** Aborted when the client cancels or the time limit passes. */
  readonly signal: AbortSignal;
}

/** One tool. Arguments are validated before `run`; what it throws becomes a result with `isError` for the agent to read. */
export interface LocalTool<State, Input extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly input: Input;
  readonly output?: z.ZodObject;
  readonly annotations?: JsonObject;
  run(args: z.output<Input>, context: LocalContext<State>): ToolResult | Promise<ToolResult>;
}

/** Gives a tool's `run` the types of its own input schema. */
export function localTool<State, Input extends z.ZodObject>(tool: LocalTool<State, Input>): LocalTool<State> {
  return tool;
}

/** A resource that is there for every lease. */
export interface LocalResource<State> {
  readonly uri: string;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType: string;
  /** Its text as it is now. What it throws becomes the error of the request. */
  read(context: LocalContext<State>): string | Promise<string>;
}

/** A prompt: messages made of arguments. */
export interface LocalPrompt<State> {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly arguments?: readonly { readonly name: string; readonly description?: string; readonly required?: boolean }[];
  /** The text of its one message. */
  get(args: Readonly<Record<string, string>>, context: LocalContext<State>): string | Promise<string>;
}

/** How a lease's clients are told of changes. */
export interface LocalNotifier {
  resourceUpdated(uri: string): void;
}

export interface LocalServer<State> {
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  readonly instructions?: string;
  readonly isolation: ServerDefinition['isolation'];
  readonly tools: readonly LocalTool<State>[];
  readonly resources?: readonly LocalResource<State>[];
  readonly prompts?: readonly LocalPrompt<State>[];
  /** See {@link ServerDefinition}. */
  readonly owner?: string;
  readonly visible?: ServerDefinition['visible'];
  /** Makes what one lease keeps, e.g. its root folder. Not called for the catalogue, which only lists. */
  open(key: LeaseKey, notifier: LocalNotifier): State | Promise<State>;
  close?(state: State): void | Promise<void>;
}

/** Makes a server definition of tools as functions; hand it to `servers.register`. */
export function localServer<State>(server: LocalServer<State>): ServerDefinition {
  const lists = new Lists(server);
  return {
    name: server.name,
    title: server.title,
    kind: 'in-process',
    isolation: server.isolation,
    owner: server.owner,
    visible: server.visible,
    asks: false,
    open: async (key, events) => {
      // A shared server's one connection also lists; of the others the catalogue's connection never runs a tool.
      const listsOnly = key.kind === 'catalogue' && server.isolation !== 'shared';
      const notifier: LocalNotifier = {
        resourceUpdated: (uri) =>
          events.notification({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }),
      };
      return new LocalConnection(server, lists, listsOnly ? undefined : await server.open(key, notifier));
    },
  };
}

/** The lists of a server, made when the first client asks. */
class Lists<State> {
  readonly #server: LocalServer<State>;
  readonly #made = new Map<string, JsonObject>();

  constructor(server: LocalServer<State>) {
    this.#server = server;
  }

  /** The result of a list method; undefined for other methods. */
  get(method: string): JsonObject | undefined {
    const made = this.#made.get(method) ?? this.#make(method);
    if (made !== undefined) this.#made.set(method, made);
    return made;
  }

  #make(method: string): JsonObject | undefined {
    const { tools, resources = [], prompts = [] } = this.#server;
    if (method === 'tools/list') return { tools: tools.map(describe) };
    if (method === 'resources/list') return { resources: resources.map((each) => without(each, 'read')) };
    if (method === 'resources/templates/list') return { resourceTemplates: [] };
    if (method === 'prompts/list') return { prompts: prompts.map((each) => without(each, 'get')) };
    return undefined;
  }
}

class LocalConnection<State> implements Connection {
  readonly era = 'old';
  readonly info;
  readonly #server: LocalServer<State>;
  readonly #lists: Lists<State>;
  readonly #state: State | undefined;
  readonly #tools: Map<string, LocalTool<State>>;
  readonly #running = new Set<UpstreamCall>();
  #closed = false;

  constructor(server: LocalServer<State>, lists: Lists<State>, state: State | undefined) {
    this.#server = server;
    this.#lists = lists;
    this.#state = state;
    this.#tools = new Map(server.tools.map((tool) => [tool.name, tool]));
    const serverInfo: { name: string; version: string; title?: string } = {
      name: server.name,
      version: server.version,
    };
    if (server.title !== undefined) serverInfo.title = server.title;
    const capabilities: Capabilities = { tools: {} };
    if (server.resources !== undefined) capabilities['resources'] = { subscribe: true };
    if (server.prompts !== undefined) capabilities['prompts'] = {};
    this.info = { protocolVersion: oldVersions[0], capabilities, serverInfo, instructions: server.instructions };
  }

  send(call: UpstreamCall): void {
    if (this.#closed) {
      call.fail(new CallFailure('gone', `server "${this.#server.name}" is stopped`));
      return;
    }
    const list = this.#lists.get(call.method);
    if (list !== undefined) call.resolve(Answer.result(list));
    else if (call.method === 'tools/call') void this.#call(call);
    else if (call.method === 'resources/read') void this.#answer(call, (context) => this.#read(call, context));
    else if (call.method === 'prompts/get') void this.#answer(call, (context) => this.#prompt(call, context));
    // Changes are told to every lease, and the proxy passes them to those who asked: nothing has to be kept here.
    else if (/^(?:ping|resources\/(?:un)?subscribe)$/.test(call.method)) call.resolve(Answer.result({}));
    else call.resolve(methodNotFound(call.method));
  }

  notify(): void {}
  listen(): void {}

  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#running)
      call.cancel({ kind: 'shutdown', message: `server "${this.#server.name}" is stopped` });
    if (this.#state !== undefined) await this.#server.close?.(this.#state);
  }

  async #call(call: UpstreamCall): Promise<void> {
    const name = call.params?.['name'];
    const tool = this.#tools.get(String(name));
    if (tool === undefined) {
      call.resolve(Answer.error(rpcCode.invalidParams, `Unknown tool: ${String(name)}`));
      return;
    }
    const parsed = tool.input.safeParse(call.params?.['arguments'] ?? {});
    if (!parsed.success) {
      call.resolve(Answer.result(toolError(invalidArguments(tool.name, parsed.error))));
      return;
    }
    await this.#answer(call, async (context) => {
      try {
        return Answer.result(await tool.run(parsed.data, context));
      } catch (error) {
        return Answer.result(toolError(error instanceof Error ? error.message : String(error)));
      }
    });
  }

  async #read(call: UpstreamCall, context: LocalContext<State>): Promise<Answer> {
    const uri = call.params?.['uri'];
    const resource = this.#server.resources?.find((each) => each.uri === uri);
    if (resource === undefined)
      return Answer.error(rpcCode.resourceNotFound, 'Resource not found', { uri: String(uri) });
    const { mimeType } = resource;
    return Answer.result({ contents: [{ uri: resource.uri, mimeType, text: await resource.read(context) }] });
  }

  async #prompt(call: UpstreamCall, context: LocalContext<State>): Promise<Answer> {
    const { name, arguments: given } = call.params ?? {};
    const prompt = this.#server.prompts?.find((each) => each.name === name);
    if (prompt === undefined) return Answer.error(rpcCode.invalidParams, `Unknown prompt: ${String(name)}`);
    const args = Object.fromEntries(
      Object.entries(isObject(given) ? given : {}).map(([key, value]) => [key, String(value)]),
    );
    const missing = prompt.arguments?.find((each) => each.required === true && args[each.name] === undefined);
    if (missing !== undefined)
      return Answer.error(rpcCode.invalidParams, `prompt ${prompt.name} needs the argument "${missing.name}"`);
    const text = await prompt.get(args, context);
    const result: JsonObject = { messages: [{ role: 'user', content: { type: 'text', text } }] };
    if (prompt.description !== undefined) result['description'] = prompt.description;
    return Answer.result(result);
  }

  /** Runs the author's code for a call that can be cancelled; what it throws becomes the answer. */
  async #answer(call: UpstreamCall, run: (context: LocalContext<State>) => Promise<Answer>): Promise<void> {
    if (this.#state === undefined) {
      call.resolve(Answer.error(rpcCode.internalError, 'this connection only lists'));
      return;
    }
    const abort = new AbortController();
    call.onCancel = (reason) => abort.abort(new Error(reason.message));
    this.#running.add(call);
    try {
      call.resolve(await run({ state: this.#state, signal: abort.signal }));
    } catch (error) {
      call.resolve(Answer.error(rpcCode.internalError, error instanceof Error ? error.message : String(error)));
    } finally {
      this.#running.delete(call);
    }
  }
}

function without<Item extends object>(item: Item, member: keyof Item): JsonObject {
  return Object.fromEntries(Object.entries(item).filter(([key]) => key !== member));
}

/** A failed tool call as the agent reads it (2025-11-25, tools: error handling). */
export function toolError(text: string): ToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/** One sentence per wrong argument. */
function invalidArguments(tool: string, error: z.ZodError): string {
  const issues = error.issues.map((issue) => `${issue.path.join('.') || 'arguments'}: ${messageOf(issue)}`);
  return `Invalid arguments for tool ${tool}: ${issues.join('; ')}`;
}

function describe<State>(tool: LocalTool<State>): Tool {
  const definition: Tool = {
    name: tool.name,
    description: tool.description,
    inputSchema: jsonSchema(tool.input, 'input'),
  };
  if (tool.title !== undefined) definition.title = tool.title;
  if (tool.output !== undefined) definition.outputSchema = jsonSchema(tool.output, 'output');
  if (tool.annotations !== undefined) definition.annotations = tool.annotations;
  return definition;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const json: unknown = z.toJSONSchema(schema, { target: 'draft-7', io });
  return isObject(json) ? json : {};
}
