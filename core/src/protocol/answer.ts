// The answer to one request, kept in the cheapest form it arrived in. Parsing and writing happen at most once, on demand.
import { rpcCode } from './messages.ts';
import type { JsonObject, RequestId, RpcErrorBody, RpcResponse } from './messages.ts';
import type { ResponsePlace } from './response-place.ts';

const closing = Buffer.from('}');
const comma = Buffer.from(',');
const empty = Buffer.alloc(0);
const ascii = /^[\x20-\x7e]*$/;

/**
 * One JSON-RPC response without its id. Three forms: `relayed` (the bytes of somebody's whole response, with the place of its id),
 * `written` (the bytes of a result alone, e.g. a cached list), `built` (an object). Immutable.
 */
export class Answer {
  readonly #bytes: Buffer | undefined;
  /** Undefined for bytes of a result alone. */
  readonly #place: ResponsePlace | undefined;
  #message: RpcResponse | undefined;
  /** HTTP status to use where the transport has one; 200 unless told otherwise. */
  readonly status: number | undefined;

  private constructor(
    bytes: Buffer | undefined,
    place: ResponsePlace | undefined,
    message: RpcResponse | undefined,
    status?: number,
  ) {
    this.#bytes = bytes;
    this.#place = place;
    this.#message = message;
    this.status = status;
  }

  /** A result given as an object. */
  static result(result: JsonObject): Answer {
    return new Answer(undefined, undefined, { jsonrpc: '2.0', result });
  }

  /** An error; `status` is the HTTP status for transports that have one. */
  static error(code: number, message: string, data?: unknown, status?: number): Answer {
    const error: RpcErrorBody = data === undefined ? { code, message } : { code, message, data };
    return new Answer(undefined, undefined, { jsonrpc: '2.0', error }, status);
  }

  /** A parsed response of a peer; its id is dropped. */
  static parsed(message: RpcResponse, status?: number): Answer {
    return new Answer(undefined, undefined, message, status);
  }

  /** The bytes of a result (the value of the `result` member), written once and sent often. */
  static written(result: Buffer): Answer {
    return new Answer(result, undefined, undefined);
  }

  /** The bytes of a whole response, with the places of its id and result, as found by {@link findResponseId}. */
  static relayed(bytes: Buffer, place: ResponsePlace, status?: number): Answer {
    return new Answer(bytes, place, undefined, status);
  }

  /** The response as an object without its id. Parses on first use; throws SyntaxError when relayed bytes are not JSON. */
  get message(): RpcResponse {
    if (this.#message === undefined) {
      const bytes = this.#bytes ?? empty;
      const text = bytes.toString('utf8', this.#place?.resultStart, this.#place?.resultEnd);
      this.#message = { jsonrpc: '2.0', result: JSON.parse(text) as JsonObject };
    }
    return this.#message;
  }

  /** True when the answer is known to be an error without parsing; relayed bytes are always results. */
  get failed(): boolean {
    return this.#message?.error !== undefined;
  }

  /** True when the result says `isError`. Bytes in which no such member can be are not parsed to find out. */
  get saysToolError(): boolean {
    const parsed = this.#message !== undefined || this.mentions('"isError"') || this.mentions('\\u');
    return parsed && this.message.result?.['isError'] === true;
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
    const place = this.#place;
    if (bytes === undefined || place === undefined || unless.some((name) => bytes.includes(name, 0, 'latin1')))
      return undefined;
    const first = place.resultStart + 1;
    const isEmpty = first === place.resultEnd - 1;
    // White space would hide whether the result is empty.
    if (!isEmpty && bytes[first] !== 0x22) return undefined;
    return this.#spliced(bytes, place, first, first, isEmpty ? members : Buffer.concat([members, comma]));
  }

  /**
   * The same result without the given last members: JSON from a comma to the last member's end, written exactly so. Undefined when the
   * result does not end so.
   *
   * Why that is safe: what is cut begins with a comma and a quote. Inside a string the quote would end it, and no JSON has a bare word
   * after a string; so the comma stands between members, and they are those of the object that ends behind them.
   */
  withoutLast(members: Buffer): Answer | undefined {
    const bytes = this.#bytes;
    const place = this.#place;
    if (bytes === undefined || place === undefined) return undefined;
    const end = place.resultEnd - 1;
    const start = end - members.length;
    if (start <= place.resultStart || bytes.compare(members, 0, members.length, start, end) !== 0) return undefined;
    return this.#spliced(bytes, place, start, end, empty);
  }

  /** The response with bytes of its result, from `start` to `end`, replaced. */
  #spliced(bytes: Buffer, place: ResponsePlace, start: number, end: number, by: Buffer): Answer {
    const grown = by.length - (end - start);
    const shift = place.start < start ? 0 : grown;
    const moved = {
      ...place,
      start: place.start + shift,
      end: place.end + shift,
      resultEnd: place.resultEnd + grown,
    };
    const out = Buffer.allocUnsafe(bytes.length + grown);
    bytes.copy(out, 0, 0, start);
    by.copy(out, start);
    bytes.copy(out, start + by.length, end);
    return new Answer(out, moved, undefined, this.status);
  }

