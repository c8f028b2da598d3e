// The options of the plugin, each with its default and its meaning. What they do lives where they are used.
import { z } from 'plugboard';
import { entrySchema, serverName } from './servers/entry.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

const milliseconds = (initial: number, text: string) => z.int().min(1).default(initial).describe(`${text}, in ms`);
const count = (initial: number, text: string) => z.int().min(1).default(initial).describe(text);
const bytes = (initial: number, text: string) =>
  z
    .int()
    .min(kibibyte)
    .max(512 * mebibyte)
    .default(initial)
    .describe(`${text}, in bytes`);

export const options = z.strictObject({
  serve: z.boolean().default(true).describe('Whether clients are served; `false`: only `servers` are reached'),
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'must start with / and not end with it')
    .default('/ws')
    .describe('Path of the endpoint for all servers; each server alone is served at PATH/NAME'),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('A port of its own, 0 takes a free one; left out: the port of the plugin `http` is shared'),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('With `port`: address to listen on; beyond loopback only when callers need a credential'),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Further values of the Host header (name, or name:port) that are served'),
  allowedOrigins: z
    .array(z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/, 'must be an origin such as https://app.example.com'))
    .default([])
    .describe('Web origins whose pages may connect, besides the very host that is asked'),
  maxMessageBytes: bytes(4 * mebibyte, 'Longest message taken from a client'),
  maxQueuedBytes: bytes(
    4 * mebibyte,
    'A client that leaves so much unread is disconnected when the next message comes',
  ),
  maxCalls: count(64, 'Requests of one connection that are carried out at a time; further ones wait their turn'),
  maxWaiting: count(1000, 'Requests of one connection that may wait their turn; further ones are refused'),
  maxConnections: count(10_000, 'Most connections of clients in all'),
  maxConnectionsPerGrant: count(1000, 'Most connections of clients of one grant'),
  heartbeat: milliseconds(30_000, 'A silent peer is pinged after so long, and given up after twice as long'),
  stallTimeout: milliseconds(60_000, 'A client that reads nothing of what was sent for so long is disconnected'),
  idleTimeout: milliseconds(300_000, 'A connection without session, stream or request for so long is closed'),
  sessionTimeout: milliseconds(86_400_000, 'A session (old era) whose client has said nothing for so long is ended'),
  drain: milliseconds(10_000, 'Time that calls under way have to finish when the proxy stops'),
  servers: z
    .record(serverName, entrySchema)
    .default({})
    .describe('MCP servers that are reached over WebSocket, by name; see below'),
  connectTimeout: milliseconds(30_000, 'Time a server may take to accept a connection and to answer the handshake'),
  probeTimeout: milliseconds(5000, 'Time to wait for an answer when asking a server for its protocol generation'),
  reconnectFor: milliseconds(
    15_000,
    'A broken connection to a server is tried again for so long before it is given up',
  ),
  maxServerMessageBytes: bytes(32 * mebibyte, 'Longest message taken from a server'),
});

export type Options = z.output<typeof options>;
