// The options of the plugin. What they do lives where they are used.
import { z } from 'plugboard';

const roles = ['viewer', 'operator', 'admin'] as const;

/** The name of the actor that the credential of this machine stands for. */
export const localName = 'local';

const token = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .describe('Who uses it, for journals and the log'),
  token: z.string().min(16).max(1024).describe('The secret; write it as a reference'),
  role: z.enum(roles).describe('What it may do'),
});

const noDuplicates = 'each token needs a name and a value of its own, and the name "local" is taken';

export const options = z.strictObject({
  port: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe(
      'Port of a listener of its own, 0 for a free one; without it the API is served beside /mcp by the plugin http',
    ),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address of the own listener; beyond loopback only with `tokens`'),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Further values of the Host header (name, or name:port) that the own listener serves'),
  tokens: z
    .array(token)
    .max(1000)
    .default([])
    .refine((tokens) => {
      const names = new Set([localName, ...tokens.map(({ name }) => name)]);
      return names.size === tokens.length + 1 && new Set(tokens.map((each) => each.token)).size === tokens.length;
    }, noDuplicates)
    .describe('Who may use the API: `{ name, token, role }`, role `viewer`, `operator` or `admin`'),
  localCredential: z
    .boolean()
    .default(true)
    .describe('Make a credential for this machine at start, in a file that only its owner can read'),
  docs: z
    .enum(['open', 'viewer'])
    .optional()
    .describe(
      'Who may read /docs and /openapi.json: everybody, or viewers; without it everybody on a loopback listener',
    ),
  failures: z
    .int()
    .min(1)
    .default(10)
    .describe('Wrong tokens that one address may send within a minute before it has to wait'),
  events: z.int().min(1).max(1_000_000).default(5000).describe('Events kept for streams that resume'),
  streams: z.int().min(0).default(32).describe('Most event streams at a time'),
  keepAlive: z.int().min(10).default(15_000).describe('Pause between keep-alive comments on an event stream, in ms'),
  stallTimeout: z
    .int()
    .min(10)
    .default(60_000)
    .describe('An event stream whose reader takes nothing for so long is closed, in ms'),
  idempotencyKeys: z
    .int()
    .min(1)
    .max(100_000)
    .default(2000)
    .describe('Most values of Idempotency-Key remembered, for 24 hours each'),
  requestTimeout: z
    .int()
    .min(100)
    .default(60_000)
    .describe('Time for a whole request to arrive at the own listener, in ms'),
});

export type Options = z.output<typeof options>;
