// How deep a client's message may nest, told from its bytes before anything is made of it.
import type { Buffer } from 'node:buffer';

/** Deepest nesting of arrays and objects: more would overflow the stack where messages are walked recursively. */
export const maxDepth = 256;

/** True when brackets outside of strings nest too deep. Strings are skipped by searching their end natively. */
export function isTooDeep(body: Buffer): boolean {
  if (body.length <= 2 * maxDepth) return false;
  let depth = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === 0x22) {
      at = endOfString(body, at);
      if (at < 0) return false;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return false;
}

/** The place of the quote that ends the string which starts at `start`; -1 when there is none. */
function endOfString(body: Buffer, start: number): number {
  for (let end = body.indexOf(0x22, start + 1); end >= 0; end = body.indexOf(0x22, end + 1)) {
    let backslashes = 0;
    while (body[end - 1 - backslashes] === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}
