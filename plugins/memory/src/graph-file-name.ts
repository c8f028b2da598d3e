// The name of the file that belongs to a grant. Nothing is opened here.
import { createHash } from 'node:crypto';

/** Names of files end at 255 bytes on common systems; the rest is for the endings of lock and temporary files. */
const longest = 180;

/**
 * The file name of a grant: `default` → `default.jsonl`, `grant:alice` → `grant.alice.jsonl`, `grant:Bob` → `grant.%42ob.jsonl`.
 * Different ids have different names, also where the file system does not tell upper from lower case: a colon becomes a dot (not in front, where
 * it would hide the file), every other character outside `a-z 0-9 _ -` its code (`%2e`, `%u20ac`). Too long names are cut and end in `%%` and a hash.
 */
export function graphFileName(grant: string): string {
  const name = grant.replace(/[^a-z0-9_-]/g, (unit, place) => (unit === ':' && place > 0 ? '.' : code(unit)));
  if (name === '') return '%%.jsonl';
  if (name.length <= longest) return `${name}.jsonl`;
  const hash = createHash('sha256').update(Buffer.from(grant, 'utf16le')).digest('hex');
  return `${name.slice(0, 100)}%%${hash}.jsonl`;
}

function code(unit: string): string {
  const value = unit.charCodeAt(0);
  return value < 256 ? `%${value.toString(16).padStart(2, '0')}` : `%u${value.toString(16).padStart(4, '0')}`;
}
