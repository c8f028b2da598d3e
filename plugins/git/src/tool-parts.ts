// What the tools have in common: arguments, notes, results.
import { z } from 'plugboard';
import type { LocalContext, ToolResult } from 'plugboard';
import type { Git } from './git.ts';
import type { Lease } from './lease.ts';

export type Context = LocalContext<Lease>;

export const repoPath = z
  .string()
  .default('.')
  .describe('Path of the repository, relative to the root; a folder within it will do');
export const contextLines = z.int().min(0).max(1000).default(3).describe('Unchanged lines shown around changes');
export const paths = z
  .array(z.string())
  .max(1000)
  .default([])
  .describe('Only these files and folders, relative to the top folder of the repository');
export const notes = z.array(z.string()).describe('What to know about the result, e.g. what was cut off');
export const cutOff = 'The output was too long and is cut off (option maxOutput)';

export const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

/** A change of the repository. */
export function changes(destructiveHint: boolean, idempotentHint: boolean): typeof reads {
  return { readOnlyHint: false, destructiveHint, idempotentHint, openWorldHint: false };
}

/** What is not run although the repository asks for it, where that changes what is seen. */
export function notesOf(git: Git, ...others: readonly (string | false)[]): string[] {
  const found = others.filter((each) => each !== false);
  if (git.filters.length > 0)
    found.push(`Filters of this repository are not run (${git.filters.join(', ')}): such files are seen as stored`);
  return found;
}

/** Text for reading, the same as data, and the notes behind the text. */
export function result(text: string, structured: { notes: readonly string[]; [name: string]: unknown }): ToolResult {
  const lines = [text, ...structured.notes.map((note) => `[${note}]`)];
  return { content: [{ type: 'text', text: lines.join('\n') }], structuredContent: structured };
}
