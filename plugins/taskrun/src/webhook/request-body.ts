// Reads the JSON body of a request, up to a limit.
import type { IncomingMessage } from 'node:http';

/** A request that cannot be served; the message is for whoever sent it. */
export class BadRequest extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Resolves with the parsed body. Rejects with a {@link BadRequest}: 415 for another media type, 413 for more than `maxBytes`, 400 for no JSON. */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new BadRequest(415, 'send Content-Type: application/json');
  const body = await read(request, maxBytes);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new BadRequest(400, 'the body is not JSON');
  }
}

function read(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // What is too much is read and dropped, within the time for a request: who is cut off while sending gets no answer.
      if (bytes <= maxBytes) chunks.push(chunk);
      else chunks = [];
    });
    request.on('end', () => {
      if (bytes <= maxBytes) resolve(Buffer.concat(chunks));
      else reject(new BadRequest(413, `a review may have ${maxBytes} bytes`));
    });
    request.on('error', reject);
    request.on('close', () => reject(new BadRequest(400, 'the request ended early')));
  });
}
