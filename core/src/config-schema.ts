// The schema of the configuration file, with a description for every key: docs/configuration.md is generated from it.
// What a value means is the business of `config.ts`; options of plugins and entries of `mcpServers` are checked by their plugins.
import { checkSelector, maxSelectors } from './selectors.ts';
import * as z from './z.ts';

/** Names of servers: they become prefixes of tool names and a part of a URL. */
export const serverNamePattern = /^[A-Za-z0-9_-]{1,40}$/;

const grantNamePattern = /^[A-Za-z0-9_.@-]{1,64}$/;

/** The fewest characters of a grant's token: shorter ones can be guessed. */
export const minTokenLength = 16;

const selector = z.string().superRefine((text, context) => {
  const problem = checkSelector(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const selectors = z.array(selector).max(maxSelectors);

const deny = selectors.default([]).describe('Selectors of what is hidden. Deny beats allow.');

const rules = z.strictObject({
  allow: selectors.describe('Selectors of what is shown: `server:name` with globs, `server`, or `*`.'),
  deny,
});

const defaultToolRules = z.strictObject({
  allow: selectors
    .optional()
    .describe(
      'Selectors of what is shown: `server:tool` with globs, `server`, or `*`. Default: `*` when nobody authenticates callers, else nothing.',
    ),
  deny,
});

const resources = rules
  .optional()
  .describe(
    'Which resources are shown, as `server:uri`. Default: those of the servers all of whose tools are allowed.',
  );

const prompts = rules
  .optional()
  .describe(
    'Which prompts are shown, as `server:prompt`. Default: those of the servers all of whose tools are allowed.',
  );

const grant = z.strictObject({
  token: z
    .string()
    .min(minTokenLength, `must have at least ${minTokenLength} characters (try: openssl rand -hex 24)`)
    .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces: it is sent in a header')
    .describe(
      'The bearer token that this caller presents: write `${env:NAME}` or `${file:PATH}`. At least 16 characters.',
    ),
  tools: rules.describe('Which tools this caller sees and may call.'),
  resources,
  prompts,
});

/** What the key of a plugin is, or undefined when it can be none of them. */
export function pluginKeyKind(key: string): 'id' | 'package' | 'path' | undefined {
  if (/^(?:\.{0,2}\/|.*\.(?:js|mjs|ts)$)/.test(key)) return 'path';
  if (/^@[a-z0-9~-][a-z0-9._~-]*\/[a-z0-9~-][a-z0-9._~-]*$/.test(key)) return 'package';
  return /^[a-z][a-z0-9-]{0,63}$/.test(key) ? 'id' : undefined;
}

const pluginKey = z.string().refine((key) => pluginKeyKind(key) !== undefined, {
  message:
    'names no plugin: write an id such as `http`, a scoped package such as `@acme/plugboard-deny`, or a path such as `./deny.js`',
});

const pluginOptions = z.union([z.looseObject({}), z.literal(false), z.null()]);

const milliseconds = z.int().min(1).max(86_400_000);

const limits = z.strictObject({
  callTimeout: milliseconds.default(60_000).describe('ms that a call may go without an answer or progress.'),
  maxCallTimeout: milliseconds.default(600_000).describe('ms that a call may take however much progress it reports.'),
  startTimeout: milliseconds.default(30_000).describe('ms that a server may take to start and to list its tools.'),
  startConcurrency: z.int().min(1).max(256).default(4).describe('Servers that are started at the same time.'),
  leaseIdle: milliseconds
    .default(300_000)
    .describe('ms after which a connection to a server is closed that no session uses.'),
  maxLeases: z
    .int()
    .min(1)
    .max(100_000)
    .default(1000)
    .describe('Connections to one server that may be open at the same time.'),
  applyTimeout: milliseconds.default(10_000).describe('ms that a plugin may take to be applied.'),
  faultBudget: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(20)
    .describe('Faults of a plugin within a minute after which its hooks are not entered any more.'),
  hookTimeout: milliseconds.default(30_000).describe('ms that a plugin may take in one hook, and to stop.'),
});

const isolation = z.strictObject({
  isolation: z
    .literal('worker')
    .describe('In a worker thread of its own. docs/trust.md says what that holds off, and what not.'),
  memory: z
    .int()
    .min(16)
    .max(1_000_000)
    .default(256)
    .describe('MB of memory that its worker may use; one that uses more is ended.'),
  heartbeat: milliseconds
    .min(100)
    .default(5000)
    .describe('ms that its worker may give no sign of life, because something blocks it; then it is ended.'),
  restarts: z
    .int()
    .min(0)
    .max(1000)
    .default(5)
    .describe(
      'How often within a minute its worker is started again after it has ended; then the plugin is switched off.',
    ),
});

const registry = z.strictObject({
  indexes: z
    .array(z.url())
    .max(16)
    .default([])
    .describe(
      'URLs of plugin indexes, the most important first: an id is taken from the first that has it. The index that comes with Plugboard stands last.',
    ),
  scopes: z
    .array(z.string().regex(/^@[a-z0-9~-][a-z0-9._~-]*$/, 'must look like @acme'))
    .optional()
    .describe('Scopes of packages that may be installed as plugins. Default: any.'),
  registries: z
    .array(z.url())
    .optional()
    .describe('Registries that packages may be downloaded from. Default: those that npm is configured for.'),
  signedOnly: z.boolean().default(false).describe('Install only plugins that their registry has signed.'),
  scripts: z
    .array(z.string())
    .default([])
    .describe('Ids of plugins that may be installed although they have install scripts, which are never run.'),
});

const log = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('The least severe lines that are written.'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('`pretty` for people, `json` for machines; `auto` is pretty on a terminal. The log goes to stderr.'),
});

/** The whole file. Unknown keys are refused. */
export const configSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must match [A-Za-z0-9_-]{1,32}')
    .default('plugboard')
    .describe('The proxy’s own name, as clients are told it and as they prefix tools: `mcp__<name>__`.'),
  plugins: z
    .record(pluginKey, pluginOptions)
    .optional()
    .describe(
      'Plugins and their options, applied in this order. A key is an id (`http` is the package `@plugboard/http`), a scoped package name, or a path ' +
        '(`./my-plugin.js`, relative to this file). `false` leaves a plugin out. Default: `http`.',
    ),
  pluginIsolation: z
    .record(pluginKey, isolation)
    .default({})
    .describe('Plugins that run apart from the proxy, by their key under `plugins`.'),
  mcpServers: z
    .record(z.string().regex(serverNamePattern, 'a server’s name must match [A-Za-z0-9_-]{1,40}'), z.looseObject({}))
    .optional()
    .describe(
      'MCP servers in the format that clients use: `command`, `args`, `env`, `cwd`, or `type`, `url`, `headers`. Served by the plugin `upstream`.',
    ),
  tools: defaultToolRules.prefault({}).describe('Which tools callers without a credential see and may call.'),
  resources,
  prompts,
  grants: z
    .record(z.string().regex(grantNamePattern, 'a grant’s name must match [A-Za-z0-9_.@-]{1,64}'), grant)
    .default({})
    .describe('Named callers, each with a token and rules of its own.'),
  approval: z
    .enum(['pinned', 'required', 'off'])
    .default('pinned')
    .describe(
      'Tools whose definition must be the one approved in plugboard.lock (`plugboard approve`): those of servers that stand there (`pinned`), ' +
        'those of all servers (`required`), or none (`off`). Others are hidden and cannot be called.',
    ),
  registry: registry.prefault({}).describe('Where plugins are found, and what may be installed.'),
  limits: limits.prefault({}).describe('Limits of time and number.'),
  log: log.prefault({}).describe('What is logged, and how.'),
});

/** The file as written, after references were resolved and before defaults. */
export type ConfigInput = z.input<typeof configSchema>;
export type ConfigValues = z.output<typeof configSchema>;
