// Where id and result of a response stand in its bytes, found without parsing. What is not laid out as expected is parsed elsewhere.
import { isUtf8 } from 'node:buffer';
import { stringEnd } from './string-end.ts';

const resultHead = Buffer.from('{"result":');
const idFirstHead = Buffer.from('{"jsonrpc":"2.0","id":');
const resultLastHead = Buffer.from('{"jsonrpc":"2.0","result":');
const resultKey = ',"result":';
const idKey = ',"id":';
const versionAndId = ',"jsonrpc":"2.0","id":';

const newline = 0x0a;
const quote = 0x22;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Where the integer id of a response stands in its bytes, its value, and where its result stands, braces included. */
export interface ResponsePlace {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly resultStart: number;
  readonly resultEnd: number;
}

/**
 * Finds id and result of a successful response without parsing it, in the layouts that servers write: id first
 * (`{"jsonrpc":"2.0","id":7,"result":{…}}`) and id last (`…,"id":7}`). Returns undefined for every other layout, for errors, requests
 * and bytes that a client's connection might break at: those are parsed instead.
 *
 * The response has these members and no others. A second `id` behind the result would be the one that counts for most readers, and a
 * server could answer a call of another server with it.
 */
export function findResponseId(bytes: Buffer): ResponsePlace | undefined {
  if (bytes[0] !== openBrace || bytes[bytes.length - 1] !== closeBrace) return undefined;
  const place = findPlace(bytes);
  // A line is a message over stdio; a WebSocket closes at what is not UTF-8, with all that others are asked on it.
  return place === undefined || bytes.includes(newline) || !isUtf8(bytes) ? undefined : place;
}

function findPlace(bytes: Buffer): ResponsePlace | undefined {
  if (startsWith(bytes, idFirstHead)) return findIdFirst(bytes);
  if (startsWith(bytes, resultHead)) return findIdLast(bytes, resultHead.length, true);
  return startsWith(bytes, resultLastHead) ? findIdLast(bytes, resultLastHead.length, false) : undefined;
}

function findIdFirst(bytes: Buffer): ResponsePlace | undefined {
  const start = idFirstHead.length;
  const end = integerEnd(bytes, start);
  const resultStart = end + resultKey.length;
  if (end === start || !hasText(bytes, end, resultKey)) return undefined;
  const resultEnd = objectEnd(bytes, resultStart);
  if (resultEnd !== bytes.length - 1) return undefined;
  return { id: integer(bytes, start, end), start, end, resultStart, resultEnd };
}

function findIdLast(bytes: Buffer, resultStart: number, versionMayFollow: boolean): ResponsePlace | undefined {
  const resultEnd = objectEnd(bytes, resultStart);
  if (resultEnd === undefined) return undefined;
  const key = versionMayFollow && hasText(bytes, resultEnd, versionAndId) ? versionAndId : idKey;
  if (!hasText(bytes, resultEnd, key)) return undefined;
  const start = resultEnd + key.length;
  const end = integerEnd(bytes, start);
  if (end === start || end !== bytes.length - 1) return undefined;
  return { id: integer(bytes, start, end), start, end, resultStart, resultEnd };
}

/**
 * The index behind the object that begins at `start`; undefined when none does, or when it does not end. Exact for every JSON text; what
 * it says of other bytes does not matter, for nobody can read them.
 */
function objectEnd(bytes: Buffer, start: number): number | undefined {
  if (bytes[start] !== openBrace) return undefined;
  let depth = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const code = bytes[at];
    if (code === quote) at = stringEnd(bytes, at);
    else if (code === openBrace || code === openBracket) depth += 1;
    else if (code === closeBrace || code === closeBracket) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

function startsWith(bytes: Buffer, head: Buffer): boolean {
  return bytes.length > head.length && bytes.compare(head, 0, head.length, 0, head.length) === 0;
}

function hasText(bytes: Buffer, at: number, text: string): boolean {
  return bytes.toString('latin1', at, at + text.length) === text;
}

function integerEnd(bytes: Buffer, start: number): number {
  let end = start;
  while (digitAt(bytes, end) >= 0 && end - start < 15) end += 1;
  return end;
}

function integer(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) value = value * 10 + digitAt(bytes, at);
  return value;
}

function digitAt(bytes: Buffer, index: number): number {
  const code = bytes[index];
  return code !== undefined && code >= 0x30 && code <= 0x39 ? code - 0x30 : -1;
}
