// A plugin as `plugins/<id>.json` describes it: the few facts that neither npm nor the plugin itself can say.
import * as z from 'zod';
import { pluginToolSchema, sharedShape } from './entry-parts.ts';

export const pluginKinds = ['transport', 'server', 'policy', 'store', 'management', 'integration'] as const;

export const kindSchema = z
  .enum(pluginKinds)
  .describe(
    'transport: lets clients in. server: offers tools. policy: decides what is shown or called. store: keeps state. management: shows and changes the proxy. integration: connects it to another system.',
  );

export const packageNameSchema = z
  .string()
  .max(214)
  .regex(/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/, 'is no name of an npm package');

export const pluginEntrySchema = z.strictObject({
  $schema: sharedShape.$schema,
  id: sharedShape.id,
  package: packageNameSchema.describe('Its npm package.'),
  kind: kindSchema,
  title: sharedShape.title,
  description: sharedShape.description,
  repository: sharedShape.repository,
  status: sharedShape.status,
  replacedBy: sharedShape.replacedBy,
  example: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .optional()
    .describe(
      'The section `plugins` of a configuration with which it starts on an empty machine, by id; the build starts it with that to ask for its tools. Default: the plugin alone, without options.',
    ),
  tools: z
    .array(pluginToolSchema)
    .optional()
    .describe(
      'What it lists, for an index without versions; `record.js` writes it. The index leaves it out where versions have their own.',
    ),
});

/** A plugin's entry. */
export type PluginEntry = z.infer<typeof pluginEntrySchema>;
