// An MCP server as `servers/<id>.json` describes it: how it is started or reached, what it needs, and the tools that it offers.
import * as z from 'zod';
import { homepageSchema, sharedShape, toolSchema } from './entry-parts.ts';
import { argumentSchema, namedInputSchema, namesIn, plainText, variableSchema } from './input.ts';

export const categories = [
  'browser',
  'chat',
  'cloud',
  'code',
  'database',
  'deployment',
  'design',
  'documentation',
  'example',
  'files',
  'issues',
  'maps',
  'memory',
  'observability',
  'payments',
  'reasoning',
  'search',
  'time',
  'web',
] as const;

/** semver.org's own expression: an exact version, never a range or a tag. */
export const exactVersion =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** A version of any package registry, as text that is harmless in a command line and in a configuration. */
export const versionText = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

const rangeOrTag = /^(?:latest|next|main|master|v?\d+)$|[\^~<>=*|\s]|\.x\b/;

/** A program that the proxy starts. */
export const stdioStartSchema = z.strictObject({
  type: z.literal('stdio'),
  runner: z
    .enum(['npx', 'uvx', 'docker', 'binary'])
    .describe(
      'npx: an npm package. uvx: a PyPI package. docker: an OCI image. binary: a program that has to be installed.',
    ),
  package: plainText.describe('Name of the package, image or program.'),
  version: z
    .string()
    .regex(versionText, 'is no version')
    .refine((version) => !rangeOrTag.test(version), 'must be one exact version, not a range or a tag')
    .optional()
    .describe('The exact version. Left out: the newest.'),
  executable: plainText.optional().describe('The program in the package, where it is not called as the package is.'),
  runtimeArgs: z
    .array(argumentSchema)
    .min(1)
    .optional()
    .describe('docker: arguments of `docker run` before the image.'),
  args: z.array(argumentSchema).describe('Arguments of the program.'),
  env: z.array(namedInputSchema).describe('Environment variables; those that are secret are written as references.'),
});

/** A server that somebody runs and that is reached by its address. */
export const remoteStartSchema = z.strictObject({
  type: z.enum(['http', 'sse']).describe('http: Streamable HTTP. sse: the transport of 2024-11-05.'),
  url: z
    .string()
    .max(500)
    .regex(/^https:\/\/[^\s"'<>$]+$/, 'must be a https address'),
  variables: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), variableSchema)
    .optional()
    .describe('What stands in braces in the address, by name.'),
  headers: z.array(namedInputSchema),
  auth: z
    .enum(['none', 'token', 'oauth'])
    .describe(
      'none: open to all. token: a header. oauth: a person signs in; headers, where there are some, work instead.',
    ),
});

export const startSchema = z.discriminatedUnion('type', [stdioStartSchema, remoteStartSchema]);

export const permissionsSchema = z.strictObject({
  network: z.array(z.string().min(1)).describe('Hosts that it reaches; `*`: any. Empty: none.'),
  filesystem: z.enum(['none', 'read', 'write']).describe('Files of the machine that it runs on.'),
  secrets: z.array(z.string().min(1)).describe('Names of the secrets that it is given, required or not.'),
});

/** Where a list of tools is from. */
export const toolsFromSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('listing').describe('The server was started and asked.'),
    version: z.string().min(1).describe('Version of the package that was asked.'),
    without: z.array(z.string()).min(1).optional().describe('Variables that were given made-up values.'),
  }),
  z.strictObject({
    kind: z.literal('documentation').describe('The project says so; a running server may list other ones.'),
    source: z.string().regex(/^https:\/\/\S+$/),
  }),
]);

const serverShape = z.strictObject({
  $schema: sharedShape.$schema,
  id: sharedShape.id,
  name: z
    .string()
    .regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/)
    .max(200)
    .optional()
    .describe('Its name in the official MCP registry.'),
  title: sharedShape.title,
  description: sharedShape.description,
  version: z.string().min(1).max(255).optional().describe('Its version, where it is not that of its package.'),
  status: sharedShape.status,
  replacedBy: sharedShape.replacedBy,
  repository: sharedShape.repository,
  homepage: homepageSchema,
  categories: z.array(z.enum(categories)).min(1),
  start: z.array(startSchema).min(1).describe('Ways to start or reach it; the first is the recommended one.'),
  permissions: permissionsSchema,
  tools: z.array(toolSchema).optional(),
  toolsFrom: toolsFromSchema.optional().describe('Where `tools` is from.'),
  toolsUnknown: z.literal(true).optional().describe('The tools could not be established without an account.'),
});

