// The small laws below the board: bytes that are passed on unparsed mean what they meant, names and headers survive their way.
import test from 'ava';
import fc from 'fast-check';
import {
  Answer,
  decodeHeader,
  encodeHeader,
  findResponseId,
  Peer,
  scanHeaders,
  UpstreamCall,
  writeParamHeaders,
  checkParamHeaders,
} from '../src/index.ts';
import type { RpcMessage } from '../src/index.ts';
import { Naming } from '../src/naming.ts';
import { matchesTemplate } from '../src/uri-template.ts';

const caller = {
  era: 'old',
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: undefined,
  logLevel: undefined,
} as const;

function layouts(id: number, result: unknown): string[] {
  return [
    JSON.stringify({ jsonrpc: '2.0', id, result }),
    JSON.stringify({ result, jsonrpc: '2.0', id }),
    JSON.stringify({ jsonrpc: '2.0', result, id }),
    JSON.stringify({ id, jsonrpc: '2.0', result }),
    JSON.stringify({ jsonrpc: '2.0', id, result }, undefined, 2),
  ];
}

test('an answer found without parsing is the one that parsing finds, and is re-addressed without loss', (t) => {
  const tricky = fc.constantFrom(
    '"id":7}',
    ',"id":5}',
    '\\",\\"id\\":9',
    '{"jsonrpc":"2.0","id":3,"result":',
    '\u2028',
    '}',
  );
  const value = fc.oneof(fc.jsonValue(), fc.record({ id: fc.nat(), text: tricky }), fc.dictionary(tricky, tricky));
  fc.assert(
    fc.property(fc.nat(), value, fc.oneof(fc.string(), fc.integer()), (id, given, address) => {
      const result = { given };
      for (const text of layouts(id, result)) {
        const bytes = Buffer.from(text);
        const place = findResponseId(bytes);
        if (place === undefined) continue;
        t.is(place.id, id);
        const relayed = Answer.relayed(bytes, place);
        const encoded = relayed.encode(address).toString();
        t.is(Buffer.concat(relayed.pieces(address)).toString(), encoded);
        t.deepEqual(JSON.parse(encoded), JSON.parse(JSON.stringify({ jsonrpc: '2.0', id: address, result })));
      }
    }),
    { numRuns: 2000 },
  );
  t.truthy(findResponseId(Buffer.from(layouts(7, {})[0] ?? '')), 'the common layout is not found');
  t.truthy(findResponseId(Buffer.from(layouts(7, {})[1] ?? '')), 'the SDK’s layout is not found');
});

test('a response with anything beside its three members is not passed on as bytes', (t) => {
  const member = fc.constantFrom<string>(
    '"jsonrpc":"2.0"',
    '"id":7',
    '"id":8',
    '"\\u0069d":8',
    '"result":{}',
    '"result":{"a":"}\\"{"}',
    '"method":"ping"',
    '"error":{"code":1,"message":""}',
    '"x":{}',
    '"x":[{"id":7}]',
  );
  const likely = fc.constantFrom(
    ['"jsonrpc":"2.0"', '"id":7', '"result":{}'],
    ['"result":{"a":"}\\"{"}', '"jsonrpc":"2.0"', '"id":7'],
    ['"jsonrpc":"2.0"', '"result":{}', '"id":7'],
    ['"result":{}', '"id":7'],
  );
  let found = 0;
  fc.assert(
    fc.property(likely, fc.array(member, { maxLength: 2 }), fc.nat(3), (own, others, at) => {
      const members = [...own.slice(0, at), ...others, ...own.slice(at)];
      const place = findResponseId(Buffer.from(`{${members.join(',')}}`));
      if (place === undefined) return;
      found += 1;
      const keys = members.map((text) => text.slice(0, text.indexOf(':')));
      t.is(new Set(keys).size, keys.length);
      t.true(keys.every((key) => ['"jsonrpc"', '"id"', '"result"'].includes(key)));
      t.is(
        members.find((text) => text.startsWith('"id"')),
        `"id":${place.id}`,
      );
    }),
    { numRuns: 3000 },
  );
  t.true(found > 100, `${found} found`);
});

