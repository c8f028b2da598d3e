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

/** Bytes up to which an answer is written as text. */
const smallBody = 8192;

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
    jsonHead[3] = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    response.writeHead(status, headers === undefined ? jsonHead : [...jsonHead, ...headers]);
    // Text goes out with its headers in one plain write; bytes take a gathering one, which pays for itself only when they are many.
    response.end(body.length < smallBody ? body.toString() : body);
    this.watch(response);
  }

  /** Answers with what the board has answered. Long answers are written in pieces: to copy them would cost more than to send them. */
  answer(response: ServerResponse, status: number, answer: Answer, id: RequestId): void {
    if (answer.size < copied) {
      this.json(response, status, answer.encode(id));
      return;
    }
    if (response.destroyed) return;
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
