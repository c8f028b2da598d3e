// What a plugin declares in package.json beside what it was seen to use: nothing may be missing, and nothing claimed for nothing.
import { hookNames, isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';

/** What a plugin was seen to use. */
export interface SeenUse {
  readonly hooks: readonly string[];
  readonly services: readonly string[];
  readonly board: boolean;
  /** Sentences. */
  readonly network: readonly string[];
  /** Sentences. */
  readonly childProcess: readonly string[];
}

const where = 'plugboard.capabilities';

/** What each capability may be. */
const shapes: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  hooks: (value) => names(value) ?? unknownHook(value as readonly string[]),
  services: names,
  board: flag,
  network: sentences,
  filesystem: sentences,
  secrets: sentences,
  childProcess: (value) => (flag(value) === undefined ? undefined : sentences(value)),
};

/** Compares a declaration with what was seen. Returns one sentence for each problem. */
export function checkCapabilities(declared: unknown, seen: SeenUse): string[] {
  if (declared !== undefined && !isObject(declared)) return [`${where} is no object`];
  const own: JsonObject = declared ?? {};
  return [
    ...Object.entries(own).flatMap(([key, value]) => checkShape(key, value)),
    ...compareNames('hooks', own['hooks'], seen.hooks),
    ...compareNames('services', own['services'], seen.services),
    ...compareBoard(own['board'] === true, seen.board),
    ...(own['network'] === undefined ? seen.network : []).map((text) => `${text}: say with whom in ${where}.network`),
    ...(declares(own['childProcess']) ? [] : seen.childProcess).map(
      (text) => `${text}: say so in ${where}.childProcess`,
    ),
  ];
}

function checkShape(key: string, value: unknown): string[] {
  const problem = shapes[key]?.(value);
  if (shapes[key] === undefined)
    return [`${where}.${key}: there is no such capability (${Object.keys(shapes).join(', ')})`];
  return problem === undefined ? [] : [`${where}.${key}: ${problem}`];
}

function compareNames(key: 'hooks' | 'services', declared: unknown, seen: readonly string[]): string[] {
  const own: readonly unknown[] = Array.isArray(declared) ? declared : [];
  const undeclared = seen.filter((name) => !own.includes(name));
  const unused = own.filter((name) => typeof name === 'string' && !seen.includes(name));
  return [
    ...undeclared.map((name) => `${where}.${key}: "${name}" is missing, and is used`),
    ...unused.map((name) => `${where}.${key}: "${String(name)}" was not used, with any of the options that were tried`),
  ];
}

function compareBoard(declared: boolean, seen: boolean): string[] {
  if (declared === seen) return [];
  return [
    declared
      ? `${where}.board is declared, and api.board was not used`
      : `${where}.board: true is missing, and api.board is used`,
  ];
}

function declares(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function names(value: unknown): string | undefined {
  const fits =
    Array.isArray(value) && value.every((each) => typeof each === 'string') && new Set(value).size === value.length;
  return fits ? undefined : 'must be a list of names, each once';
}

function unknownHook(value: readonly string[]): string | undefined {
  const wrong = value.find((name) => !hookNames.some((each) => each === name));
  return wrong === undefined ? undefined : `there is no hook "${wrong}"`;
}

function flag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'must be true or false';
}

/** For people: a sentence, or several. */
function sentences(value: unknown): string | undefined {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  const fits = all.length > 0 && all.every((each) => typeof each === 'string' && each.trim() !== '');
  return fits ? undefined : 'must be a text for people, or a list of texts';
}
