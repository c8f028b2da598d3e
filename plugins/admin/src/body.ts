// Reading the JSON body of a request, within bounds. What it must look like is the business of the route's schema.
import type { IncomingMessage } from 'node:http';
import { Problem } from 'plugboard';
import getRawBody from 'raw-body';
import { ProblemWithHeaders } from './problems.ts';

/** Bytes of a body when the route names no other limit. */
export const usualMaxBody = 1024 * 1024;

/** Levels of arrays and objects: more makes recursive code fail, and nobody writes it. */
const maxDepth = 100;

/** A body, parsed. `text` is the same as JSON without white space; undefined: there was none. */
export interface JsonBody {
  readonly value: unknown;
  readonly text: string | undefined;
}

const none: JsonBody = { value: undefined, text: undefined };

/** True when a request says that it brings a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Reads the body of a request. Throws a {@link Problem}: 400, 413, 415. */
export async function readJson(request: IncomingMessage, limit: number): Promise<JsonBody> {
  if (!hasBody(request)) return none;
  refuseOtherMedia(request);
  const { headers } = request;
  const length = headers['content-length'];
  if (length !== undefined && Number(length) > limit) throw tooLarge(limit);
  let bytes: Buffer;
  try {
    bytes = await getRawBody(request, { limit, length: length ?? null });
  } catch (error) {
    const { type } = error as { type?: unknown };
    if (type === 'entity.too.large') throw tooLarge(limit);
    throw new Problem(400, 'body-incomplete', 'The body ended before it was complete; send it again.');
  }
  return bytes.length === 0 ? none : parse(bytes);
}

function refuseOtherMedia({ headers }: IncomingMessage): void {
  const [type = '', ...parameters] = (headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  const plain = (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity';
  if (type === 'application/json' && isUtf8 && plain) return;
  throw new ProblemWithHeaders(
    415,
    'media-type',
    'The body must be JSON in UTF-8, not compressed: send Content-Type: application/json.',
    { Accept: 'application/json' },
  );
}

function tooLarge(limit: number): Problem {
  return new Problem(413, 'body-too-large', `The body is larger than ${limit} bytes, the most that is taken here.`, {
    limit,
  });
}

function parse(bytes: Buffer): JsonBody {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : 'it is not UTF-8';
    throw new Problem(400, 'body-malformed', `The body is not JSON: ${why}`);
  }
  if (isDeep(value))
    throw new Problem(400, 'body-malformed', `The body is nested deeper than ${maxDepth} levels; flatten it.`);
  return { value, text: JSON.stringify(value) };
}

/** Goes level by level, so that depth costs no stack. */
function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= maxDepth; depth += 1) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []));
    if (level.length === 0) return false;
  }
  return true;
}
