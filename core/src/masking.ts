// Hiding secrets in whatever is about to be written: known values, and what looks like a credential. Collecting the values: `references.ts`.

/** What stands in the place of a secret. */
export const mask = '***';

/** Keys whose values are secret whatever they are. */
export const secretKey =
  /token(?!s|i[sz])|passw(?:or)?d|pass$|passphrase|secret|api[-_]?key|authorization|credential|cookie|private[-_]?key/i;

/** Shorter values are not masked: they would blacken half the log. */
export const minSecretLength = 6;

/** Credentials by their looks. Each is linear: no part of one repeats what the part before it may eat. */
const looks: readonly (readonly [RegExp, string])[] = [
  [/(authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',}]+/gi, `$1${mask}`],
  [/\b(bearer)\s+[\w.~+/=-]{8,}/gi, `$1 ${mask}`],
  [/((?:token|passw(?:or)?d|secret|api[-_]?key)=)[^\s"'&,;})]+/gi, `$1${mask}`],
  [/((?:token|passw(?:or)?d|secret|api[-_]?key)["']\s*:\s*["'])[^"']+/gi, `$1${mask}`],
];

/** An address from its scheme's end on, up to a blank or a quote, with what may stand in it. */
const address = /:\/\/[^\s"']+/g;
/** The beginning of an address that a password follows: a user's name, or none. What begins like a port is no password. */
const userHead = /(?:[^/:[]+:(?!\d{1,5}[/?#])|:)/y;

const maxDepth = 8;
const maxItems = 200;
const maxText = 16 * 1024;

/** Replaces secrets in texts and values. Values are only ever added: an old token may still turn up. */
export class Masker {
  readonly #known = new Set<string>();
  #pattern: RegExp | undefined;

  /** Adds values to hide; shorter ones than 6 characters are left alone. */
  add(secrets: Iterable<string>): void {
    for (const secret of secrets) for (const form of formsOf(secret)) this.#known.add(form);
    // The longest first, so that a secret that begins with another is hidden whole.
    const sorted = [...this.#known].sort((a, b) => b.length - a.length);
    this.#pattern = sorted.length === 0 ? undefined : new RegExp(sorted.map(escapeRegExp).join('|'), 'g');
  }

  /** The text with every secret replaced. */
  text(text: string): string {
    let masked = this.#pattern === undefined ? text : text.replace(this.#pattern, mask);
    for (const [pattern, replacement] of looks) masked = masked.replace(pattern, replacement);
    return masked.replace(address, withoutPassword);
  }

  /** A plain copy with every secret replaced, in keys and values, at any depth; errors become objects. Fit for JSON. */
  value(value: unknown): unknown {
    return this.#copy(value, 0, new Set());
  }

  #copy(value: unknown, depth: number, above: Set<object>): unknown {
    if (typeof value === 'string') return shorten(this.text(value));
    if (typeof value === 'bigint' || typeof value === 'symbol') return this.text(String(value));
    if (typeof value === 'function') return '[function]';
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= maxDepth || above.has(value)) return '[…]';
    above.add(value);
    const copy = this.#copyObject(value, depth + 1, above);
    above.delete(value);
    return copy;
  }

  #copyObject(value: object, depth: number, above: Set<object>): unknown {
    if (value instanceof Date || value instanceof URL) return this.text(String(value));
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    const items = value instanceof Set || value instanceof Map ? [...value] : value;
    if (Array.isArray(items)) return items.slice(0, maxItems).map((item) => this.#copy(item, depth, above));
    const hidden = (key: string, item: unknown) =>
      secretKey.test(key) && (typeof item === 'string' || typeof item === 'number');
    return Object.fromEntries(
      entriesOf(items).map(([key, item]) => [
        this.text(key),
        hidden(key, item) ? mask : this.#copy(item, depth, above),
      ]),
    );
  }
}

/** A text within the bounds of a log line. */
export function shorten(text: string): string {
  return text.length > maxText ? `${text.slice(0, maxText)}… (${text.length - maxText} characters more)` : text;
}

/** Members of an object; of an error also those that are not enumerable. */
function entriesOf(value: object): [string, unknown][] {
  const entries = Object.entries(value).slice(0, maxItems);
  if (!(value instanceof Error)) return entries;
  const { name, message, stack, cause } = value;
  return [
    ['name', name],
    ['message', message],
    ['stack', stack],
    ...(cause === undefined ? [] : ([['cause', cause]] as [string, unknown][])),
    ...entries,
  ];
}

/** A secret as it may be written: as it is, inside JSON, inside a URL. */
function formsOf(secret: string): string[] {
  if (secret.length < minSecretLength) return [];
  // A form writes a blank as `+`, a URL as `%20`, and the two differ in punctuation.
  const form = new URLSearchParams({ '': secret }).toString().slice(1);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    form,
    form.replaceAll('+', '%20'),
    encodeURIComponent(Buffer.from(secret).toString()),
  ];
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Hides the password of an address, or of one within it: all up to the last `@`, for passwords hold slashes too. */
function withoutPassword(text: string): string {
  const end = text.lastIndexOf('@');
  for (let at = text.indexOf('://'); at >= 0 && at < end; at = text.indexOf('://', at + 3)) {
    userHead.lastIndex = at + 3;
    if (userHead.test(text) && userHead.lastIndex < end)
      return `${text.slice(0, userHead.lastIndex)}${mask}${text.slice(end)}`;
  }
  return text;
}
