// The beginning of something that could not be read, for a line of the log. What is said about it is its finder's business.
import { Buffer } from 'node:buffer';

const longest = 120;

/** The first characters of a text, of bytes, or of a parsed value as JSON, in quotes. Never throws, whatever a server has sent. */
export function preview(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, longest));
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('utf8', 0, longest));
  try {
    return JSON.stringify((JSON.stringify(value) ?? '').slice(0, longest));
  } catch {
    // Writing JSON is recursive where reading it is not: what was read may be too deep to be written.
    return 'a value nested too deep to be shown';
  }
}
