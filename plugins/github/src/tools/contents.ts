// What `get_file_contents` answers: a file as text, bytes or part of it, or the entries of a folder.
import { TextDecoder } from 'node:util';
import { isObject, z } from 'plugboard';
import type { JsonObject, ToolResult } from 'plugboard';
import type { Place } from '../api/place.ts';
import { answer, shaped, windowOf } from '../result.ts';
import * as shape from '../shapes.ts';
import type { Call } from '../tool.ts';

/** Bytes of a result that the rest of it takes at most, beside content or entries. */
const around = 2048;

export const contents = shape.entry.extend({
  content: z.string().optional().describe('The file, as text; as base64 where `encoding` says so'),
  encoding: z.string().optional().describe('utf-8 or base64'),
  entries: z.array(shape.entry).optional().describe('What is in the folder'),
  offset: z.number().optional(),
  total: z.number().optional().describe('Length of the whole text in characters, or number of entries in the folder'),
  next_offset: z.number().optional().describe('Where to go on; missing: this was the end'),
  note: z.string().optional().describe('What was cut, and how to get the rest'),
});

export interface Asked {
  readonly place: Place;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly offset: number;
}

export async function readContents(call: Call, asked: Asked): Promise<ToolResult> {
  const { data } = await call.get(asked.place, asked.query);
  if (Array.isArray(data)) return folder(call, data as unknown[], asked.offset);
  const file: JsonObject = isObject(data) ? data : {};
  const about = shaped(shape.entry, file) as JsonObject;
  if (file['type'] !== 'file') return answer(about, about);
  if (file['encoding'] === 'base64' && typeof file['content'] === 'string')
    return fileResult(call, about, Buffer.from(file['content'], 'base64'), false, asked.offset);
  // From 1 MB on GitHub leaves the content out.
  const { data: bytes, cut } = await call.ask({ method: 'GET', place: asked.place, query: asked.query, as: 'raw' });
  return fileResult(call, about, bytes as Buffer, cut, asked.offset);
}

function folder(call: Call, items: readonly unknown[], offset: number): ToolResult {
  const entries: JsonObject[] = [];
  let room = call.maxResultBytes - around;
  for (const item of items.slice(offset)) {
    const entry = shaped(shape.entry, item) as JsonObject;
    room -= Buffer.byteLength(JSON.stringify(entry)) + 1;
    if (room < 0 && entries.length > 0) break;
    entries.push(entry);
  }
  const value: JsonObject = { type: 'dir', entries, offset, total: items.length };
  const next = offset + entries.length;
  if (next >= items.length) return answer(value, entries);
  const note = `Entries ${offset} to ${next - 1} of ${items.length}: go on with offset ${next}.`;
  return answer({ ...value, next_offset: next }, entries, note);
}

function fileResult(call: Call, about: JsonObject, bytes: Buffer, cut: boolean, offset: number): ToolResult {
  const text = textOf(bytes, cut);
  const room = call.maxResultBytes - around;
  if (text === undefined) return binaryResult(about, bytes, cut, room);
  const { content, next } = windowOf(text, offset, room);
  const value: JsonObject = { ...about, encoding: 'utf-8', content, offset, total: text.length };
  const notes: string[] = [];
  if (offset > text.length) notes.push(`The text ends at ${text.length}, before the offset.`);
  if (next !== undefined) {
    notes.push(`Characters ${offset} to ${next - 1} of ${text.length}: go on with offset ${next}.`);
    value['next_offset'] = next;
  }
  if (cut)
    notes.push(
      `Only the first ${bytes.length} bytes were read (option maxDownloadBytes): clone the repository for the rest.`,
    );
  return answer(value, value, notes.length === 0 ? undefined : notes.join(' '));
}

function binaryResult(about: JsonObject, bytes: Buffer, cut: boolean, room: number): ToolResult {
  const content = bytes.toString('base64');
  if (!cut && content.length <= room) {
    const value = { ...about, encoding: 'base64', content };
    return answer(value, value);
  }
  const note = `This is no text, and too large (${String(about['size'])} bytes) to be shown as base64: fetch it by other means.`;
  return answer(about, about, note);
}

/** Undefined: it is no text. A cut may have gone through a character. */
function textOf(bytes: Buffer, cut: boolean): string | undefined {
  if (bytes.subarray(0, 8000).includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}
