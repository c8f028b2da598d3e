// The answer to one request, kept in the cheapest form it arrived in. Parsing and writing happen at most once, on demand.
import { rpcCode } from './messages.ts';
import type { JsonObject, RequestId, RpcErrorBody, RpcResponse } from './messages.ts';

const resultHead = Buffer.from('{"result":');
const idFirstHead = Buffer.from('{"jsonrpc":"2.0","id":');
const resultLastHead = Buffer.from('{"jsonrpc":"2.0","result":');
const closing = Buffer.from('}');
const comma = Buffer.from(',');
const empty = Buffer.alloc(0);
const newline = 10;
const ascii = /^[\x20-\x7e]*$/;

/**
 * One JSON-RPC response without its id. Three forms: `relayed` (the bytes of somebody's whole response, with the place of its id),
 * `written` (the bytes of a result alone, e.g. a cached list), `built` (an object). Immutable.
 */
export class Answer {
  readonly #bytes: Buffer | undefined;
  readonly #idStart: number;
  readonly #idEnd: number;
  #message: RpcResponse | undefined;
  /** HTTP status to use where the transport has one; 200 unless told otherwise. */
  readonly status: number | undefined;

  private constructor(
    bytes: Buffer | undefined,
    idStart: number,
    idEnd: number,
    message: RpcResponse | undefined,
    status?: number,
  ) {
    this.#bytes = bytes;
    this.#idStart = idStart;
    this.#idEnd = idEnd;
    this.#message = message;
    this.status = status;
  }

  /** A result given as an object. */
  static result(result: JsonObject): Answer {
    return new Answer(undefined, 0, 0, { jsonrpc: '2.0', result });
  }

  /** An error; `status` is the HTTP status for transports that have one. */
  static error(code: number, message: string, data?: unknown, status?: number): Answer {
    const error: RpcErrorBody = data === undefined ? { code, message } : { code, message, data };
    return new Answer(undefined, 0, 0, { jsonrpc: '2.0', error }, status);
  }

  /** A parsed response of a peer; its id is dropped. */
  static parsed(message: RpcResponse, status?: number): Answer {
    return new Answer(undefined, 0, 0, message, status);
  }

  /** The bytes of a result (the value of the `result` member), written once and sent often. */
  static written(result: Buffer): Answer {
    return new Answer(result, -1, -1, undefined);
  }

  /** The bytes of a whole response, with the place of its id, as found by {@link findResponseId}. */
  static relayed(bytes: Buffer, place: IdPlace, status?: number): Answer {
    return new Answer(bytes, place.start, place.end, undefined, status);
  }

  /** The response as an object (id not meaningful). Parses on first use; throws SyntaxError when relayed bytes are not JSON. */
  get message(): RpcResponse {
    if (this.#message === undefined) {
      const text = this.#bytes?.toString('utf8') ?? '{}';
      this.#message =
        this.#idStart < 0
          ? { jsonrpc: '2.0', result: JSON.parse(text) as JsonObject }
          : (JSON.parse(text) as RpcResponse);
    }
    return this.#message;
  }

  /** True when the answer is known to be an error without parsing; relayed bytes are always results. */
  get failed(): boolean {
    return this.#message?.error !== undefined;
  }

  /** Length in bytes of the form it is kept in, 0 for an object. */
  get size(): number {
    return this.#bytes?.length ?? 0;
  }

  /** True when the relayed bytes contain the given ASCII text. An object is never searched. */
  mentions(text: string): boolean {
    return this.#bytes?.includes(text, 0, 'latin1') ?? false;
  }

  /**
   * The same result with members put before its own. Undefined where that cannot be done to the bytes as they are: `unless` names
   * members (with their quotes) that must not appear anywhere in them.
   */
  withMembers(members: Buffer, unless: readonly string[]): Answer | undefined {
    const bytes = this.#bytes;
    const at = this.#openingBrace();
    if (bytes === undefined || at === undefined || unless.some((name) => bytes.includes(name, 0, 'latin1')))
      return undefined;
    const isEmpty = bytes[at + 1] === 0x7d;
    // White space would hide whether the result is empty.
    if (!isEmpty && bytes[at + 1] !== 0x22) return undefined;
    return this.#spliced(at + 1, at + 1, isEmpty ? members : Buffer.concat([members, comma]));
  }

  /**
   * The same result without the given last members: JSON from a comma to the last member's end, written exactly so. Undefined when the
   * result does not end so.
   *
   * Why that is safe: what is cut begins with a comma and a quote. Inside a string the quote would end it, and no JSON has a bare word
   * after a string; so the comma stands between members, and they are those of the object that ends before the response does.
   */
  withoutLast(members: Buffer): Answer | undefined {
    const bytes = this.#bytes;
    const at = this.#openingBrace();
    if (bytes === undefined || at === undefined) return undefined;
    const end = bytes.length - 2;
    const start = end - members.length;
    if (start <= at || bytes[end] !== 0x7d || bytes[end + 1] !== 0x7d) return undefined;
    return bytes.compare(members, 0, members.length, start, end) === 0 ? this.#spliced(start, end, empty) : undefined;
  }

  /** The place of the brace that opens the result, in relayed bytes of the layouts that {@link findResponseId} knows. */
  #openingBrace(): number | undefined {
    const bytes = this.#bytes;
    if (bytes === undefined || this.#idStart <= 0) return undefined;
    let at = this.#idEnd + 10;
    if (startsWith(bytes, resultHead)) at = resultHead.length;
    else if (startsWith(bytes, resultLastHead)) at = resultLastHead.length;
    return bytes[at] === 0x7b ? at : undefined;
  }

