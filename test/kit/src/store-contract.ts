// What every provider of the service `store` must do, as tests. Durability, files and limits' names are each provider's own tests.
import type { ExecutionContext, TestFn } from 'ava';
import { StoreConflict } from 'plugboard';
import type { Storable, Store, StoreChange, Stores } from 'plugboard';

/** Limits that a provider under test is to have. */
export interface StoreLimits {
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxValueBytes?: number | undefined;
}

/** A provider that runs in a place of its own. */
export interface StoreStand {
  readonly stores: Stores;
  /** Stops the provider and starts it again in the same place. */
  reopen(): Promise<Stores>;
  close(): Promise<void>;
}

type Contract = (t: ExecutionContext, stores: Stores, stand: StoreStand) => Promise<void>;

/** Declares the tests of the contract for one provider; `open` starts it in a new, empty place. */
export function storeContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext, limits?: StoreLimits) => Promise<StoreStand>,
): void {
  for (const [title, contract] of Object.entries(contracts)) {
    test(`${name}: ${title}`, async (t) => {
      const stand = await open(t);
      try {
        await contract(t, stand.stores, stand);
      } finally {
        await stand.close();
      }
    });
  }
  test(`${name}: limits refuse what passes them and let go of nothing`, async (t) => {
    const stand = await open(t, { maxEntries: 3, maxBytes: 200, maxValueBytes: 100 });
    try {
      await limits(t, stand.stores);
    } finally {
      await stand.close();
    }
  });
}

