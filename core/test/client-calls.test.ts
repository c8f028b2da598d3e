import test from 'ava';
import fc from 'fast-check';
import type { RequestId } from '../src/protocol/messages.ts';
import { ClientCalls } from '../src/client-calls.ts';

test('client calls: whatever ids a client gives, in whatever order, each finds its own call', (t) => {
  const id: fc.Arbitrary<RequestId> = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 12 }).map((each) => each * 1024),
    fc.integer({ min: -3, max: 3 }).map(String),
    fc.constantFrom<RequestId>(-1, -0, 0.5, 1e300, Number.MAX_SAFE_INTEGER, '', '__proto__'),
  );
  fc.assert(
    fc.property(fc.array(id, { maxLength: 300 }), (course) => {
      const calls = new ClientCalls<object>();
      const model = new Map<RequestId, object>();
      for (const each of course) {
        if (model.has(each)) {
          calls.delete(each);
          calls.delete(each);
          model.delete(each);
          t.is(calls.get(each), undefined);
        } else {
          const call = { id: each };
          calls.set(each, call);
          model.set(each, call);
        }
        t.is(calls.size, model.size);
      }
      for (const [key, call] of model) t.is(calls.get(key), call);
      const all = new Set(calls.all());
      t.is(all.size, model.size);
      for (const call of model.values()) t.true(all.has(call));
    }),
    { numRuns: 200 },
  );
});
