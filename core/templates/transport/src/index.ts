// The plugin: its options, and the port on which clients connect. What they say is handled in `client.ts`, lines are split in `lines.ts`.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { definePlugin, z } from 'plugboard';
import { Client } from './client.ts';
import { serveLines } from './lines.ts';

const options = z.strictObject({
  port: z.int().min(0).max(65_535).default(8808).describe('Port to listen on, on 127.0.0.1; 0 takes a free one'),
  maxLineBytes: z
    .int()
    .min(1024)
    .default(4 * 1024 * 1024)
    .describe('Longest message that is read, in bytes'),
  drain: z.int().min(0).default(5000).describe('Time that calls under way have to finish when the proxy stops, in ms'),
});

/** The service `template-id`: where the transport listens. */
export interface TransportAddress {
  readonly port: number;
}

export default definePlugin({
  id: 'template-id',
  apiVersion: 1,
  title: 'Template title',
  description: 'One JSON message per line over TCP, for clients on this machine',
  provides: ['template-id'],
  // A port can be listened on once.
  exclusive: true,
  options,
  async apply({ board, log, services }, { port, maxLineBytes, drain }) {
    const clients = new Map<Client, () => void>();
    const server = createServer((socket) => {
      const client = new Client(board, (text) => socket.write(`${text}\n`), log);
      clients.set(client, () => socket.destroy());
      socket.on('error', (error) => log.debug('a connection broke', { error }));
      socket.on('close', () => {
        clients.delete(client);
        void client.leave('the client has gone');
      });
      serveLines(socket, maxLineBytes, client);
    });
    await listen(server, port);
    const address: TransportAddress = { port: (server.address() as AddressInfo).port };
    services.provide('template-id', address);
    log.info('listening', address);
    return async () => {
      server.close();
      await Promise.all([...clients.keys()].map((client) => client.finish(drain)));
      for (const end of clients.values()) end();
    };
  },
});

/** Nobody is asked for a credential, so nobody but this machine is let in. */
async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}
