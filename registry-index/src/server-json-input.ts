// Inputs of a `server.json` (arguments, headers, environment variables and their variables), there and back. The document is in `server-json.ts`.
import { argumentSchema, namedInputSchema, variableSchema } from './input.ts';
import type { Argument, NamedInput, Variable } from './input.ts';
import { secretsOf } from './server-entry.ts';
import type { Start } from './server-entry.ts';

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function secretNames(start: readonly Start[]): string[] {
  return secretsOf(start);
}

/** Our names and theirs. */
const renamed = { secret: 'isSecret', required: 'isRequired', repeated: 'isRepeated' } as const;
const same = ['description', 'default', 'choices', 'format', 'placeholder', 'value'] as const;

interface AnyInput {
  readonly secret?: boolean | undefined;
  readonly required?: boolean | undefined;
  readonly repeated?: boolean | undefined;
  readonly variables?: Readonly<Record<string, Variable>> | undefined;
}

function writeInput(input: AnyInput): JsonRecord {
  const source = input as JsonRecord;
  const written: JsonRecord = {};
  for (const key of same) if (source[key] !== undefined) written[key] = source[key];
  for (const [ours, theirs] of Object.entries(renamed)) if (source[ours] !== undefined) written[theirs] = source[ours];
  if (input.variables !== undefined) written['variables'] = writeVariables(input.variables);
  return written;
}

export function writeVariables(variables: Readonly<Record<string, Variable>>): JsonRecord {
  return Object.fromEntries(Object.entries(variables).map(([name, variable]) => [name, writeInput(variable)]));
}

export function writeNamedInput({ name, ...input }: NamedInput): JsonRecord {
  return { name, ...writeInput(input) };
}

export function writeArgument(argument: Argument): JsonRecord {
  if (typeof argument === 'string') return { type: 'positional', value: argument };
  if ('flag' in argument) return { type: 'named', name: argument.flag, ...writeInput(argument) };
  return { type: 'positional', valueHint: argument.name, ...writeInput(argument) };
}

/** `flags`: secret and required are always there for headers and variables, and only when true for arguments. */
function readInput(given: JsonRecord, flags: 'always' | 'as written'): JsonRecord {
  const read: JsonRecord = {};
  for (const key of same) if (given[key] !== undefined && given[key] !== '') read[key] = given[key];
  for (const [ours, theirs] of Object.entries(renamed)) {
    if (typeof given[theirs] === 'boolean') read[ours] = given[theirs];
    else if (flags === 'always' && ours !== 'repeated') read[ours] = false;
  }
  if (flags === 'always') delete read['repeated'];
  const variables = readVariables(given['variables']);
  if (variables !== undefined) read['variables'] = variables;
  return read;
}

/** Inputs that cannot be taken over are left out; the server says what it misses when it starts. */
export function readVariables(given: unknown): Record<string, Variable> | undefined {
  if (!isRecord(given)) return undefined;
  const read = Object.entries(given).flatMap(([name, value]) => {
    const checked = variableSchema.safeParse(isRecord(value) ? readInput(value, 'always') : undefined);
    return checked.success ? [[name, checked.data] as const] : [];
  });
  return Object.fromEntries(read);
}

export function readNamedInput(given: unknown): NamedInput[] {
  if (!isRecord(given)) return [];
  const checked = namedInputSchema.safeParse({ name: given['name'], ...readInput(given, 'always') });
  return checked.success ? [checked.data] : [];
}

export function readArgument(given: unknown): Argument[] {
  if (!isRecord(given)) return [];
  const input = readInput(given, 'as written');
  const checked = argumentSchema.safeParse(draftOf(given, input));
  return checked.success ? [checked.data] : [];
}

function draftOf(given: JsonRecord, input: JsonRecord): unknown {
  if (given['type'] === 'named') return { flag: given['name'], ...input };
  if (given['valueHint'] === undefined) return input['value'];
  return { name: given['valueHint'], ...input };
}
