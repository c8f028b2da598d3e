// The kinds of patches that clients send. What a patched object must fulfil is not checked here.
import { ApiError } from './api-error.ts';
import { isObject } from './kube-object.ts';
import type { Schema } from './kube-object.ts';

/** Applies a patch of the given content type; the object stays as it is. `schema` tells which lists merge by key. */
export function applyPatch(contentType: string, object: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (contentType === 'application/json-patch+json') return jsonPatch(object, patch);
  if (!isObject(patch)) throw new ApiError('BadRequest', 'the patch is not an object');
  if (contentType === 'application/merge-patch+json') return mergePatch(object, patch);
  if (contentType === 'application/strategic-merge-patch+json') return strategicPatch(object, patch);
  // Whose fields are whose is not kept: what was applied before and is left out now stays.
  if (contentType === 'application/apply-patch+yaml') return applied(object, patch, schema);
  throw new ApiError('UnsupportedMediaType', `content type ${contentType} is no patch that is known here`);
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Like a merge, but lists of objects with a name merge by it. Enough for what kubectl sends for built-in kinds. */
function strategicPatch(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) {
    const key = mergeKeyOf(patch);
    return key === undefined ? patch : mergeLists(target, patch, [key], strategicPatch);
  }
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) && patch['$patch'] !== 'replace' ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    if (value === null) delete result[name];
    else result[name] = strategicPatch(result[name], value);
  }
  return result;
}

const mergeKeyOf = (list: readonly unknown[]) =>
  ['name', 'type', 'containerPort', 'port', 'mountPath', 'ip'].find((key) =>
    list.every((item) => isObject(item) && key in item),
  );

function applied(target: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(patch)) {
    const keys = schema?.['x-kubernetes-list-map-keys'] ?? (schema === undefined ? [mergeKeyOf(patch)] : []);
    const known = keys.filter((key) => key !== undefined);
    return known.length === 0
      ? patch
      : mergeLists(target, patch, known, (old, item) => applied(old, item, schema?.items));
  }
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    result[name] = applied(result[name], value, schema?.properties?.[name] ?? schema?.additionalProperties);
  }
  return result;
}

function mergeLists(
  target: unknown,
  patch: readonly unknown[],
  keys: readonly string[],
  merge: (target: unknown, patch: unknown) => unknown,
): unknown[] {
  const result: unknown[] = Array.isArray(target) ? [...(target as unknown[])] : [];
  for (const item of patch) {
    const same = (other: unknown) => isObject(other) && isObject(item) && keys.every((key) => other[key] === item[key]);
    const index = result.findIndex(same);
    const isRemoved = isObject(item) && item['$patch'] === 'delete';
    if (isRemoved && index >= 0) result.splice(index, 1);
    else if (index >= 0) result[index] = merge(result[index], item);
    else if (!isRemoved) result.push(merge(undefined, item));
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** RFC 6902. Throws when a test fails or a place does not exist. */
export function jsonPatch(object: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError('BadRequest', 'a JSON patch is a list of operations');
  const root = { '': structuredClone(object) };
  for (const operation of patch as readonly Operation[]) operate(root, operation);
  return root[''];
}

function operate(root: { '': unknown }, { op, path, from, value }: Operation): void {
  if (op === 'test') {
    if (JSON.stringify(read(root, path)) !== JSON.stringify(value))
      throw new ApiError('Invalid', `the test of ${path} failed`);
  } else if (op === 'add') add(root, path, value);
  else if (op === 'remove') remove(root, path);
  else if (op === 'replace') {
    remove(root, path);
    add(root, path, value);
  } else if (op === 'copy') add(root, path, structuredClone(read(root, from ?? '')));
  else if (op === 'move') {
    const moved = read(root, from ?? '');
    remove(root, from ?? '');
    add(root, path, moved);
  } else throw new ApiError('BadRequest', `unknown operation ${op}`);
}

type Container = Record<string, unknown> | unknown[];

function locate(root: { '': unknown }, path: string): { parent: Container; key: string } {
  const steps = path.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  let parent: unknown = root;
  for (const step of steps.slice(0, -1)) parent = (parent as Record<string, unknown> | undefined)?.[step];
  if (!isObject(parent) && !Array.isArray(parent)) throw new ApiError('Invalid', `there is no ${path}`);
  return { parent: parent as Container, key: steps.at(-1) ?? '' };
}

function read(root: { '': unknown }, path: string): unknown {
  const { parent, key } = locate(root, path);
  return (parent as Record<string, unknown>)[key];
}

function add(root: { '': unknown }, path: string, value: unknown): void {
  const { parent, key } = locate(root, path);
  if (Array.isArray(parent)) parent.splice(key === '-' ? parent.length : Number(key), 0, value);
  else parent[key] = value;
}

function remove(root: { '': unknown }, path: string): void {
  const { parent, key } = locate(root, path);
  if (!(key in parent)) throw new ApiError('Invalid', `there is no ${path}`);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}
