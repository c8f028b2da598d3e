// A request's body: read within its limit, checked and parsed once. What the message means is decided elsewhere.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';

const empty: Buffer = Buffer.alloc(0);

/** Deepest nesting of arrays and objects: more would overflow the stack where messages are walked recursively. */
const maxDepth = 256;

/** Bytes of a too large body that are read and dropped, so that its sender gets to read the answer; times the limit. */
const discardFactor = 4;

/** What {@link readBody} found. `aborted` means that the sender cannot be answered on this connection any more. */
export type BodyEnd = 'complete' | 'too-large' | 'aborted';

/** Reads a body of at most `limit` bytes; `done` is called once, unless the client goes away first. */
export function readBody(request: IncomingMessage, limit: number, done: (body: Buffer, end: BodyEnd) => void): void {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) {
    done(empty, declared > limit * discardFactor ? 'aborted' : 'too-large');
    return;
  }
  let first = empty;
  let more: Buffer[] | undefined;
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > limit) {
      first = empty;
      more = undefined;
      if (length > limit * discardFactor) {
        request.removeAllListeners();
        done(empty, 'aborted');
      }
    } else if (first.length === 0) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on('end', () => {
    if (length > limit) done(empty, 'too-large');
    else done(more === undefined ? first : Buffer.concat(more, length), 'complete');
  });
}

/** Parses a body. Throws a SyntaxError that says what is wrong, without repeating the body. */
export function parseBody(body: Buffer): unknown {
  if (!isUtf8(body)) throw new SyntaxError('the body is not valid UTF-8');
  if (body.length > 2 * maxDepth && isTooDeep(body)) {
    throw new SyntaxError(`the body nests deeper than ${maxDepth} levels`);
  }
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new SyntaxError('the body is not valid JSON');
  }
}

/** True when brackets outside of strings nest too deep. Strings are skipped by searching their end natively. */
function isTooDeep(body: Buffer): boolean {
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
