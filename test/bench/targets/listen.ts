// How every target of the bench serves: a port of its own on 127.0.0.1, told in one line of JSON on stdout.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves `handler` on a free port and prints `{"port":N}`. */
export function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): void {
  const server = createServer(handler);
  // Longer than any pause between two requests of a run: a connection closed just then would count as a wrong answer.
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));
}

/** Calls `done` with the whole body as text. */
export function readBody(request: IncomingMessage, done: (body: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => done(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString()));
}

/** Answers with JSON text. */
export function sendJson(
  response: ServerResponse,
  status: number,
  text: string,
  headers?: Record<string, string>,
): void {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': length, ...headers });
  response.end(text);
}
