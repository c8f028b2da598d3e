// A proxy composed of the SDK's v1 Server and Client (`@modelcontextprotocol/sdk`). `--servers JSON`. Old era only.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CallToolResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { listen } from './listen.ts';
import type { ServerAddress } from './proxy.ts';

const { values } = parseArgs({ options: { servers: { type: 'string', default: '{}' } } });
const clients = new Map<string, Client>();
for (const [name, server] of Object.entries(JSON.parse(values.servers) as Record<string, ServerAddress>)) {
  const client = new Client({ name: 'sdk-v1-proxy', version: '1.0.0' });
  const transport =
    'url' in server ? new StreamableHTTPClientTransport(new URL(server.url)) : new StdioClientTransport(server);
  await client.connect(transport);
  clients.set(name, client);
}

function createServer(): Server {
  const server = new Server({ name: 'sdk-v1-proxy', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, async () => {
    const lists = [...clients].map(async ([prefix, client]) => {
      const { tools } = await client.listTools();
      return tools.map((tool) => ({ ...tool, name: `${prefix}_${tool.name}` }));
    });
    return { tools: (await Promise.all(lists)).flat() };
  });
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const [prefix = '', name = ''] = params.name.split(/_(.*)/, 2);
    const client = clients.get(prefix);
    if (client === undefined) throw new Error(`no server named ${prefix}`);
    return client.request({ method: 'tools/call', params: { ...params, name } }, CallToolResultSchema);
  });
  return server;
}

const sessions = new Map<string, StreamableHTTPServerTransport>();

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? sessions.get(id) : undefined;
  if (known !== undefined) return known.handleRequest(request, response);
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (session) => void sessions.set(session, transport),
    onsessionclosed: (session) => void sessions.delete(session),
  });
  await createServer().connect(transport);
  return transport.handleRequest(request, response);
}

listen((request, response) => {
  serve(request, response).catch((error: unknown) => void response.writeHead(500).end(String(error)));
});
