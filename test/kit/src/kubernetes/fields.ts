// Fields by a schema: which are unknown, which are missing and have a default. Values are checked in `validation.ts`.
import { isObject } from './kube-object.ts';
import type { Schema } from './kube-object.ts';

/** Removes fields that the schema does not know, and returns their paths. */
export function prune(value: unknown, schema: Schema, path = ''): string[] {
  const unknown: string[] = [];
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined) value.forEach((item, index) => unknown.push(...prune(item, items, `${path}[${index}]`)));
    return unknown;
  }
  if (!isObject(value)) return unknown;
  for (const [name, member] of Object.entries(value)) {
    const place = path === '' ? name : `${path}.${name}`;
    const known = schema.properties?.[name] ?? schema.additionalProperties;
    if (known !== undefined) unknown.push(...prune(member, known, place));
    else if (schema['x-kubernetes-preserve-unknown-fields'] !== true) {
      delete value[name];
      unknown.push(place);
    }
  }
  return unknown;
}

/** Adds what is missing and has a default; a null counts as missing where there is one. */
export function addDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) for (const item of value) addDefaults(item, schema.items ?? {});
  if (!isObject(value)) return;
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if ((value[name] === undefined || value[name] === null) && member.default !== undefined) {
      value[name] = structuredClone(member.default);
    }
    addDefaults(value[name], member);
  }
  if (schema.additionalProperties === undefined) return;
  for (const member of Object.values(value)) addDefaults(member, schema.additionalProperties);
}

/** Values of built-in kinds that are of another type than their field: `spec.replicas: expected number`. */
export function mistyped(value: unknown, schema: Schema, path = ''): string[] {
  if (value === null || value === undefined || schema.type === undefined) return [];
  if (schema.type === 'array') {
    if (!Array.isArray(value)) return [`${path}: expected a list`];
    return value.flatMap((item, index) => mistyped(item, schema.items ?? {}, `${path}[${index}]`));
  }
  if (schema.type === 'object') {
    if (!isObject(value)) return [`${path}: expected an object`];
    return Object.entries(value).flatMap(([name, member]) =>
      mistyped(
        member,
        schema.properties?.[name] ?? schema.additionalProperties ?? {},
        path === '' ? name : `${path}.${name}`,
      ),
    );
  }
  // Quantities are strings for the library, and may be written as numbers.
  const isQuantity = /\.(?:limits|requests|capacity|hard)\.[^.]+$/.test(path) && typeof value === 'number';
  return typeof value === schema.type || isQuantity ? [] : [`${path}: expected ${schema.type}`];
}
