// `Mcp-Param-*` headers (2026-07-28, custom headers from tool parameters): declarations in a tool's schema, their check and their writing.
import { isObject } from './messages.ts';
import type { JsonObject } from './messages.ts';

/** One `x-mcp-header` declaration: the header `Mcp-Param-<name>` mirrors the argument at `path`. */
export interface HeaderDeclaration {
  readonly name: string;
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

export type HeaderScan =
  | { readonly declarations: readonly HeaderDeclaration[]; readonly fault?: undefined }
  | { readonly fault: string };

const keyword = 'x-mcp-header';
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Keywords whose subschemas are reached by `properties` alone are fine; a declaration anywhere else makes the tool invalid. */
const branches = [
  'items',
  'prefixItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
];
const lists = ['oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else'];
const maps = ['patternProperties', 'dependentSchemas', '$defs', 'definitions'];
const maxDepth = 64;

const scans = new WeakMap<JsonObject, HeaderScan>();

/** The header declarations of an input schema, or why they are invalid. Scanned once per schema object. */
export function scanHeaders(inputSchema: JsonObject): HeaderScan {
  let scan = scans.get(inputSchema);
  if (scan === undefined) {
    const found: HeaderDeclaration[] = [];
    const fault = visit(inputSchema, [], true, found);
    scan = fault === undefined ? { declarations: found } : { fault };
    scans.set(inputSchema, scan);
  }
  return scan;
}

function visit(
  schema: unknown,
  path: readonly string[],
  reachable: boolean,
  found: HeaderDeclaration[],
): string | undefined {
  if (Array.isArray(schema)) return first(schema, (each) => visit(each, path, reachable, found));
  if (!isObject(schema)) return undefined;
  if (path.length > maxDepth) return `the schema nests deeper than ${maxDepth}`;
  if (keyword in schema) {
    const fault = declare(schema, path, reachable, found);
    if (fault !== undefined) return fault;
  }
  const properties = isObject(schema['properties']) ? Object.entries(schema['properties']) : [];
  return (
    first(properties, ([name, child]) => visit(child, [...path, name], reachable, found)) ??
    first([...branches, ...lists], (name) => visit(schema[name], [...path, `<${name}>`], false, found)) ??
    first(maps, (name) =>
      visit(isObject(schema[name]) ? Object.values(schema[name]) : undefined, [...path, `<${name}>`], false, found),
    )
  );
}

function first<Item>(items: readonly Item[], fault: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const found = fault(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function declare(
  schema: JsonObject,
  path: readonly string[],
  reachable: boolean,
  found: HeaderDeclaration[],
): string | undefined {
  const name = schema[keyword];
  const type = schema['type'];
  const place = path.join('.') || 'the schema itself';
  if (!reachable || path.length === 0)
    return `${place}: ${keyword} is allowed only on properties reached by "properties" alone`;
  if (typeof name !== 'string' || !token.test(name)) return `${place}: ${keyword} is not a header name`;
  if (type !== 'string' && type !== 'integer' && type !== 'boolean')
    return `${place}: ${keyword} needs a string, integer or boolean`;
  if (found.some((other) => other.name.toLowerCase() === name.toLowerCase()))
    return `${place}: ${keyword} "${name}" is declared twice`;
  found.push({ name, path, type });
  return undefined;
}

/** Compares received `mcp-param-*` headers (lower-case names) with the arguments; says what disagrees, or undefined. */
export function checkParamHeaders(
  declarations: readonly HeaderDeclaration[],
  args: unknown,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  for (const { name, path, type } of declarations) {
    const value = valueAt(args, path);
    const expected = asText(value);
    if (expected === undefined) continue;
    const received = headers[`mcp-param-${name.toLowerCase()}`];
    if (received === undefined) return `the body carries ${path.join('.')} but the header Mcp-Param-${name} is missing`;
    const decoded = decodeHeader(received);
    if (decoded === undefined) return `the header Mcp-Param-${name} is not valid Base64`;
    const same = type === 'integer' && decoded.trim() !== '' ? Number(decoded) === value : decoded === expected;
    if (!same) return `the header Mcp-Param-${name} differs from ${path.join('.')} in the body`;
  }
  return undefined;
}

/** The `Mcp-Param-*` headers for a call. */
export function writeParamHeaders(declarations: readonly HeaderDeclaration[], args: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { name, path } of declarations) {
    const text = asText(valueAt(args, path));
    if (text !== undefined) headers[`Mcp-Param-${name}`] = encodeHeader(text);
  }
  return headers;
}

const plain = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;
const wrapped = /^=\?base64\?(.*)\?=$/s;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A header value that carries any text: as it is where headers can carry it, else as `=?base64?…?=`. */
export function encodeHeader(text: string): string {
  return plain.test(text) && !wrapped.test(text) ? text : `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}

/** The text of a header value; undefined when its Base64 is not canonical or not UTF-8. */
export function decodeHeader(value: string): string | undefined {
  const encoded = wrapped.exec(value)?.[1];
  if (encoded === undefined) return value;
  if (!base64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let node = root;
  for (const name of path) node = isObject(node) && Object.hasOwn(node, name) ? node[name] : undefined;
  return node;
}

function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined;
}
