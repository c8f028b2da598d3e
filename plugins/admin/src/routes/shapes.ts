// Schemas that several routes share. Each route's own stand beside it.
import { createHash } from 'node:crypto';
import { Problem, z } from 'plugboard';

/** The query of every list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(100).describe('Most items of the page'),
  after: z.string().min(1).max(4096).optional().describe('Go on behind this: `next` of the page before'),
};

/** A page of items. */
export function pageShape<Item extends z.ZodType>(item: Item) {
  return z.strictObject({
    items: z.array(item),
    next: z.string().optional().describe('Value of `after` for the next page; not there: this is the last one'),
  });
}

/** Any JSON object. */
export const jsonObject = z.record(z.string(), z.unknown());

/** A point in time. */
export const time = z.string().meta({ format: 'date-time' });

/** A name in a path. */
export const name = z.string().min(1).max(1024);

/** ISO 8601. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A version of what has none of its own: changes with the value. */
export function versionOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}

/** 404 for a name that nobody has. */
export function unknown(what: string, value: string, list: string): Problem {
  const shown = JSON.stringify(value.slice(0, 100));
  return new Problem(404, `${what}-unknown`, `There is no ${what} ${shown}; GET ${list} lists what there is.`);
}