  /** Relayed bytes with those from `start` to `end`, where the id is not, replaced. */
  #spliced(start: number, end: number, by: Buffer): Answer {
    const bytes = this.#bytes ?? empty;
    const shift = this.#idStart < start ? 0 : by.length - (end - start);
    const spliced = Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
    return new Answer(spliced, this.#idStart + shift, this.#idEnd + shift, undefined, this.status);
  }

  /** The whole response for the given id in pieces that need no copying; together they are what {@link Answer.encode} gives. */
  pieces(id: RequestId | undefined): readonly Buffer[] {
    const bytes = this.#bytes;
    if (bytes === undefined) return [this.encode(id)];
    const idText = id === undefined ? 'null' : JSON.stringify(id);
    if (this.#idStart < 0) return [Buffer.from(`{"jsonrpc":"2.0","id":${idText},"result":`), bytes, closing];
    return [bytes.subarray(0, this.#idStart), Buffer.from(idText), bytes.subarray(this.#idEnd)];
  }

  /**
   * The whole response like {@link Answer.encode}, as a string with one character for each byte (latin1), which is cheaper to make and
   * to write where the answer is short. Undefined when it, or its id, is not ASCII and not kept as bytes.
   */
  binary(id: RequestId): string | undefined {
    const bytes = this.#bytes;
    if (bytes === undefined) {
      const text = encodeMessage(this.message, id);
      return Buffer.byteLength(text) === text.length ? text : undefined;
    }
    const idText = typeof id === 'number' ? String(id) : JSON.stringify(id);
    if (typeof id === 'string' && !ascii.test(idText)) return undefined;
    if (this.#idStart < 0) return `{"jsonrpc":"2.0","id":${idText},"result":${bytes.toString('latin1')}}`;
    const text = bytes.toString('latin1');
    return text.slice(0, this.#idStart) + idText + text.slice(this.#idEnd);
  }

  /** The whole response for the given id, as one buffer of JSON without a line break. */
  encode(id: RequestId | undefined): Buffer {
    const idText = id === undefined ? 'null' : JSON.stringify(id);
    const bytes = this.#bytes;
    if (bytes === undefined) return Buffer.from(encodeMessage(this.message, id));
    if (this.#idStart < 0) return wrap(`{"jsonrpc":"2.0","id":${idText},"result":`, bytes, 0, bytes.length, '}');
    const out = Buffer.allocUnsafe(bytes.length - (this.#idEnd - this.#idStart) + Buffer.byteLength(idText));
    bytes.copy(out, 0, 0, this.#idStart);
    const afterId = this.#idStart + out.write(idText, this.#idStart);
    bytes.copy(out, afterId, this.#idEnd);
    return out;
  }
}

function wrap(head: string, body: Buffer, start: number, end: number, tail: string): Buffer {
  const headLength = Buffer.byteLength(head);
  const out = Buffer.allocUnsafe(headLength + (end - start) + tail.length);
  out.write(head, 0);
  body.copy(out, headLength, start, end);
  out.write(tail, headLength + (end - start), 'latin1');
  return out;
}

function encodeMessage(message: RpcResponse, id: RequestId | undefined): string {
  if (message.error !== undefined) {
    return id === undefined
      ? JSON.stringify({ jsonrpc: '2.0', id: null, error: message.error })
      : JSON.stringify({ jsonrpc: '2.0', id, error: message.error });
  }
  return JSON.stringify({ jsonrpc: '2.0', id, result: message.result ?? {} });
}

/** Where the integer id of a response stands in its bytes, and its value. */
export interface IdPlace {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the integer id of a successful response without parsing it, in the two layouts that servers write: id first
 * (`{"jsonrpc":"2.0","id":7,"result":…`) and id last (`…,"id":7}`). Returns undefined for every other layout, for errors, requests
 * and bytes with a line break: those are parsed instead.
 *
 * Why the end is safe: in a complete JSON text the last `}` closes the outermost object, so an unescaped `,"id":7` right before it
 * is a member of that object.
 */
export function findResponseId(bytes: Buffer): IdPlace | undefined {
  if (bytes[0] !== 0x7b || bytes.includes(newline)) return undefined;
  if (startsWith(bytes, idFirstHead)) {
    const place = readInteger(bytes, idFirstHead.length);
    return place !== undefined && bytes.toString('latin1', place.end, place.end + 10) === ',"result":'
      ? place
      : undefined;
  }
  if (!startsWith(bytes, resultHead) && !startsWith(bytes, resultLastHead)) return undefined;
  return readLastInteger(bytes);
}

function startsWith(bytes: Buffer, head: Buffer): boolean {
  return bytes.length > head.length && bytes.compare(head, 0, head.length, 0, head.length) === 0;
}

function readInteger(bytes: Buffer, start: number): IdPlace | undefined {
  let end = start;
  let id = 0;
  for (let digit = digitAt(bytes, end); digit >= 0 && end - start < 15; digit = digitAt(bytes, end)) {
    id = id * 10 + digit;
    end += 1;
  }
  return end > start ? { id, start, end } : undefined;
}

function readLastInteger(bytes: Buffer): IdPlace | undefined {
  const end = bytes.length - 1;
  if (bytes[end] !== 0x7d) return undefined;
  let start = end;
  while (digitAt(bytes, start - 1) >= 0 && end - start < 15) start -= 1;
  if (start === end || bytes.toString('latin1', start - 6, start) !== ',"id":') return undefined;
  return readInteger(bytes, start);
}

function digitAt(bytes: Buffer, index: number): number {
  const code = bytes[index];
  return code !== undefined && code >= 48 && code <= 57 ? code - 48 : -1;
}

/** The answer for a method that is not served here. */
export function methodNotFound(method: string): Answer {
  return Answer.error(rpcCode.methodNotFound, `Method not found: ${method}`, undefined, 404);
}
