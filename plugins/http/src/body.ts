// A request's body: read within its limit, checked and parsed once. What the message means is decided elsewhere.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { isTooDeep, maxDepth, Pieces } from 'plugboard';

const empty: Buffer = Buffer.alloc(0);

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
  let more: Pieces | undefined;
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
    else {
      if (more === undefined) {
        more = new Pieces();
        more.add(first);
      }
      more.add(chunk);
    }
  });
  request.on('end', () => {
    if (length > limit) done(empty, 'too-large');
    else done(more === undefined ? first : more.take(), 'complete');
  });
}

/** Parses a body. Throws a SyntaxError that says what is wrong, without repeating the body. */
export function parseBody(body: Buffer): unknown {
  if (!isUtf8(body)) throw new SyntaxError('the body is not valid UTF-8');
  if (isTooDeep(body)) throw new SyntaxError(`the body nests deeper than ${maxDepth} levels`);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new SyntaxError('the body is not valid JSON');
  }
}
