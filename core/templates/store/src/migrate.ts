// Values of an older schema to those of a newer one: all of a namespace, or nothing of it.
import type { Storable, StoreSchema } from 'plugboard';
import type { Contents } from './file.ts';
import { toJson } from './plain-json.ts';

/** The new texts by key (undefined: dropped); undefined when there is nothing to do. Throws when it is impossible. */
export function migrate(
  name: string,
  { schema: from, entries }: Contents,
  { version, migrations = {} }: StoreSchema,
): Map<string, string | undefined> | undefined {
  if (from === version) return undefined;
  if (from === undefined) return new Map();
  if (from > version)
    throw new Error(
      `namespace "${name}" was written by version ${from}; this program knows ${version}: use a newer one`,
    );
  const changes = new Map<string, string | undefined>();
  for (const [key, { text }] of entries) {
    if (text === undefined) continue;
    let value: Storable | undefined = JSON.parse(text) as Storable;
    for (let step = from; step < version && value !== undefined; step += 1) {
      const next = migrations[step];
      if (next === undefined) throw new Error(`namespace "${name}": there is no migration from version ${step}`);
      value = next(value, key);
    }
    changes.set(key, value === undefined ? undefined : toJson(value, `namespace "${name}", key "${key}"`));
  }
  return changes;
}
