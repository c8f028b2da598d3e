// An HTTP server of the old era, written by hand: it does what a test tells it to, also what no server should.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { bodyOf, json, serve } from './support.ts';

export interface Posted {
  readonly id: number | string | undefined;
  readonly method: string | undefined;
  readonly params: JsonObject;
  readonly body: JsonObject;
  readonly session: string | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

type Step = (posted: Posted) => void;

export class Scripted {
  url = '';
  http!: Server;
  /** Every message that was posted. */
  readonly posted: Posted[] = [];
  /** Every GET that came. */
  readonly gets: { request: IncomingMessage; response: ServerResponse; at: number }[] = [];
  readonly sessions = new Set<string>();
  capabilities: JsonObject = { tools: {} };
  /** What to do with a method that is not part of the handshake. */
  on: Record<string, Step> = {};
  /** What to do with a GET; the default says that there is no stream. */
  get: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.writeHead(405).end();

  static async start(t: ExecutionContext): Promise<Scripted> {
    const scripted = new Scripted();
    const { url, server } = await serve(t, (request, response) => void scripted.#handle(request, response));
    scripted.url = url;
    scripted.http = server;
    return scripted;
  }

  count(method: string): number {
    return this.posted.filter((each) => each.method === method).length;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    if (request.method === 'GET') {
      this.gets.push({ request, response, at: performance.now() });
      this.get(request, response);
      return;
    }
    const session = request.headers['mcp-session-id'] as string | undefined;
    if (request.method === 'DELETE') {
      this.sessions.delete(session ?? '');
      response.writeHead(200).end();
      return;
    }
    const body = await bodyOf(request);
    const posted: Posted = {
      id: body['id'] as Posted['id'],
      method: body['method'] as string | undefined,
      params: (body['params'] ?? {}) as JsonObject,
      body,
      session,
      request,
      response,
    };
    this.posted.push(posted);
    const step = this.on[posted.method ?? 'response'];
    if (step !== undefined) step(posted);
    else if (posted.method === 'initialize') this.initialize(posted);
    else if (session !== undefined && !this.sessions.has(session)) response.writeHead(404).end('no such session');
    else if (posted.id === undefined || posted.method === undefined) response.writeHead(202).end();
    else if (posted.method === 'server/discover')
      json(response, 400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Server not initialized' } });
    else answer(posted, { content: [{ type: 'text', text: JSON.stringify(posted.params['arguments'] ?? {}) }] });
  }

  initialize({ id, response }: Posted): void {
    const session = randomUUID();
    this.sessions.add(session);
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: this.capabilities,
      serverInfo: { name: 'scripted', version: '1' },
    };
    json(response, 200, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': session });
  }
}

/** Answers with JSON. */
export function answer({ id, response }: Posted, result: JsonObject): void {
  json(response, 200, { jsonrpc: '2.0', id, result });
}

/** Begins an event stream. */
export function events(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  return response;
}

/** One event as text. */
export function event(message: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`;
}

export function text(value: string): JsonObject {
  return { content: [{ type: 'text', text: value }] };
}
