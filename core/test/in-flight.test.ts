import test from 'ava';
import fc from 'fast-check';
import { InFlight } from '../src/in-flight.ts';

test('in flight: a random course gives what a map gives, however many and however long', (t) => {
  const step = fc.record({ grow: fc.integer({ min: 1, max: 200 }), end: fc.integer({ min: 0, max: 400 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (course) => {
      const flight = new InFlight<string>();
      const model = new Map<number, string>();
      let id = 0;
      for (const { grow, end } of course) {
        id += grow;
        flight.set(id, `item ${id}`);
        model.set(id, `item ${id}`);
        // One of those that are open, or one that never was.
        const ended = [...model.keys()][end] ?? id + 1;
        flight.delete(ended);
        flight.delete(ended);
        model.delete(ended);
        t.is(flight.size, model.size);
        t.is(flight.get(ended), undefined);
      }
      t.deepEqual(flight.all(), [...model.values()]);
      for (const [key, item] of model) t.is(flight.get(key), item);
    }),
    { numRuns: 60 },
  );
});
