// The files of the ecosystem that can be imported, as their own programs read them. What becomes of their members is in `convert.ts`.
import type { Problem } from '../config-problems.ts';
import { describeIssues, formatProblems } from '../config-problems.ts';
import type { ConfigSource } from '../config-source.ts';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import * as z from '../z.ts';

/** `.mcp.json` of clients, Toolman's `servers-config.json` and `client-config.json`. */
export const formats = ['mcp', 'servers-config', 'client-config'] as const;

export type Format = (typeof formats)[number];

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const strings = z.array(z.string());
const texts = z.record(z.string(), scalar);

const mcpEntry = z.strictObject({
  type: z.enum(['stdio', 'http', 'streamable-http', 'streamableHttp', 'sse']).optional(),
  command: z.string().optional(),
  args: z.array(scalar).optional(),
  env: texts.optional(),
  cwd: z.string().optional(),
  url: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  timeout: z.int().min(1).optional(),
  disabled: z.boolean().optional(),
  name: z.string().optional(),
  description: z.string().optional(),
  // What follows is about approval and context in the client; a proxy has no part in it.
  alwaysAllow: strings.optional(),
  autoApprove: z.union([strings, z.boolean()]).optional(),
  alwaysLoad: z.boolean().optional(),
});

/** The longer form of `transport`, as Toolman's examples write it. */
const transport = z.strictObject({
  type: z.enum(['stdio', 'http', 'sse']),
  command: z.string().optional(),
  args: strings.optional(),
  env: texts.optional(),
  url: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  timeout_ms: z.int().min(1).optional(),
});

const toolmanServer = z.strictObject({
  name: z.string().nullish(),
  description: z.string().nullish(),
  transport: z.union([z.enum(['stdio', 'http', 'sse']), transport]).optional(),
  command: z.string().optional(),
  args: strings.optional(),
  url: z.string().nullish(),
  env: texts.optional(),
  headers: z.record(z.string(), z.string()).optional(),
  workingDirectory: z.string().nullish(),
  enabled: z.boolean().optional(),
  alwaysActive: z.boolean().optional(),
  autoStart: z.boolean().optional(),
  executionContext: z.enum(['local', 'remote']).optional(),
  tools: z.record(z.string(), z.strictObject({ enabled: z.boolean() })).optional(),
});

const localServer = z.strictObject({
  command: z.string().optional(),
  args: strings.optional(),
  tools: strings.optional(),
  workingDirectory: z.string().nullish(),
  env: texts.optional(),
  enabled: z.boolean().optional(),
});

const schemas = {
  mcp: z.strictObject({ mcpServers: z.record(z.string(), mcpEntry) }),
  'servers-config': z.strictObject({
    servers: z.record(z.string(), toolmanServer),
    version: z.union([z.string(), z.number()]).optional(),
  }),
  'client-config': z.strictObject({
    remoteTools: strings.default([]),
    localServers: z.record(z.string(), localServer).default({}),
  }),
};

export type McpEntry = z.output<typeof mcpEntry>;
export type ToolmanServer = z.output<typeof toolmanServer>;
export type LocalServer = z.output<typeof localServer>;

/** A file that has been read. */
export type Imported = {
  readonly [Name in Format]: { readonly format: Name; readonly value: z.output<(typeof schemas)[Name]> };
}[Format];

/** Checks a file as the format it is named, or looks like. Throws INPUT_INVALID with the place of every unknown key. */
export function readFormat(source: ConfigSource, named: Format | undefined): Imported {
  const format = named ?? formatOf(source);
  const checked = schemas[format].safeParse(source.value);
  if (checked.success) return { format, value: checked.data } as Imported;
  throw invalid(describeIssues(schemas[format], checked.error, []), source);
}

/** An error with all problems of a file, each with its place. */
export function invalid(problems: readonly Problem[], source: ConfigSource): PlugboardError {
  return new PlugboardError(
    'INPUT_INVALID',
    formatProblems(problems, (place) => source.locate(place), source),
  );
}

function formatOf(source: ConfigSource): Format {
  const { value } = source;
  if (isObject(value)) {
    if ('mcpServers' in value) return 'mcp';
    if ('servers' in value) return 'servers-config';
    if ('remoteTools' in value || 'localServers' in value) return 'client-config';
  }
  const message = 'has none of the keys mcpServers, servers, remoteTools, localServers: name the format with --as';
  throw new PlugboardError('INPUT_INVALID', `${source.label}: ${message} (${formats.join(', ')})`);
}
