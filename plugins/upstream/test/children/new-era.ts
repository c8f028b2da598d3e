// A stdio server of the official SDK that speaks both eras; `--new-only` refuses the old one.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'plugboard';

if (process.argv.includes('--slow')) await new Promise((resolve) => setTimeout(resolve, 1500));

serveStdio(
  () => {
    const server = new McpServer(
      { name: 'both-eras', version: '1.2.3' },
      { capabilities: { tools: { listChanged: true }, logging: {} } },
    );
    server.registerTool('echo', { description: 'Echoes', inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
      content: [{ type: 'text', text }],
    }));
    server.registerTool('grow', { description: 'Adds a tool' }, () => {
      server.registerTool('more', { description: 'Another' }, () => ({ content: [{ type: 'text', text: 'more' }] }));
      return { content: [{ type: 'text', text: 'grown' }] };
    });
    server.registerTool('wait', { description: 'Waits for ever' }, async (context) => {
      await new Promise((_, reject) => {
        context.mcpReq.signal.addEventListener('abort', () => {
          console.error('wait was cancelled');
          reject(new Error('cancelled'));
        });
      });
      return { content: [] };
    });
    return server;
  },
  { legacy: process.argv.includes('--new-only') ? 'reject' : 'serve' },
);
