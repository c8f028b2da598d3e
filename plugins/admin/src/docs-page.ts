// The OpenAPI document as a page to read: one file of HTML, no script, nothing from outside. What it says comes from the document alone.
import { createHash } from 'node:crypto';
import type { JsonObject } from 'plugboard';
import { SchemaReader } from './docs-schema.ts';
import { style } from './docs-style.ts';

/** What the page may load: its own style, by its hash. */
export const pagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** An operation of the document, with its place. */
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly object: JsonObject;
  readonly tag: string;
}

/** Makes the page of a document. */
export function docsPage(document: JsonObject): string {
  const info = document['info'] as { title: string; version: string; description: string };
  const operations = operationsOf(document);
  const groups = [...new Set(operations.map(({ tag }) => tag))].map((tag) => ({
    tag,
    members: operations.filter((each) => each.tag === tag),
  }));
  const components = document['components'] as {
    schemas: Record<string, JsonObject>;
    parameters: Record<string, JsonObject>;
  };
  const page = new Page(new SchemaReader(components.schemas), components.parameters);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(info.title)}</title>
<style>${style}</style>
</head>
<body>
<nav aria-label="Operations"><a href="#top"><strong>${text(info.title)}</strong></a><small>version ${text(info.version)} · <a href="openapi.json">openapi.json</a></small>
${groups.map(({ tag, members }) => `<h2>${text(tag)}</h2><ul>${members.map(entry).join('')}</ul>`).join('\n')}
</nav>
<main id="top">
<h1>${text(info.title)}</h1>
${sentences(info.description)}
<h4>Before the examples</h4>
<pre><code>API=http://127.0.0.1:8807/api/v1   # where this proxy serves its API
TOKEN=…                            # a token of the option \`tokens\`, or the one in .plugboard/admin-NAME.json</code></pre>
${groups.map(({ tag, members }) => `<h2 id="tag-${text(tag)}">${text(tag)}</h2>\n${members.map((each) => page.article(each)).join('\n')}`).join('\n')}
</main>
</body>
</html>
`;
}

function operationsOf(document: JsonObject): Operation[] {
  const paths = document['paths'] as Record<string, Record<string, JsonObject>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, object]) => ({
      method: method.toUpperCase(),
      path,
      object,
      tag: (object['tags'] as string[])[0] ?? '',
    })),
  );
}

function entry({ method, object }: Operation): string {
  const id = String(object['operationId']);
  return `<li><span class="method ${method}">${method}</span><a href="#${text(id)}">${text(shortOf(String(object['summary'])))}</a></li>`;
}

/** A summary without its remarks, for a narrow column. */
function shortOf(summary: string): string {
  return summary.split(/[,;]/, 1)[0] ?? summary;
}

/** Writes operations. */
class Page {
  readonly #schemas: SchemaReader;
  readonly #parameters: Readonly<Record<string, JsonObject>>;

  constructor(schemas: SchemaReader, parameters: Readonly<Record<string, JsonObject>>) {
    this.#schemas = schemas;
    this.#parameters = parameters;
  }

  article({ method, path, object }: Operation): string {
    const { operationId, summary, description } = object as Record<string, string>;
    const parameters = ((object['parameters'] ?? []) as JsonObject[]).map((each) => this.#parameter(each));
    return `<article id="${text(operationId ?? '')}">
