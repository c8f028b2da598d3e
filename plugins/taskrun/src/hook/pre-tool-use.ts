// The endpoint that the agent's PreToolUse hook asks before each tool: allowed, denied, or to be asked about, by the task as it stands now.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject } from 'plugboard';
import type { BoardApi, Log } from 'plugboard';
import type { TaskEntry } from '../engine/entry.ts';
import { internalTools } from '../engine/internal.ts';
import type { Decision } from '../render/internal-tools.ts';

/** Bytes of a call that the agent is about to make; contents of files are among its arguments. */
const maxBytes = 8 * 1024 * 1024;

/** Where it is mounted. */
export const hookPath = '/hooks/pre-tool-use';

/** What is used of the service `http`. */
export interface HttpService {
  address(): { readonly url: string };
  mount(path: string, handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>): () => void;
}

export interface HookInit {
  readonly board: BoardApi;
  readonly log: Log;
  /** The task of a token. Throws for one that is refused. */
  readonly authenticate: (token: string) => TaskEntry;
  /** The proxy's name in clients. */
  readonly proxy: string;
  /** The agent was refused something. */
  readonly refused: (entry: TaskEntry, tool: string, reason: string) => void;
}

/** Serves the endpoint; hand it to `mount` of the service `http`. */
export function preToolUse(init: HookInit): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    if (request.method !== 'POST') return answer(response, 405, { error: 'send POST' }, { allow: 'POST' });
    const entry = entryOf(init, request);
    if (entry === undefined) {
      const challenge = { 'www-authenticate': 'Bearer error="invalid_token"', connection: 'close' };
      return answer(response, 401, { error: 'send the token of the task: Authorization: Bearer …' }, challenge);
    }
    const body = await read(request);
    if (body === undefined)
      return answer(response, 413, { error: `at most ${maxBytes} bytes` }, { connection: 'close' });
    const call = parse(body);
    if (call === undefined) return answer(response, 400, { error: 'send a JSON object with tool_name and tool_input' });
    const { decision, reason } = await decideCall(init, entry, call);
    if (decision === 'deny') init.refused(entry, call.tool_name, reason);
    const output = { hookEventName: 'PreToolUse', permissionDecision: decision, permissionDecisionReason: reason };
    answer(response, 200, { hookSpecificOutput: output });
  };
}

interface Call {
  readonly tool_name: string;
  readonly tool_input: unknown;
  readonly cwd: string | undefined;
}

/** What the task as it stands says about a call. */
async function decideCall({ board, proxy }: HookInit, entry: TaskEntry, call: Call): Promise<Decision> {
  if (!call.tool_name.startsWith('mcp__')) {
    const { decide } = await import('../render/internal-tools.ts');
    return decide(internalTools(entry.spec.internalTools, entry.record.live), call);
  }
  const name = call.tool_name.slice('mcp__'.length);
  const own = `${proxy}__`;
  const fold = (text: string) => text.replaceAll('-', '_');
  const tools = await board.tools(entry.grant);
  const listed = tools.some(
    (tool) =>
      name === own + tool.name ||
      // A client may have one server of the proxy under the server's own name.
      name === `${fold(tool.server)}__${tool.tool}` ||
      name === `${tool.server}__${tool.tool}`,
  );
  return listed
    ? { decision: 'allow', reason: 'the task has this tool' }
    : { decision: 'deny', reason: 'this task does not have the tool; ask for it with request_tools' };
}

function entryOf({ authenticate }: HookInit, { headers }: IncomingMessage): TaskEntry | undefined {
  const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  try {
    return token === undefined ? undefined : authenticate(token);
  } catch {
    return undefined;
  }
}

async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): Call | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(body) || typeof body['tool_name'] !== 'string') return undefined;
  const { tool_name, tool_input, cwd } = body;
  return { tool_name, tool_input, cwd: typeof cwd === 'string' ? cwd : undefined };
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  response.end(text);
}
