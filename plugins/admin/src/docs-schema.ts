// Schemas of the document for readers: one row for each member, and an example value. The page around them lives in `docs-page.ts`.
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';

/** A member of a schema, at any depth. */
export interface MemberRow {
  /** `items[].name`. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
}

/** Levels of members that are shown. */
const maxDepth = 3;

/** Reads schemas; references are followed in the components. */
export class SchemaReader {
  readonly #components: Readonly<Record<string, JsonObject>>;

  constructor(components: Readonly<Record<string, JsonObject>>) {
    this.#components = components;
  }

  /** The schema that a reference stands for, with what is said beside it. */
  resolve(schema: JsonObject): JsonObject {
    const { $ref } = schema;
    if (typeof $ref !== 'string') return schema;
    const target = this.#components[$ref.replace('#/components/schemas/', '')] ?? {};
    return { ...this.resolve(target), ...Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$ref')) };
  }

  /** In a few words: `integer 1–500`, `list of Server`, `"old" or "new"`. */
  typeOf(schema: JsonObject): string {
    const named = nameOf(schema['$ref']);
    if (named !== undefined) return named;
    const { type, items, anyOf, oneOf, additionalProperties, ...rest } = schema;
    const choices = anyOf ?? oneOf;
    if (Array.isArray(choices)) return choices.map((each) => this.typeOf(each as JsonObject)).join(' or ');
    if (Array.isArray(rest['enum'])) return rest['enum'].map((each) => JSON.stringify(each)).join(' or ');
    if ('const' in rest) return JSON.stringify(rest['const']);
    if (type === 'array') return `list of ${isObject(items) ? this.typeOf(items) : 'anything'}`;
    if (type === 'object' && isObject(additionalProperties) && Object.keys(additionalProperties).length > 0)
      return `map of ${this.typeOf(additionalProperties)}`;
    if (typeof type !== 'string') return 'anything';
    const parts = [
      type,
      rangeOf(rest),
      rest['format'],
      'default' in rest ? `(default ${JSON.stringify(rest['default'])})` : '',
    ];
    return parts.filter((part) => typeof part === 'string' && part !== '').join(' ');
  }

  /** The members of a schema and of those inside, in reading order. */
  rowsOf(schema: JsonObject, prefix = '', depth = 0, above: readonly unknown[] = []): MemberRow[] {
    const object = this.#objectIn(schema, prefix);
    if (object === undefined || depth >= maxDepth || above.includes(object.schema)) return [];
    const required = new Set((object.schema['required'] ?? []) as string[]);
    const properties = (object.schema['properties'] ?? {}) as Record<string, JsonObject>;
    return Object.entries(properties).flatMap(([name, member]) => {
      const path = object.prefix === '' ? name : `${object.prefix}.${name}`;
      const { description } = this.resolve(member);
      return [
        {
          path,
          type: this.typeOf(member),
          required: required.has(name),
          description: typeof description === 'string' ? description : '',
        },
        ...this.rowsOf(member, path, depth + 1, [...above, object.schema]),
      ];
    });
  }

  /** A value that fits, short. */
  exampleOf(schema: JsonObject, depth = 0): unknown {
    const found = this.resolve(schema);
    for (const key of ['default', 'const'] as const) if (key in found) return found[key];
    const choices = found['enum'] ?? found['examples'];
    if (Array.isArray(choices)) return choices[0];
    const branches = found['anyOf'] ?? found['oneOf'] ?? found['allOf'];
    if (Array.isArray(branches)) return this.exampleOf((branches[0] ?? {}) as JsonObject, depth + 1);
    if (found['type'] === 'object') return this.#exampleObject(found, depth);
    if (found['type'] === 'array')
      return depth < maxDepth && isObject(found['items']) ? [this.exampleOf(found['items'], depth + 1)] : [];
    const plain: Readonly<Record<string, unknown>> = {
      string: '…',
      integer: found['minimum'] ?? 1,
      number: 1,
      boolean: true,
    };
    return plain[String(found['type'])] ?? {};
  }

  #exampleObject(schema: JsonObject, depth: number): unknown {
    const required = (schema['required'] ?? []) as string[];
    const properties = Object.entries((schema['properties'] ?? {}) as Record<string, JsonObject>);
    const needed = properties.filter(([name]) => required.includes(name));
    const shown = needed.length === 0 && depth === 0 ? properties.slice(0, 2) : needed;
    return Object.fromEntries(shown.map(([name, member]) => [name, this.exampleOf(member, depth + 1)]));
  }

  /** The object whose members are to be shown: the schema itself, or what a list holds. */
  #objectIn(schema: JsonObject, prefix: string): { schema: JsonObject; prefix: string } | undefined {
    const found = this.resolve(schema);
    if (isObject(found['properties'])) return { schema: found, prefix };
    if (found['type'] === 'array' && isObject(found['items'])) return this.#objectIn(found['items'], `${prefix}[]`);
    const branches = (found['anyOf'] ?? found['oneOf']) as JsonObject[] | undefined;
    const only = branches?.filter((branch) => branch['type'] !== 'null');
    return only?.length === 1 && only[0] !== undefined ? this.#objectIn(only[0], prefix) : undefined;
  }
}

/** Name of a component that people gave it. */
function nameOf(reference: unknown): string | undefined {
  if (typeof reference !== 'string') return undefined;
  return reference.replace('#/components/schemas/', '');
}

function rangeOf(schema: JsonObject): string {
  const bound = (value: unknown) =>
    typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
  const least = bound(schema['minimum']);
  const most = bound(schema['maximum']);
  if (most === undefined) return least === undefined || least === 0 ? '' : `≥ ${least}`;
  return least === undefined ? `≤ ${most}` : `${least}–${most}`;
}
