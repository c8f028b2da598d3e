// Stands for the proxy in tests of its sudden death: applies the plugin, opens servers, reports process ids, and waits to be killed.
import type { ConnectionEvents, LeaseKey, PluginApi, ServerDefinition } from 'plugboard';
import upstream from '../../src/index.ts';
import { tool, textOf } from '../support.ts';

const options = upstream.options?.parse(JSON.parse(process.argv[2] ?? '{}'));
const servers: ServerDefinition[] = [];
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const api = {
  log,
  directory: process.cwd(),
  services: { provide: () => {} },
  servers: { register: (server: ServerDefinition) => servers.push(server) },
};
await upstream.apply(api as unknown as PluginApi, options);
const key: LeaseKey = { kind: 'task', id: 'x', grant: 'default', capabilities: {}, clientInfo: undefined };
const events: ConnectionEvents = {
  notification: () => {},
  request: () => Promise.reject(new Error('no')),
  closed: () => {},
};
const pids: unknown[] = [];
for (const server of servers) {
  const connection = await server.open(key, events, new AbortController().signal);
  pids.push(JSON.parse(textOf(await tool(connection, process.argv[3] ?? 'pid'))));
}
process.stdout.write(`${JSON.stringify(pids)}\n`);
setInterval(() => {}, 1000);
