// Results that fit: what GitHub answered, cut to a tool's output schema and to the size allowed, with a note on what was cut.
import type { JsonObject, ToolResult, z } from 'plugboard';
import type { Reply } from './api/ask.ts';
import { Failure } from './api/failure.ts';
import type { Call } from './tool.ts';

/** Characters that a text of a list keeps before items are left out, and those that it keeps in any case. */
const fairCut = 1000;
const shortestCut = 64;

/** A copy with the members that the schema names, and without `null`, which GitHub writes for everything that is not there. */
export function shaped<Schema extends z.ZodObject>(schema: Schema, data: unknown): z.output<Schema> {
  const parsed = schema.safeParse(withoutNull(data));
  if (parsed.success && Object.keys(parsed.data).length > 0) return parsed.data;
  const issues = parsed.success ? [{ path: [], message: 'nothing of it is there' }] : parsed.error.issues;
  const places = issues.slice(0, 3).map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': '));
  throw new Failure(
    `GitHub’s answer has not the form it should have (${places.join('; ')}): look with another tool whether it was done.`,
  );
}

/** The result of one thing. */
export function one(call: Call, schema: z.ZodObject, data: unknown, hint?: string): ToolResult {
  const value = shaped(schema, data) as JsonObject;
  const { value: fitting, cut } = clipped(value, call.maxResultBytes);
  const note = cut === undefined ? undefined : `Texts longer than ${cut} characters were cut. ${hint ?? raise}`;
  return answer(fitting, fitting, note);
}

const raise = 'Somebody can raise the option maxResultBytes.';

/** What was asked for. */
export interface Page {
  page: number;
  per_page: number;
}

export interface ListInit {
  /** The items of this page. */
  readonly items: readonly unknown[];
  /** Members beside the items. */
  readonly more?: JsonObject;
  readonly reply: Reply;
  readonly page: Page;
  /** Where a text that was cut can be read whole. */
  readonly hint: string;
  /** The text shows the items alone, as the reference server does, unless `whole`. */
  readonly whole?: boolean;
}

/** The result of a list: `items`, and where the rest of it is. */
export function list(call: Call, schema: z.ZodObject, init: ListInit): ToolResult {
  const { items, more = {}, reply, page, hint } = init;
  const all = shaped(schema, { ...more, items }) as ListValue;
  const fair = clipped(all, call.maxResultBytes, fairCut);
  const kept = fittingItems(fair.value, call.maxResultBytes, page.per_page);
  const { value, cut = fair.cut } = clipped(
    { ...fair.value, items: fair.value.items.slice(0, kept) },
    call.maxResultBytes,
  );
  const notes: string[] = [];
  if (cut !== undefined) notes.push(`Texts longer than ${cut} characters were cut: ${hint}`);
  const next = nextPage(reply);
  if (kept < items.length) {
    const following = ((page.page - 1) * page.per_page) / kept + 2;
    notes.push(
      `Only the first ${kept} of ${items.length} items fit in the answer: go on with page ${following} and ${kept} per page.`,
    );
    Object.assign(value, { next_page: following, next_per_page: kept });
  } else if (next !== undefined) {
    notes.push(`There is more: go on with page ${next}.`);
    Object.assign(value, { next_page: next });
  }
  return answer(value, init.whole === true ? value : value.items, notes.length === 0 ? undefined : notes.join(' '));
}

type ListValue = JsonObject & { items: JsonObject[] };

/** Items that fit; a divisor of the page's size, so that the rest is a whole number of pages away. */
function fittingItems(value: ListValue, maxBytes: number, size: number): number {
  const total = value.items.length;
  if (sizeOf(value) <= maxBytes) return total;
  const room = maxBytes - sizeOf({ ...value, items: [] });
  let bytes = 0;
  let fit = 0;
  for (const item of value.items) {
    bytes += sizeOf(item) + 1;
    if (bytes > room) break;
    fit += 1;
  }
  while (fit > 1 && size % fit !== 0) fit -= 1;
  return Math.max(1, Math.min(fit, total));
}

/** Text of a long thing from `offset` on, in characters (UTF-16 units), as much as fits. */
export function windowOf(
  text: string,
  offset: number,
  maxBytes: number,
): { content: string; next: number | undefined } {
  let content = text.slice(offset, offset + maxBytes);
  for (let bytes = sizeOf(content); bytes > maxBytes && content.length > 1; bytes = sizeOf(content))
    content = content.slice(0, Math.floor((content.length * maxBytes) / bytes) - 1);
  // No half of a pair.
  if (/[\ud800-\udbff]$/.test(content) && content.length > 1) content = content.slice(0, -1);
  const next = offset + content.length;
  return { content, next: next < text.length ? next : undefined };
}

export function answer(structuredContent: JsonObject, shown: unknown, note?: string): ToolResult {
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown);
  const content = [{ type: 'text', text }];
  if (note === undefined) return { content, structuredContent };
  return { content: [...content, { type: 'text', text: note }], structuredContent: { ...structuredContent, note } };
}

/** The page that follows, by the header that GitHub sends. */
export function nextPage({ headers }: Reply): number | undefined {
  const link = headers['link'];
  const url = typeof link === 'string' ? /<([^<>]+)>; rel="next"/.exec(link)?.[1] : undefined;
  const page = url !== undefined && URL.canParse(url) ? Number(new URL(url).searchParams.get('page')) : 0;
  return page > 0 ? page : undefined;
}

/** Shortens the longest texts, step by step, until all fits or all are as short as allowed. */
function clipped<Value extends JsonObject>(
  value: Value,
  maxBytes: number,
  shortest = shortestCut,
): { value: Value; cut: number | undefined } {
  let result = value;
  let cut: number | undefined;
  for (let limit = Math.floor(maxBytes / 2); sizeOf(result) > maxBytes && limit >= shortest; limit = limit >> 1) {
    const length = limit;
    result = mapTexts(value, (text) => {
      // Half an address leads nowhere.
      if (text.length <= length || text.startsWith('https://')) return text;
      cut = length;
      return `${text.slice(0, length)}…`;
    }) as Value;
  }
  return { value: result, cut };
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapTexts(each, change)]));
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((each) => each !== null).map(withoutNull);
  // Octokit reads numbers beyond 2^53 as bigint, which JSON cannot write.
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== null && each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutNull(each)]));
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
