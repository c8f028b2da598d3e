// From a zod schema to the JSON Schema of an OpenAPI document: what a schema refers to becomes a component.
import { z } from 'plugboard';
import type { JsonObject } from 'plugboard';

/** Which side of a schema: what a client sends, or what it is sent. */
export type Side = 'input' | 'output';

const unnamed = /^__schema\d+$/;

/** Makes schemas, and gathers the components that they refer to. */
export class SchemaWriter {
  readonly components: Record<string, JsonObject> = {};
  /** Components as JSON, as they were before their references were renamed. */
  readonly #originals = new Map<string, string>();

  /** The schema in place. `name` is unique in the document; names of components that it needs begin with it. */
  write(schema: z.ZodType, side: Side, name: string): JsonObject {
    const {
      $schema: _schema,
      $defs,
      ...json
    } = z.toJSONSchema(schema, {
      target: 'draft-2020-12',
      io: side,
      unrepresentable: 'any',
    }) as JsonObject;
    const definitions = ($defs ?? {}) as Record<string, JsonObject>;
    const names = new Map(
      Object.keys(definitions).map((key) => [key, this.#nameFor(key, name, definitions[key] ?? {})]),
    );
    const root = usesRoot(json) || usesRoot(definitions) ? name : undefined;
    const rename = (value: unknown): unknown => renamed(value, names, root);
    for (const [key, definition] of Object.entries(definitions))
      this.components[names.get(key) ?? key] = rename(definition) as JsonObject;
    const written = rename(json) as JsonObject;
    if (root === undefined) return written;
    this.components[root] = written;
    return { $ref: `#/components/schemas/${root}` };
  }

  /** A schema with an id is one component wherever it is used, unless two differ under one id. */
  #nameFor(key: string, name: string, definition: JsonObject): string {
    if (unnamed.test(key)) return `${name}.${key.replace('__schema', '')}`;
    const text = JSON.stringify(definition);
    const same = (this.#originals.get(key) ?? text) === text;
    if (!same || !/^[\w.-]+$/.test(key)) return `${name}.${key.replace(/[^\w.-]/g, '_')}`;
    this.#originals.set(key, text);
    return key;
  }
}

function usesRoot(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => (key === '$ref' && member === '#') || usesRoot(member));
}

function renamed(value: unknown, names: ReadonlyMap<string, string>, root: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, names, root));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => {
    if (key !== '$ref' || typeof member !== 'string') return [key, renamed(member, names, root)];
    const target = member === '#' ? root : names.get(member.replace('#/$defs/', ''));
    return [key, target === undefined ? member : `#/components/schemas/${target}`];
  });
  return Object.fromEntries(entries);
}
