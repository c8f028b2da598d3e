// A tool's arguments as they are typed on the command line: one JSON object, or key=value by the tool's schema.
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject, Tool } from '../protocol/messages.ts';

const maxInputBytes = 64 * 1024 * 1024;

/** Reads `{…}`, `-` (JSON on stdin), `key=value` and `key:=JSON`. Throws USAGE. */
export async function readArguments(values: readonly string[], tool: Tool): Promise<JsonObject> {
  const [first] = values;
  if (first === undefined) return {};
  if (values.length === 1 && first === '-') return parseObject(await readInput(), 'stdin');
  if (values.length === 1 && first.trimStart().startsWith('{')) return parseObject(first, 'the arguments');
  return Object.fromEntries(values.map((value) => readPair(value, tool)));
}

function readPair(value: string, tool: Tool): [string, unknown] {
  const cut = value.indexOf('=');
  if (cut < 1)
    throw new PlugboardError(
      'USAGE',
      `argument ${JSON.stringify(value)}: write key=value, or all of them as one JSON object`,
    );
  const isJson = value[cut - 1] === ':';
  const key = value.slice(0, isJson ? cut - 1 : cut);
  const text = value.slice(cut + 1);
  const properties =
    isObject(tool['inputSchema']) && isObject(tool['inputSchema']['properties'])
      ? tool['inputSchema']['properties']
      : {};
  const property = properties[key];
  if (property === undefined && isClosed(tool)) throw unknownKey(key, tool, Object.keys(properties));
  if (isJson) return [key, parseJson(text, `argument ${key}`)];
  return [key, typesOf(property).includes('string') ? text : parseLoosely(text)];
}

function unknownKey(key: string, tool: Tool, known: readonly string[]): PlugboardError {
  const [nearest] = closest(key, known);
  const listed = known.length === 0 ? 'it takes no arguments' : `known: ${known.join(', ')}`;
  return new PlugboardError(
    'USAGE',
    `tool "${tool.name}" has no argument "${key}" (${listed}${nearest === undefined ? '' : `; nearest: ${nearest}`})`,
  );
}

/** True when the tool says that it takes no other arguments than those it names. */
function isClosed(tool: Tool): boolean {
  return isObject(tool['inputSchema']) && tool['inputSchema']['additionalProperties'] === false;
}

function typesOf(property: unknown): readonly unknown[] {
  if (!isObject(property)) return [];
  const { type, anyOf, oneOf, enum: choices } = property;
  if (type !== undefined) return [type].flat();
  if (Array.isArray(choices)) return choices.map((choice) => typeof choice);
  return [anyOf, oneOf].flatMap((each) => (Array.isArray(each) ? each.flatMap(typesOf) : []));
}

/** JSON where it is JSON, text elsewhere: `count=3`, `deep=true`, `tags=["a"]`, `name=Ada`. */
function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PlugboardError('USAGE', `${what}: ${(error as Error).message}`);
  }
}

function parseObject(text: string, what: string): JsonObject {
  const value = parseJson(text, what);
  if (isObject(value)) return value;
  throw new PlugboardError('USAGE', `${what}: must be one JSON object`);
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxInputBytes) throw new PlugboardError('USAGE', `stdin: more than ${maxInputBytes} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
