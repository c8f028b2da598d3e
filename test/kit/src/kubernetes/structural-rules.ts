// The rules that a schema of apiextensions.k8s.io/v1 must fulfil to be structural. Values are checked elsewhere.
import { isObject } from './kube-object.ts';

const keywords = new Set(
  [
    'type format title description default example enum nullable externalDocs pattern minLength maxLength minimum maximum',
    'exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems uniqueItems minProperties maxProperties required',
    'properties additionalProperties items allOf anyOf oneOf not',
  ]
    .join(' ')
    .split(' '),
);

const extensions = new Set([
  'preserve-unknown-fields',
  'int-or-string',
  'embedded-resource',
  'list-type',
  'list-map-keys',
  'map-type',
  'validations',
]);

const types = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean']);

/** What keeps a schema from being structural, one line each with the place; empty when it is. */
export function structuralProblems(schema: unknown): string[] {
  const problems = [...node(schema, 'openAPIV3Schema')];
  if (isObject(schema) && schema['type'] !== 'object')
    problems.push('openAPIV3Schema.type: must be object at the root');
  return problems;
}

function* node(schema: unknown, place: string): Iterable<string> {
  if (!isObject(schema)) {
    yield `${place}: must be a schema`;
    return;
  }
  yield* keywordProblems(schema, place);
  yield* typeProblems(schema, place);
  yield* listProblems(schema, place);
  const { properties, additionalProperties, items } = schema;
  if (properties !== undefined && additionalProperties !== undefined) {
    yield `${place}: additionalProperties and properties are mutually exclusive`;
  }
  if (additionalProperties !== undefined && !isObject(additionalProperties)) {
    yield `${place}.additionalProperties: must be a schema`;
  }
  if (schema['type'] === 'array' && items === undefined) yield `${place}.items: must be specified`;
  if (Array.isArray(items)) yield `${place}.items: must be one schema`;
  else if (items !== undefined) yield* node(items, `${place}.items`);
  if (isObject(additionalProperties)) yield* node(additionalProperties, `${place}.additionalProperties`);
  for (const [name, member] of Object.entries(isObject(properties) ? properties : {})) {
    yield* node(member, `${place}.properties[${name}]`);
  }
}

function* keywordProblems(schema: Record<string, unknown>, place: string): Iterable<string> {
  for (const keyword of Object.keys(schema)) {
    const extension = /^x-kubernetes-(.*)$/.exec(keyword)?.[1];
    if (!keywords.has(keyword) && !(extension !== undefined && extensions.has(extension))) {
      yield `${place}.${keyword}: is not supported`;
    }
  }
  if (schema['uniqueItems'] === true) yield `${place}.uniqueItems: cannot be true, its runtime is quadratic`;
  for (const combination of ['allOf', 'anyOf', 'oneOf'] as const) {
    const branches = schema[combination];
    if (!Array.isArray(branches)) continue;
    for (const branch of branches) {
      if (isObject(branch) && ('type' in branch || 'description' in branch || 'default' in branch)) {
        yield `${place}.${combination}: type, description and default must be empty to be structural`;
      }
    }
  }
}

function* typeProblems(schema: Record<string, unknown>, place: string): Iterable<string> {
  const { type } = schema;
  const isOpen =
    schema['x-kubernetes-preserve-unknown-fields'] === true || schema['x-kubernetes-int-or-string'] === true;
  if (type === undefined) {
    if (!isOpen) yield `${place}.type: must not be empty`;
    if (schema['x-kubernetes-validations'] !== undefined) yield `${place}: has rules but no type`;
  } else if (typeof type !== 'string' || !types.has(type)) yield `${place}.type: ${String(type)} is not supported`;
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    yield `${place}.x-kubernetes-preserve-unknown-fields: must be true or undefined`;
  }
}

function* listProblems(schema: Record<string, unknown>, place: string): Iterable<string> {
  const kind = schema['x-kubernetes-list-type'];
  if (kind === undefined) return;
  if (schema['type'] !== 'array') yield `${place}.x-kubernetes-list-type: is for arrays`;
  if (kind !== 'map') return;
  const keys = schema['x-kubernetes-list-map-keys'];
  const items = isObject(schema['items']) ? schema['items'] : {};
  if (!Array.isArray(keys) || keys.length === 0) yield `${place}.x-kubernetes-list-map-keys: must name a key`;
  for (const key of Array.isArray(keys) ? (keys as string[]) : []) {
    const property = isObject(items['properties']) ? items['properties'][key] : undefined;
    const required = Array.isArray(items['required']) && (items['required'] as unknown[]).includes(key);
    if (!isObject(property)) yield `${place}.x-kubernetes-list-map-keys: ${key} is not a property of the items`;
    else if (!required && property['default'] === undefined)
      yield `${place}: key ${key} must be required or have a default`;
  }
}