test('the end of a result is where parsing finds it, however long its strings are and whatever is escaped in them', (t) => {
  const piece = fc.oneof(
    fc.constantFrom('\\', '"', '\\"', '{', '}', '[', ']', ',"id":7}'),
    fc.nat(90).map((length) => 'x'.repeat(length)),
    fc.nat(90).map((length) => '\\'.repeat(length)),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text))), fc.nat(2), (result, layout) => {
      const bytes = Buffer.from(layouts(7, result)[layout] ?? '');
      const place = findResponseId(bytes);
      if (place === undefined) t.fail(`not found: ${bytes.toString()}`);
      else t.deepEqual(JSON.parse(bytes.toString('utf8', place.resultStart, place.resultEnd)), result);
    }),
    { numRuns: 2000 },
  );
  const long = { text: '\\'.repeat(1_000_000), quotes: '"'.repeat(100_000) };
  const started = process.cpuUsage();
  t.truthy(findResponseId(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 7, result: long }))));
  // Quadratic work would take minutes.
  t.true(process.cpuUsage(started).user < 5_000_000);
});

test('bytes that are not UTF-8, or break a line, are not passed on', (t) => {
  const head = '{"jsonrpc":"2.0","id":7,"result":{"text":"';
  for (const text of [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0x0a]]) {
    const bytes = Buffer.concat([Buffer.from(head), Buffer.from(text), Buffer.from('"}}')]);
    t.is(findResponseId(bytes), undefined, bytes.toString('hex'));
  }
  t.truthy(findResponseId(Buffer.from(`${head}é€😀"}}`)));
});

test('requests, errors and notifications are never taken for answers', (t) => {
  for (const message of [
    { jsonrpc: '2.0', id: 1, method: 'ping' },
    { method: 'ping', jsonrpc: '2.0', id: 1 },
    { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'x' } },
    { error: { code: -1, message: 'x' }, jsonrpc: '2.0', id: 1 },
    { jsonrpc: '2.0', id: '1', result: {} },
    [{ jsonrpc: '2.0', id: 1, result: {} }],
  ]) {
    t.is(findResponseId(Buffer.from(JSON.stringify(message))), undefined);
  }
});

test('a header value carries any text there and back', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constantFrom('=?base64?SGVsbG8=?=', ' x ', '\tx', '')),
      (text) => {
        const value = encodeHeader(text);
        t.regex(value, /^[\x20-\x7e]*$/);
        t.is(decodeHeader(value), text);
      },
    ),
  );
  t.is(decodeHeader('=?base64?SGVsbG8?='), undefined);
  t.is(decodeHeader('=?base64?SGVs!!!bG8=?='), undefined);
});

test('parameter headers are written and checked by the schema; a schema with bad declarations has a fault', (t) => {
  const schema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
    },
  };
  const { declarations } = scanHeaders(schema) as { declarations: never[] };
  const args = { region: 'Zürich', deep: { n: 42 } };
  const written = writeParamHeaders(declarations, args);
  t.deepEqual(Object.keys(written), ['Mcp-Param-Region', 'Mcp-Param-N']);
  const received = Object.fromEntries(Object.entries(written).map(([name, value]) => [name.toLowerCase(), value]));
  t.is(checkParamHeaders(declarations, args, received), undefined);
  t.regex(checkParamHeaders(declarations, { ...args, region: 'Bern' }, received) ?? '', /Mcp-Param-Region differs/);
  t.regex(checkParamHeaders(declarations, args, {}) ?? '', /missing/);
  for (const broken of [
    { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } },
    { properties: { a: { type: 'string', 'x-mcp-header': 'A b' } } },
    { properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } },
    { properties: { a: { items: { type: 'string', 'x-mcp-header': 'A' } } } },
    { 'x-mcp-header': 'A', type: 'string' },
  ]) {
    t.truthy(scanHeaders(broken).fault);
  }
});

