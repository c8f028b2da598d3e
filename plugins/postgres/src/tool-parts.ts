// What the tools share: parts of their schemas, and the form of an answer.
import { z } from 'plugboard';
import type { LocalContext, ToolResult } from 'plugboard';
import type { Lease } from './server.ts';

export type Context = LocalContext<Lease>;

/** Annotations of tools that change nothing. What they read is one database, not an open world. */
export const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

// A zero byte would end the text in the middle of a message to the server.
const noZero = /^[^\0]*$/;

export const identifier = (description: string) =>
  z.string().min(1).max(63).regex(noZero, 'must not hold a zero byte').describe(description);

export const sqlText = (description: string) =>
  z.string().min(1).max(100_000).regex(noZero, 'must not hold a zero byte').describe(description);

export const params = z
  .array(z.union([z.string().regex(noZero, 'must not hold a zero byte'), z.number(), z.boolean(), z.null()]))
  .max(100)
  .default([])
  .describe('Values of $1, $2 … in the SQL; write a cast where the type is not clear: $1::date');

/** Parameters as the server takes them: text or nothing. */
export function asText(values: readonly (string | number | boolean | null)[]): (string | null)[] {
  return values.map((value) => (value === null ? null : String(value)));
}

export const columns = z.array(z.strictObject({ name: z.string(), type: z.string() }));

export const rows = z
  .array(z.array(z.unknown()))
  .describe(
    'Values in the order of `columns`. bigint and numeric are text, times are ISO 8601, bytea is Base64, arrays and JSON are what they are',
  );

/** A result as text and as structure. */
export function answer(structuredContent: Record<string, unknown>): ToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}
