// A proxy composed of the SDK's v2 Server and Client (`@modelcontextprotocol/server`, `client`, `node`). `--servers JSON`.
// Both eras by its own handler, which serves the old one without sessions; wired with sessions it costs as much.
import { parseArgs } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';
import { listen } from './listen.ts';
import type { ServerAddress } from './proxy.ts';

const { values } = parseArgs({ options: { servers: { type: 'string', default: '{}' } } });
const clients = new Map<string, Client>();
for (const [name, server] of Object.entries(JSON.parse(values.servers) as Record<string, ServerAddress>)) {
  const client = new Client({ name: 'sdk-v2-proxy', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  const transport =
    'url' in server ? new StreamableHTTPClientTransport(new URL(server.url)) : new StdioClientTransport(server);
  await client.connect(transport);
  clients.set(name, client);
}

function createServer(): Server {
  const server = new Server({ name: 'sdk-v2-proxy', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.setRequestHandler('tools/list', async () => {
    const lists = [...clients].map(async ([prefix, client]) => {
      const { tools } = await client.listTools();
      return tools.map((tool) => ({ ...tool, name: `${prefix}_${tool.name}` }));
    });
    return { tools: (await Promise.all(lists)).flat() };
  });
  server.setRequestHandler('tools/call', ({ params }) => {
    const [prefix = '', name = ''] = params.name.split(/_(.*)/, 2);
    const client = clients.get(prefix);
    if (client === undefined) throw new Error(`no server named ${prefix}`);
    return client.callTool({ name, ...(params.arguments === undefined ? {} : { arguments: params.arguments }) });
  });
  return server;
}

const handler = toNodeHandler(createMcpHandler(createServer));
listen((request, response) => {
  // The types of the SDK and of node:http differ under exactOptionalPropertyTypes, their objects do not.
  handler(request as Parameters<typeof handler>[0], response).catch(
    (error: unknown) => void response.writeHead(500).end(String(error)),
  );
});
