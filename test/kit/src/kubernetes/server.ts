// The HTTP side of the test API server: paths, tokens, content types, what it notes of each request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parse } from 'yaml';
import { Access } from './access.ts';
import { admission } from './admission.ts';
import { ApiError } from './api-error.ts';
import { testCertificate } from './certificate.ts';
import { discover } from './discovery.ts';
import { groupVersion } from './kube-object.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { ObjectStore } from './object-store.ts';
import { Operations } from './operations.ts';
import type { FieldValidation, Write } from './operations.ts';
import { Resources } from './resources.ts';
import { selection } from './selection.ts';
import { tableOf } from './table.ts';
import { serveWatch } from './watch.ts';

/** A request as the server has seen it. */
export interface AuditEntry {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly contentType: string | undefined;
  /** Undefined for requests that did not say who they are. */
  user: string | undefined;
  body: unknown;
  /** Undefined while it is being answered. */
  status: number | undefined;
}

/** Largest body taken, as in Kubernetes. */
const maxBodyBytes = 3 * 1024 * 1024;

/** One request on its way. */
interface Call {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: unknown;
}

export class ApiServer {
  readonly audit: AuditEntry[] = [];
  readonly store = new ObjectStore();
  readonly access: Access;
  readonly services = new Map<string, string>();
  readonly certificate = testCertificate();
  /** False: connections are refused, as if the server were gone. */
  present = true;
  readonly #resources = new Resources();
  readonly #operations: Operations;
  readonly #version: string;
  readonly #server: Server;

  constructor(token: string, version: string) {
    this.#version = version;
    this.access = new Access(token, this.store, this.#resources);
    this.#operations = new Operations(
      this.store,
      this.#resources,
      admission(this.store, this.#resources, this.services),
    );
    this.#server = createServer(this.certificate, (request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => this.present || socket.destroy());
  }

  /** Starts listening, with the usual namespaces. Resolves with the address. */
  async listen(): Promise<string> {
    for (const name of ['default', 'kube-system'])
      await this.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Creates an object without HTTP. */
  create(object: object): Promise<KubeObject> {
    const { apiVersion, kind, metadata } = object as KubeObject;
    const resource = this.#resources.all.find((each) => groupVersion(each) === apiVersion && each.kind === kind);
    if (resource === undefined) throw new Error(`no kind ${apiVersion} ${kind}`);
    const namespace = resource.namespaced ? (metadata.namespace ?? 'default') : undefined;
    return this.#operations.create(
      { resource, namespace, fieldValidation: 'Strict', dryRun: false, warn: () => {} },
      object,
    );
  }

  /** Ends all connections, watches too; clients may connect again. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const contentType = request.headers['content-type']?.split(';')[0];
    const entry: AuditEntry = { method, url, contentType, user: undefined, body: undefined, status: undefined };
    this.audit.push(entry);
    response.on('close', () => (entry.status = response.headersSent ? response.statusCode : undefined));
    try {
      entry.user = this.access.authenticate(request.headers.authorization);
      entry.body = await readBody(request, contentType);
      await this.#answer(entry, request, response);
    } catch (error) {
      const failure = error instanceof ApiError ? error : new ApiError('InternalError', String(error));
      if (response.headersSent) response.destroy();
      else sendJson(response, failure.code, failure.toStatus());
    }
  }

  async #answer(
    { user = '', url, body }: AuditEntry,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { pathname, searchParams } = new URL(url, 'https://test');
    if (pathname === '/openapi/v2') {
      // An empty document in protobuf: kubectl asks for it and then leaves it to the server to check.
      response.writeHead(200, { 'content-type': 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' }).end();
      return;
    }
    const found = discover(pathname, this.#resources.all, this.#version);
    if (found !== undefined) {
      sendJson(response, 200, found);
      return;
    }
    const target = this.#locate(pathname);
    const call: Call = { ...target, query: searchParams, request, response, body };
    const verb = verbOf(request.method ?? 'GET', call);
    this.access.authorize(user, { ...target, verb });
    if (verb === 'watch') serveWatch(this.store, { ...call, asTable: wantsTable(request) }, response);
    else if (verb === 'list') this.#list(call);
    else await this.#act(verb, call);
  }

  /** The resource that a path is about. Throws 404. */
  #locate(path: string): Pick<Call, 'resource' | 'namespace' | 'name' | 'subresource'> {
    const steps = path.split('/').filter(Boolean).map(decodeURIComponent);
    const [root, ...rest] = steps;
    const [group, version] = root === 'api' ? ['', rest.shift()] : [rest.shift(), rest.shift()];
    // `/api/v1/namespaces/x` is a namespace, `/api/v1/namespaces/x/pods` is in one.
    const isInside = rest[0] === 'namespaces' && rest.length > 2 && !['status', 'finalize'].includes(rest[2] ?? '');
    const namespace = isInside ? rest[1] : undefined;
    const [plural = '', name, subresource] = isInside ? rest.slice(2) : rest;
    const resource = this.#resources.find(group ?? '', version ?? '', plural);
    const isKnownPart = subresource === undefined || (subresource === 'status' && resource?.statusSubresource === true);
    if (resource === undefined || !isKnownPart)
      throw new ApiError('NotFound', 'the server could not find the requested resource');
    return { resource, namespace, name, subresource };
  }

