// The options of the plugin, each with its default and its meaning. What they do lives where they are used.
import { z } from 'plugboard';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

const milliseconds = (initial: number, text: string) => z.int().min(1).default(initial).describe(`${text}, in ms`);
const count = (initial: number, text: string) => z.int().min(1).default(initial).describe(text);

export const options = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on; beyond loopback only when callers need a credential'),
  port: z.int().min(0).max(65_535).default(8807).describe('Port to listen on; 0 takes a free one'),
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'must start with / and not end with it')
    .default('/mcp')
    .describe('Path of the endpoint for all servers; each server alone is served at PATH/NAME'),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Further values of the Host header (name, or name:port) that are served'),
  allowedOrigins: z
    .array(z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/[^/]+$/, 'must be an origin such as https://app.example.com'))
    .default([])
    .describe('Web origins that may send requests and read the answers (CORS)'),
  maxBodyBytes: count(4 * mebibyte, 'Largest request body, in bytes'),
  maxSessions: count(10_000, 'Most sessions (old era) in all'),
  maxSessionsPerGrant: count(1000, 'Most sessions (old era) of one grant'),
  maxCallsPerSession: count(
    1000,
    'Most requests of one session (new era: of one grant at one endpoint) under way at a time',
  ),
  maxConnections: count(20_000, 'Most connections; further ones are closed at once'),
  idleTimeout: milliseconds(30 * 60_000, 'A session without a request or an open stream for so long is ended'),
  grace: milliseconds(60_000, 'A call of a session whose connection broke goes on for so long, waiting to be resumed'),
  streamAfter: milliseconds(15_000, 'A request without an answer for so long is answered by an event stream'),
  keepAlive: milliseconds(15_000, 'Pause between keep-alive comments on an event stream'),
  retry: milliseconds(1000, 'Pause that clients of 2025-11-25 are asked to make before they resume a stream'),
  maxEvents: count(256, 'Most events kept per session for resumption'),
  maxEventBytes: count(mebibyte, 'Most bytes of events kept per session for resumption'),
  maxQueuedBytes: count(
    mebibyte,
    'A stream whose reader leaves so many bytes unread is disconnected when the next event comes',
  ),
  headersTimeout: milliseconds(20_000, 'Time for the headers of a request to arrive'),
  requestTimeout: milliseconds(60_000, 'Time for a whole request to arrive'),
  keepAliveTimeout: milliseconds(
    75_000,
    'An idle connection is kept open for so long; longer than the usual 60 s of load balancers',
  ),
  stallTimeout: milliseconds(60_000, 'A client that reads nothing of its answer for so long is disconnected'),
  drain: milliseconds(10_000, 'Time that calls under way have to finish when the proxy stops'),
});

export type Options = z.output<typeof options>;
