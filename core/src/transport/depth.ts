// How deep a client's message may nest, told from its bytes before anything is made of it.
import type { Buffer } from 'node:buffer';
import { stringEnd } from '../protocol/string-end.ts';

/** Deepest nesting of arrays and objects: more would overflow the stack where messages are walked recursively. */
export const maxDepth = 256;

/** True when brackets outside of strings nest too deep. Strings are skipped. */
export function isTooDeep(body: Buffer): boolean {
  if (body.length <= 2 * maxDepth) return false;
  let depth = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === 0x22) at = stringEnd(body, at);
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return false;
}
