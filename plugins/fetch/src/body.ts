// The body of a response: decompressed within a limit, and decoded to text.
import { pipeline, Readable } from 'node:stream';
import type { Transform } from 'node:stream';
import { TextDecoder } from 'node:util';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Response } from './exchange.ts';
import { Refusal } from './settings.ts';

export interface Body {
  readonly bytes: Buffer;
  /** True when there was more than the limit. */
  readonly cut: boolean;
}

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = constants;

/** A body that is cut off in the middle is taken as far as it goes. */
const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip({ finishFlush: Z_SYNC_FLUSH }),
  'x-gzip': () => createGunzip({ finishFlush: Z_SYNC_FLUSH }),
  deflate: () => createInflate({ finishFlush: Z_SYNC_FLUSH }),
  br: () => createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH }),
};

/** Reads up to `limit` bytes, both as they are sent and as they are when decompressed. */
export async function readBody(response: Response, limit: number): Promise<Body> {
  const codings = header(response, 'content-encoding')
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '' && each !== 'identity');
  if (codings.length > 2) throw new Refusal(`${response.url.href} is compressed ${codings.length} times over`);
  const chain = codings.reverse().map((coding) => {
    const make = decoders[coding];
    if (make === undefined) throw new Refusal(`${response.url.href} is compressed in a way not known here: ${coding}`);
    return make();
  });
  if (chain.length === 0) return gather(response.body, limit);
  const sent = { cut: false };
  const last = pipeline([Readable.from(atMost(response.body, limit, sent)), ...chain], () => {}) as unknown as Readable;
  const body = await gather(last, limit);
  return { bytes: body.bytes, cut: body.cut || sent.cut };
}

/** Decompressing something that never gives a byte is bounded by what is put in. */
async function* atMost(source: Readable, limit: number, state: { cut: boolean }): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.length;
    yield chunk;
    state.cut = size > limit;
    if (state.cut) return;
  }
}

async function gather(source: Readable, limit: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop ends the stream and, with it, what feeds it.
    if (size > limit) break;
  }
  const bytes = Buffer.concat(chunks);
  return size > limit ? { bytes: bytes.subarray(0, limit), cut: true } : { bytes, cut: false };
}

/** A header as one text; empty when it is not there. */
export function header({ headers }: Pick<Response, 'headers'>, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

/** Text in the charset of its byte order mark, its header or its own declaration; UTF-8 when none is known. */
export function decodeText(bytes: Buffer, contentType: string, declares: boolean): string {
  const charset = markOf(bytes) ?? charsetOf(contentType) ?? (declares ? declaredCharset(bytes) : undefined);
  return decoderOf(charset).decode(bytes);
}

/** Whether these bytes are no text, as far as their beginning shows. */
export function looksBinary(bytes: Buffer, contentType: string): boolean {
  const charset = markOf(bytes) ?? charsetOf(contentType) ?? '';
  return !/^utf-?(?:16|32)/i.test(charset) && bytes.subarray(0, 4096).includes(0);
}

function markOf(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined;
}

function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1];
}

/** `<meta charset>`, its older form, or the declaration of XML, within the first 1024 bytes (HTML Standard, 13.2.3.2). */
function declaredCharset(bytes: Buffer): string | undefined {
  const start = bytes.subarray(0, 1024).toString('latin1');
  const found =
    /<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]+)/i.exec(start)?.[1] ??
    /^<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)/i.exec(start)?.[1];
  // A page whose declaration can be read as ASCII is not in UTF-16, whatever it says.
  return found !== undefined && /^utf-?16/i.test(found) ? 'utf-8' : found;
}

function decoderOf(charset = 'utf-8'): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}
