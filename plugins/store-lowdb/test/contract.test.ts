// The contract of every store, kept by this one; and random courses against a model, with restarts and compactions in them.
import test from 'ava';
import fc from 'fast-check';
import { StoreConflict } from 'plugboard';
import type { StoreChange } from 'plugboard';
import { storeContract } from '@plugboard/test-kit';
import { start, temporaryFolder } from './stand.ts';

storeContract(test, 'store-lowdb', async (t, limits = {}) => {
  const folder = temporaryFolder(t);
  const options = { ...limits, fsync: 'never', compactBytes: 1024 };
  let stand = await start(folder, options);
  return {
    stores: stand.stores,
    reopen: async () => {
      await stand.stop();
      stand = await start(folder, options);
      return stand.stores;
    },
    close: () => stand.stop(),
  };
});

const key = fc.constantFrom('a', 'a/1', 'a/2', 'b', '__proto__', 'é');
const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string({ minLength: 200, maxLength: 900 }));
const expected = fc.option(fc.nat(4), { nil: undefined });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, value, expected }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key, expected }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('update' as const), key, value: fc.option(value, { nil: undefined }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('list' as const), prefix: fc.constantFrom('', 'a', 'a/', 'z') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);

type Json = fc.JsonValue;

/** What a store is, in a few lines. */
class Model {
  readonly entries = new Map<string, Json>();
  readonly versions = new Map<string, number>();
  changes: StoreChange<Json>[] = [];

  conflict(name: string, expected: number | undefined): boolean {
    const actual = this.entries.has(name) ? this.versions.get(name) : 0;
    return expected !== undefined && expected !== actual;
  }

  write(name: string, next: Json | undefined): number {
    const version = (this.versions.get(name) ?? 0) + 1;
    this.versions.set(name, version);
    if (next === undefined) this.entries.delete(name);
    else this.entries.set(name, next);
    this.changes.push({ key: name, value: next, version });
    return version;
  }

  list(prefix: string) {
    const keys = [...this.entries.keys()].filter((each) => each.startsWith(prefix)).toSorted();
    return keys.map((each) => ({ key: each, value: this.entries.get(each), version: this.versions.get(each) }));
  }
}

test('whatever is done in whatever order, it is what a map would do, also after restarts', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const folder = temporaryFolder(t);
      const options = { fsync: 'never', compactBytes: 1024 };
      let stand = await start(folder, options);
      let store = await stand.stores.open<Json>('model');
      const model = new Model();
      let heard: StoreChange<Json>[] = [];
      store.watch('', (change) => heard.push(change));
      // Writes are not awaited but compared later: calls in one moment take effect in the order of the calls.
      let open: Promise<[found: string, wanted: string]>[] = [];
      const expect = (result: Promise<unknown>, wanted: unknown) => {
        const plain = plainOf(wanted);
        const nameOf = (error: unknown) => (error instanceof StoreConflict ? 'conflict' : error);
        open.push(result.catch(nameOf).then((found) => [plainOf(found), plain]));
      };
      const compare = async () => {
        for (const [found, wanted] of await Promise.all(open)) t.is(found, wanted);
        open = [];
        t.is(plainOf(heard), plainOf(model.changes));
      };
      for (const each of steps) {
        if (each.do === 'set') {
          const result = store.set(each.key, each.value, { expected: each.expected });
          const lost = model.conflict(each.key, each.expected);
          expect(
            result,
            lost ? 'conflict' : { key: each.key, value: each.value, version: model.write(each.key, each.value) },
          );
        } else if (each.do === 'delete') {
          const result = store.delete(each.key, { expected: each.expected });
          const lost = model.conflict(each.key, each.expected);
          const had = model.entries.has(each.key);
          if (!lost && had) model.write(each.key, undefined);
          expect(result, lost ? 'conflict' : had);
        } else if (each.do === 'update') {
          const before = plainOf(model.entries.get(each.key));
          let given: unknown;
          const result = store.update(each.key, (current) => {
            given = current;
            return each.value;
          });
          if (each.value !== undefined || model.entries.has(each.key)) model.write(each.key, each.value);
          const version = model.versions.get(each.key);
          expect(result, each.value === undefined ? undefined : { key: each.key, value: each.value, version });
          t.is(plainOf(given), before);
        } else if (each.do === 'list') t.is(plainOf(await store.list(each.prefix)), plainOf(model.list(each.prefix)));
        else {
          await compare();
          if (each.do === 'wait') continue;
          await stand.stop();
          stand = await start(folder, options);
          store = await stand.stores.open<Json>('model');
          [heard, model.changes] = [[], []];
          store.watch('', (change) => heard.push(change));
        }
      }
      await compare();
      await stand.stop();
    }),
    { numRuns: 60 },
  );
});

/** Compared as JSON: -0 is 0 there. */
function plainOf(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined';
}
