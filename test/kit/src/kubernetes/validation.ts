// Checks custom resources as Kubernetes does: by the schema of their definition, its CEL rules and its lists with keys.
import { Environment } from '@marcbachmann/cel-js';
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import type { Cause } from './api-error.ts';
import { isObject } from './kube-object.ts';
import type { Schema } from './kube-object.ts';

const formats = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/,
  int32: true,
  int64: true,
} as const;

const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false, formats });
for (const keyword of [
  'preserve-unknown-fields',
  'int-or-string',
  'list-type',
  'list-map-keys',
  'validations',
  'embedded-resource',
]) {
  ajv.addKeyword(`x-kubernetes-${keyword}`);
}

const compiled = new WeakMap<Schema, ValidateFunction>();

/** What is wrong with a value; empty when nothing is. `old` is the value before, for rules about changes. */
export function validate(value: unknown, schema: Schema, old?: unknown): Cause[] {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = ajv.compile(schema);
    compiled.set(schema, check);
  }
  const causes = check(value) ? [] : (check.errors ?? []).map(toCause);
  if (causes.length === 0) walk(value, old, schema, '', causes);
  return causes;
}

function toCause({ instancePath, message = 'is wrong', params, keyword }: ErrorObject): Cause {
  const field = instancePath
    .slice(1)
    .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
  const allowed = keyword === 'enum' ? `: ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}` : '';
  return { field, message: `Invalid value: ${message}${allowed}` };
}

/** Lists with keys, and rules, of a value and everything in it. */
function walk(value: unknown, old: unknown, schema: Schema, path: string, causes: Cause[]): void {
  const keys = schema['x-kubernetes-list-type'] === 'map' ? schema['x-kubernetes-list-map-keys'] : undefined;
  if (keys !== undefined && Array.isArray(value)) causes.push(...duplicates(value, keys, path));
  for (const rule of schema['x-kubernetes-validations'] ?? []) {
    const failure = failureOf(rule.rule, value, old);
    if (failure !== undefined) causes.push({ field: path, message: `Invalid value: ${rule.message ?? failure}` });
  }
  const oldObject = isObject(old) ? old : {};
  if (Array.isArray(value)) {
    value.forEach((item, index) =>
      walk(item, counterpart(item, old, keys), schema.items ?? {}, `${path}[${index}]`, causes),
    );
  } else if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? schema.additionalProperties;
      // The API server runs no rules below a node whose type is open.
      if (known === undefined || (known.type === undefined && known['x-kubernetes-preserve-unknown-fields'] === true))
        continue;
      walk(member, oldObject[name], known, path === '' ? name : `${path}.${name}`, causes);
    }
  }
}

function duplicates(list: readonly unknown[], keys: readonly string[], path: string): Cause[] {
  const seen = new Set<string>();
  return list.flatMap((item, index) => {
    const key = JSON.stringify(keys.map((name) => (item as Record<string, unknown>)[name]));
    if (seen.has(key)) return [{ field: `${path}[${index}]`, message: `Duplicate value: ${key}` }];
    seen.add(key);
    return [];
  });
}

/** The same item before: only lists with keys know which that was. */
function counterpart(item: unknown, old: unknown, keys: readonly string[] | undefined): unknown {
  if (keys === undefined || !Array.isArray(old) || !isObject(item)) return undefined;
  return old.find((each) => isObject(each) && keys.every((key) => each[key] === item[key]));
}

const environment = new Environment({ unlistedVariablesAreDyn: true });
environment.registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
  text.replaceAll(from, to),
);

/** Undefined when the rule holds. A rule about changes holds for a new value. */
export function failureOf(rule: string, self: unknown, oldSelf: unknown): string | undefined {
  if (/\boldSelf\b/.test(rule) && oldSelf === undefined) return undefined;
  const context: Record<string, unknown> = { self: toCel(self), oldSelf: toCel(oldSelf) };
  try {
    return environment.evaluate(rule, context) === true ? undefined : `failed rule: ${rule}`;
  } catch (error) {
    return `rule error: ${rule}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Integers are integers in CEL as well. */
function toCel(value: unknown): unknown {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toCel(member)]));
}