export const serverEntrySchema = serverShape.superRefine((entry, context) => {
  for (const [path, message] of faults(entry)) context.addIssue({ code: 'custom', path, message });
});

/** A server's entry. */
export type ServerEntry = z.infer<typeof serverShape>;
export type Start = z.infer<typeof startSchema>;
export type StdioStart = z.infer<typeof stdioStartSchema>;
export type RemoteStart = z.infer<typeof remoteStartSchema>;

type Fault = [path: (string | number)[], message: string];

function* faults(entry: ServerEntry): Iterable<Fault> {
  if ((entry.tools === undefined) !== (entry.toolsUnknown === true))
    yield [['tools'], 'give either `tools` (with `toolsFrom`) or `toolsUnknown: true`'];
  if ((entry.tools === undefined) !== (entry.toolsFrom === undefined))
    yield [['toolsFrom'], 'belongs to `tools`: say where the list is from'];
  if (entry.replacedBy === entry.id) yield [['replacedBy'], 'must be another entry'];
  if (entry.replacedBy !== undefined && entry.status === 'active')
    yield [['status'], 'must be deprecated or archived when there is a replacement'];
  for (const [index, start] of entry.start.entries()) yield* startFaults(start, ['start', index]);
  const secrets = secretsOf(entry.start);
  const declared = entry.permissions.secrets;
  const differs = secrets.length !== declared.length || secrets.some((name) => !declared.includes(name));
  if (differs)
    yield [['permissions', 'secrets'], `must be the secrets of \`start\`: ${secrets.join(', ') || '(none)'}`];
}

function* startFaults(start: Start, path: (string | number)[]): Iterable<Fault> {
  if (start.type !== 'stdio') {
    yield* braceFaults(start.url, start.variables, [...path, 'url']);
    for (const [index, { value, variables }] of start.headers.entries())
      if (value !== undefined) yield* braceFaults(value, variables, [...path, 'headers', index]);
    return;
  }
  if (start.runner === 'npx' && start.version !== undefined && !exactVersion.test(start.version))
    yield [[...path, 'version'], 'must be one exact version such as 1.2.3'];
  if (start.runtimeArgs !== undefined && start.runner !== 'docker')
    yield [[...path, 'runtimeArgs'], 'are for runner docker only'];
}

/** Braces without a variable would stay in the configuration as they are. */
function* braceFaults(template: string, variables: object | undefined, path: (string | number)[]): Iterable<Fault> {
  const known = Object.keys(variables ?? {});
  for (const name of namesIn(template)) {
    if (!known.includes(name)) yield [path, `{${name}} stands for nothing: describe it in \`variables\``];
  }
}

/** Names under which the secrets of an entry are looked for in the environment, sorted. */
export function secretsOf(starts: readonly Start[]): string[] {
  const found = new Set<string>();
  const look = (
    name: string,
    input: { secret?: boolean | undefined; value?: unknown; variables?: object | undefined },
  ) => {
    const inner = Object.entries((input.variables ?? {}) as Record<string, { secret: boolean }>);
    for (const [variable, { secret }] of inner) if (secret) found.add(environmentName(variable));
    if (input.secret === true && inner.length === 0) found.add(environmentName(name));
  };
  for (const start of starts) {
    if (start.type === 'stdio') {
      for (const each of start.env) look(each.name, each);
      for (const each of [...(start.runtimeArgs ?? []), ...start.args])
        if (typeof each !== 'string') look('flag' in each ? each.flag : each.name, each);
    } else {
      for (const each of start.headers) look(each.name, each);
      look('', { variables: start.variables });
    }
  }
  return [...found].sort();
}

/** `x-api-key` → `X_API_KEY`: what an input is called in the environment. */
export function environmentName(name: string): string {
  return name
    .replace(/^-+/, '')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase();
}
