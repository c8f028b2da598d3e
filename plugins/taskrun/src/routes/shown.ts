// How tasks look in answers: whole, or as a line of a list. Secrets that a manifest may hold are not in it.
import { isObject } from 'plugboard';
import type { TaskEntry } from '../engine/entry.ts';
import { versionOf } from '../engine/record.ts';

/** Members of a server's definition whose values may be secrets; their names are shown. */
const hidden = new Set(['headers', 'env', 'oauth']);
const secretKey = /token|secret|passw|authorization|credential/i;

/** A value of an object with everything hidden that may be a secret. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (!isObject(value)) return typeof value === 'string' ? withoutCredentials(value) : value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (hidden.has(key) && isObject(member))
        return [key, Object.fromEntries(Object.keys(member).map((name) => [name, '***']))];
      return [key, typeof member === 'string' && secretKey.test(key) ? '***' : masked(member)];
    }),
  );
}

/** Credentials in the address of a server, and the values of its query. */
function withoutCredentials(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\/\S+$/i.test(text)) return text;
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]+@/i, '$1***@').replace(/([?&][^=&#]+=)[^&#]+/g, '$1***');
}

/** Everything about a task. */
export function shown(entry: TaskEntry) {
  const { object, spec, context: _, version: __, ...rest } = entry.view();
  return {
    ...rest,
    object: masked(object),
    spec: masked(spec),
    version: versionOf(entry.record),
    warnings: entry.warnings,
  };
}

/** The same without what makes it long: files, definitions, the manifest, the reports on single selectors. */
export function line(entry: TaskEntry) {
  const { object: _, context: __, spec, status, ...rest } = entry.view();
  const { markdownFiles: ___, servers: ____, ...short } = spec;
  return {
    ...rest,
    spec: short,
    status: { ...status, tools: [] },
    version: versionOf(entry.record),
    warnings: entry.warnings,
  };
}
