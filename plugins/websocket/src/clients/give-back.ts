// An upgrade that nobody wants becomes the plain request that it would be without listeners for upgrades.
import { Buffer } from 'node:buffer';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

const dropped = new Set(['upgrade', 'http2-settings']);

/**
 * Puts the request back in front of its socket, without the offer, and has the server read it again. Node hands every request with an
 * Upgrade header to the listeners for upgrades as soon as there is one, whatever protocol it offers; Java's client offers h2c by default.
 */
export function giveBack(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  const { rawHeaders } = request;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    if (dropped.has(name.toLowerCase())) continue;
    lines.push(`${name}: ${name.toLowerCase() === 'connection' ? withoutOffer(value) : value}`);
  }
  if (head.length > 0) socket.unshift(head);
  socket.unshift(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
  server.emit('connection', socket);
}

function withoutOffer(connection: string): string {
  const left = connection.split(',').filter((each) => !dropped.has(each.trim().toLowerCase()));
  return left.length === 0 ? 'keep-alive' : left.join(',');
}
