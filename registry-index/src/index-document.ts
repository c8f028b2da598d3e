// The shape of `index.json`, and reading one. Reading is lenient (unknown members are dropped), except towards a newer format.
import * as z from 'zod';
import { homepageSchema, pluginToolSchema, sharedShape, toolSchema } from './entry-parts.ts';
import { kindSchema, packageNameSchema } from './plugin-entry.ts';
import { categories, permissionsSchema, startSchema, toolsFromSchema } from './server-entry.ts';

/** The version of the format that this package writes and reads. */
export const indexVersion = 1;

/** What is known of one published version of a plugin. */
export const pluginVersionSchema = z.object({
  version: z.string().describe('Exact version of the package.'),
  core: z.string().optional().describe('Range of the core that it works with: its peer dependency on `plugboard`.'),
  apiVersion: z.int().min(1).describe('The plugin contract that it was written for.'),
  node: z.string().optional().describe('`engines.node`.'),
  integrity: z
    .string()
    .regex(/^sha512-/)
    .describe('SHA-512 of its tarball, as npm writes it.'),
  signed: z.boolean().describe('The registry signed it.'),
  provenance: z.boolean().describe('The registry has an attestation of how it was built.'),
  installScripts: z.array(z.string()).describe('Scripts that npm would run on installing it; they are never run.'),
  capabilities: z
    .record(z.string(), z.unknown())
    .describe('What it declares in package.json to need, as it stands there.'),
  tools: z.array(z.object(pluginToolSchema.shape)).describe('What it listed when it was started.'),
});

export const indexedPluginSchema = z.object({
  id: sharedShape.id,
  package: packageNameSchema,
  kind: kindSchema,
  title: sharedShape.title,
  description: sharedShape.description,
  repository: sharedShape.repository,
  status: sharedShape.status,
  replacedBy: sharedShape.replacedBy,
  tools: z
    .array(z.object(pluginToolSchema.shape))
    .optional()
    .describe('As its entry says. Left out where versions say it.'),
  versions: z.array(pluginVersionSchema).describe('Newest first. Empty: not published yet.'),
});

export const indexedServerSchema = z.object({
  id: sharedShape.id,
  name: z.string().optional().describe('Its name in the official MCP registry.'),
  title: sharedShape.title,
  description: sharedShape.description,
  version: z.string().optional(),
  status: sharedShape.status,
  replacedBy: sharedShape.replacedBy,
  repository: sharedShape.repository,
  homepage: homepageSchema,
  categories: z.array(z.enum(categories)),
  start: z.array(startSchema),
  permissions: permissionsSchema,
  tools: z.array(toolSchema).optional().describe('Left out: not known.'),
  toolsFrom: toolsFromSchema.optional(),
  toolsUnknown: z.literal(true).optional(),
});

export const indexDocumentSchema = z.object({
  $schema: z.string().optional(),
  indexVersion: z.literal(indexVersion).describe('Version of this format. A reader refuses a higher one.'),
  plugins: z.array(indexedPluginSchema).describe('Sorted by id.'),
  servers: z.array(indexedServerSchema).describe('Sorted by id.'),
});

export type PluginVersion = z.infer<typeof pluginVersionSchema>;
export type IndexedPlugin = z.infer<typeof indexedPluginSchema>;
export type IndexedServer = z.infer<typeof indexedServerSchema>;
export type IndexDocument = z.infer<typeof indexDocumentSchema>;

/** An index that cannot be used; the message says why and what to do. */
export class IndexError extends Error {
  override readonly name = 'IndexError';
}

/**
 * Reads the text of an index.
 * @param source where it is from, for the message
 * Throws {@link IndexError} when it is no index, or one of a newer format.
 */
export function readIndex(text: string, source: string): IndexDocument {
  const value = parse(text, source);
  const version =
    typeof value === 'object' && value !== null ? (value as { indexVersion?: unknown }).indexVersion : undefined;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw new IndexError(`${source}: is no plugin index: indexVersion is missing`);
  if (version > indexVersion)
    throw new IndexError(
      `${source}: is of index version ${version}, and this program reads up to ${indexVersion}: update Plugboard`,
    );
  const read = indexDocumentSchema.safeParse(value);
  if (read.success) return read.data;
  const [first] = read.error.issues;
  throw new IndexError(
    `${source}: is no valid index: ${first?.path.join('.') ?? ''}: ${first?.message ?? 'unknown fault'}`,
  );
}

function parse(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new IndexError(`${source}: is no JSON`);
  }
}
