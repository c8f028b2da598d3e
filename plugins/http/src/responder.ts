// Writes whole HTTP answers: JSON, errors, nothing. Event streams live in `event-stream.ts`.
import type { OutgoingHttpHeader, ServerResponse } from 'node:http';
import { rpcCode } from 'plugboard';
import type { Answer, RequestId } from 'plugboard';

/** What may be told of an error beside its code and text. */
export interface ErrorExtra {
  /** Id of the request; undefined where none is known, which is written as null (JSON-RPC 2.0, section 5). */
  readonly id?: RequestId | undefined;
  readonly data?: unknown;
  /** Further headers: name, value, name, value … */
  readonly headers?: readonly string[];
}

/** Answers of fewer bytes are copied into one piece. */
const copied = 16_384;

// Written over at each use: `writeHead` reads the array before it returns.
const jsonHead: OutgoingHttpHeader[] = ['Content-Type', 'application/json', 'Content-Length', 0];
const emptyHead: OutgoingHttpHeader[] = ['Content-Length', 0];

/** Bytes up to which an answer is written as text, one byte to a character. */
const smallBody = 8192;

/**
 * Ends a response with one plain write of head and body. `end` alone would gather two pieces, the second of them empty, which costs
 * as much again as the write itself.
 */
function sendAtOnce(response: ServerResponse, bytes: string): void {
  const { socket } = response;
  // Another response goes before this one (pipelining): Node keeps this one until its turn.
  if (socket === null) {
    response.end(bytes, 'latin1');
    return;
  }
  socket.cork();
  response.write(bytes, 'latin1');
  socket.uncork();
  response.end();
}

/** Answers requests, and knows which answers have not yet left this process. */
export class Responder {
  /** Ended responses with bytes that their client has not read yet. */
  readonly unread = new Set<ServerResponse>();
  readonly #stallTimeout: number;

  constructor(stallTimeout: number) {
    this.#stallTimeout = stallTimeout;
  }

  /** Answers with JSON. Does nothing when the client is gone. */
  json(response: ServerResponse, status: number, body: Buffer | string, headers?: readonly string[]): void {
    if (response.destroyed) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    jsonHead[3] = bytes.length;
    response.writeHead(status, headers === undefined ? jsonHead : [...jsonHead, ...headers]);
    if (bytes.length < smallBody) sendAtOnce(response, bytes.toString('latin1'));
    else response.end(bytes);
    this.watch(response);
  }

  /** Answers with what the board has answered. Long answers are written in pieces: to copy them would cost more than to send them. */
  answer(response: ServerResponse, status: number, answer: Answer, id: RequestId): void {
    const binary = answer.size < smallBody ? answer.binary(id) : undefined;
    if (binary === undefined && answer.size < copied) {
      this.json(response, status, answer.encode(id));
      return;
    }
    if (response.destroyed) return;
    if (binary !== undefined) {
      jsonHead[3] = binary.length;
      response.writeHead(status, jsonHead);
      sendAtOnce(response, binary);
      this.watch(response);
      return;
    }
    const pieces = answer.pieces(id);
    jsonHead[3] = pieces.reduce((sum, piece) => sum + piece.length, 0);
    response.cork();
    response.writeHead(status, jsonHead);
    for (const piece of pieces) response.write(piece);
    response.end();
    response.uncork();
    this.watch(response);
  }

  /** Answers with a JSON-RPC error. */
  error(response: ServerResponse, status: number, code: number, message: string, extra: ErrorExtra = {}): void {
    const error = extra.data === undefined ? { code, message } : { code, message, data: extra.data };
    this.json(response, status, JSON.stringify({ jsonrpc: '2.0', id: extra.id ?? null, error }), extra.headers);
  }

  /** Answers a fault of this process, after which nothing more can be said. */
  fault(response: ServerResponse, id?: RequestId): void {
    if (response.headersSent) response.destroy();
    else this.error(response, 500, rpcCode.internalError, 'Internal error; the log of the proxy has the cause', { id });
  }

  /** Answers with a status alone. */
  nothing(response: ServerResponse, status: number): void {
    if (response.destroyed) return;
    response.writeHead(status, emptyHead);
    response.end();
  }

  /** Called after `end`: a client that does not read is disconnected some time, and a stop waits for one that does. */
  watch(response: ServerResponse): void {
    const { socket } = response;
    if (socket === null || socket.writableLength === 0) return;
    socket.setTimeout(this.#stallTimeout);
    this.unread.add(response);
    response.once('close', () => this.unread.delete(response));
  }
}
