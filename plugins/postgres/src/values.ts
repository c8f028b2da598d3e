// Values of PostgreSQL as JSON that loses nothing: text as the server sends it in, JSON out. Which rows: `cursor.ts`.
import { types } from 'pg';

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json };

/** Type numbers of the server's own types (pg_type.dat); they never change. */
const numbers: Readonly<Record<keyof typeof types.builtins, number>> = types.builtins;
const { BOOL, BYTEA, INT2, INT4, OID, FLOAT4, FLOAT8, TIMESTAMP, TIMESTAMPTZ, JSON: JSON_TYPE, JSONB } = numbers;

// The driver's types say something else of it than it is.
const arrays = types.arrayParser as unknown as {
  create(text: string, transform: (entry: string | null) => Json): { parse(): Json[] };
};

/** The name of a type, and the number of its elements' type when it is an array. */
export interface TypeInfo {
  readonly name: string;
  readonly element: number | undefined;
}

/** How many values were cut so far. */
export interface Cuts {
  count: number;
}

/** A number of more digits than a double keeps, or with an exponent: such JSON stays text. */
const longNumber = /[0-9][0-9.]{15}|[0-9][eE]/;

/** The value of one cell. Texts longer than `maxBytes` are cut, with a note at their end. */
export function toJson(
  text: string | null,
  type: number,
  info: TypeInfo | undefined,
  maxBytes: number,
  cuts: Cuts,
): Json {
  if (text === null) return null;
  if (type === BYTEA && text.startsWith('\\x')) return base64(text, maxBytes, cuts);
  if (text.length > maxBytes / 4 && Buffer.byteLength(text) > maxBytes) return cut(text, maxBytes, cuts);
  if (info?.element === undefined) return scalar(text, type);
  const { element } = info;
  // An array with bounds of its own, `[2:3]={…}`, has no counterpart in JSON.
  if (!text.startsWith('{')) return text;
  return arrays.create(text, (entry) => toJson(entry, element, undefined, maxBytes, cuts)).parse();
}

function scalar(text: string, type: number): Json {
  if (type === BOOL) return text === 't';
  if (type === INT2 || type === INT4 || type === OID) return Number(text);
  if (type === FLOAT4 || type === FLOAT8) return Number.isFinite(Number(text)) ? Number(text) : text;
  if (type === TIMESTAMP || type === TIMESTAMPTZ) return isoTime(text);
  if ((type === JSON_TYPE || type === JSONB) && !longNumber.test(text)) return JSON.parse(text) as Json;
  return text;
}

/** `2026-01-02 03:04:05.6+00` → `2026-01-02T03:04:05.6Z`. `infinity` and years before Christ stay as they are. */
function isoTime(text: string): string {
  const [, date, time, zone = ''] =
    /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::\d\d)*)?$/.exec(text) ?? [];
  if (date === undefined || time === undefined) return text;
  const suffix = zone === '+00' ? 'Z' : /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone;
  return `${date}T${time}${suffix}`;
}

function base64(text: string, maxBytes: number, cuts: Cuts): string {
  const bytes = (text.length - 2) / 2;
  if (Math.ceil(bytes / 3) * 4 <= maxBytes) return Buffer.from(text.slice(2), 'hex').toString('base64');
  cuts.count += 1;
  // Whole groups of three bytes, so that what is there can be decoded.
  const kept = Math.floor(maxBytes / 4) * 3;
  return `${Buffer.from(text.slice(2, 2 + kept * 2), 'hex').toString('base64')}… [cut: ${kept} of ${bytes} bytes]`;
}

function cut(text: string, maxBytes: number, cuts: Cuts): string {
  cuts.count += 1;
  const bytes = Buffer.from(text);
  // A character that was cut in two becomes U+FFFD, which is left out.
  const kept = new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, '');
  return `${kept}… [cut: ${Buffer.byteLength(kept)} of ${bytes.length} bytes]`;
}
