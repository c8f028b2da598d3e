// What create, replace, patch and delete mean: versions, generations, status, finalizers, validation. HTTP is in `server.ts`.
import { randomUUID } from 'node:crypto';
import { ApiError } from './api-error.ts';
import { addDefaults, mistyped, prune } from './fields.ts';
import { groupVersion, isObject, qualifiedName } from './kube-object.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import type { ObjectStore } from './object-store.ts';
import { applyPatch } from './patches.ts';
import type { Resources } from './resources.ts';
import { structuralProblems } from './structural-rules.ts';
import { validate } from './validation.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** Circumstances of a write. */
export interface Write {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly fieldValidation: FieldValidation;
  /** True: everything is checked and nothing is kept. */
  readonly dryRun: boolean;
  /** Takes the text of `Warning` headers. */
  warn(text: string): void;
}

/** Changes an object on its way in, as admission webhooks do. */
export type Admit = (write: Write, object: KubeObject) => Promise<KubeObject>;

export class Operations {
  readonly #store: ObjectStore;
  readonly #resources: Resources;
  readonly #admit: Admit;

  constructor(store: ObjectStore, resources: Resources, admit: Admit) {
    this.#store = store;
    this.#resources = resources;
    this.#admit = admit;
  }

  get(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const found = this.#store.get(resource, namespace, name);
    if (found === undefined) throw new ApiError('NotFound', `${qualifiedName(resource)} "${name}" not found`);
    return found;
  }

