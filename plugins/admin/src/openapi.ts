// The OpenAPI 3.1 document, made of the endpoints and their schemas. Showing it to people lives in `docs-page.ts`.
import { STATUS_CODES } from 'node:http';
import { z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { usualMaxBody } from './body.ts';
import { isRaw, isWrite, schemasOf } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { problemType } from './problems.ts';
import { base, parametersOf } from './route-table.ts';
import { SchemaWriter } from './schema-json.ts';

/** What every error looks like (RFC 9457). */
const problemShape = z.looseObject({
  type: z.string().describe('`urn:plugboard:problem:` and the code'),
  title: z.string().describe('Name of the status'),
  status: z.int().min(400).max(599),
  detail: z.string().describe('What is wrong, and what to do now'),
  code: z.string().describe('Short name of the kind of problem'),
  instance: z.string().optional().describe('Of an internal error: under this value the log has its cause'),
  problems: z
    .array(z.strictObject({ in: z.string(), place: z.string(), message: z.string() }))
    .optional()
    .describe('Every place of the request that does not fit'),
});

const introduction =
  `The management API of a Plugboard proxy. A token goes into \`Authorization: Bearer …\`; its role, \`viewer\`, \`operator\` or \`admin\`, says what it may do, and each
may do all that the ones before it may. Every write takes \`Idempotency-Key\`: the same request with the same key within 24 hours is answered again (\`Idempotency-Replayed: true\`), not done
again. It also takes \`If-Match\` with the \`ETag\` that was read, and is then refused with 412 when somebody else was faster. Errors are problem documents (RFC 9457). Lists are paged: \`next\` is the
value of \`after\` for the next page.`.replaceAll('\n', ' ');

/** Refusals that an endpoint may answer with, by status. */
const refusals: Readonly<Record<number, string>> = {
  400: 'The request is malformed, or its path or query does not fit',
  401: 'There is no credential, or not a valid one',
  403: 'The role does not allow it',
  404: 'It does not exist',
  409: 'It cannot be done in this state, or the Idempotency-Key is in use',
  412: 'It has another version than If-Match demands',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'The body does not fit, or the Idempotency-Key belongs to another request',
  429: 'Too many wrong tokens came from this address',
  500: 'The proxy failed; its log has the cause',
  503: 'There are too many streams, or the proxy is stopping',
};

/** Makes the document. */
export function openApiOf(endpoints: readonly Endpoint[], version: string): JsonObject {
  const schemas = new SchemaWriter();
  const paths: Record<string, JsonObject> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}');
    const methods = (paths[path] ??= {});
    methods[endpoint.method.toLowerCase()] = operationOf(endpoint, schemas);
  }
  const problem = schemas.write(problemShape, 'output', 'Problem');
  const tags = [...new Set(endpoints.map(tagOf))].map((name) => ({ name }));
  return {
    openapi: '3.1.0',
    info: { title: 'Plugboard management API', version, description: introduction },
    servers: [{ url: base }],
    security: [{ bearer: [] }],
    tags,
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'A token with a role' } },
      headers: sharedHeaders,
      parameters: sharedParameters,
      responses: problemResponses(),
      schemas: { ...schemas.components, Problem: problem },
    },
  };
}

/** The group of an endpoint. */
function tagOf(endpoint: Endpoint): string {
  const group = isRaw(endpoint) ? endpoint.group : undefined;
  return group ?? endpoint.path.split('/')[1] ?? '';
}

function operationOf(endpoint: Endpoint, schemas: SchemaWriter): JsonObject {
  const { operation, summary, description, role } = endpoint;
  const { body } = schemasOf(endpoint);
  const operationObject: JsonObject = {
    tags: [tagOf(endpoint)],
    operationId: operation,
    summary,
    ...(description === undefined ? {} : { description }),
    'x-role': role,
    parameters: parametersFor(endpoint, schemas),
  };
  if (isRaw(endpoint) && endpoint.open !== undefined) operationObject['security'] = [{ bearer: [] }, {}];
  if (body !== undefined) operationObject['requestBody'] = bodyOf(endpoint, body, schemas);
  operationObject['responses'] = responsesOf(endpoint, schemas);
  return operationObject;
}

function parametersFor(endpoint: Endpoint, schemas: SchemaWriter): JsonObject[] {
  const { params, query } = schemasOf(endpoint);
  const inPath = membersOf(params, `${endpoint.operation}.path`, schemas);
  const parameters: JsonObject[] = parametersOf(endpoint.path).map((name) => {
    const { description, ...schema } = inPath.properties[name] ?? { type: 'string' };
    return { name, in: 'path', required: true, ...described(description), schema };
  });
  const inQuery = membersOf(query, `${endpoint.operation}.query`, schemas);
  for (const [name, { description, ...schema }] of Object.entries(inQuery.properties))
    parameters.push({ name, in: 'query', required: inQuery.required.has(name), ...described(description), schema });
  if (isRaw(endpoint)) {
    for (const [name, description] of Object.entries(endpoint.headers ?? {}))
      parameters.push({ name, in: 'header', description, schema: { type: 'string' } });
    return parameters;
  }
  const shared = isWrite(endpoint) ? ['IdempotencyKey', 'IfMatch'] : ['IfNoneMatch'];
  return [...parameters, ...shared.map((name) => ({ $ref: `#/components/parameters/${name}` }))];
}

