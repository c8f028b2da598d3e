// From a schema's issues to lines for a person: which field, what is wrong, what is known there.
import type { z } from 'plugboard';
import { maxProblems } from './bounds.ts';

/** The parts of a zod issue that are read here. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly issues?: readonly Issue[];
}

/** The part of a schema's definition that leads to its known keys. */
interface Definition {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
}

/** One line per problem, at most {@link maxProblems}: `spec.taskId: expected number, received string`. */
export function problemsOf(schema: z.ZodType, error: z.ZodError, place: string): string[] {
  return limited(error.issues.flatMap((issue) => describe(schema, issue as Issue, place)));
}

/** The first ones, and how many more there are. */
export function limited(problems: readonly string[]): string[] {
  const more = problems.length - maxProblems;
  return more > 0 ? [...problems.slice(0, maxProblems), `and ${more} more`] : [...problems];
}

function describe(schema: z.ZodType, issue: Issue, place: string): string[] {
  const at = issue.path.reduce<string>(join, place);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path).join(', ');
    return (issue.keys ?? []).map((key) => `unknown field ${JSON.stringify(join(at, key))} (known: ${known})`);
  }
  const { message } = issue.code === 'invalid_key' ? (issue.issues?.[0] ?? issue) : issue;
  return [`${at}: ${message.replace(/^Invalid input: /, '')}`];
}

function join(place: string, step: PropertyKey): string {
  if (typeof step === 'number') return `${place}[${step}]`;
  return place === '' ? String(step) : `${place}.${String(step)}`;
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let here: z.ZodType | undefined = unwrap(schema);
  for (const step of path) {
    const { shape, valueType, element }: Definition = definitionOf(here);
    const next: z.ZodType | undefined = shape === undefined ? (valueType ?? element) : shape[String(step)];
    if (next === undefined) return [];
    here = unwrap(next);
  }
  return Object.keys(definitionOf(here).shape ?? {});
}

/** A schema without `optional`, `default` and the like. */
function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType } = definitionOf(schema);
  return innerType === undefined ? schema : unwrap(innerType);
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition;
}