<h3>${inline(summary ?? '')}</h3>
<div class="place"><span class="method ${method}">${method}</span><code>${text(path)}</code><span class="role">${text(roleOf(object))}</span></div>
${description === undefined ? '' : sentences(description)}
${this.#parameterTable(parameters)}
${this.#body(object)}
${this.#answers(object)}
<h4>Example</h4>
<pre><code>${text(this.#example(method, path, object, parameters))}</code></pre>
</article>`;
  }

  #parameter(parameter: JsonObject): JsonObject {
    const { $ref } = parameter;
    if (typeof $ref !== 'string') return parameter;
    return this.#parameters[$ref.replace('#/components/parameters/', '')] ?? {};
  }

  #parameterTable(parameters: readonly JsonObject[]): string {
    if (parameters.length === 0) return '';
    const rows = parameters.map(({ name, in: where, required, description, schema }) =>
      row(
        `<code>${text(String(name))}</code>${required === true ? needed : ''}`,
        `${text(String(where))}, ${text(this.#schemas.typeOf(schema as JsonObject))}`,
        description,
      ),
    );
    return `<h4>Parameters</h4>${table(rows)}`;
  }

  #body(object: JsonObject): string {
    const body = object['requestBody'] as { required: boolean; description: string } | undefined;
    if (body === undefined) return '';
    const optional = body.required ? '' : ' (may be left out)';
    return `<h4>Body${optional}</h4>${this.#members(schemaIn(body) ?? {}, (required) => (required ? needed : ''))}`;
  }

  #answers(object: JsonObject): string {
    const responses = object['responses'] as Record<string, JsonObject>;
    const [status = '', response = {}] = Object.entries(responses).find(([each]) => each.startsWith('2')) ?? [];
    const refusals = Object.keys(responses).filter((each) => /^[3-5]/.test(each));
    const media = Object.keys(response['content'] ?? {})[0];
    const schema = media === 'application/json' ? schemaIn(response) : undefined;
    const members = schema === undefined ? '' : this.#members(schema, (required) => (required ? '' : maybe));
    const shown = members === '' ? '' : `<details><summary>Members of the answer</summary>${members}</details>`;
    const kind = media === undefined ? 'no body' : `<code>${text(media)}</code>`;
    const others = refusals.map((each) => `<code>${text(each)}</code>`).join(' ');
    return `<h4>Answers</h4><ul class="answers"><li><code>${text(status)}</code> ${kind}</li><li>otherwise ${others}</li></ul>${shown}`;
  }

  /** `remark`: what is said of a member that is required, or not. */
  #members(schema: JsonObject, remark: (required: boolean) => string): string {
    const rows = this.#schemas
      .rowsOf(schema)
      .map(({ path, type, required, description }) =>
        row(`<code>${text(path)}</code>${remark(required)}`, text(type), description),
      );
    return rows.length === 0 ? `<p>${text(this.#schemas.typeOf(schema))}</p>` : table(rows);
  }

  #example(method: string, path: string, object: JsonObject, parameters: readonly JsonObject[]): string {
    const needsQuery = parameters.filter(({ in: where, required }) => where === 'query' && required === true);
    const query = needsQuery.map(({ name }) => `${String(name)}=…`).join('&');
    const place = path.replace(/\{(\w+)\}/g, (_whole, name: string) => name.toUpperCase());
    const lines = [`curl${method === 'GET' ? '' : ` -X ${method}`} "$API${place}${query === '' ? '' : `?${query}`}"`];
    lines.push('-H "Authorization: Bearer $TOKEN"');
    if (method !== 'GET') lines.push('-H "Idempotency-Key: $(uuidgen)"');
    const body = object['requestBody'] as JsonObject | undefined;
    if (body !== undefined) {
      const example = JSON.stringify(this.#schemas.exampleOf(schemaIn(body) ?? {}));
      lines.push('-H "Content-Type: application/json"', `-d '${example.replaceAll("'", "'\\''")}'`);
    }
    return lines.join(' \\\n  ');
  }
}

const maybe = '<span class="maybe">optional</span>';
const needed = '<span class="needed">required</span>';

function schemaIn(holder: JsonObject): JsonObject | undefined {
  const [content] = Object.values((holder['content'] ?? {}) as Record<string, JsonObject>);
  return content?.['schema'] as JsonObject | undefined;
}

function roleOf(object: JsonObject): string {
  const open = ((object['security'] ?? []) as object[]).some((each) => Object.keys(each).length === 0);
  return open ? `${String(object['x-role'])}, or open to all` : String(object['x-role']);
}

function table(rows: readonly string[]): string {
  return `<div class="table"><table><thead><tr><th>Name</th><th>Type</th><th>Meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function row(name: string, type: string, description: unknown): string {
  return `<tr><td>${name}</td><td class="type">${type}</td><td>${typeof description === 'string' ? inline(description) : ''}</td></tr>`;
}

function sentences(source: string): string {
  return source
    .split('\n\n')
    .map((part) => `<p>${inline(part)}</p>`)
    .join('\n');
}

/** Text with what stands in backticks as code. */
function inline(source: string): string {
  return text(source).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function text(source: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return source.replace(/[&<>"']/g, (character) => names[character] ?? character);
}
