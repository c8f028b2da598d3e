// A tool's arguments as they are typed on the command line: one JSON object, or key=value by the tool's schema.
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject, Tool } from '../protocol/messages.ts';

const maxInputBytes = 64 * 1024 * 1024;

/** Reads `{…}`, `-` (JSON on stdin), `key=value` and `key:=JSON`. `warn` hears of keys that the tool does not list. Throws USAGE. */
export async function readArguments(
  values: readonly string[],
  tool: Tool,
  warn: (text: string) => void,
): Promise<JsonObject> {
  const args = await read(values, tool);
  const known = propertiesOf(tool);
  for (const key of Object.keys(args)) {
    if (Object.hasOwn(known, key)) continue;
    const problem = unknownKey(key, tool, Object.keys(known));
    if (isClosed(tool)) throw new PlugboardError('USAGE', problem);
    // A tool that lists nothing, or says that it takes others, takes any.
    if (Object.keys(known).length > 0 && !isOpen(tool)) warn(`warning: ${problem}`);
  }
  return args;
}

async function read(values: readonly string[], tool: Tool): Promise<JsonObject> {
  const [first] = values;
  if (first === undefined) return {};
  if (values.length === 1 && first === '-') return parseObject(await readInput(), 'stdin');
  if (values.length === 1 && first.trimStart().startsWith('{')) return parseObject(first, 'the arguments');
  return Object.fromEntries(values.map((value) => readPair(value, propertiesOf(tool))));
}

function readPair(value: string, properties: JsonObject): [string, unknown] {
  const cut = value.indexOf('=');
  if (cut < 1)
    throw new PlugboardError(
      'USAGE',
      `argument ${JSON.stringify(value)}: write key=value, or all of them as one JSON object`,
    );
  const isJson = value[cut - 1] === ':';
  const key = value.slice(0, isJson ? cut - 1 : cut);
  const text = value.slice(cut + 1);
  const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (isJson) return [key, parseJson(text, `argument ${key}`)];
  return [key, typesOf(property).includes('string') ? text : parseLoosely(text)];
}

function unknownKey(key: string, tool: Tool, known: readonly string[]): string {
  const [nearest] = closest(key, known);
  const listed = known.length === 0 ? 'it takes no arguments' : `known: ${known.join(', ')}`;
  return `tool "${tool.name}" has no argument "${key}" (${listed}${nearest === undefined ? '' : `; nearest: ${nearest}`})`;
}

function schemaOf(tool: Tool): JsonObject {
  return isObject(tool['inputSchema']) ? tool['inputSchema'] : {};
}

function propertiesOf(tool: Tool): JsonObject {
  const { properties } = schemaOf(tool);
  return isObject(properties) ? properties : {};
}

/** True when the tool says that it takes no other arguments than those it names. */
function isClosed(tool: Tool): boolean {
  return schemaOf(tool)['additionalProperties'] === false;
}

/** True when the tool says that it takes others too, or under names that it does not list one by one. */
function isOpen(tool: Tool): boolean {
  const { additionalProperties, patternProperties } = schemaOf(tool);
  return (additionalProperties ?? false) !== false || patternProperties !== undefined;
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
