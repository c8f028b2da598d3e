// From a zod schema to a structural schema, as custom resource definitions of apiextensions.k8s.io/v1 want it.
import { z } from 'plugboard';
import type { JsonObject } from 'plugboard';

/** A node of a structural schema. */
export interface StructuralSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

/** Keys in the order in which a person reads them. Others are not known to structural schemas. */
const keys = [
  'type',
  'format',
  'description',
  'default',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'required',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
] as const;

/** The structural schema of what a zod schema takes. Throws an Error with the place for what has no structural form, such as a union. */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0', reused: 'inline' });
  return convert(json, '');
}

function convert(node: JsonObject, place: string): StructuralSchema {
  const { properties, items, additionalProperties, ...rest } = node;
  const unknown = Object.keys(rest).filter((key) => !keys.some((known) => known === key));
  if (unknown.length > 0) throw new Error(`${place}: ${unknown.join(', ')} has no place in a structural schema`);
  const converted: Record<string, unknown> = {};
  for (const key of keys) if (rest[key] !== undefined) converted[key] = rest[key];
  // zod bounds every integer by what JavaScript can count.
  if (converted['maximum'] === Number.MAX_SAFE_INTEGER) delete converted['maximum'];
  if (properties !== undefined) {
    const members = Object.entries(properties as JsonObject);
    converted['properties'] = Object.fromEntries(
      members.map(([name, member]) => [name, convert(member as JsonObject, `${place}.${name}`)]),
    );
  }
  // Members beside the known ones are refused by the server anyway, or kept where `preserve-unknown-fields` stands.
  const values = properties === undefined && isSchema(additionalProperties);
  if (values) converted['additionalProperties'] = convert(additionalProperties, `${place}.*`);
  if (items !== undefined) converted['items'] = convert(items as JsonObject, `${place}[]`);
  if (converted['type'] === undefined) throw new Error(`${place}: has no type`);
  return converted;
}

function isSchema(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}
