// The options: their schema, and what must hold between them. What they are good for is said in README.md, whose table a test compares.
import { z } from 'plugboard';
import { parseAddress } from './address.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** What `execute` may be allowed to do. */
export const kinds = ['insert', 'update', 'delete', 'truncate', 'create', 'alter', 'drop'] as const;

const url = (description: string) =>
  z
    .string()
    .superRefine((text, context) => {
      try {
        parseAddress(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not right' });
      }
    })
    .describe(description);

const executeUrl = () =>
  url(
    'Credentials of `execute`, so that everything else connects as a role that only reads; default: those of `url`',
  ).optional();

const tls = z.strictObject({
  mode: z
    .enum(['disable', 'require', 'verify-ca', 'verify-full'])
    .optional()
    .describe('Default: `sslmode` of the URL, else `disable` on this machine and `verify-full` to any other'),
  ca: z.string().optional().describe('Certificates of the authorities to trust, PEM, e.g. `${file:ca.pem}`'),
  cert: z.string().optional().describe('Certificate of the client, PEM'),
  key: z.string().optional().describe('Private key of the client, PEM'),
});

const connection = z.strictObject({
  grants: z.string().min(1).max(300).describe('Ids of grants, `*` for any text: `task:*`, `grant:alice`'),
  url: url('Credentials of these grants'),
  executeUrl: executeUrl(),
});

const execute = z.strictObject({
  schemas: z.array(z.string().min(1).max(63)).min(1).describe('Schemas in which something may be changed'),
  kinds: z
    .array(z.enum(kinds))
    .min(1)
    .describe(`What may be done there: ${kinds.join(', ')}`),
});

const database = z
  .strictObject({
    url: url(
      'Where the database is and as whom: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, best as `${env:NAME}`',
    ).optional(),
    executeUrl: executeUrl(),
    title: z.string().min(1).max(100).optional().describe('Name of the server for people; default: `PostgreSQL: NAME`'),
    tls: tls.optional().describe('How connections are protected'),
    connections: z
      .array(connection)
      .default([])
      .describe('Other credentials for some grants; the first entry that fits is used, `url` when none fits'),
    execute: execute
      .optional()
      .describe('Offers the tool `execute`, within these bounds; left out: nothing is changed'),
    outsideFunctions: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe(
        'refuse: a role that may call functions which reach outside the database (dblink, untrusted languages …) is not used',
      ),
  })
  .refine((each) => each.url !== undefined || each.connections.length > 0, {
    message: 'needs `url`, or `connections` for those who may use it',
    path: ['url'],
  })
  .refine((each) => each.execute !== undefined || usesNoExecuteUrl(each), {
    message: 'needs `execute`: which schemas and kinds',
    path: ['executeUrl'],
  });

function usesNoExecuteUrl(each: {
  executeUrl?: string | undefined;
  connections: { executeUrl?: string | undefined }[];
}): boolean {
  return each.executeUrl === undefined && each.connections.every((own) => own.executeUrl === undefined);
}

const serverName = /^[A-Za-z0-9_-]{1,40}$/;

export const options = z
  .strictObject({
    databases: z
      .record(z.string(), database)
      .refine((all) => Object.keys(all).every((name) => serverName.test(name)), {
        message: 'holds a name that is none of a server: letters, digits, _ and -, up to 40',
      })
      .default({})
      .describe('The databases by name; each is a server of its own: prefix of its tools, and its path /mcp/NAME'),
    statementTimeout: z.int().min(100).max(600_000).default(30_000).describe('Longest time of one statement, in ms'),
    maxRows: z.int().min(1).max(10_000).default(500).describe('Most rows in one answer'),
    maxBytes: z
      .int()
      .min(kibibyte)
      .max(16 * mebibyte)
      .default(256 * kibibyte)
      .describe('Largest size of the rows in one answer, in bytes of JSON'),
    maxCellBytes: z
      .int()
      .min(64)
      .max(mebibyte)
      .default(16 * kibibyte)
      .describe('Longest text of one value, in bytes; the rest is cut with a note'),
    maxCursors: z.int().min(0).max(20).default(2).describe('Results that one task can have open for more pages'),
    cursorTimeout: z
      .int()
      .min(1000)
      .max(600_000)
      .default(60_000)
      .describe('How long an open result waits for the next page, in ms'),
    maxConnections: z.int().min(2).max(50).default(4).describe('Most connections of one task to one database'),
    maxTotalConnections: z
      .int()
      .min(2)
      .max(1000)
      .default(20)
      .describe('Most connections of all tasks together to one database'),
    idleTimeout: z
      .int()
      .min(100)
      .max(600_000)
      .default(10_000)
      .describe('How long a connection is kept that nobody uses, in ms'),
    connectTimeout: z.int().min(100).max(120_000).default(10_000).describe('How long to wait for a connection, in ms'),
  })
  .refine((all) => all.maxConnections >= all.maxCursors + 2, {
    message: 'must be at least maxCursors + 2: an open result holds a connection',
    path: ['maxConnections'],
  })
  .refine((all) => all.maxTotalConnections >= all.maxConnections, {
    message: 'must not be smaller than maxConnections',
    path: ['maxTotalConnections'],
  });

export type Options = z.output<typeof options>;
export type DatabaseOptions = Options['databases'][string];
/** The options that hold for every database. */
export type Limits = Omit<Options, 'databases'>;
export type Kind = (typeof kinds)[number];
