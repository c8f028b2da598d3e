// Forms of results: one thing, a list, part of a long text, a deed. What the things are made of is in `shapes.ts`.
import { z } from 'plugboard';

const note = z.string().optional().describe('What was cut, and how to get the rest');

/** A thing and what is said about it. */
export function thing<Shape extends z.ZodObject>(shape: Shape) {
  return shape.extend({ note });
}

/** Items and where the rest of them is. `more`: members beside the items. */
export function listOf<More extends Record<string, z.ZodType>>(item: z.ZodObject, more: More = {} as More) {
  return z.object({
    ...more,
    items: z.array(item),
    next_page: z.number().optional().describe('Page to go on with; missing: this was the last one'),
    next_per_page: z.number().optional().describe('Results per page to go on with, where it has to be another number'),
    note,
  });
}

/** Part of a long text. */
export const windowMembers = {
  content: z.string(),
  offset: z.number(),
  total: z.number().optional().describe('Length of the whole text, in characters'),
  next_offset: z.number().optional().describe('Where to go on; missing: this was the end'),
  note,
};

export const done = z.object({ done: z.literal(true), message: z.string() });