function described(description: unknown): JsonObject {
  return typeof description === 'string' ? { description } : {};
}

/** Members of an object schema, each with its own schema; none for other schemas. */
function membersOf(
  schema: z.ZodType | undefined,
  name: string,
  schemas: SchemaWriter,
): { properties: Record<string, JsonObject>; required: ReadonlySet<string> } {
  const json = schema === undefined ? {} : schemas.write(schema, 'input', name);
  return {
    properties: (json['properties'] ?? {}) as Record<string, JsonObject>,
    required: new Set((json['required'] ?? []) as string[]),
  };
}

function bodyOf(endpoint: Endpoint, body: z.ZodType, schemas: SchemaWriter): JsonObject {
  const limit = isRaw(endpoint) ? undefined : endpoint.maxBody;
  return {
    description: `At most ${limit ?? usualMaxBody} bytes`,
    required: !body.safeParse(undefined).success,
    content: { 'application/json': { schema: schemas.write(body, 'input', `${endpoint.operation}.body`) } },
  };
}

function responsesOf(endpoint: Endpoint, schemas: SchemaWriter): JsonObject {
  const responses: JsonObject = { [successOf(endpoint)]: success(endpoint, schemas) };
  const { params, body } = schemasOf(endpoint);
  const statuses = [400, 401, 403, 429, 500];
  if (!isRaw(endpoint)) {
    if (params !== undefined) statuses.push(404);
    if (isWrite(endpoint)) statuses.push(409, 412, 422);
    else responses['304'] = { description: 'It still has the version that If-None-Match names' };
    if (body !== undefined) statuses.push(413, 415);
  } else statuses.push(...(endpoint.refusals ?? []));
  for (const status of statuses.sort((a, b) => a - b))
    responses[String(status)] = { $ref: `#/components/responses/Problem${status}` };
  return responses;
}

/** A route says its status only when it answers; a range says what can be said before. */
function successOf(endpoint: Endpoint): string {
  if (endpoint.method === 'GET') return '200';
  return endpoint.result === undefined ? '204' : '2XX';
}

function success(endpoint: Endpoint, schemas: SchemaWriter): JsonObject {
  const { result, operation } = endpoint;
  const headers: JsonObject = {};
  if (!isRaw(endpoint)) headers['ETag'] = { $ref: '#/components/headers/ETag' };
  if (isWrite(endpoint)) {
    headers['Location'] = { $ref: '#/components/headers/Location' };
    headers['Idempotency-Replayed'] = { $ref: '#/components/headers/IdempotencyReplayed' };
  }
  const media = isRaw(endpoint) ? endpoint.media.split(';', 1)[0] : 'application/json';
  const schema = result === undefined ? { type: 'string' } : schemas.write(result, 'output', `${operation}.result`);
  const hasContent = result !== undefined || isRaw(endpoint) || endpoint.method === 'GET';
  return {
    description: endpoint.summary,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(hasContent
      ? { content: { [media ?? 'text/plain']: result === undefined && !isRaw(endpoint) ? {} : { schema } } }
      : {}),
  };
}

const text = { type: 'string' } as const;

const sharedHeaders: JsonObject = {
  ETag: { description: 'Version of what is shown, for If-Match', schema: text },
  Location: { description: 'Path of what was made', schema: text },
  IdempotencyReplayed: {
    description: '`true`: this was done before, by a request with the same key',
    schema: { type: 'string', enum: ['true'] },
  },
  RetryAfter: { description: 'Seconds to wait', schema: { type: 'integer', minimum: 0 } },
  WWWAuthenticate: { description: 'How to prove who you are', schema: text },
};

const sharedParameters: JsonObject = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'A value of your own for this request, e.g. a UUID: repeated with the same one it is done once',
    schema: { type: 'string', minLength: 1, maxLength: 257 },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    description: '`ETag` as it was read: refused with 412 when there is another version by now',
    schema: text,
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: '`ETag` as it was read: answered with 304 when nothing has changed',
    schema: text,
  },
};

function problemResponses(): JsonObject {
  const headersOf: Readonly<Record<string, JsonObject>> = {
    401: { 'WWW-Authenticate': { $ref: '#/components/headers/WWWAuthenticate' } },
    429: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } },
    503: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } },
  };
  return Object.fromEntries(
    Object.entries(refusals).map(([status, description]) => [
      `Problem${status}`,
      {
        description: `${STATUS_CODES[status] ?? ''}: ${description}`,
        ...(headersOf[status] === undefined ? {} : { headers: headersOf[status] }),
        content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}
