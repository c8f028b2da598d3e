// The plugin: its options and the registration of its server. The server itself is loaded when somebody connects.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { definePlugin, z } from 'plugboard';
import type { ServerDefinition } from 'plugboard';

const mebibyte = 1024 * 1024;

/** A host, `*.` and a host, an address, or a network as address/bits. */
function isHostOrNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (bits !== undefined) {
    return family !== 0 && more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  }
  if (family !== 0) return true;
  const host = domainToASCII(text.replace(/^\*\./, ''));
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(host);
}

const place = z
  .string()
  .refine(isHostOrNetwork, 'expected a host (example.com), *.example.com, an address, or a network such as 10.0.0.0/8');

const options = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .default('fetch')
    .describe('Name of the server: prefix of its tools, and its path /mcp/NAME'),
  userAgent: z
    .string()
    .regex(/^[\x21-\x7e][\x20-\x7e]{0,199}$/)
    .optional()
    .describe('User-Agent header; what stands before its first / is the name looked for in robots.txt'),
  robots: z.boolean().default(true).describe('Keep to robots.txt in calls of the tool'),
  allow: z.array(place).default([]).describe('Hosts and networks that may be fetched; empty: all public ones'),
  deny: z.array(place).default([]).describe('Hosts and networks that are never fetched; beats the other two lists'),
  allowPrivate: z.array(place).default([]).describe('Hosts and networks that may be fetched although they are private'),
  ports: z.array(z.int().min(1).max(65_535)).min(1).default([80, 443]).describe('Ports that may be connected to'),
  maxBytes: z
    .int()
    .min(1024)
    .max(64 * mebibyte)
    .default(5 * mebibyte)
    .describe('Bytes of one page that are read, after decompression; the rest is cut off with a note'),
  timeout: z.int().min(1).default(30_000).describe('ms for one call on the network, redirects and robots.txt included'),
  conversionTimeout: z
    .int()
    .min(1)
    .default(10_000)
    .describe('ms for turning a page into Markdown; after that its bare text is given'),
  maxRedirects: z.int().min(0).max(20).default(5).describe('Redirects that are followed'),
});

export default definePlugin({
  id: 'fetch',
  apiVersion: 1,
  title: 'Fetch',
  description: 'Web pages as readable Markdown, without a way into private networks',
  options,
  apply({ servers }, settings) {
    let server: Promise<ServerDefinition> | undefined;
    const load = () => {
      server ??= import('./server.ts').then(({ fetchServer }) => fetchServer(settings));
      return server;
    };
    servers.register({
      name: settings.name,
      title: 'Fetch',
      kind: 'in-process',
      isolation: 'task',
      asks: false,
      open: async (key, events, signal) => (await load()).open(key, events, signal),
    });
  },
});