const contracts: Readonly<Record<string, Contract>> = {
  async 'entries are written, read, changed and deleted'(t, stores) {
    const store = await stores.open<{ a: number } | string>('things');
    t.is(await store.get('one'), undefined);
    t.deepEqual(await store.set('one', { a: 1 }), { key: 'one', value: { a: 1 }, version: 1 });
    t.deepEqual(await store.set('one', 'text'), { key: 'one', value: 'text', version: 2 });
    t.deepEqual(await store.get('one'), { key: 'one', value: 'text', version: 2 });
    t.true(await store.delete('one'));
    t.false(await store.delete('one'));
    t.is(await store.get('one'), undefined);
    t.deepEqual(await store.list(''), []);
  },

  async 'reads see every write that was called before, awaited or not'(t, stores) {
    const store = await stores.open<number>('things');
    const writes = [store.set('a', 1), store.set('b', 2), store.set('a', 3)];
    t.is((await store.get('a'))?.value, 3);
    const gone = store.delete('b');
    t.deepEqual(
      (await store.list('')).map(({ key }) => key),
      ['a'],
    );
    t.deepEqual(
      (await Promise.all(writes)).map(({ version }) => version),
      [1, 1, 2],
    );
    t.true(await gone);
  },

  async 'versions count every change, across deletion and restart'(t, stores, stand) {
    const store = await stores.open<number>('things');
    await store.set('a', 1);
    await store.update('a', () => 2);
    await store.delete('a');
    t.is((await store.set('a', 3)).version, 4, 'the deletion is a change too');
    await store.set('b', 1);
    await store.delete('b');
    const again = await (await stand.reopen()).open<number>('things');
    t.deepEqual(await again.list(''), [{ key: 'a', value: 3, version: 4 }]);
    t.is((await again.set('b', 2)).version, 3);
    t.is((await again.set('c', 1)).version, 1);
  },

  async 'a write that expects another version is a conflict'(t, stores) {
    const store = await stores.open<number>('things');
    await store.set('a', 1, { expected: 0 });
    const conflict = await t.throwsAsync(store.set('a', 2, { expected: 0 }), { instanceOf: StoreConflict });
    t.like(conflict, { key: 'a', expected: 0, actual: 1 });
    await store.set('a', 2, { expected: 1 });
    await t.throwsAsync(store.delete('a', { expected: 1 }), { instanceOf: StoreConflict });
    await t.throwsAsync(store.set('b', 1, { expected: 7 }), { instanceOf: StoreConflict });
    t.is((await store.get('a'))?.value, 2);
    t.is(await store.get('b'), undefined);
    t.true(await store.delete('a', { expected: 2 }));
    t.like(await t.throwsAsync(store.set('a', 1, { expected: 2 })), { actual: 0 });
    await store.set('a', 5, { expected: 0 });
    for (const expected of [-1, 0.5, Number.NaN])
      await t.throwsAsync(store.set('a', 6, { expected }), { instanceOf: TypeError });
  },

  async 'races: of equal expectations one wins, of updates none is lost'(t, stores) {
    const store = await stores.open<number>('things');
    await store.set('a', 0);
    const races = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => store.set('a', n, { expected: 1 })));
    t.is(races.filter(({ status }) => status === 'fulfilled').length, 1);
    t.true(races.every((race) => race.status === 'fulfilled' || race.reason instanceof StoreConflict));
    await store.set('a', 0);
    await Promise.all(Array.from({ length: 100 }, () => store.update('a', (n = 0) => n + 1)));
    t.deepEqual(await store.get('a'), { key: 'a', value: 100, version: 103 });
    // Two handles of one namespace are one store.
    const other = await stores.open<number>('things');
    const both = Array.from({ length: 100 }, (_, n) => (n % 2 ? store : other).update('new', (m = 0) => m + 1));
    await Promise.all(both);
    t.like(await other.get('new'), { value: 100, version: 100 });
  },

  async 'update deletes by undefined, and writes nothing when its function throws'(t, stores) {
    const store = await stores.open<number>('things');
    t.is(await store.update('a', () => undefined), undefined);
    t.like(await store.update('a', (n) => (n === undefined ? 1 : 99)), { value: 1, version: 1 });
    const fault = new Error('no');
    t.is(
      await t.throwsAsync(
        store.update('a', () => {
          throw fault;
        }),
      ),
      fault,
    );
    t.like(await store.get('a'), { value: 1, version: 1 });
    t.is(await store.update('a', () => undefined), undefined);
    t.is(await store.get('a'), undefined);
  },

  async 'list: prefix, order of code units, pages'(t, stores) {
    const store = await stores.open<string>('things');
    const keys = [
      'b',
      'a/2',
      'a/10',
      'a',
      'a/1',
      'B',
      'a0',
      '\u00e9',
      'a/\u{1F600}',
      'a/\uFB01',
      '__proto__',
      '10',
      '9',
    ];
    await Promise.all(keys.map((key) => store.set(key, key)));
    const names = async (...args: Parameters<typeof store.list>) => (await store.list(...args)).map(({ key }) => key);
    t.deepEqual(await names(''), keys.toSorted());
    t.deepEqual(await names('a/'), ['a/1', 'a/10', 'a/2', 'a/\u{1F600}', 'a/\uFB01']);
    t.deepEqual(await names('a/', { limit: 2 }), ['a/1', 'a/10']);
    t.deepEqual(await names('a/', { limit: 2, after: 'a/10' }), ['a/2', 'a/\u{1F600}']);
    t.deepEqual(await names('a/', { after: 'a/3' }), ['a/\u{1F600}', 'a/\uFB01'], 'the key of a page may be gone');
    t.deepEqual(await names('a/', { after: 'b' }), []);
    t.deepEqual(await names('a/', { after: 'A' }), await names('a/'));
    t.deepEqual(await names('', { limit: 0 }), []);
    t.deepEqual(await names('none'), []);
    await store.delete('a/10');
    await store.set('a/15', '');
    t.deepEqual(await names('a/1'), ['a/1', 'a/15']);
    await t.throwsAsync(store.list('', { limit: -1 }), { instanceOf: TypeError });
  },

  async 'values are copies, in and out'(t, stores) {
    const store = await stores.open<{ list: number[]; left?: undefined }>('things');
    const mine = { list: [1], left: undefined };
    const heard: StoreChange<{ list: number[] }>[] = [];
    store.watch('', (change) => {
      heard.push(structuredClone(change));
      change.value?.list.push(7);
    });
    const write = store.set('a', mine);
    mine.list.push(2);
    const written = await write;
    t.deepEqual(written.value, { list: [1] });
    written.value.list.push(3);
    const read = await store.get('a');
    t.deepEqual(read?.value, { list: [1] });
    read?.value.list.push(4);
    for (const { value } of await store.list('')) value.list.push(5);
    await store.update('a', (value) => {
      value?.list.push(6);
      return value;
    });
    t.deepEqual((await store.get('a'))?.value, { list: [1, 6] });
    t.deepEqual(
      heard.map(({ value }) => value?.list),
      [[1], [1, 6]],
    );
  },

  async 'every JSON value comes back as it was, and what is no JSON is refused'(t, stores, stand) {
    const store = await stores.open('things');
    const kept: Record<string, Storable> = {
      null: null,
      false: false,
      zero: 0,
      empty: '',
      number: -1.5e-7,
      text: '\u0000"\\\n\u2028\uD800 \u{1F600}',
      nested: { a: [{ b: [[], {}] }, null], '': 1 },
      proto: JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}') as Storable,
      key: { 'a\nb': '}\n{"key":' },
    };
    for (const [key, value] of Object.entries(kept)) await store.set(`${key}\n"`, value);
    const again = await (await stand.reopen()).open('things');
    for (const [key, value] of Object.entries(kept)) {
      t.is(JSON.stringify((await again.get(`${key}\n"`))?.value), JSON.stringify(value), key);
    }
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const hole: number[] = [];
    hole[1] = 1;
    const refused = [
      undefined,
      Number.NaN,
      1n,
      () => 1,
      Symbol('s'),
      new Map(),
      new Date(0),
      circle,
      [undefined],
      hole,
      { a: { b: [Infinity] } },
    ];
    for (const value of refused) {
      await t.throwsAsync(again.set('bad', value as Storable), { instanceOf: TypeError }, String(value));
      if (value !== undefined)
        await t.throwsAsync(
          again.update('bad', () => value as Storable),
          { instanceOf: TypeError },
        );
    }
    t.is(await again.get('bad'), undefined);
  },

  async 'watchers hear every change, in order, until they stop'(t, stores) {
    const store = await stores.open<number>('things');
    await store.set('a/0', 0);
    const heard: string[] = [];
    const all: string[] = [];
    const text = ({ key, value, version }: StoreChange<number>) => `${key}=${value ?? 'gone'}@${version}`;
    const stop = store.watch('a/', (change) => heard.push(text(change)));
    store.watch('', () => {
      throw new Error('a watcher that fails');
    });
    store.watch('', (change) => all.push(text(change)));
    await Promise.all([store.set('a/1', 1), store.set('b', 1), store.update('a/1', () => 2), store.delete('a/1')]);
    await t.throwsAsync(store.set('a/0', 5, { expected: 9 }));
    t.false(await store.delete('a/none'));
    t.deepEqual(heard, ['a/1=1@1', 'a/1=2@2', 'a/1=gone@3']);
    t.deepEqual(all, ['a/1=1@1', 'b=1@1', 'a/1=2@2', 'a/1=gone@3']);
    stop();
    stop();
    await store.set('a/1', 9);
    t.is(heard.length, 3);
    t.is(all.at(-1), 'a/1=9@4');
    // A watcher may write.
    const done = new Promise<void>((resolve) => {
      store.watch('chain', ({ value = 0 }) => (value < 5 ? void store.set('chain', value + 1) : resolve()));
    });
    await store.set('chain', 0);
    await done;
    t.deepEqual(
      all.slice(-6),
      [0, 1, 2, 3, 4, 5].map((n) => `chain=${n}@${n + 1}`),
    );
  },

  async 'namespaces are apart'(t, stores, stand) {
    const names = ['a', 'a.b', 'a-b', 'a.1', 'plug-in'];
    for (const name of names) await (await stores.open<string>(name)).set('key', name);
    await (await stores.open('a')).delete('key');
    const again = await stand.reopen();
    t.is(await (await again.open('a')).get('key'), undefined);
    for (const name of names.slice(1)) t.is((await (await again.open<string>(name)).get('key'))?.value, name);
    for (const name of ['', '..', '../a', 'a/b', 'A', '.a', 'a b', 'a'.repeat(65), 'ä']) {
      await t.throwsAsync(again.open(name), { instanceOf: TypeError }, name);
    }
  },

  async 'keys are strings of 1 to 512 characters'(t, stores) {
    const store = await stores.open<number>('things');
    for (const key of ['x'.repeat(512), ' ', '\n', '\u0000', '../..', 'constructor', 'toString', '__proto__']) {
      t.is(await store.get(key), undefined);
      await store.set(key, 1);
      t.is((await store.get(key))?.version, 1);
    }
    for (const key of ['', 'x'.repeat(513), 7 as unknown as string, undefined as unknown as string]) {
      await t.throwsAsync(store.get(key), { instanceOf: TypeError });
      await t.throwsAsync(store.set(key, 1), { instanceOf: TypeError });
      await t.throwsAsync(
        store.update(key, () => 1),
        { instanceOf: TypeError },
      );
      await t.throwsAsync(store.delete(key), { instanceOf: TypeError });
    }
  },

  async 'values are migrated step by step, all of them or none'(t, stores, stand) {
    const first = await stores.open<number>('things', { version: 1 });
    await Promise.all([first.set('a', 1), first.set('b', 2), first.set('drop', 3)]);
    const migrations = {
      1: (value: Storable, key: string) => (key === 'drop' ? undefined : { n: value }),
      2: (value: Storable) => ({ ...(value as object), two: true }),
    };
    const broken = {
      ...migrations,
      2: (_: Storable, key: string) => (key === 'b' ? new Map() : 1) as unknown as Storable,
    };
    const second = await stand.reopen();
    await t.throwsAsync(second.open('things', { version: 3, migrations: { 1: migrations[1] } }), { message: /things/ });
    await t.throwsAsync(second.open('things', { version: 3, migrations: broken }), { message: /things/ });
    t.deepEqual(values(await (await second.open<number>('things', { version: 1 })).list('')), [1, 2, 3]);
    const third = await stand.reopen();
    const migrated = await third.open('things', { version: 3, migrations });
    t.deepEqual(values(await migrated.list('')), [
      { n: 1, two: true },
      { n: 2, two: true },
    ]);
    t.true((await migrated.set('drop', 1)).version > 1);
    const fourth = await stand.reopen();
    t.deepEqual(values(await (await fourth.open('things', { version: 3 })).list('a')), [{ n: 1, two: true }]);
  },

  async 'what a newer version wrote is refused and left alone'(t, stores, stand) {
    const newer = await stores.open('things', { version: 2 });
    await newer.set('a', 1);
    await t.throwsAsync(stores.open('things', { version: 1 }), { message: /things.*2.*1/ });
    const again = await stand.reopen();
    await t.throwsAsync(again.open('things'), { message: /things.*2.*1/ });
    t.like(await (await again.open('things', { version: 2 })).get('a'), { value: 1, version: 1 });
  },

  async 'a long random course gives what a map gives'(t, stores, stand) {
    let random = 42;
    const next = (below: number) => {
      random = (random * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((random / 2 ** 31) * below);
    };
    const model = new Map<string, number>();
    let store: Store<number> = await stores.open<number>('things');
    for (let round = 0; round < 4; round += 1) {
      const writes: Promise<unknown>[] = [];
      for (let step = 0; step < 250; step += 1) {
        const key = `k${next(40)}`;
        if (next(3) === 0) {
          model.delete(key);
          writes.push(store.delete(key));
        } else {
          model.set(key, step);
          writes.push(next(2) === 0 ? store.set(key, step) : store.update(key, () => step));
        }
      }
      await Promise.all(writes);
      const entries = (await store.list('')).map(({ key, value }) => [key, value]);
      t.deepEqual(
        entries,
        [...model].toSorted(([left], [right]) => (left < right ? -1 : 1)),
      );
      store = await (await stand.reopen()).open<number>('things');
    }
  },
};

async function limits(t: ExecutionContext, stores: Stores): Promise<void> {
  const store = await stores.open<string>('things');
  await t.throwsAsync(store.set('a', 'x'.repeat(99)), { message: /things.*100/ });
  await Promise.all([store.set('a', 'x'), store.set('b', 'x'), store.set('c', 'x')]);
  await t.throwsAsync(store.set('d', 'x'), { message: /things.*3/ });
  await store.set('a', 'x'.repeat(95));
  await t.throwsAsync(
    store.update('b', () => 'x'.repeat(98)),
    { message: /things.*200/s },
  );
  t.deepEqual(values(await store.list('')), ['x'.repeat(95), 'x', 'x']);
  await store.delete('c');
  await store.set('d', 'x');
  const other = await stores.open<string>('others');
  await other.set('a', 'x'.repeat(90));
}

function values<Value>(entries: readonly { readonly value: Value }[]): Value[] {
  return entries.map(({ value }) => value);
}
