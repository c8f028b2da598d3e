// An upgrade that is refused is answered like a request: with a status, headers and a JSON-RPC error, on the bare socket.
import { Buffer } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Answer, rpcCode } from 'plugboard';

/** Why an upgrade is refused. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  readonly text: string;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
}

/** ms that a refused client has to read why. */
const patience = 2000;

/** Answers and closes. Never throws. */
export function refuse(socket: Duplex, { status, text, headers = [] }: Refusal): void {
  if (socket.destroyed) return;
  const code = status === 503 || status === 429 ? rpcCode.serverGone : rpcCode.invalidRequest;
  const body = Answer.error(code, text).encode(undefined);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  for (let index = 0; index + 1 < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`);
  const timer = setTimeout(() => socket.destroy(), patience);
  socket.once('close', () => clearTimeout(timer));
  // What else the client sends is of no interest, but it must be read for its end to be seen.
  socket.resume();
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]), () => socket.destroy());
}
