// What can be kept: values that JSON gives back as they were. Also the place of a fault in a JSON text; parsing itself is the engine's.
import type { Storable } from 'plugboard';

const maxDepth = 200;

/** The value as JSON text. Throws a TypeError where JSON would leave something out or make something else of it. */
export function jsonOf(value: unknown, place: string): string {
  const fault = faultIn(value, 0);
  if (fault !== undefined) throw new TypeError(`${place}${fault}`);
  return JSON.stringify(value);
}

export function parseStorable(text: string): Storable {
  return JSON.parse(text) as Storable;
}

/** Where the value is no JSON, and why. The place is put together on the way back, so that good values cost nothing for it. */
function faultIn(value: unknown, depth: number): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value))
    return undefined;
  if (depth > maxDepth) return `: nested deeper than ${maxDepth} levels, or in a circle`;
  if (Array.isArray(value)) {
    // Not for-of or forEach: a hole must be found too.
    for (let index = 0; index < value.length; index += 1) {
      const fault = faultIn(value[index], depth + 1);
      if (fault !== undefined) return `[${index}]${fault}`;
    }
    return undefined;
  }
  if (!isPlainObject(value)) {
    return `: ${nameOf(value)} cannot be kept; only JSON can: make it a string, a number or a plain object`;
  }
  for (const name of Object.keys(value)) {
    const member = value[name];
    const fault = member === undefined ? undefined : faultIn(member, depth + 1);
    if (fault !== undefined) return `.${name}${fault}`;
  }
  return undefined;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** What kind of value it is, never the value itself: it may be secret. */
function nameOf(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return value === undefined ? 'undefined' : `a ${typeof value}`;
  const { constructor } = value;
  return `an object of class ${typeof constructor === 'function' ? constructor.name : 'unknown'}`;
}

/**
 * Index of the first character that makes a text no JSON; its length when it ends too early. The engine's own message does not always
 * name the place, and quotes the text, which may be secret.
 */
export function faultOf(text: string): number {
  const open: ('{' | '[')[] = [];
  let state: 'value' | 'first' | 'key' | 'colon' | 'after' = 'value';
  let at = 0;
  for (;;) {
    const token = tokenAt(text, at);
    if (token.kind === 'end' || token.kind === 'fault') return token.at;
    const top = open.at(-1);
    if (token.kind === '}' || token.kind === ']') {
      const closes = token.kind === '}' ? '{' : '[';
      if (top !== closes || (state !== 'after' && state !== 'first')) return token.at;
      open.pop();
      state = 'after';
    } else if (state === 'after') {
      if (token.kind !== ',' || top === undefined) return token.at;
      state = top === '{' ? 'key' : 'value';
    } else if (state === 'key' || (state === 'first' && top === '{')) {
      if (token.kind !== 'string') return token.at;
      state = 'colon';
    } else if (state === 'colon') {
      if (token.kind !== ':') return token.at;
      state = 'value';
    } else if (token.kind === '{' || token.kind === '[') {
      open.push(token.kind);
      state = 'first';
    } else {
      if (token.kind === ',' || token.kind === ':') return token.at;
      state = 'after';
    }
    at = token.end;
  }
}

interface Token {
  readonly kind: '{' | '}' | '[' | ']' | ',' | ':' | 'string' | 'scalar' | 'end' | 'fault';
  readonly at: number;
  readonly end: number;
}

const space = /[ \t\r\n]*/y;
const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
// Character by character, not one repetition over all of them: that would overflow the stack on long strings.
const character = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

function tokenAt(text: string, from: number): Token {
  const at = skip(space, text, from) ?? from;
  const first = text[at];
  if (first === undefined) return { kind: 'end', at, end: at };
  if (first === '{' || first === '}' || first === '[' || first === ']' || first === ',' || first === ':') {
    return { kind: first, at, end: at + 1 };
  }
  if (first !== '"') {
    const end = skip(scalar, text, at);
    return end === undefined ? { kind: 'fault', at, end: at } : { kind: 'scalar', at, end };
  }
  let end = at + 1;
  for (let next = skip(character, text, end); next !== undefined; next = skip(character, text, end)) end = next;
  return text[end] === '"' ? { kind: 'string', at, end: end + 1 } : { kind: 'fault', at: end, end };
}

function skip(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
