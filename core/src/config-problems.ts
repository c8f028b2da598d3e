// From a schema's issues to lines for a person: where it is, what is wrong, what is known there, what was probably meant.
import { formatPlace } from './config-source.ts';
import type { ConfigSource, Place } from './config-source.ts';
import { closest } from './nearest.ts';
import type * as z from './z.ts';

/** One thing that is wrong with a configuration. */
export interface Problem {
  readonly place: Place;
  readonly message: string;
  /** Place of an unknown key, which is more exact than the place of its object. */
  readonly key?: Place;
}

/** The parts of a zod issue that are read here. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
  readonly issues?: readonly Issue[];
}

/** The part of a schema's definition (zod 4, any copy of it) that leads to its known keys. */
interface Definition {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

/**
 * Describes what a schema found wrong, one problem per issue (per key where keys are unknown).
 * @param place where the checked value stands in the file
 */
export function describeIssues(schema: z.ZodType, error: z.ZodError, place: Place): Problem[] {
  return error.issues.flatMap((issue) => describe(schema, issue as Issue, place, []));
}

/** `plugboard.yaml:12:3: plugins.http: unknown key "prot" (known: host, port; nearest: port)`. */
export function formatProblem(problem: Problem, locate: (place: Place) => string): string {
  const where = formatPlace(problem.place);
  return `${locate(problem.key ?? problem.place)}: ${where === '' ? '' : `${where}: `}${problem.message}`;
}

/** One line per problem, in the order of the file where it is known. */
export function formatProblems(
  problems: readonly Problem[],
  locate: (place: Place) => string,
  source?: ConfigSource,
): string {
  const offset = (problem: Problem) => source?.offsetOf(problem.key ?? problem.place) ?? 0;
  const sorted = problems.toSorted((a, b) => offset(a) - offset(b));
  return sorted.map((problem) => formatProblem(problem, locate)).join('\n');
}

function describe(schema: z.ZodType, issue: Issue, base: Place, above: readonly PropertyKey[]): Problem[] {
  const inner = [...above, ...issue.path];
  const place = [...base, ...inner.map(toStep)];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, inner);
    return (issue.keys ?? []).map((key) => ({ place, key: [...place, key], message: unknownKey(key, known) }));
  }
  // A key of a record that does not fit: its reason stands one level further down.
  if (issue.code === 'invalid_key') return [{ place, message: issue.issues?.[0]?.message ?? issue.message }];
  if (issue.code === 'invalid_union') {
    const likely = likelyBranch(issue.errors ?? []);
    if (likely !== undefined) return likely.flatMap((each) => describe(schema, each, base, inner));
  }
  return [{ place, message: messageOf(issue) }];
}

/** What is wrong with one value, without the words of the library. */
export function messageOf({ message }: Pick<Issue, 'message'>): string {
  const text = message.replace(/^Invalid input: /, '');
  const absent = /^expected (.+), received undefined$/.exec(text);
  return absent === null ? text : `is missing (expected ${absent[1]})`;
}

/** The branch of a union that was meant: the one that got furthest into the value. Undefined when none did. */
function likelyBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find(
    (issues) =>
      issues.length > 0 && issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  );
}

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = closest(key, known);
  const listed = known.length === 0 ? 'no keys are known here' : `known: ${known.join(', ')}`;
  return `unknown key ${JSON.stringify(key)} (${listed}${nearest === undefined ? '' : `; nearest: ${nearest}`})`;
}

/** The keys that a schema knows at a place, sorted as they are declared. */
function knownKeys(schema: z.ZodType, place: readonly PropertyKey[]): string[] {
  let schemas = unwrap(schema);
  for (const step of place) schemas = schemas.flatMap((each) => stepInto(each, step)).flatMap(unwrap);
  return [...new Set(schemas.flatMap((each) => Object.keys(definitionOf(each).shape ?? {})))];
}

function stepInto(schema: z.ZodType, step: PropertyKey): z.ZodType[] {
  const { shape, valueType, element } = definitionOf(schema);
  const next = shape === undefined ? (valueType ?? element) : shape[String(step)];
  return next === undefined ? [] : [next];
}

/** A schema without `optional`, `default`, `pipe` and the like; all members of a union. */
function unwrap(schema: z.ZodType): z.ZodType[] {
  const { innerType, in: input, options } = definitionOf(schema);
  const next = options ?? [innerType ?? input].filter((each) => each !== undefined);
  return next.length === 0 ? [schema] : next.flatMap(unwrap);
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition;
}

function toStep(step: PropertyKey): string | number {
  return typeof step === 'symbol' ? String(step) : step;
}
