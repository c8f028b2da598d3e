// An MCP server inside this process: tools as typed functions, without a protocol peer in between.
import type { Connection, ConnectionEvents, LeaseKey, ServerDefinition } from './connection.ts';
import { Answer, methodNotFound } from './protocol/answer.ts';
import { isObject, oldVersions, rpcCode } from './protocol/messages.ts';
import type { JsonObject, Tool, ToolResult } from './protocol/messages.ts';
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

export interface LocalServer<State> {
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  readonly instructions?: string;
  readonly isolation: ServerDefinition['isolation'];
  readonly tools: readonly LocalTool<State>[];
  /** Makes what one lease keeps, e.g. its root folder. Not called for the catalogue, which only lists. */
  open(key: LeaseKey): State | Promise<State>;
  close?(state: State): void | Promise<void>;
}

/** Makes a server definition of tools as functions; hand it to `servers.register`. */
export function localServer<State>(server: LocalServer<State>): ServerDefinition {
  let listed: JsonObject | undefined;
  const list = () => {
    listed ??= { tools: server.tools.map(describe) };
    return listed;
  };
  return {
    name: server.name,
    title: server.title,
    kind: 'in-process',
    isolation: server.isolation,
    asks: false,
    open: async (key, events) => {
      // A shared server's one connection also lists; of the others the catalogue's connection never runs a tool.
      const listsOnly = key.kind === 'catalogue' && server.isolation !== 'shared';
      return new LocalConnection(server, list, listsOnly ? undefined : await server.open(key), events);
    },
  };
}

class LocalConnection<State> implements Connection {
  readonly era = 'old';
  readonly info;
  readonly #server: LocalServer<State>;
  readonly #list: () => JsonObject;
  readonly #state: State | undefined;
  readonly #tools: Map<string, LocalTool<State>>;
  readonly #running = new Set<UpstreamCall>();
  #closed = false;

  constructor(server: LocalServer<State>, list: () => JsonObject, state: State | undefined, _events: ConnectionEvents) {
    this.#server = server;
    this.#list = list;
    this.#state = state;
    this.#tools = new Map(server.tools.map((tool) => [tool.name, tool]));
    const serverInfo: { name: string; version: string; title?: string } = {
      name: server.name,
      version: server.version,
    };
    if (server.title !== undefined) serverInfo.title = server.title;
    this.info = {
      protocolVersion: oldVersions[0],
      capabilities: { tools: {} },
      serverInfo,
      instructions: server.instructions,
    };
  }

  send(call: UpstreamCall): void {
    if (this.#closed) call.fail(new CallFailure('gone', `server "${this.#server.name}" is stopped`));
    else if (call.method === 'tools/list') call.resolve(Answer.result(this.#list()));
    else if (call.method === 'tools/call') void this.#call(call);
    else if (call.method === 'ping') call.resolve(Answer.result({}));
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
    if (tool === undefined || this.#state === undefined) {
      call.resolve(Answer.error(rpcCode.invalidParams, `Unknown tool: ${String(name)}`));
      return;
    }
    const parsed = tool.input.safeParse(call.params?.['arguments'] ?? {});
    if (!parsed.success) {
      call.resolve(Answer.result(toolError(invalidArguments(tool.name, parsed.error))));
      return;
    }
    const abort = new AbortController();
    call.onCancel = (reason) => abort.abort(new Error(reason.message));
    this.#running.add(call);
    try {
      const result = await tool.run(parsed.data, { state: this.#state, signal: abort.signal });
      call.resolve(Answer.result(result));
    } catch (error) {
      call.resolve(Answer.result(toolError(error instanceof Error ? error.message : String(error))));
    } finally {
      this.#running.delete(call);
    }
  }
}

/** A failed tool call as the agent reads it (2025-11-25, tools: error handling). */
export function toolError(text: string): ToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/** One sentence per wrong argument. */
function invalidArguments(tool: string, error: z.ZodError): string {
  const issues = error.issues.map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`);
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