  async create(write: Write, body: unknown): Promise<KubeObject> {
    const { resource, namespace } = write;
    const object = this.#decode(write, body);
    const { metadata } = object;
    if (metadata.name === undefined && metadata.generateName !== undefined) {
      metadata.name = metadata.generateName + randomUUID().slice(0, 5);
    }
    this.#checkName(resource, metadata.name);
    if (namespace !== undefined) {
      if ((metadata.namespace ?? namespace) !== namespace) {
        throw new ApiError('BadRequest', 'the namespace of the object does not match the namespace of the request');
      }
      this.get(this.#resources.builtIn('namespaces'), undefined, namespace);
      metadata.namespace = namespace;
    }
    if (this.#store.get(resource, namespace, metadata.name ?? '') !== undefined) {
      throw new ApiError('AlreadyExists', `${qualifiedName(resource)} "${metadata.name}" already exists`);
    }
    if (resource.custom && resource.statusSubresource) delete object.status;
    const admitted = await this.#admit(write, object);
    const created = {
      ...admitted,
      metadata: { ...admitted.metadata, uid: randomUUID(), creationTimestamp: now(), generation: 1 },
    };
    delete created.metadata.resourceVersion;
    delete created.metadata.deletionTimestamp;
    this.#check(resource, created, undefined);
    return write.dryRun ? created : this.#keep(resource, created, 'ADDED');
  }

  /** Replaces an object, or its status. */
  replace(write: Write, name: string, body: unknown, status: boolean): KubeObject {
    const object = this.#decode(write, body);
    const old = this.get(write.resource, write.namespace, name);
    if (write.resource.custom && object.metadata.resourceVersion === undefined) {
      throw this.#invalid(write.resource, name, [
        { field: 'metadata.resourceVersion', message: 'Invalid value: 0x0: must be specified for an update' },
      ]);
    }
    return this.#update(write, old, object, status);
  }

  /** Patches an object, or its status. Server-side apply creates what is not there. */
  async patch(write: Write, name: string, contentType: string, body: unknown, status: boolean): Promise<KubeObject> {
    const { resource, namespace } = write;
    const isApply = contentType === 'application/apply-patch+yaml';
    const old = this.#store.get(resource, namespace, name);
    if (old === undefined && isApply && !status) return this.create(write, body);
    if (old === undefined) return this.get(resource, namespace, name);
    const patched = applyPatch(contentType, old, body, resource.schema);
    const object = this.#decode(write, patched);
    return this.#update(write, old, object, status);
  }

  /** Removes an object, or marks it as going while it has finalizers. */
  delete(write: Write, name: string, preconditions: { uid?: string; resourceVersion?: string } = {}): KubeObject {
    const { resource } = write;
    const old = this.get(resource, write.namespace, name);
    for (const key of ['uid', 'resourceVersion'] as const) {
      if (preconditions[key] !== undefined && preconditions[key] !== old.metadata[key]) {
        throw new ApiError('Conflict', `${qualifiedName(resource)} "${name}": the precondition ${key} does not hold`);
      }
    }
    if (write.dryRun) return old;
    if ((old.metadata.finalizers ?? []).length === 0) return this.#drop(resource, old);
    if (old.metadata.deletionTimestamp !== undefined) return old;
    const { generation = 1 } = old.metadata;
    const metadata = {
      ...old.metadata,
      deletionTimestamp: now(),
      deletionGracePeriodSeconds: 0,
      generation: generation + 1,
    };
    return this.#keep(resource, { ...old, metadata }, 'MODIFIED');
  }

  #update(write: Write, old: KubeObject, given: KubeObject, status: boolean): KubeObject {
    const { resource } = write;
    const { name = '', uid, resourceVersion, deletionTimestamp, creationTimestamp, generation = 1 } = old.metadata;
    if ((given.metadata.resourceVersion ?? resourceVersion) !== resourceVersion) {
      const advice = 'the object has been modified; please apply your changes to the latest version and try again';
      throw new ApiError(
        'Conflict',
        `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${advice}`,
      );
    }
    if ((given.metadata.uid ?? uid) !== uid) {
      throw new ApiError(
        'Conflict',
        `Precondition failed: UID in precondition: ${given.metadata.uid}, UID in object: ${uid}`,
      );
    }
    let object = merged(old, given, status, resource.statusSubresource);
    const changed = JSON.stringify(withoutStatus(object)) !== JSON.stringify(withoutStatus(old));
    object = {
      ...object,
      metadata: { ...object.metadata, uid, creationTimestamp, resourceVersion } as KubeObject['metadata'],
    };
    object.metadata.generation = changed ? generation + 1 : generation;
    if (deletionTimestamp !== undefined) {
      object.metadata.deletionTimestamp = deletionTimestamp;
      this.#refuseNewFinalizers(resource, old, object);
    }
    this.#check(resource, object, old);
    if (write.dryRun) return object;
    if (deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0)
      return this.#drop(resource, object);
    // A write that changes nothing makes no new version.
    return JSON.stringify(sorted(object)) === JSON.stringify(sorted(old))
      ? old
      : this.#keep(resource, object, 'MODIFIED');
  }

  #keep(resource: Resource, object: KubeObject, type: 'ADDED' | 'MODIFIED'): KubeObject {
    if (resource.kind !== 'CustomResourceDefinition') return this.#store.put(resource, object, type);
    this.#resources.define(object, true);
    const conditions = ['NamesAccepted', 'Established'].map((each) => ({ type: each, status: 'True' }));
    return this.#store.put(resource, { ...object, status: { conditions } }, type);
  }

  #drop(resource: Resource, object: KubeObject): KubeObject {
    if (resource.kind === 'CustomResourceDefinition') this.#resources.define(object, false);
    return this.#store.remove(resource, object);
  }

  /** The body as an object of this kind: unknown fields gone or refused, defaults filled in. */
  #decode({ resource, fieldValidation, warn }: Write, body: unknown): KubeObject {
    if (!isObject(body)) throw new ApiError('BadRequest', 'the body is not an object');
    const object = structuredClone(body) as KubeObject;
    object.apiVersion ??= groupVersion(resource);
    object.kind ??= resource.kind;
    if (object.apiVersion !== groupVersion(resource) || object.kind !== resource.kind) {
      const wanted = `${groupVersion(resource)} ${resource.kind}`;
      throw new ApiError(
        'BadRequest',
        `the object is ${object.apiVersion} ${object.kind}; this is the place of ${wanted}`,
      );
    }
    if (!isObject(object.metadata)) object.metadata = {};
    const { schema } = resource;
    if (schema === undefined) return object;
    // Metadata is checked by nobody's schema; the envelope is known to all.
    const { apiVersion: _, kind: __, metadata: ___, ...body_ } = object;
    const unknown = prune(body_, schema);
    const label = `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}`;
    if (unknown.length > 0 && fieldValidation === 'Strict') {
      const listed = unknown.map((field) => `unknown field "${field}"`).join(', ');
      throw new ApiError('BadRequest', `${label}: strict decoding error: ${listed}`);
    }
    if (fieldValidation === 'Warn') for (const field of unknown) warn(`unknown field "${field}"`);
    const wrong = resource.custom ? [] : mistyped(body_, schema);
    if (wrong.length > 0) throw new ApiError('BadRequest', `${label}: ${wrong.join(', ')}`);
    if (resource.custom) addDefaults(body_, schema);
    return { apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata, ...body_ };
  }

  #check(resource: Resource, object: KubeObject, old: KubeObject | undefined): void {
    if (resource.kind === 'CustomResourceDefinition') this.#checkDefinition(resource, object);
    if (!resource.custom || resource.schema === undefined) return;
    const causes = validate(object, resource.schema, old);
    if (causes.length > 0) throw this.#invalid(resource, object.metadata.name ?? '', causes);
  }

  #checkDefinition(resource: Resource, { metadata, spec }: KubeObject): void {
    const versions = (spec?.['versions'] ?? []) as readonly { schema?: { openAPIV3Schema?: unknown } }[];
    const problems = versions.flatMap(({ schema }) => structuralProblems(schema?.openAPIV3Schema));
    if (problems.length === 0) return;
    const causes = problems.map((message) => ({ field: 'spec.versions', message }));
    throw this.#invalid(resource, metadata.name ?? '', causes);
  }

  #checkName(resource: Resource, name: string | undefined): void {
    if (name === undefined) {
      throw this.#invalid(resource, '', [
        { field: 'metadata.name', message: 'Required value: name or generateName is required' },
      ]);
    }
    if (name.length <= 253 && /^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/.test(name)) return;
    const message = `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'`;
    throw this.#invalid(resource, name, [{ field: 'metadata.name', message }]);
  }

  #refuseNewFinalizers(resource: Resource, old: KubeObject, object: KubeObject): void {
    const known = old.metadata.finalizers ?? [];
    if ((object.metadata.finalizers ?? []).every((finalizer) => known.includes(finalizer))) return;
    const message = 'Forbidden: no new finalizers can be added if the object is being deleted';
    throw this.#invalid(resource, old.metadata.name ?? '', [{ field: 'metadata.finalizers', message }]);
  }

  #invalid(resource: Resource, name: string, causes: readonly { field: string; message: string }[]): ApiError {
    const kind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
    const listed = causes.map(({ field, message }) => `${field}: ${message}`);
    const text = listed.length === 1 ? listed[0] : `[${listed.join(', ')}]`;
    const subject = { name, group: resource.group, kind: resource.kind };
    return new ApiError('Invalid', `${kind} "${name}" is invalid: ${text}`, causes, subject);
  }
}

/** The part of the new object that this way of writing may change. */
function merged(old: KubeObject, given: KubeObject, status: boolean, hasSubresource: boolean): KubeObject {
  if (status) {
    const { status: _, ...rest } = old;
    return given.status === undefined ? rest : { ...rest, status: given.status };
  }
  const { status: _, ...rest } = given;
  const kept = hasSubresource ? old.status : given.status;
  const metadata = { ...given.metadata };
  for (const key of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    const value = old.metadata[key];
    if (value !== undefined) metadata[key] = value;
  }
  const object: KubeObject = { ...rest, metadata };
  return kept === undefined ? object : { ...object, status: kept };
}

/** What a generation counts: everything but status and metadata. */
function withoutStatus(object: KubeObject): unknown {
  const { status: _, metadata: __, ...rest } = object;
  return sorted(rest);
}

/** The same with keys in order, so that equal objects have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
