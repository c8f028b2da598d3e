// The options of the plugin and the `mcpServers` format. What becomes of an entry is in `settings.ts`.
import { headerFaults, serverFields, z } from 'plugboard';
import { oauthSchema } from './oauth/oauth-settings.ts';

const mebibyte = 1024 * 1024;

/** Headers that the protocol or HTTP itself sets; a configured one would contradict the message. */
const reservedHeaders = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** One entry of `mcpServers`: the ecosystem's own format and a few members of ours. */
export const entrySchema = z
  .strictObject({
    type: z
      .enum(['stdio', 'http', 'streamable-http', 'sse', 'websocket'])
      .optional()
      .describe('Transport. Left out: stdio with `command`, http with `url`. `websocket` needs the plugin websocket.'),
    command: z.string().min(1).optional().describe('stdio: the program to start, without a shell.'),
    args: z.array(scalar).optional().describe('stdio: its arguments.'),
    env: z
      .record(z.string(), scalar)
      .optional()
      .describe('stdio: its environment, beside PATH and HOME. Nothing else is inherited.'),
    cwd: z.string().min(1).optional().describe('stdio: its working directory, relative to the configuration file.'),
    url: z.string().min(1).optional().describe('http, sse: the address of the server.'),
    headers: z.record(z.string(), z.string()).optional().describe('http, sse: headers sent with every request.'),
    oauth: oauthSchema,
    ...serverFields(),
  })
  .superRefine((entry, context) => {
    for (const [key, message] of faults(entry)) context.addIssue({ code: 'custom', path: [key], message });
  });

/** An entry after validation, with its defaults. */
export type Entry = z.output<typeof entrySchema>;

export const optionsSchema = z.strictObject({
  servers: z.record(z.string(), entrySchema).default({}).describe('The servers by name, as under `mcpServers`.'),
  connectTimeout: z
    .number()
    .int()
    .min(1)
    .default(30_000)
    .describe('ms a server may take to start and to answer the handshake.'),
  probeTimeout: z
    .number()
    .int()
    .min(1)
    .default(5000)
    .describe('ms to wait for an answer when asking a server for its protocol generation.'),
  maxMessageBytes: z
    .number()
    .int()
    .min(1024)
    .default(32 * mebibyte)
    .describe('Longest message taken from a server: a line, a JSON body or an event.'),
  maxSockets: z
    .number()
    .int()
    .min(1)
    .default(256)
    .describe('Sockets per origin for calls, and as many for long-lived streams.'),
});

export type Options = z.output<typeof optionsSchema>;

type Shape = Pick<
  Entry,
  'type' | 'command' | 'args' | 'env' | 'cwd' | 'url' | 'headers' | 'oauth' | 'timeout' | 'maxTimeout'
>;

/** What is wrong with an entry as a whole: the key to correct, and how. */
function* faults(entry: Shape): Iterable<[string, string]> {
  const remote = entry.type === undefined ? entry.command === undefined : entry.type !== 'stdio';
  if (entry.type === undefined && (entry.command === undefined) === (entry.url === undefined)) {
    yield ['command', 'give either `command` (a program to start) or `url` (a server to reach)'];
    return;
  }
  if (remote) {
    for (const key of ['command', 'args', 'env', 'cwd'] as const) {
      if (entry[key] !== undefined)
        yield [key, `\`${key}\` belongs to servers that are started with \`command\`; remove it`];
    }
    yield* urlFaults(entry.url, entry.type === 'websocket' ? 'ws' : 'http');
    if (entry.type === 'websocket' && typeof entry.oauth === 'object')
      yield ['oauth', 'nobody signs in to a server over WebSocket; give headers.Authorization'];
    for (const message of headerFaults(entry.headers ?? {}, (name) => reservedHeaders.has(name)))
      yield ['headers', message];
    if (
      entry.oauth !== undefined &&
      entry.oauth !== false &&
      Object.keys(entry.headers ?? {}).some((name) => name.toLowerCase() === 'authorization')
    ) {
      yield ['oauth', 'give either `oauth` or headers.Authorization'];
    }
  } else {
    if (entry.command === undefined) yield ['command', 'a stdio server needs `command`'];
    for (const key of ['url', 'headers', 'oauth'] as const) {
      if (entry[key] !== undefined) yield [key, `\`${key}\` belongs to servers that are reached by \`url\`; remove it`];
    }
  }
  if (entry.maxTimeout < entry.timeout) yield ['maxTimeout', 'must not be smaller than `timeout`'];
}

function* urlFaults(url: string | undefined, scheme: 'http' | 'ws'): Iterable<[string, string]> {
  if (url === undefined) yield ['url', 'a server of this type needs `url`'];
  else if (!URL.canParse(url)) yield ['url', 'is not a complete URL; write it as https://host/path'];
  else if (!new RegExp(`^${scheme}s?:$`).test(new URL(url).protocol))
    yield ['url', `must begin with ${scheme}:// or ${scheme}s://`];
}