  #list({ resource, namespace, query, request, response }: Call): void {
    const items = this.store.list(resource, namespace).filter(selection(query));
    const resourceVersion = String(this.store.revision);
    const full = query.get('includeObject') === 'Object';
    if (wantsTable(request)) sendJson(response, 200, tableOf(resource, items, resourceVersion, full));
    else {
      const kind = `${resource.kind}List`;
      sendJson(response, 200, { kind, apiVersion: groupVersion(resource), metadata: { resourceVersion }, items });
    }
  }

  async #act(verb: string, call: Call): Promise<void> {
    const { resource, namespace, name = '', subresource, query, request, response, body } = call;
    const warnings: string[] = [];
    const write: Write = {
      resource,
      namespace,
      fieldValidation: (query.get('fieldValidation') ?? 'Warn') as FieldValidation,
      dryRun: query.get('dryRun') === 'All',
      warn: (text) => warnings.push(text),
    };
    const isStatus = subresource === 'status';
    const existed = this.store.get(resource, namespace, name) !== undefined;
    const act: Record<string, () => KubeObject | Promise<KubeObject>> = {
      get: () => this.#operations.get(resource, namespace, name),
      create: () => this.#operations.create(write, body),
      update: () => this.#operations.replace(write, name, body, isStatus),
      patch: () =>
        this.#operations.patch(write, name, request.headers['content-type']?.split(';')[0] ?? '', body, isStatus),
      delete: () => this.#operations.delete(write, name, preconditionsOf(body)),
    };
    const object = await act[verb]?.();
    if (object === undefined) throw new ApiError('MethodNotAllowed', `${verb} is not possible here`);
    for (const text of warnings) response.appendHeader('warning', `299 - ${JSON.stringify(text)}`);
    const created = verb === 'create' || (verb === 'patch' && !existed);
    const shown =
      wantsTable(request) && verb === 'get' ? tableOf(resource, [object], String(this.store.revision), false) : object;
    sendJson(response, created ? 201 : 200, shown);
  }
}

function verbOf(method: string, { name, query }: Call): string {
  const isWatch = query.get('watch') === 'true' || query.get('watch') === '1';
  if (method === 'GET') return isWatch ? 'watch' : name === undefined ? 'list' : 'get';
  const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
  const verb = verbs[method];
  if (verb === undefined || (verb === 'create') !== (name === undefined)) {
    throw new ApiError('MethodNotAllowed', `${method} is not possible here`);
  }
  return verb;
}

function preconditionsOf(body: unknown): { uid?: string; resourceVersion?: string } {
  return (body as { preconditions?: object } | undefined)?.preconditions ?? {};
}

const wantsTable = (request: IncomingMessage) => /as=Table/.test(request.headers.accept ?? '');

async function readBody(request: IncomingMessage, contentType: string | undefined): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new ApiError('BadRequest', `the body is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (text === '') return undefined;
  if (contentType?.includes('protobuf') === true)
    throw new ApiError('UnsupportedMediaType', 'only JSON and YAML are spoken here');
  try {
    return contentType?.endsWith('yaml') === true ? parse(text) : JSON.parse(text);
  } catch (error) {
    throw new ApiError('BadRequest', `the body is not readable: ${String(error)}`);
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
