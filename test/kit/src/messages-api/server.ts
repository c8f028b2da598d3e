// The stand-in for the Messages API as an HTTP server on loopback: who asks for what, and who answers. The answers' form is in `events.ts`.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from 'plugboard';
import { eventsOf, messageOf } from './events.ts';
import type { MessagesApi, MessagesApiOptions, MessagesRequest, RecordedRequest, ToolResult } from './types.ts';

/** Starts a stand-in on a free port of 127.0.0.1. Whoever starts one ends it with `close`. */
export async function startMessagesApi(options: MessagesApiOptions): Promise<MessagesApi> {
  const api = new StandIn(options);
  await api.listen();
  return api;
}

class StandIn implements MessagesApi {
  url = '';
  readonly requests: RecordedRequest[] = [];
  readonly asides: MessagesRequest[] = [];
  readonly unknown: string[] = [];
  readonly failures: unknown[] = [];
  readonly #options: MessagesApiOptions;
  readonly #server: Server;

  constructor(options: MessagesApiOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.failures.push(error);
        sendError(response, 400, error instanceof Error ? error.message : String(error));
      });
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? '';
    const { pathname } = new URL(request.url ?? '/', this.url);
    const text = await readText(request);
    if (method === 'POST' && pathname === '/v1/messages') return await this.#answer(text, request, response);
    if (method === 'POST' && pathname === '/v1/messages/count_tokens')
      return sendJson(response, 200, { input_tokens: Math.ceil(text.length / 4) });
    // Agents look whether anybody is there before they begin.
    if (pathname === '/' && (method === 'HEAD' || method === 'GET')) return sendJson(response, 200, {});
    this.unknown.push(`${method} ${pathname}`);
    sendError(response, 404, `${method} ${pathname} is not played here`);
  }

  async #answer(text: string, { headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(text) as MessagesRequest;
    const isAside = this.#options.isAside ?? asksWithoutTools;
    let message: ReturnType<typeof messageOf>;
    if (isAside(body, headers)) {
      this.asides.push(body);
      message = messageOf(body.model, 'ok');
    } else {
      const recorded = record(this.requests.length, headers, body);
      this.requests.push(recorded);
      message = messageOf(body.model, await this.#options.script(recorded, recorded.index));
    }
    if (body.stream !== true) return sendJson(response, 200, message);
    response
      .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      .end(eventsOf(message));
  }
}

/** Claude Code asks for titles and summaries without offering tools. */
function asksWithoutTools({ tools = [] }: MessagesRequest, headers: RecordedRequest['headers']): boolean {
  return tools.length === 0 && String(headers['user-agent']).startsWith('claude-cli');
}

function record(index: number, headers: RecordedRequest['headers'], body: MessagesRequest): RecordedRequest {
  const last = body.messages.findLastIndex(({ role }) => role === 'assistant');
  const since = body.messages.slice(last + 1).flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  const toolResults = since.filter(({ type }) => type === 'tool_result').map(toResult);
  return { index, headers, body, toolNames: (body.tools ?? []).map(({ name }) => name), toolResults };
}

function toResult(block: JsonObject): ToolResult {
  const { content } = block;
  const parts = Array.isArray(content)
    ? (content as JsonObject[]).flatMap(({ text }) => (typeof text === 'string' ? [text] : []))
    : [];
  const text = typeof content === 'string' ? content : parts.join('\n');
  return { id: String(block['tool_use_id']), text, isError: block['is_error'] === true };
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, message: string): void {
  const type = status === 404 ? 'not_found_error' : 'invalid_request_error';
  sendJson(response, status, { type: 'error', error: { type, message } });
}
