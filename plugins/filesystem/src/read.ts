// Reading files: whole, from either end, as media. What a tool's result looks like is in `tools.ts`.
import type { FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JsonObject } from 'plugboard';
import type { Anchor } from './anchor.ts';
import { isSystemError, named, notRegular, systemError, tooLarge } from './errors.ts';
import { withAnchor } from './space.ts';
import type { Space } from './space.ts';

const chunkSize = 64 * 1024;
const newline = 0x0a;

/** The text of a file, or its first or last lines. */
export async function readText(space: Space, path: string, head?: number, tail?: number): Promise<string> {
  const real = await space.root.resolve(path);
  if (head && tail) throw new Error('Cannot specify both head and tail parameters simultaneously');
  const { maxFileSize } = space.limits;
  if (tail) return withFile(space, real, 'stat', (file, size) => lastLines(file, size, tail, maxFileSize));
  if (head) return withFile(space, real, 'open', (file) => firstLines(file, head, maxFileSize));
  const bytes = await readAll(space, real, maxFileSize, 'read a part of it with head or tail, or raise the limit');
  return bytes.toString('utf8');
}

/** The text of several files; one that cannot be read has its error in its place. */
export async function readTexts(space: Space, paths: readonly string[], signal: AbortSignal): Promise<string> {
  const texts: string[] = [];
  let left = space.limits.maxFileSize;
  for (const path of paths) {
    signal.throwIfAborted();
    try {
      const bytes = await readAll(
        space,
        await space.root.resolve(path),
        left,
        'read it in a call of its own; all files of one call count',
      );
      left -= bytes.length;
      texts.push(`${path}:\n${bytes.toString('utf8')}\n`);
    } catch (error) {
      texts.push(`${path}: Error - ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return texts.join('\n---\n');
}

const mimeTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.bmp': 'image/bmp',
  '.svg': 'image/svg+xml',
  '.mp3': 'audio/mpeg',
  '.wav': 'audio/wav',
  '.ogg': 'audio/ogg',
  '.flac': 'audio/flac',
};

/** A file as a content block: image, audio, or an embedded resource for everything else. */
export async function readMedia(space: Space, path: string): Promise<JsonObject> {
  const real = await space.root.resolve(path);
  const bytes = await readAll(space, real, space.limits.maxFileSize, 'raise the limit');
  const data = bytes.toString('base64');
  const mimeType = mimeTypes[extname(real).toLowerCase()] ?? 'application/octet-stream';
  const [kind] = mimeType.split('/');
  if (kind === 'image' || kind === 'audio') return { type: kind, data, mimeType };
  return { type: 'resource', resource: { uri: pathToFileURL(real).href, mimeType, blob: data } };
}

/**
 * All bytes of a file, given by its real path. Throws when there are more than `limit`, with `instead` as the advice.
 */
export function readAll(space: Space, real: string, limit: number, instead: string): Promise<Buffer> {
  return withFile(space, real, 'open', async (file, size) => {
    const bytes = size > limit ? undefined : await readUpTo(file, size, limit);
    if (bytes === undefined) throw tooLarge(real, size, limit, instead);
    return bytes;
  });
}

/** `syscall` is the first one of a plain read: it names the error when the file is not there. */
async function withFile<Result>(
  space: Space,
  real: string,
  syscall: string,
  work: (file: FileHandle, size: number) => Promise<Result>,
): Promise<Result> {
  try {
    return await withAnchor(space, real, async (anchor) => {
      const file = await openFile(anchor, real);
      try {
        const result = await work(file, anchor.stats.size);
        await anchor.recheck();
        return result;
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    throw isSystemError(error) && error.syscall === 'read' ? error : named(error, syscall, real);
  }
}

async function openFile(anchor: Anchor, real: string): Promise<FileHandle> {
  if (anchor.stats.isDirectory()) throw systemError('EISDIR', 'EISDIR: illegal operation on a directory, read');
  if (!anchor.stats.isFile()) throw notRegular(real);
  return anchor.read();
}

/** Reads to the end of the file, whatever its size was said to be; undefined when that is beyond `limit` bytes. */
async function readUpTo(file: FileHandle, size: number, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    // One byte more than expected, so that the usual file is read whole at once.
    const chunk = Buffer.allocUnsafe(total === 0 ? size + 1 : chunkSize);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, total);
    if (bytesRead === 0) return Buffer.concat(chunks, total);
    total += bytesRead;
    if (total > limit) return undefined;
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

async function firstLines(file: FileHandle, count: number, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  let breaks = 0;
  while (breaks < count) {
    if (total > limit) throw tooLarge('the part asked for', total, limit, 'ask for fewer lines');
    const chunk = Buffer.allocUnsafe(Math.min(chunkSize, limit + 1 - total));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, total);
    if (bytesRead === 0) break;
    const bytes = chunk.subarray(0, bytesRead);
    chunks.push(bytes);
    total += bytesRead;
    breaks += countBreaks(bytes);
  }
  const lines = Buffer.concat(chunks, total).toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.slice(0, Math.max(0, Math.ceil(count))).join('\n');
}

async function lastLines(file: FileHandle, size: number, count: number, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let position = size;
  let breaks = 0;
  while (position > 0 && breaks < count) {
    const total = size - position;
    if (total > limit) throw tooLarge('the part asked for', total, limit, 'ask for fewer lines');
    const length = Math.min(chunkSize, position, limit + 1 - total);
    position -= length;
    const chunk = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(chunk, 0, length, position);
    if (bytesRead === 0) break;
    const bytes = chunk.subarray(0, bytesRead);
    chunks.unshift(bytes);
    breaks += countBreaks(bytes);
  }
  const text = Buffer.concat(chunks).toString('utf8').replaceAll('\r\n', '\n');
  return text.split('\n').slice(-count).join('\n');
}

function countBreaks(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count += 1;
  return count;
}
