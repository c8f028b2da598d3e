// Bytes of a socket to lines of text, with a limit on their length. What a line says is not known here.
import type { Socket } from 'node:net';

/** Who takes the lines. */
export interface LineTaker {
  line(text: string): void;
  /** A line was longer than the limit; its bytes are gone. */
  tooLong(limit: number): void;
}

const newline = 10;

/** Hands every line of a socket on; of a line over the limit nothing is kept. */
export function serveLines(socket: Socket, maxBytes: number, taker: LineTaker): void {
  let parts: Buffer[] = [];
  let size = 0;
  const add = (part: Buffer): void => {
    const before = size;
    size += part.length;
    if (size <= maxBytes) parts.push(part);
    else {
      parts = [];
      // Said once, at the moment the limit is passed: the end of the line may never come.
      if (before <= maxBytes) taker.tooLong(maxBytes);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      const text = Buffer.concat(parts).toString('utf8').trim();
      if (text !== '') taker.line(text);
      parts = [];
      size = 0;
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  });
}