test('exposed names fit clients, are distinct, and do not depend on which servers are up', (t) => {
  const servers = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/), { minLength: 1, maxLength: 6 });
  const tools = fc.uniqueArray(fc.oneof(fc.string({ minLength: 1 }), fc.stringMatching(/^[a-z_-]{1,60}$/)), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(servers, tools, (names, own) => {
      const naming = new Naming('plugboard');
      naming.setServers(names);
      const exposed = new Map<string, string>();
      for (const server of names) {
        for (const tool of own) {
          const name = naming.expose(server, tool);
          t.regex(`mcp__plugboard__${name}`, /^[A-Za-z0-9_-]{1,64}$/);
          t.is(naming.expose(server, tool), name);
          t.is(exposed.get(name), undefined, `${name} stands for two tools`);
          exposed.set(name, `${server} ${tool}`);
        }
      }
    }),
  );
  const naming = new Naming('plugboard');
  naming.setServers(['a', 'a_b']);
  t.is(naming.expose('a_b', 'c'), 'a_b_c');
  t.regex(naming.expose('a', 'b_c'), /^a_b_c_[0-9a-f]{8}$/);
});

test('a URI template fits what can be made of it', (t) => {
  t.true(matchesTemplate('note://{id}', 'note://1'));
  t.true(matchesTemplate('db://{schema}/{table}.json', 'db://public/users.json'));
  t.false(matchesTemplate('db://{schema}/{table}.json', 'db://public.json'));
  t.false(matchesTemplate('note://{id}', 'other://1'));
  t.false(matchesTemplate('note://{id}x', 'note:/'));
  t.false(matchesTemplate('{a}b'.repeat(3000), 'b'.repeat(2000)));
});

test('a peer matches answers by id: late, repeated and foreign ones are dropped, rubbish is named', async (t) => {
  const sent: RpcMessage[] = [];
  const rubbish: string[] = [];
  const peer = new Peer({
    ofOneGrant: true,
    send: (message) => void sent.push(message),
    notification: () => {},
    request: async () => ({ jsonrpc: '2.0', result: {} }),
    rubbish: (what) => void rubbish.push(what),
  });
  const make = () => new UpstreamCall({ method: 'tools/call', params: {}, caller, timeout: 5000, maxTimeout: 5000 });
  const [first, second] = [make(), make()];
  peer.send(first);
  peer.send(second);
  peer.receiveBytes(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: second.id, result: { who: 2 } })));
  peer.receiveBytes(Buffer.from(JSON.stringify({ result: { who: 1 }, jsonrpc: '2.0', id: first.id })));
  t.like((await first.answer).message, { result: { who: 1 } });
  t.like((await second.answer).message, { result: { who: 2 } });
  peer.receiveBytes(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: first.id, result: { who: 3 } })));
  peer.receiveBytes(Buffer.from('rubbish'));
  peer.receive({ jsonrpc: '2.0', id: 'foreign', result: {} });
  t.is(rubbish.length, 3);
  const third = make();
  peer.send(third);
  third.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(third.answer, { message: 'enough' });
  t.like(sent.at(-1), { method: 'notifications/cancelled', params: { requestId: third.id, reason: 'enough' } });
  t.is(peer.open, 0);
});

test('a call ends at its time limit, which progress moves, and never beyond the hard one', async (t) => {
  const call = new UpstreamCall({
    method: 'tools/call',
    params: { _meta: { progressToken: 'mine' } },
    caller,
    timeout: 400,
    maxTimeout: 1200,
  });
  // The clock of calls keeps no process alive; the test must.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  t.like(call.params, { _meta: { progressToken: call.id } });
  const started = performance.now();
  const progress = setInterval(
    () =>
      call.notify({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: call.id, progress: 1 },
      }),
    100,
  );
  await t.throwsAsync(call.answer, { message: /hard limit/ });
  clearInterval(progress);
  t.true(performance.now() - started >= 1200);
  const silent = new UpstreamCall({ method: 'tools/call', params: {}, caller, timeout: 300, maxTimeout: 60_000 });
  await t.throwsAsync(silent.answer, { message: /300 ms without answer or progress/ });
});
