// A client of a running proxy, and an MCP server such as GitHub hosts: as little of both as the tests need. No expectations live here.
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';

interface Answered {
  readonly result?: JsonObject;
  readonly error?: { readonly message: string };
}

/** Opens a session; returns what sends its requests. */
export async function proxyClient(
  url: string,
  token?: string,
): Promise<(method: string, params?: JsonObject) => Promise<Answered>> {
  const headers: Record<string, string> = {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const post = async (message: JsonObject) => {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    });
    const text = await response.text();
    const last = text.startsWith('{') ? text : [...text.matchAll(/^data: (.+)$/gm)].at(-1)?.[1];
    return {
      session: response.headers.get('mcp-session-id'),
      message: last === undefined ? {} : (JSON.parse(last) as Answered),
    };
  };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const { session, message } = await post({ id: 0, method: 'initialize', params });
  if (session === null) throw new Error(JSON.stringify(message));
  Object.assign(headers, { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' });
  await post({ method: 'notifications/initialized' });
  let id = 0;
  return async (method, params = {}) => {
    id += 1;
    return (await post({ id, method, params })).message;
  };
}

/** The tools that a session sees. */
export async function toolNames(request: (method: string) => Promise<Answered>): Promise<string[]> {
  const { result } = await request('tools/list');
  return ((result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name);
}

/** A hosted server with one tool that reads and one that writes. It keeps the headers of what it is asked. */
export async function hostedServer(t: ExecutionContext): Promise<{ url: string; calls: IncomingHttpHeaders[] }> {
  const calls: IncomingHttpHeaders[] = [];
  const tool = (name: string, readOnlyHint: boolean) => ({
    name,
    description: name,
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint },
  });
  const results: Record<string, (params: JsonObject) => JsonObject> = {
    initialize: () => ({
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'hosted', version: '1' },
    }),
    'tools/list': () => ({ tools: [tool('get_me', true), tool('create_issue', false)] }),
    'tools/call': ({ name }) => ({ content: [{ type: 'text', text: `hosted ${String(name)}` }] }),
    ping: () => ({}),
  };
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const message: unknown = request.method === 'POST' ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined;
    if (!isObject(message) || message['id'] === undefined) {
      response.writeHead(request.method === 'POST' ? 202 : 405).end();
      return;
    }
    calls.push({ ...request.headers, 'x-test-method': String(message['method']) });
    const made = results[String(message['method'])]?.(isObject(message['params']) ? message['params'] : {});
    const body = made === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result: made };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...body }));
  };
  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp/`, calls };
}
