// Schemas of the kinds that are built in, made of the models that @kubernetes/client-node carries: names and types of all their fields.
import * as models from '@kubernetes/client-node';
import type { Schema } from './kube-object.ts';

interface Model {
  getAttributeTypeMap(): readonly { readonly baseName: string; readonly type: string }[];
}

const cache = new Map<string, Schema>();

/** The schema of a kind, such as `Pod`; undefined when the library does not know it. */
export function builtInSchema(kind: string): Schema | undefined {
  // Event of core/v1 and of events.k8s.io are two models.
  const name = kind === 'Event' ? 'CoreV1Event' : `V1${kind}`;
  return modelOf(name) === undefined ? undefined : schemaOf(name);
}

function schemaOf(type: string): Schema {
  const list = /^Array<(.*)>$/.exec(type)?.[1] ?? /^Set<(.*)>$/.exec(type)?.[1];
  if (list !== undefined) return { type: 'array', items: schemaOf(list) };
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (map !== undefined) return { type: 'object', additionalProperties: schemaOf(map) };
  if (type === 'number') return { type: 'number' };
  if (type === 'string' || type === 'boolean') return { type };
  if (type === 'Date' || type === 'V1MicroTime') return { type: 'string' };
  if (type === 'IntOrString') return { 'x-kubernetes-int-or-string': true };
  const model = modelOf(type);
  if (model === undefined) return { 'x-kubernetes-preserve-unknown-fields': true };
  const known = cache.get(type);
  if (known !== undefined) return known;
  // Schemas of schemas hold themselves.
  const properties: Record<string, Schema> = {};
  const schema: Schema = { type: 'object', properties };
  cache.set(type, schema);
  for (const { baseName, type: member } of model.getAttributeTypeMap()) properties[baseName] = schemaOf(member);
  return schema;
}

function modelOf(type: string): Model | undefined {
  const found: unknown = (models as unknown as Record<string, unknown>)[type];
  return typeof found === 'function' && 'getAttributeTypeMap' in found ? (found as unknown as Model) : undefined;
}