  /** The whole response for the given id in pieces that need no copying; together they are what {@link Answer.encode} gives. */
  pieces(id: RequestId | undefined): readonly Buffer[] {
    const bytes = this.#bytes;
    if (bytes === undefined) return [this.encode(id)];
    const idText = id === undefined ? 'null' : JSON.stringify(id);
    const place = this.#place;
    if (place === undefined) return [Buffer.from(`{"jsonrpc":"2.0","id":${idText},"result":`), bytes, closing];
    return [bytes.subarray(0, place.start), Buffer.from(idText), bytes.subarray(place.end)];
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
    const text = bytes.toString('latin1');
    const place = this.#place;
    if (place === undefined) return `{"jsonrpc":"2.0","id":${idText},"result":${text}}`;
    return text.slice(0, place.start) + idText + text.slice(place.end);
  }

  /** The whole response for the given id, as one buffer of JSON without a line break. */
  encode(id: RequestId | undefined): Buffer {
    const idText = id === undefined ? 'null' : JSON.stringify(id);
    const bytes = this.#bytes;
    if (bytes === undefined) return Buffer.from(encodeMessage(this.message, id));
    const place = this.#place;
    if (place === undefined) return wrap(`{"jsonrpc":"2.0","id":${idText},"result":`, bytes, 0, bytes.length, '}');
    const out = Buffer.allocUnsafe(bytes.length - (place.end - place.start) + Buffer.byteLength(idText));
    bytes.copy(out, 0, 0, place.start);
    const afterId = place.start + out.write(idText, place.start);
    bytes.copy(out, afterId, place.end);
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

/** The text of a response. Never throws: a client whose answer cannot be written would wait for ever, so it gets an error instead. */
function encodeMessage(message: RpcResponse, id: RequestId | undefined): string {
  try {
    return written(message, id);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const text = `The answer cannot be written as JSON: ${why}`;
    return written({ jsonrpc: '2.0', error: { code: rpcCode.internalError, message: text } }, id);
  }
}

function written(message: RpcResponse, id: RequestId | undefined): string {
  if (message.error !== undefined) {
    return id === undefined
      ? JSON.stringify({ jsonrpc: '2.0', id: null, error: message.error })
      : JSON.stringify({ jsonrpc: '2.0', id, error: message.error });
  }
  return JSON.stringify({ jsonrpc: '2.0', id, result: message.result ?? {} });
}

/** The answer for a method that is not served here. */
export function methodNotFound(method: string): Answer {
  return Answer.error(rpcCode.methodNotFound, `Method not found: ${method}`, undefined, 404);
}
