// GitHub's published OpenAPI description as a judge: which operation a request is, and whether request and response are as described.
// Schemas are compiled when they are first needed: the description has eight hundred operations.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

type Json = Record<string, unknown>;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Json;
}

interface Content {
  readonly schema: Json;
  readonly examples?: Record<string, { $ref?: string; value?: unknown }>;
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly Json[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, Content> };
  readonly responses: Record<string, Json>;
}

/** An operation that a request was found to be. */
export interface Operation {
  readonly id: string;
  readonly template: string;
  readonly described: Described;
  /** Decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parameters whose slashes GitHub takes as they are. */
const withSlashes = /\/(?:contents|git\/refs?)\/\{\w+\}$/;

export class Description {
  readonly #document: {
    paths: Record<string, Record<string, Described>>;
    components: Record<string, Record<string, Json>>;
  };
  readonly #strict = new Ajv({ strict: false, allErrors: true });
  /** Query and path arrive as text. */
  readonly #coercing = new Ajv({ strict: false, allErrors: true, coerceTypes: true });
  readonly #matchers: readonly { readonly template: string; readonly match: Matcher }[];
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(file = 'api.github.com.json') {
    const path = createRequire(import.meta.url).resolve('@octokit/openapi/package.json');
    this.#document = JSON.parse(readFileSync(path.replace('package.json', `generated/${file}`), 'utf8')) as never;
    // Words beat placeholders: /releases/latest is not a release called so.
    const templates = Object.keys(this.#document.paths).toSorted((a, b) => a.split('{').length - b.split('{').length);
    this.#matchers = templates.map((template) => ({ template, match: matcher(template) }));
    for (const ajv of [this.#strict, this.#coercing]) {
      addFormats.default(ajv);
      // Described as addresses are also templates such as https://api.github.com/users/octocat/following{/other_user}.
      ajv.addFormat('repo.nwo', /^[^/]+\/[^/]+$|^[^/]+$/);
      ajv.addFormat('uri', /^[a-z][a-z0-9+.-]*:\S+$/);
    }
  }

  /** The operation of a request; `path` as it came, without query. */
  find(method: string, path: string): Operation | undefined {
    for (const { template, match } of this.#matchers) {
      const described = this.#document.paths[template]?.[method.toLowerCase()];
      const parameters = described === undefined ? undefined : match(path);
      if (described !== undefined && parameters !== undefined)
        return { id: described.operationId, template, described, parameters };
    }
    return undefined;
  }

  /** What is wrong with a request; nothing: it is right. */
  judgeRequest(operation: Operation, query: URLSearchParams, type: string | undefined, body: Buffer): string[] {
    const parameters = (operation.described.parameters ?? []).map((each) => this.#resolve<Parameter>(each));
    const problems = [
      ...this.#judgeParameters(operation, parameters, 'path', operation.parameters),
      ...this.#judgeParameters(operation, parameters, 'query', Object.fromEntries(query)),
    ];
    const described = operation.described.requestBody;
    if (described === undefined) return body.length > 0 ? [...problems, 'a body is not expected'] : problems;
    if (body.length === 0) return described.required === true ? [...problems, 'the body is missing'] : problems;
    if (!/^application\/json\b/.test(type ?? '')) return [...problems, `the body is ${type ?? 'nothing'}, not JSON`];
    const schema = described.content['application/json']?.schema ?? {};
    // Members that are not described would silently be ignored by GitHub.
    const closed = 'properties' in schema ? { ...schema, additionalProperties: false } : schema;
    return [
      ...problems,
      ...this.#judge(this.#strict, `${operation.id} body`, closed, JSON.parse(body.toString('utf8'))),
    ];
  }

  /** What is wrong with a response of this status. */
  judgeResponse(operation: Operation, status: number, body: unknown): string[] {
    const response = this.#response(operation, status);
    if (response === undefined) return [`${operation.id}: status ${status} is not described`];
    const schema = (response['content'] as Record<string, Content> | undefined)?.['application/json']?.schema;
    if (schema === undefined)
      return body === undefined ? [] : [`${operation.id}: a body for ${status} is not described`];
    return this.#judge(this.#strict, `${operation.id} ${status}`, schema, body);
  }

  /** The success that is described, with the example that GitHub publishes for it. */
  example(operation: Operation): { status: number; body: unknown } {
    const status = Math.min(
      ...Object.keys(operation.described.responses)
        .map(Number)
        .filter((each) => each < 400),
    );
    const content = this.#response(operation, status)?.['content'] as Record<string, Content> | undefined;
    const example = Object.values(content?.['application/json']?.examples ?? {})[0];
    return { status, body: structuredClone(this.#valueOf(example)) };
  }

  /** References stand in the place of examples, and in that of their values. */
  #valueOf(example: unknown): unknown {
    const resolved = example === undefined ? undefined : this.#resolve<{ value?: unknown }>(example);
    const value = resolved?.value;
    return typeof value === 'object' && value !== null && '$ref' in value ? this.#valueOf(value) : value;
  }

  #response(operation: Operation, status: number): Json | undefined {
    const response = operation.described.responses[String(status)];
    return response === undefined ? undefined : this.#resolve<Json>(response);
  }

  #judgeParameters(
    operation: Operation,
    parameters: readonly Parameter[],
    kind: 'path' | 'query',
    values: Readonly<Record<string, string>>,
  ): string[] {
    const own = parameters.filter((each) => each.in === kind);
    const schema = {
      type: 'object',
      properties: Object.fromEntries(own.map((each) => [each.name, lenient(each.schema)])),
      required: own.filter((each) => each.required === true).map((each) => each.name),
      additionalProperties: false,
    };
    return this.#judge(this.#coercing, `${operation.id} ${kind}`, schema, { ...values });
  }

  #judge(ajv: Ajv, key: string, schema: Json, value: unknown): string[] {
    let validate = this.#validators.get(key);
    if (validate === undefined) {
      const definitions: Json = {};
      validate = ajv.compile({ ...(this.#translate(schema, definitions) as Json), definitions });
      this.#validators.set(key, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? [])
      .slice(0, 5)
      .map((each) => `${key}${each.instancePath}: ${each.message ?? ''} ${JSON.stringify(each.params)}`);
  }

  /** OpenAPI 3.0 as JSON Schema: `nullable` becomes an alternative, references become local. */
  #translate(schema: unknown, definitions: Json): unknown {
    if (Array.isArray(schema)) return schema.map((each) => this.#translate(each, definitions));
    if (typeof schema !== 'object' || schema === null) return schema;
    const { nullable, example: _example, examples: _examples, ...rest } = schema as Json;
    if (typeof rest['$ref'] === 'string') return { $ref: this.#define(rest['$ref'], definitions) };
    const entries = Object.entries(rest).map(([key, value]) => [
      key,
      key === 'enum' ? value : this.#translate(value, definitions),
    ]);
    const translated: Json = Object.fromEntries(entries);
    return nullable === true ? { anyOf: [translated, { type: 'null' }] } : translated;
  }

  #define(reference: string, definitions: Json): string {
    const name = reference.split('/').at(-1) ?? '';
    if (!(name in definitions)) {
      definitions[name] = {};
      definitions[name] = this.#translate(this.#document.components['schemas']?.[name], definitions);
    }
    return `#/definitions/${name}`;
  }

  #resolve<Shape>(value: unknown): Shape {
    const reference = (value as { $ref?: string }).$ref;
    if (reference === undefined) return value as Shape;
    const [, , kind = '', name = ''] = reference.split('/');
    return this.#document.components[kind]?.[name] as Shape;
  }
}

/** As text a number fits both a number and a text, so "exactly one of" would never hold. */
function lenient({ oneOf, ...schema }: Json): Json {
  return oneOf === undefined ? schema : { ...schema, anyOf: oneOf };
}

type Matcher = (path: string) => Record<string, string> | undefined;

function matcher(template: string): Matcher {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const open = withSlashes.test(template);
  const pattern = template
    .split(/\{\w+\}/)
    .map((part) => part.replace(/[.*+?^$()|[\]\\]/g, '\\$&'))
    .reduce((left, right, index) => left + (open && index === names.length ? '(.*)' : '([^/]+)') + right);
  // The top folder of a repository is asked for with and without its slash.
  const expression = new RegExp(`^${pattern.replace(/\/\(\.\*\)$/, '(?:/(.*))?')}$`);
  return (path) => {
    const found = expression.exec(path);
    if (found === null) return undefined;
    return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1] ?? '')]));
  };
}
