// Values of an older schema version become those of a newer one. All in memory; what comes of it is written elsewhere, or not at all.
import type { StoreSchema } from 'plugboard';
import { Contents } from './contents.ts';
import type { Entry } from './contents.ts';
import { jsonOf, parseStorable } from './plain-json.ts';

interface Step {
  readonly from: number;
  readonly run: NonNullable<NonNullable<StoreSchema['migrations']>[number]>;
}

/**
 * The same contents in a newer schema version; the same object when that is the version they have. Throws, naming namespace, version and
 * key, when the program knows less than the files, or a migration is missing or fails.
 */
export function migrated(
  namespace: string,
  contents: Contents,
  from: number,
  to: number,
  schema: StoreSchema,
): Contents {
  if (from > schema.version) {
    throw new Error(
      `namespace "${namespace}" was written with schema version ${from}; this program knows ${schema.version}. ` +
        'Nothing was changed: use the newer program',
    );
  }
  if (from >= to || contents.size === 0) return contents;
  const steps = stepsBetween(namespace, from, to, schema);
  const { entries, deleted } = contents.copy();
  const left: [string, Entry][] = [];
  for (const [key, entry] of entries) {
    const text = migratedText(namespace, key, entry.text, steps);
    if (text === undefined) deleted.push([key, entry.version]);
    else left.push([key, { text, version: entry.version }]);
  }
  return Contents.of({ entries: left, deleted, changes: contents.changes, floor: contents.floor });
}

function stepsBetween(namespace: string, from: number, to: number, { migrations }: StoreSchema): Step[] {
  return Array.from({ length: to - from }, (_, index) => {
    const run = migrations?.[from + index];
    if (run !== undefined) return { from: from + index, run };
    throw new Error(
      `namespace "${namespace}" has schema version ${from} and is to get ${to}: there is no migration from ${from + index}. ` +
        'Nothing was changed: use a program that has it, or the one that wrote the namespace',
    );
  });
}

function migratedText(namespace: string, key: string, text: string, steps: readonly Step[]): string | undefined {
  let result = text;
  for (const { from, run } of steps) {
    try {
      const value = run(parseStorable(result), key);
      if (value === undefined) return undefined;
      result = jsonOf(value, 'the result');
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `namespace "${namespace}", key ${JSON.stringify(key)}: the migration from schema version ${from} failed: ${why}. ` +
          'Nothing was changed',
        { cause },
      );
    }
  }
  return result;
}
