// The reader of event streams against the library that the SDKs use, on random streams cut at random places.
import test from 'ava';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { EventStream } from '../src/http/event-stream.ts';
import { Exchange } from '../src/http/exchange.ts';

interface Read {
  events: [string, string][];
  retries: number[];
  lastId: string | undefined;
}

function read(chunks: Buffer[], limit = 1e9): Read & { tooLong: number } {
  const found: Read & { tooLong: number } = { events: [], retries: [], lastId: undefined, tooLong: 0 };
  const stream = new EventStream(limit, {
    event: (data, type) => void found.events.push([type, data.toString('utf8')]),
    id: (id) => {
      found.lastId = id;
    },
    retry: (ms) => void found.retries.push(ms),
    tooLong: () => {
      found.tooLong += 1;
    },
  });
  for (const chunk of chunks) stream.push(chunk);
  return found;
}

function readByLibrary(text: string): Read {
  const found: Read = { events: [], retries: [], lastId: undefined };
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      if (id !== undefined) found.lastId = id;
      if (data !== '') found.events.push([event ?? 'message', data]);
    },
    onRetry: (ms) => void found.retries.push(ms),
  });
  parser.feed(text);
  return found;
}

function cut(bytes: Buffer, places: number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const bounds = [0, ...sorted, bytes.length];
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
}

const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constant('{"jsonrpc":"2.0","id":1,"result":{}}'),
  fc.constant(''),
);
const clean = value.map((text) => text.replace(/[\r\n\0]/g, ' '));
const line = fc.oneof(
  clean.map((text) => `data: ${text}`),
  clean.map((text) => `data:${text}`),
  clean.map((text) => `event: ${text.trim()}`),
  fc.nat(99).map((id) => `id: ${id}`),
  fc.nat(9999).map((ms) => `retry: ${ms}`),
  clean.map((text) => `: ${text}`),
  fc.constantFrom('data', 'unknown: x', 'nocolon', 'retry: soon', 'data:  two spaces', 'dat: no', 'datax: no'),
);
// A block with an id always has data, for the library tells ids only with events.
const block = fc
  .array(line, { maxLength: 5 })
  .map((lines) => (lines.some((each) => each.startsWith('id')) ? [...lines, 'data: z'] : lines));

test('reads what the library reads, however the bytes are cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(block, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.boolean(),
      (blocks, end, places, mark) => {
        const text = blocks.map((lines) => [...lines, '', ''].join(end)).join('');
        const bytes = Buffer.from((mark ? '\ufeff' : '') + text);
        const expected = readByLibrary(text);
        const { tooLong, ...found } = read(cut(bytes, places));
        t.is(tooLong, 0);
        t.deepEqual(found, expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('carriage returns alone end lines, ids come without data, unfinished events are dropped', (t) => {
  t.deepEqual(read([Buffer.from('data: a\r\rdata: b\r'), Buffer.from('\ndata: c\n\n')]).events, [
    ['message', 'a'],
    ['message', 'b\nc'],
  ]);
  t.like(read([Buffer.from('id: 7\nretry: 500\ndata: \n\nid: 8\ndata: unfinished\n')]), {
    events: [],
    retries: [500],
    lastId: '7',
  });
  t.is(read([Buffer.from('id: a\0b\ndata: x\n\n')]).lastId, undefined);
});

test('a limit on what is kept: for one line in pieces and for many lines of one event', (t) => {
  const piece = Buffer.from('y'.repeat(100));
  const long = read(
    [Buffer.from('data: '), ...Array.from({ length: 50 }, () => piece), Buffer.from('\n\ndata: after\n\n')],
    1000,
  );
  t.like(long, { tooLong: 1, events: [] });
  const many = read(
    Array.from({ length: 50 }, () => Buffer.from('data: 0123456789012345678901234567890123456789\n')),
    1000,
  );
  t.like(many, { tooLong: 1, events: [] });
  t.like(
    read(
      Array.from({ length: 50 }, () => Buffer.from('data: 0123456789\n\n')),
      1000,
    ),
    { tooLong: 0 },
  );
});

test('many small pieces cost about what they hold: lines of data without a word, and bodies byte by byte', (t) => {
  const held = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 1_000_000;
  };
  const nothing = () => {};
  const stream = new EventStream(32_000_000, { event: nothing, id: nothing, retry: nothing, tooLong: nothing });
  const before = held();
  for (let n = 0; n < 100; n += 1) stream.push(Buffer.from('data:\n'.repeat(10_000)));
  const body = new Exchange(32_000_000, { done: nothing }, nothing);
  body.beginPlain(false, '');
  for (let n = 0; n < 1_000_000; n += 1) body.data(Buffer.from('x'));
  // Two million pieces, each of which would cost a hundred bytes.
  t.true(held() - before < 100, `${Math.round(held() - before)} MB`);
  body.finish();
});
