// The plugin: its options, and the registration of its server. The server itself is loaded when somebody connects.
import { resolve } from 'node:path';
import { definePlugin, z } from 'plugboard';
import type { ServerDefinition } from 'plugboard';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

const options = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.plugboard/memory')
    .describe('Folder of the graphs, relative to the folder of the configuration file'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .default('memory')
    .describe('Name of the server: prefix of its tools, and its path /mcp/NAME'),
  maxBytes: z
    .int()
    .min(kibibyte)
    .max(256 * mebibyte)
    .default(16 * mebibyte)
    .describe('Largest size of one graph’s file, in bytes'),
  maxEntityBytes: z
    .int()
    .min(256)
    .default(mebibyte)
    .describe('Largest size of one entity with all its observations, in bytes'),
  maxTextBytes: z
    .int()
    .min(64)
    .default(64 * kibibyte)
    .describe('Longest name, type, observation or query, in bytes'),
  maxItems: z.int().min(1).default(1000).describe('Items of all lists in one call together'),
  lockTimeout: z
    .int()
    .min(1)
    .default(10_000)
    .describe('How long a call waits for another process that writes the same graph, in ms'),
});

export default definePlugin({
  id: 'memory',
  apiVersion: 1,
  title: 'Memory',
  description: 'A knowledge graph per grant, compatible with the reference memory server',
  options,
  apply({ servers, directory, log }, { path, ...rest }) {
    let server: Promise<ServerDefinition> | undefined;
    const load = () => {
      server ??= import('./server.ts').then(({ memoryServer }) =>
        memoryServer({ ...rest, folder: resolve(directory, path) }, log),
      );
      return server;
    };
    servers.register({
      name: rest.name,
      title: 'Memory',
      kind: 'in-process',
      isolation: 'task',
      open: async (key, events, signal) => (await load()).open(key, events, signal),
    });
  },
});
