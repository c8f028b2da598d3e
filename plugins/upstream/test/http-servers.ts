// Real MCP servers over HTTP, on a port of their own, for tests: the reference server and the official SDKs of both generations.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as OldServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer as NewServer } from '@modelcontextprotocol/server';
import type { ExecutionContext } from 'ava';
import { z } from 'plugboard';
import { installed, serve } from './support.ts';

interface Everything {
  createServer(): { server: OldServer; cleanup: (session?: string) => void };
}

/** One request as a server saw it. */
export interface Seen {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
}

export interface Served {
  readonly url: string;
  readonly seen: Seen[];
  /** Sessions that are open, oldest first. */
  readonly sessions: Map<string, { readonly transport: { close(): Promise<void> }; readonly server: OldServer }>;
}

async function everything(): Promise<Everything> {
  return (await import(installed('@modelcontextprotocol/server-everything/dist/server/index.js'))) as Everything;
}

/** Keeps events so that streams can be resumed. */
function eventStore() {
  const events: { id: string; stream: string; message: unknown }[] = [];
  return {
    storeEvent: (stream: string, message: unknown) => {
      const id = `${events.length}`;
      events.push({ id, stream, message });
      return Promise.resolve(id);
    },
    replayEventsAfter: async (last: string, { send }: { send: (id: string, message: never) => Promise<void> }) => {
      const { stream } = events[Number(last)]!;
      for (const event of events.slice(Number(last) + 1))
        if (event.stream === stream) await send(event.id, event.message as never);
      return stream;
    },
  };
}

/** server-everything over Streamable HTTP with sessions at `/mcp`, and over the older HTTP+SSE at `/sse`. */
export async function serveEverything(t: ExecutionContext): Promise<Served> {
  const { createServer } = await everything();
  const sessions: Served['sessions'] = new Map();
  const seen: Seen[] = [];
  const older = new Map<string, SSEServerTransport>();
  const start = async (request: IncomingMessage, response: ServerResponse) => {
    const { server, cleanup } = createServer();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: eventStore(),
      retryInterval: 50,
      onsessioninitialized: (id) => void sessions.set(id, { transport, server }),
    });
    transport.onclose = () => {
      cleanup(transport.sessionId);
      sessions.delete(transport.sessionId ?? '');
    };
    await server.connect(transport);
    await transport.handleRequest(request, response);
  };
  const startOlder = async (response: ServerResponse) => {
    const { server, cleanup } = createServer();
    const transport = new SSEServerTransport('/message', response);
    older.set(transport.sessionId, transport);
    server.server.onclose = () => cleanup(transport.sessionId);
    await server.connect(transport);
  };
  const { url } = await serve(t, (request, response) => {
    seen.push({ method: request.method ?? '', headers: request.headers });
    const address = new URL(request.url ?? '/', 'http://local');
    const id = request.headers['mcp-session-id'];
    if (address.pathname === '/sse' && request.method === 'GET') void startOlder(response);
    else if (address.pathname === '/message')
      void older.get(address.searchParams.get('sessionId') ?? '')?.handlePostMessage(request, response);
    else if (address.pathname !== '/mcp') response.writeHead(404).end();
    else if (typeof id !== 'string') void start(request, response);
    else {
      const session = sessions.get(id)?.transport as StreamableHTTPServerTransport | undefined;
      if (session === undefined) response.writeHead(404).end('Session not found');
      else void session.handleRequest(request, response);
    }
  });
  t.teardown(async () => {
    await Promise.all([...sessions.values()].map(({ transport }) => transport.close()));
    await Promise.all([...older.values()].map((transport) => transport.close()));
  });
  return { url, seen, sessions };
}

/** A server of the v1 SDK without sessions that answers with plain JSON, or with events. */
export async function serveStateless(t: ExecutionContext, enableJsonResponse: boolean): Promise<{ url: string }> {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const server = new OldServer({ name: 'stateless', version: '1' });
    server.registerTool('add', { inputSchema: { a: z.number(), b: z.number() } as never }, (({
      a,
      b,
    }: {
      a: number;
      b: number;
    }) => ({
      content: [{ type: 'text', text: String(a + b) }],
    })) as never);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse } as never);
    await server.connect(transport);
    response.on('close', () => void server.close());
    await transport.handleRequest(request, response);
  };
  return serve(t, (request, response) => {
    if (request.method === 'POST') void handle(request, response);
    else response.writeHead(405).end();
  });
}

/** A server of the v2 SDK: new era at `/mcp`, and the old one too unless `newOnly`. */
export async function serveNewEra(t: ExecutionContext, newOnly = false) {
  const seen: Seen[] = [];
  const cancelled: string[] = [];
  const handler = createMcpHandler(
    () => {
      const server = new NewServer(
        { name: 'new-era', version: '2' },
        { capabilities: { tools: { listChanged: true }, logging: {}, resources: {} } },
      );
      server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
        content: [{ type: 'text', text }],
      }));
      server.registerTool(
        'region',
        { inputSchema: z.object({ region: z.string(), count: z.number().optional() }) },
        ({ region }) => ({ content: [{ type: 'text', text: region }] }),
      );
      server.registerTool('steps', {}, async (context) => {
        const progressToken = context.mcpReq._meta?.progressToken;
        for (const progress of progressToken === undefined ? [] : [1, 2, 3]) {
          await context.mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken: progressToken as string, progress, total: 3 },
          });
        }
        return { content: [{ type: 'text', text: 'done' }] };
      });
      server.registerTool('wait', {}, async (context) => {
        await new Promise<void>((resolve) => {
          context.mcpReq.signal.addEventListener('abort', () => {
            cancelled.push('wait');
            resolve();
          });
        });
        return { content: [] };
      });
      return server;
    },
    newOnly ? { legacy: 'reject' } : {},
  );
  const node = toNodeHandler(handler);
  const { url, server } = await serve(t, (request, response) => {
    seen.push({ method: request.method ?? '', headers: request.headers });
    void node(request as never, response);
  });
  t.teardown(() => handler.close());
  return { url, seen, cancelled, notify: handler.notify, server };
}
