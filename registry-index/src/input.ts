// What a person or a program fills in to start a server: environment variables, headers, arguments, parts of a URL. What becomes of
// them in a configuration is in `mcp-servers-entry.ts`.
import * as z from 'zod';

/**
 * Text of an entry that ends up in somebody's configuration. `${` would be read there as a reference to the environment or to a file of
 * that person, so a catalogue must never contain it.
 */
export const plainText = z
  .string()
  .min(1)
  .max(2000)
  .refine((text) => !text.includes('${'), 'must not contain "${": a configuration would read it as a reference');

const inputShape = {
  description: z.string().min(1).max(1000).optional().describe('What it is and where to get it.'),
  default: plainText.optional().describe('What the server does without it.'),
  choices: z.array(plainText).min(1).optional().describe('The only values that are taken.'),
  format: z.enum(['string', 'number', 'boolean', 'filepath']).optional().describe('Default: string.'),
  placeholder: z.string().min(1).max(200).optional().describe('An example value.'),
};

/** A part in braces of a value or URL. */
export const variableSchema = z.strictObject({
  ...inputShape,
  secret: z.boolean().describe('True: it is written as `${env:NAME}` and never shown.'),
  required: z.boolean(),
});

const variables = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), variableSchema)
  .optional()
  .describe('What stands in braces in the value, by name.');

const valueShape = {
  ...inputShape,
  value: plainText.optional().describe('A fixed value, or one with `{NAME}` in it; nobody is asked for it.'),
  variables,
};

/** An environment variable or a header. */
export const namedInputSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/, 'is no name of an environment variable or header'),
  ...valueShape,
  secret: z.boolean().describe('True: it is written as `${env:NAME}` and never shown.'),
  required: z.boolean().describe('False: the server works without it.'),
});

const argumentShape = {
  ...valueShape,
  secret: z.boolean().optional().describe('Default: false.'),
  required: z.boolean().optional().describe('Default: false.'),
  repeated: z.boolean().optional().describe('True: it may be given several times. Default: false.'),
};

/** One argument: fixed text, or something to fill in, by its position or behind a flag. */
export const argumentSchema = z.union([
  plainText,
  z.strictObject({ name: z.string().regex(/^[A-Za-z0-9_-]{1,60}$/), ...argumentShape }),
  z.strictObject({ flag: z.string().regex(/^--?[A-Za-z0-9][A-Za-z0-9._-]*$/), ...argumentShape }),
]);

export type Variable = z.infer<typeof variableSchema>;
export type NamedInput = z.infer<typeof namedInputSchema>;
export type Argument = z.infer<typeof argumentSchema>;

/** Names in braces of a template, in order, each once. */
export function namesIn(template: string): string[] {
  return [...new Set([...template.matchAll(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g)].map((match) => match[1] ?? ''))];
}
