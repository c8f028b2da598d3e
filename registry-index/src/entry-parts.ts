// The members that entries of plugins and of servers share, and the tools of both.
import * as z from 'zod';

export const idSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/, 'is no id: write lower-case letters, digits and single dashes')
  .refine((id) => !id.includes('--'), 'is no id: write lower-case letters, digits and single dashes')
  .describe('The name of the file without `.json`; what `plugboard add` takes.');

export const statusSchema = z
  .enum(['active', 'deprecated', 'archived'])
  .describe('deprecated: works, but something else is recommended. archived: nobody maintains it.');

const url = z
  .string()
  .max(255)
  .regex(/^https:\/\/[^\s"'<>{}$]+$/, 'must be a https address');

export const sharedShape = {
  $schema: z.string().optional().describe('For editors; not part of the index.'),
  id: idSchema,
  title: z
    .string()
    .max(100)
    .regex(/^(?!.*\$\{).+$/, 'must be one line without "${": it is written into configurations')
    .describe('Its name for people.'),
  description: z.string().min(1).max(100).describe('What it is good for, in one sentence.'),
  repository: url.optional().describe('Where its source is; left out: it is not public.'),
  status: statusSchema,
  replacedBy: idSchema.optional().describe('Id of the plugin or server to use instead.'),
};

export const homepageSchema = url.optional().describe('Where its documentation is.');

/** MCP's hints about a tool; what a server does not say is left out. */
export const annotationsSchema = z.strictObject({
  title: z.string().optional(),
  readOnlyHint: z.boolean().optional(),
  destructiveHint: z.boolean().optional(),
  idempotentHint: z.boolean().optional(),
  openWorldHint: z.boolean().optional(),
});

export const toolCategories = ['read', 'write', 'destructive'] as const;

/** Longest description of a tool that is kept; characters. Servers write pages, a catalogue needs a line. */
export const maxToolDescription = 240;

export const toolSchema = z.strictObject({
  name: z.string().min(1).max(128),
  title: z.string().max(200).optional(),
  description: z.string().max(maxToolDescription).optional().describe('Its first paragraph, cut at a word.'),
  annotations: annotationsSchema.optional(),
  categories: z
    .array(z.enum(toolCategories))
    .optional()
    .describe('What its annotations say it does to its surroundings. Left out: they do not say.'),
});

/** A tool of a plugin, which may have several servers. */
export const pluginToolSchema = z.strictObject({
  ...toolSchema.shape,
  server: z.string().describe('Name of the server that offers it.'),
});

export type Annotations = z.infer<typeof annotationsSchema>;
export type ToolSummary = z.infer<typeof toolSchema>;
export type PluginToolSummary = z.infer<typeof pluginToolSchema>;
