// Whether an answer is the right one: its id and its content. Knows no sockets.
import { blobText } from '../targets/answers.ts';
import type { Answer } from './connection.ts';

interface Message {
  id?: unknown;
  result?: { content?: { text?: unknown }[]; tools?: unknown[] };
}

/** The JSON-RPC message of an answer: its body, or the last event with an id of its SSE body. */
export function messageOf(answer: Answer): unknown {
  const text = answer.body.toString();
  if (!answer.stream) return text === '' ? undefined : JSON.parse(text);
  for (const line of text.split('\n').reverse()) {
    if (!line.startsWith('data:') || line.trim() === 'data:') continue;
    const message: unknown = JSON.parse(line.slice(5));
    if (typeof message === 'object' && message !== null && 'id' in message) return message;
  }
  return undefined;
}

function wrong(answer: Answer, expected: string): string {
  return `expected ${expected}, got ${answer.status} ${answer.body.subarray(0, 300).toString()}`;
}

/** Undefined when `answer` echoes `text` to request `id`, else what is wrong. */
export function checkCall(answer: Answer, id: number, text: string): string | undefined {
  const message = messageOf(answer) as Message | undefined;
  if (answer.status === 200 && message?.id === id && message.result?.content?.[0]?.text === text) return undefined;
  return wrong(answer, `"${text}" for id ${id}`);
}

const blobs = new Map<number, Buffer>();

/** Like {@link checkCall} for a blob of `kib` KiB. Compares bytes: parsing 64 KiB would make the load the bottleneck. */
export function checkBlob(answer: Answer, id: number, text: string, kib: number): string | undefined {
  const start = answer.body.indexOf(`"text":"${text}`) + 8;
  let expected = blobs.get(kib);
  if (expected === undefined) blobs.set(kib, (expected = Buffer.from(blobText('', kib))));
  const end = start + expected.length;
  // The blob is the filler with the caller's own text written over its beginning.
  const same = answer.body.compare(expected, text.length, expected.length, start + text.length, end) === 0;
  const closed = answer.body[end] === 0x22;
  if (answer.status === 200 && start > 8 && same && closed && idAt(answer.body, id) >= 0) return undefined;
  return wrong(answer, `${kib} KiB starting "${text}" for id ${id}`);
}

/** Where `"id":<id>` stands in the first or last 200 bytes of `body`; -1 when nowhere. */
function idAt(body: Buffer, id: number): number {
  const field = `"id":${id}`;
  const early = body.subarray(0, 200).indexOf(field);
  if (early >= 0) return early;
  const offset = Math.max(0, body.length - 200);
  const late = body.subarray(offset).indexOf(field);
  return late < 0 ? -1 : offset + late;
}

/**
 * Checks lists: the first by counting its tools, the following by comparing the bytes around the id with the last one
 * that was parsed. Other bytes, such as a time to live that counts down, are parsed again and must list the same tools.
 */
export class ListCheck {
  readonly #count: number;
  #known: Buffer | undefined;
  #tools: string | undefined;
  #at = -1;

  constructor(count: number) {
    this.#count = count;
  }

  check(answer: Answer, id: number): string | undefined {
    const known = this.#known;
    const at = idAt(answer.body, id);
    if (known !== undefined && at === this.#at && known.length === answer.body.length) {
      const after = at + `"id":${id}`.length;
      const before = known.compare(answer.body, 0, at, 0, at) === 0;
      if (before && known.compare(answer.body, after, known.length, after) === 0) return undefined;
    }
    const message = messageOf(answer) as Message | undefined;
    const right = answer.status === 200 && message?.id === id && message.result?.tools?.length === this.#count;
    const tools = JSON.stringify(message?.result?.tools);
    if (!right || tools !== (this.#tools ?? tools)) return wrong(answer, `the same ${this.#count} tools for id ${id}`);
    this.#tools = tools;
    // The answer's buffer may be a slice of a larger one that the socket reuses.
    this.#known = Buffer.from(answer.body);
    this.#at = at;
    return undefined;
  }
}
