// An MCP server over HTTP, written by hand, in this process: it can be told to go wrong. One era at a time. No expectations live here.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import type { Message } from './raw-http.ts';

/**
 * What happens to a request instead of an answer: a status, a broken connection, half an answer, silence; or a body of its own, in which
 * `ID` stands for the request's id.
 */
export type Fault = number | 'drop' | 'half' | 'rubbish' | 'silence' | { readonly body: string };

export interface HttpUpstream {
  readonly url: string;
  readonly era: 'old' | 'new';
  /** Sessions that were opened and not ended. */
  readonly sessions: ReadonlySet<string>;
  /** Names (the argument `name`) of calls that have come. */
  readonly received: unknown[];
  /** Names of calls that were taken back. */
  readonly cancelled: unknown[];
  /** Decides about every `tools/call`; undefined is a right answer. */
  fault: (params: JsonObject) => Fault | undefined;
  /** Forgets all sessions, as after a restart. */
  forget(): void;
}

const tools = ['echo', 'wait', 'hang'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const implementation = { name: 'by hand', version: '1.0.0' };

/** Starts a server; it is ended with the test. Tools: `echo`, `wait` (`ms`, `steps` of progress), `hang`. */
export async function httpUpstream(t: ExecutionContext, era: 'old' | 'new'): Promise<HttpUpstream> {
  const upstream = new Upstream(era);
  const server = createServer((request, response) => upstream.serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return upstream;
}

class Upstream implements HttpUpstream {
  url = '';
  readonly era: 'old' | 'new';
  readonly sessions = new Set<string>();
  readonly received: unknown[] = [];
  readonly cancelled: unknown[] = [];
  fault: HttpUpstream['fault'] = () => undefined;
  readonly #open = new Map<unknown, { readonly name: unknown; readonly response: ServerResponse }>();
  #last = 0;

  constructor(era: 'old' | 'new') {
    this.era = era;
  }

  forget(): void {
    this.sessions.clear();
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const session = request.headers['mcp-session-id'];
    if (request.method === 'DELETE' && typeof session === 'string') {
      response.writeHead(this.sessions.delete(session) ? 200 : 404).end();
    } else if (request.method !== 'POST') response.writeHead(405).end();
    else {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () =>
        this.#post(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Message, session, response),
      );
    }
  }

  #post(message: Message, session: string | string[] | undefined, response: ServerResponse): void {
    const { id, method } = message;
    const params = (message['params'] ?? {}) as JsonObject;
    if (this.era === 'old' && method === 'initialize') {
      this.#last += 1;
      const opened = `session-${this.#last}`;
      this.sessions.add(opened);
      response.setHeader('mcp-session-id', opened);
      const { protocolVersion } = params;
      return json(response, {
        id,
        result: { protocolVersion, capabilities: { tools: {} }, serverInfo: implementation },
      });
    }
    if (this.era === 'old' && method === 'server/discover') return json(response, refusal(id), 400);
    if (this.era === 'old' && (typeof session !== 'string' || !this.sessions.has(session)))
      // Not an answer to the call: the official servers give it no id.
      return json(response, { id: null, error: { code: -32600, message: 'no session' } }, 404);
    if (method === 'notifications/cancelled') this.cancelled.push(this.#open.get(params['requestId'])?.name);
    if (id === undefined) return void response.writeHead(202).end();
    if (method === 'server/discover') {
      const found = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, serverInfo: implementation };
      return json(response, { id, result: this.#complete({ ...found, ttlMs: 0, cacheScope: 'public' }) });
    }
    if (method === 'tools/list')
      return json(response, { id, result: this.#complete({ tools, ttlMs: 0, cacheScope: 'public' }) });
    if (method === 'tools/call') return this.#call(id, params, response);
    return json(response, refusal(id), this.era === 'new' ? 404 : 200);
  }

  #call(id: unknown, params: JsonObject, response: ServerResponse): void {
    const args = (params['arguments'] ?? {}) as JsonObject;
    this.received.push(args['name']);
    const fault = this.fault(params);
    if (typeof fault === 'number')
      return void response.writeHead(fault, { 'content-type': 'text/plain' }).end('out of order');
    if (typeof fault === 'object')
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(fault.body.replaceAll('ID', String(id)));
    if (fault === 'drop') return void response.destroy();
    if (fault === 'rubbish')
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc": "2.0", "id"');
    if (fault === 'half') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"jsonrpc":"2.0",');
      return void setTimeout(() => response.destroy(), 20);
    }
    if (fault === 'silence' || params['name'] === 'hang') return this.#hold(id, args, response);
    const result = this.#complete({ content: [{ type: 'text', text: JSON.stringify(args) }] });
    if (params['name'] !== 'wait') return json(response, { id, result });
    this.#hold(id, args, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const progressToken = (params['_meta'] as JsonObject | undefined)?.['progressToken'];
    const steps = progressToken === undefined ? 0 : Number(args['steps'] ?? 0);
    for (let progress = 1; progress <= steps; progress += 1) {
      response.write(event({ method: 'notifications/progress', params: { progressToken, progress } }));
    }
    return void setTimeout(() => response.end(event({ id, result })), Number(args['ms'] ?? 0));
  }

  /** Remembers an open call, and that it was taken back: in the new era by its connection. */
  #hold(id: unknown, { name }: JsonObject, response: ServerResponse): void {
    this.#open.set(id, { name, response });
    response.once('close', () => {
      this.#open.delete(id);
      if (this.era === 'new' && !response.writableFinished) this.cancelled.push(name);
    });
  }

  #complete(result: JsonObject): JsonObject {
    return this.era === 'old' ? result : { resultType: 'complete', ...result };
  }
}

function refusal(id: unknown): Message {
  return { id, error: { code: -32601, message: 'Method not found' } };
}

function json(response: ServerResponse, message: Message, status = 200): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ jsonrpc: '2.0', ...message }));
}

function event(message: Message): string {
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
}
