// The transport against a fake board: both eras, the edges of the protocol, back-pressure, the end, and rubbish of every kind.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { Answer, metaKey, RefusedRequest } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { LineReader, tooLong } from '../src/line-reader.ts';
import { FakeBoard, grantNamed } from '@plugboard/test-kit/stand';
import { enveloped, Pipe, settle } from './pipe.ts';
import type { Message } from './pipe.ts';

const request = (id: unknown, method: string, params?: JsonObject) => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params === undefined ? {} : { params }),
});
const notification = (method: string, params: JsonObject) => ({ jsonrpc: '2.0', method, params });

test('old era: initialize opens the session, everything after it goes there, and what waited comes in order', async (t) => {
  const board = new FakeBoard();
  let open = () => {};
  board.gate = new Promise((resolve) => (open = resolve));
  const pipe = new Pipe(board);
  const params = {
    protocolVersion: '2025-06-18',
    capabilities: { roots: {} },
    clientInfo: { name: 'test', version: '1' },
  };
  pipe.send(
    request('a', 'initialize', params),
    notification('notifications/initialized', {}),
    request(0, 'echo', { n: 1 }),
    request('0', 'later', { n: 2 }),
  );
  await settle();
  t.deepEqual([board.handled.length, pipe.lines.length], [0, 0]);
  open();
  await pipe.answer('0');
  t.deepEqual(
    pipe.lines.map((line) => (line as Message).id),
    ['a', 0, '0'],
  );
  t.is((await pipe.answer('a')).result?.['protocolVersion'], '2025-06-18');
  t.deepEqual((await pipe.answer(0)).result, { params: { n: 1 } });
  const [opened] = board.opened;
  t.like(opened?.request, { transport: 'stdio', server: undefined, params });
  t.is(opened?.request.grant.id, 'default');
  t.deepEqual(
    board.notified.map((each) => [each.session, each.notification.method]),
    [[opened?.session, 'notifications/initialized']],
  );
  t.true(board.handled.every((each) => each.session === opened?.session && each.envelope === undefined));
  // Messages that belong to no request, and questions to the client, there and on a request's own way.
  opened?.session.send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  const roots = opened?.session.ask('roots/list', undefined);
  await pipe.until(() => pipe.lines.length === 5);
  t.deepEqual(pipe.lines.slice(3), [
    { jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
    { jsonrpc: '2.0', id: 1, method: 'roots/list' },
  ]);
  pipe.send({ jsonrpc: '2.0', id: 1, result: { roots: [] } });
  t.deepEqual((await roots)?.result, { roots: [] });
  pipe.send(request(1, 'ask', {}));
  await pipe.until(() => pipe.lines.some((each) => (each as Message).method === 'elicitation/create'));
  pipe.send({ jsonrpc: '2.0', id: 2, error: { code: -1, message: 'no' } });
  t.deepEqual((await pipe.answer(1)).result, { error: { code: -1, message: 'no' } });
  const said = await pipe.request(2, 'say', {});
  t.is((pipe.lines.at(-2) as Message).method, 'notifications/progress');
  t.deepEqual(said.result, { said: true });
  await pipe.transport.stop();
});

test('new era: an envelope is all it takes; both eras live on one pipe; each request is cancelled by its id', async (t) => {
  for (const slow of [false, true]) {
    const board = new FakeBoard();
    board.slow = slow;
    const pipe = new Pipe(board);
    const meta = { [metaKey.logLevel]: 'info', other: 1 };
    t.deepEqual((await pipe.request(1, 'echo', enveloped({ n: 1 }, meta))).result, {
      params: enveloped({ n: 1 }, meta),
    });
    t.deepEqual(board.handled[0]?.envelope, {
      protocolVersion: '2026-07-28',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
      logLevel: 'info',
    });
    t.is(board.handled[0]?.session.era, 'new');
    t.is(
      (await pipe.request(2, 'echo', {})).error?.code,
      -32602,
      'this client speaks the new era, its envelope is missing',
    );
    await pipe.initialize(3);
    t.deepEqual((await pipe.request(4, 'echo', { n: 2 })).result, { params: { n: 2 } });
    t.is(board.handled.at(-1)?.session.era, 'old');
    // `initialize` with a right envelope is a request of the new era, which does not know it; with a wrong one it is an old client's.
    t.is((await pipe.request(5, 'initialize', enveloped())).error?.code, -32601);
    t.regex(
      String((await pipe.request(6, 'initialize', enveloped({}, { [metaKey.clientCapabilities]: 1 }))).error?.message),
      /already initialized/,
    );
    // A stream of notices: what is said goes out, and a cancel ends it without an answer.
    pipe.send(
      request('listen', 'subscriptions/listen', enveloped({ notifications: { toolsListChanged: true } })),
      request('other', 'hang', enveloped()),
    );
    await pipe.request(7, 'later', enveloped());
    const [listen, other] = board.handled.slice(-3);
    listen?.reply.notify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { tagged: true } });
    pipe.send(notification('notifications/cancelled', { requestId: 'listen', reason: 'enough' }));
    await pipe.request(8, 'later', enveloped());
    t.deepEqual([listen?.cancelled, other?.cancelled], ['enough', undefined]);
    listen?.reply.notify({ jsonrpc: '2.0', method: 'late' });
    t.deepEqual(
      pipe.lines.filter((each) => 'params' in each),
      [{ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { tagged: true } }],
    );
    // The id is free again.
    t.deepEqual((await pipe.request('listen', 'echo', enveloped())).result?.['params'], enveloped());
    pipe.send(notification('notifications/anything', enveloped()));
    await pipe.request(9, 'later', enveloped());
    t.deepEqual(
      board.notified.map((each) => each.session.era),
      ['new'],
    );
    t.is(
      board.notified.filter((each) => each.notification.method === 'notifications/cancelled').length,
      0,
      'a shared session is not told ids of one pipe',
    );
    await pipe.transport.stop();
    t.deepEqual(board.closed.map((each) => each.session.era).sort(), ['new', 'old']);
  }
});

test('new era: a wrong envelope is refused with what is wrong', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  const wrong: [JsonObject, number, RegExp][] = [
    [{ [metaKey.protocolVersion]: 1 }, -32602, /protocolVersion: not a string/],
    [{ [metaKey.clientCapabilities]: undefined }, -32602, /clientCapabilities: missing/],
    [{ [metaKey.clientCapabilities]: [] }, -32602, /clientCapabilities: not an object/],
    [{ [metaKey.clientCapabilities]: { roots: true } }, -32602, /clientCapabilities\.roots: not an object/],
    [{ [metaKey.clientInfo]: { name: 'x' } }, -32602, /clientInfo: not an object with name and version/],
    [{ [metaKey.logLevel]: 'loud' }, -32602, /logLevel: not a log level/],
    [{ progressToken: {} }, -32602, /progressToken/],
    [{ [metaKey.protocolVersion]: '2099-01-01' }, -32022, /Unsupported protocol version: "2099-01-01"/],
  ];
  for (const [index, [meta, code, words]] of wrong.entries()) {
    const { error } = await pipe.request(index, 'echo', enveloped({}, meta));
    t.is(error?.code, code);
    t.regex(String(error?.message), words);
  }
  t.deepEqual(
    (await pipe.request('v', 'server/discover', enveloped({}, { [metaKey.protocolVersion]: '2025-11-25' }))).error
      ?.data,
    {
      supported: ['2026-07-28'],
      requested: '2025-11-25',
    },
  );
  t.is(board.handled.length, 0);
  await pipe.transport.stop();
});

test('what is refused, each with a reason, and the conversation goes on', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  const refused = async (
    id: string | number,
    method: string,
    params: JsonObject | undefined,
    code: number,
    words: RegExp,
  ) => {
    const { error } = await pipe.request(id, method, params);
    t.is(error?.code, code);
    t.regex(String(error?.message), words);
  };
  await refused(1, 'tools/list', undefined, -32600, /send initialize first.*2026-07-28.*_meta/);
  t.deepEqual((await pipe.request(2, 'ping')).result, {});
  pipe.send(notification('notifications/initialized', {}), { jsonrpc: '2.0', id: 1, result: {} });
  board.refuseOpen = () => {
    throw new RefusedRequest(Answer.error(-32000, 'the house is full'));
  };
  t.deepEqual((await pipe.initialize(3)).error, { code: -32000, message: 'the house is full' });
  board.refuseOpen = undefined;
  await pipe.initialize(4);
  await refused(5, 'initialize', {}, -32600, /already initialized/);
  await refused(6, 'crash', undefined, -32603, /its log says why/);
  t.true(pipe.logged.some((line) => line.includes('could not be started')));
  // Lines that are no message: the id is given back where there is a usable one.
  const before = pipe.lines.length;
  pipe.sendRaw('not json\n{"jsonrpc":"2.0"\n\n \r\n"text"\n12\nnull\n{}\n{"jsonrpc":"1.0","id":"x","method":"echo"}\n');
  pipe.send(
    request(null, 'echo'),
    request({}, 'echo'),
    request('y', 'echo', [] as unknown as JsonObject),
    { jsonrpc: '2.0', id: 'z', method: 7 },
    { jsonrpc: '2.0', id: 9 },
  );
  pipe.sendRaw(
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"echo"}\n{"jsonrpc":"2.0","id":1e400,"method":"echo"}\n',
  );
  await pipe.request(10, 'echo', {});
  const answers = pipe.lines.slice(before, -1) as Message[];
  t.deepEqual(
    answers.map((each) => [each.id, each.error?.code]),
    [
      [null, -32700],
      [null, -32700],
      [null, -32700],
      [null, -32600],
      [null, -32600],
      [null, -32600],
      [null, -32600],
      ['x', -32600],
      [null, -32600],
      [null, -32600],
      ['y', -32600],
      ['z', -32600],
      [9, -32600],
      [null, -32600],
      [null, -32600],
    ],
  );
  // An id that is under way is refused; `7` and `"7"` are two ids.
  pipe.send(request(7, 'hang'), request('7', 'hang'));
  await refused(7, 'echo', {}, -32600, /already under way/);
  t.deepEqual(
    board.handled.slice(-2).map((each) => each.request.id),
    [7, '7'],
  );
  // A cancelled request frees its id, is told to the board, and is never answered.
  const hanging = board.handled.at(-2);
  pipe.send(
    notification('notifications/cancelled', { requestId: 7, reason: 'no' }),
    notification('notifications/cancelled', { requestId: 99 }),
  );
  await pipe.request(11, 'echo', {});
  t.deepEqual(
    board.notified.map((each) => each.notification.params),
    [{ requestId: 7, reason: 'no' }],
  );
  const count = pipe.lines.length;
  hanging?.reply.answer(Answer.result({ late: true }));
  pipe.send(request(7, 'echo', { again: true }));
  await pipe.request(15, 'ping');
  t.deepEqual(pipe.lines.slice(count, -1), [{ jsonrpc: '2.0', id: 7, result: { params: { again: true } } }]);
  // The board ends the session: nothing hangs, and the client may begin anew.
  const [{ session } = { session: undefined }] = board.opened;
  if (session !== undefined) await board.close(session, 'revoked');
  t.like((await pipe.answer('7')).error, {
    code: -32000,
    message: 'The session was ended by the proxy; send initialize to begin another',
  });
  await refused(12, 'echo', {}, -32600, /send initialize first/);
  await pipe.initialize(13);
  t.deepEqual((await pipe.request(14, 'echo', {})).result, { params: {} });
  await pipe.transport.stop();
});

test('grants and servers: a token is given to the board, a wrong one is refused without being told, one server is shown alone', async (t) => {
  const board = new FakeBoard();
  board.tokens.set('good', grantNamed('grant:alice'));
  const alice = new Pipe(board, { token: 'good', server: 'alpha' });
  await alice.initialize();
  t.like(board.opened[0]?.request, { server: 'alpha', grant: { id: 'grant:alice' } });
  await alice.request(1, 'echo', enveloped());
  t.is(board.handled[0]?.session.server, 'alpha');
  await alice.transport.stop();
  const wrong = new Pipe(board, { token: 'sesame' });
  for (const answer of [await wrong.initialize(), await wrong.request(1, 'echo', enveloped())]) {
    t.is(answer.error?.code, -32600);
    t.regex(String(answer.error?.message), /Unauthorized.*option "token"/);
  }
  t.false(JSON.stringify([wrong.lines, wrong.logged]).includes('sesame'));
  board.tokens.set('sesame', grantNamed('grant:late'));
  t.truthy((await wrong.initialize('again')).result, 'a token is asked about anew');
  await wrong.transport.stop();
  const lost = new Pipe(board, { server: 'nowhere' });
  t.regex(String((await lost.initialize()).error?.message), /no server "nowhere".*option "server"/);
  t.regex(String((await lost.request(1, 'echo', enveloped())).error?.message), /no server "nowhere"/);
  await lost.transport.stop();
});

test('batches: in sessions of 2025-03-26 only, answered by one array', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  const array = async () => {
    await pipe.until(() => Array.isArray(pipe.lines.at(-1)));
    return (pipe.lines.at(-1) as Message[]).map((each) => each.id);
  };
  const refused = async (batch: unknown[], words: RegExp) => {
    pipe.send(batch);
    await pipe.request('after', 'ping');
    const { id, error } = pipe.lines.at(-2) as Message;
    pipe.lines.length = 0;
    t.deepEqual([id, error?.code], [null, -32600]);
    t.regex(String(error?.message), words);
  };
  await refused([request(1, 'echo')], /Only a session of protocol version 2025-03-26/);
  await pipe.initialize(0, '2025-03-26');
  await refused([], /1 to 100/);
  await refused(
    Array.from({ length: 101 }, (_, index) => request(index, 'echo')),
    /1 to 100/,
  );
  await refused([request(1, 'echo'), { jsonrpc: '2.0' }], /invalid/);
  await refused([request(1, 'echo'), request(1, 'echo')], /id of another/);
  await refused([request(1, 'initialize', {})], /initialize cannot/);
  await refused([request(1, 'echo', enveloped())], /cannot be batched/);
  t.is(
    board.handled.filter((each) => each.request.method === 'echo').length,
    0,
    'a refused batch is not carried out in part',
  );
  pipe.send([
    request(1, 'later'),
    notification('notifications/x', {}),
    request('2', 'echo'),
    request(3, 'hang'),
    request(4, 'nope'),
  ]);
  await pipe.request(5, 'later');
  t.false(pipe.lines.some(Array.isArray), 'the array waits for its last answer');
  await refused([request(3, 'echo')], /id of another/);
  pipe.send(notification('notifications/cancelled', { requestId: 3 }));
  t.deepEqual(await array(), ['2', 4, 1], 'a cancelled request has no place in the array');
  t.true(board.notified.some((each) => each.notification.method === 'notifications/x'));
  // All cancelled, or nothing but notifications: no array at all.
  pipe.send([request(6, 'hang')], notification('notifications/cancelled', { requestId: 6 }), [
    notification('notifications/y', {}),
  ]);
  await pipe.request(7, 'ping');
  t.is(pipe.lines.filter(Array.isArray).length, 1);
  await pipe.transport.stop();
  const other = new Pipe(new FakeBoard());
  await other.initialize(0, '2025-11-25');
  other.send([request(1, 'echo')]);
  await other.request(2, 'ping');
  t.is((other.lines.at(-2) as Message).error?.code, -32600);
  await other.transport.stop();
});

test('lines come out as they went in, however the bytes are cut, and none over the limit', (t) => {
  const line = fc.oneof(
    fc.constant('\r'),
    fc.string({ unit: fc.constantFrom('a', 'é', '\r', '😀'), maxLength: 12 }),
    fc.string({ maxLength: 40 }),
  );
  fc.assert(
    fc.property(
      fc.array(line.map((each) => each.replaceAll('\n', ' '))),
      fc.array(fc.integer({ min: 1, max: 9 })),
      fc.integer({ min: 1, max: 30 }),
      (lines, cuts, limit) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
        const reader = new LineReader(limit);
        const read: (string | symbol)[] = [];
        let start = 0;
        for (let piece = 0; start < bytes.length; piece += 1) {
          const end = start + (cuts[piece % Math.max(1, cuts.length)] ?? bytes.length);
          for (const each of reader.push(bytes.subarray(start, end)))
            read.push(typeof each === 'symbol' ? each : each.toString());
          start = end;
        }
        const expected = lines
          .map((each) => (Buffer.byteLength(each) > limit ? tooLong : each.replace(/\r$/, '')))
          .filter((each) => each !== '');
        t.deepEqual(read, expected);
      },
    ),
  );
});

test('a line over the limit is refused when the limit is passed, and skipped to its end', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board, { maxLineBytes: 1024 });
  pipe.sendRaw('x'.repeat(1025));
  await pipe.until(() => pipe.lines.length === 1);
  t.like(pipe.lines[0], { id: null, error: { code: -32600 } });
  t.regex(JSON.stringify(pipe.lines[0]), /longer than 1024 bytes.*maxLineBytes/);
  for (let megabyte = 0; megabyte < 100; megabyte += 1)
    if (!pipe.input.write(Buffer.alloc(1_000_000, 'x')))
      await new Promise((resolve) => pipe.input.once('drain', resolve));
  pipe.sendRaw('\n');
  t.deepEqual((await pipe.request(1, 'ping')).result, {});
  t.is(pipe.lines.length, 2);
  await pipe.transport.stop();
});

test('a client that does not read is not worked for, and gets everything once it does', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  await pipe.initialize();
  pipe.stopReading();
  const writing = (async () => {
    for (let id = 0; id < 400; id += 1) {
      if (!pipe.input.write(`${JSON.stringify(request(id, 'big', { size: 1000 }))}\n`))
        await new Promise((resolve) => pipe.input.once('drain', resolve));
    }
  })();
  await settle();
  await settle();
  const done = board.handled.length;
  t.true(done > 0 && done < 40, `${done} of 400 requests were begun`);
  t.true(pipe.output.writableLength < 200_000);
  pipe.readOn();
  await writing;
  await pipe.answer(399);
  t.deepEqual(
    pipe.lines.slice(1).map((line) => (line as Message).id),
    Array.from({ length: 400 }, (_, id) => id),
  );
  await pipe.transport.stop();
});

test('notifications nobody reads are bounded; answers and questions are kept', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board, { maxLineBytes: 2048 });
  await pipe.initialize();
  const [{ session } = { session: undefined }] = board.opened;
  pipe.stopReading();
  for (let count = 0; count < 1000; count += 1)
    session?.send({ jsonrpc: '2.0', method: 'notifications/message', params: { count, text: 'x'.repeat(100) } });
  const roots = session?.ask('roots/list', undefined);
  await settle();
  t.true(pipe.output.writableLength < 20_000, `${pipe.output.writableLength} bytes are kept`);
  pipe.readOn();
  await pipe.until(() => pipe.lines.some((each) => (each as Message).method === 'roots/list'));
  pipe.send({ jsonrpc: '2.0', id: 1, result: { roots: [] } });
  t.truthy((await roots)?.result);
  await pipe.request(1, 'ping');
  t.true(pipe.logged.some((line) => line.includes('notifications are dropped')));
  session?.send({ jsonrpc: '2.0', method: 'notifications/message', params: { count: 'after' } });
  await pipe.until(() => JSON.stringify(pipe.lines.at(-1)).includes('"after"'));
  await pipe.transport.stop();
});

test('at most 1000 requests are under way; a response is still read then', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  await pipe.initialize();
  for (let id = 0; id < 1000; id += 1) pipe.send(request(id, 'ask'));
  await pipe.until(() => pipe.lines.length > 1000);
  t.like((await pipe.request('more', 'echo')).error, {
    code: -32000,
    message: '1000 requests are under way; wait for an answer',
  });
  pipe.send({ jsonrpc: '2.0', id: 1, result: {} });
  t.truthy((await pipe.answer(0)).result);
  t.truthy((await pipe.request('more still', 'echo', {})).result);
  await pipe.transport.stop();
});

// Alone: the time that the transport grants is not to be spent by the other tests of this process.
test.serial('the end of input: what was read before it is answered, and then the client has gone', async (t) => {
  const board = new FakeBoard();
  let open = () => {};
  board.gate = new Promise((resolve) => (open = resolve));
  const pipe = new Pipe(board);
  pipe.send(
    request(1, 'initialize', {}),
    request(2, 'later', {}),
    request(3, 'hang', {}),
    request(4, 'echo', enveloped()),
  );
  pipe.input.end();
  await settle();
  open();
  while (!board.handled.some((each) => each.request.id === 3)) await settle();
  t.is(pipe.ends, 0);
  board.handled.find((each) => each.request.id === 3)?.reply.answer(Answer.result({ in: 'time' }));
  await pipe.until(() => pipe.ends > 0);
  t.deepEqual(
    pipe.lines.map((each) => `${String((each as Message).id)} ${'result' in each}`).sort(),
    [1, 2, 3, 4].map((id) => `${id} true`),
  );
  t.deepEqual(board.closed.map((each) => each.session.era).sort(), ['new', 'old']);

  // It is not waited for ever.
  const patient = new FakeBoard();
  const hanging = new Pipe(patient);
  await hanging.initialize();
  hanging.send(request(1, 'hang'));
  hanging.input.end();
  await hanging.until(() => hanging.ends > 0);
  t.like((await hanging.answer(1)).error, { code: -32000, message: 'the client has gone' });
  t.is(patient.handled[0]?.cancelled, 'the client has gone');
  await hanging.transport.stop();
  t.is(hanging.ends, 1);
});

test('the end: of output, by an error, before and while the session opens', async (t) => {
  const ends: Record<string, (pipe: Pipe) => void> = {
    'input closed': (pipe) => void pipe.input.destroy(),
    'input broken': (pipe) => void pipe.input.destroy(new Error('EIO')),
    'output broken': (pipe) => void pipe.output.destroy(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
    'output closed': (pipe) => void pipe.output.destroy(),
  };
  for (const [what, end] of Object.entries(ends)) {
    const board = new FakeBoard();
    const pipe = new Pipe(board);
    await pipe.initialize();
    pipe.send(request(1, 'hang'), request(2, 'hang', enveloped()));
    await pipe.request(3, 'ping');
    const count = pipe.lines.length;
    end(pipe);
    await pipe.until(() => pipe.ends > 0);
    t.deepEqual(board.closed.map((each) => each.session.era).sort(), ['new', 'old'], what);
    t.deepEqual(
      board.handled.slice(0, 2).map((each) => each.cancelled),
      ['the client has gone', 'the client has gone'],
      what,
    );
    for (const each of board.handled) each.reply.answer(Answer.result({}));
    await settle();
    t.deepEqual([pipe.ends, pipe.lines.length], [1, count], what);
    await pipe.transport.stop();
  }
  for (const [what, end] of Object.entries(ends)) {
    const board = new FakeBoard();
    let open = () => {};
    board.gate = new Promise((resolve) => (open = resolve));
    const pipe = new Pipe(board);
    pipe.send(request(1, 'initialize', {}), request(2, 'hang', {}));
    await settle();
    end(pipe);
    await settle();
    open();
    await pipe.until(() => pipe.ends > 0);
    await settle();
    t.deepEqual([board.opened.length, board.closed.length, pipe.ends], [1, 1, 1], `${what} while the session opens`);
  }
  // A client that had gone before anybody looked.
  const gone = new Pipe(new FakeBoard(), { input: new PassThrough().destroy() });
  await gone.until(() => gone.ends > 0);
  t.is(gone.ends, 1);
});

test('the end of input: a request of the new era whose credential is still being looked at is answered first, within a bound', async (t) => {
  const begin = async () => {
    const board = new FakeBoard();
    board.slow = true;
    let open = () => {};
    board.gate = new Promise((resolve) => (open = resolve));
    const pipe = new Pipe(board);
    pipe.send(request(1, 'echo', enveloped({ n: 1 })), request(2, 'subscriptions/listen', enveloped()));
    const over = once(pipe.input, 'end');
    pipe.input.end();
    await over;
    await settle();
    t.deepEqual([pipe.ends, pipe.lines.length, board.handled.length], [0, 0, 0]);
    return { board, pipe, open };
  };
  const good = await begin();
  good.open();
  t.deepEqual((await good.pipe.answer(1)).result, { params: enveloped({ n: 1 }) });
  await good.pipe.until(() => good.pipe.ends > 0);
  t.deepEqual(
    good.board.closed.map((each) => each.session.era),
    ['new'],
  );
  t.deepEqual([good.pipe.lines.length, good.board.handled.length], [1, 1]);

  const late = await begin();
  await late.pipe.until(() => late.pipe.ends > 0);
  t.like((await late.pipe.answer(1)).error, { code: -32000, message: 'the client has gone' });
  late.open();
  await settle();
  t.deepEqual([late.board.handled.length, late.board.sessions.size], [0, 0], 'nothing is begun, nothing stays open');
});

test('stopping lets requests finish, answers the rest, and leaves the streams to whoever comes next', async (t) => {
  const board = new FakeBoard();
  const pipe = new Pipe(board);
  await pipe.initialize();
  pipe.send(request(1, 'hang'), request(2, 'hang'), request(3, 'subscriptions/listen', enveloped()));
  await pipe.request(4, 'ping');
  const stopping = pipe.transport.stop();
  pipe.send(request(5, 'echo'));
  board.handled[0]?.reply.answer(Answer.result({ in: 'time' }));
  await stopping;
  t.deepEqual((await pipe.answer(1)).result, { in: 'time' });
  t.like((await pipe.answer(2)).error, { code: -32000, message: 'the proxy stops' });
  t.deepEqual(
    board.handled.slice(1, 3).map((each) => each.cancelled),
    ['the proxy stops', 'the proxy stops'],
  );
  t.deepEqual(board.closed.map((each) => each.session.era).sort(), ['new', 'old']);
  t.deepEqual([pipe.ends, pipe.input.destroyed, pipe.output.destroyed], [0, false, false]);
  t.is(pipe.lines.filter((each) => (each as Message).id === 5).length, 0);
  pipe.input.end();
  await settle();
  t.is(pipe.ends, 0);
});

test('rubbish never crashes the transport, and never reaches another client', async (t) => {
  const board = new FakeBoard();
  const neighbour = new Pipe(board);
  await neighbour.initialize();
  const member = fc.oneof(
    fc.constantFrom(
      '2.0',
      'echo',
      'later',
      'ask',
      'say',
      'crash',
      'initialize',
      'notifications/cancelled',
      '2025-03-26',
      'x',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const method = fc.constantFrom(
    'echo',
    'later',
    'say',
    'ask',
    'crash',
    'hang',
    'initialize',
    'ping',
    'tools/list',
    'notifications/cancelled',
    'notifications/x',
    '__proto__',
  );
  const id = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom('0', 'init', null, {}, 1e300, -0, 0.5));
  const params = fc.oneof(
    fc.record({ protocolVersion: fc.constantFrom('2025-03-26', '2025-11-25', 7), requestId: id }, { requiredKeys: [] }),
    fc.record({
      _meta: fc.oneof(
        member,
        fc.constant(enveloped()['_meta']),
        fc.record({ [metaKey.protocolVersion]: member, [metaKey.clientCapabilities]: member }),
      ),
    }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const message = fc.record(
    { jsonrpc: fc.constantFrom('2.0', '2.0', '2.0', '1.0'), id, method, params, result: member, error: member },
    { requiredKeys: ['jsonrpc'] },
  );
  const line = fc.oneof(
    { weight: 5, arbitrary: message.map((each) => JSON.stringify(each)) },
    { weight: 1, arbitrary: fc.array(message, { maxLength: 4 }).map((each) => JSON.stringify(each)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '{"jsonrpc":"2.0","id":1',
        '[[[[[[',
        '\0',
        '{"__proto__":{"id":1}}',
        `"${'y'.repeat(3000)}"`,
      ),
    },
  );
  const bytes = fc.oneof(
    { weight: 6, arbitrary: line.map((each) => Buffer.from(`${each}\n`)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map(Buffer.from) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 30 }), async (pieces) => {
      const pipe = new Pipe(board, { maxLineBytes: 2048 });
      const before = neighbour.lines.length;
      for (const piece of pieces) pipe.sendRaw(piece);
      pipe.sendRaw('\n');
      pipe.send(request('the end', 'echo', enveloped()));
      t.truthy((await pipe.answer('the end')).result);
      for (const each of pipe.lines.flat()) {
        const isMessage = each['jsonrpc'] === '2.0' && ('method' in each || 'result' in each !== 'error' in each);
        t.true(isMessage, JSON.stringify(each));
      }
      t.is(neighbour.lines.length, before);
      pipe.input.destroy();
      await pipe.until(() => pipe.ends > 0);
      t.deepEqual((await neighbour.request(`n${before}`, 'echo', { before })).result, { params: { before } });
    }),
    { numRuns: 300 },
  );
  await neighbour.transport.stop();
});

test('a message that nests too deep to be passed on is refused, and the next is carried out', async (t) => {
  const pipe = new Pipe(new FakeBoard());
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  await pipe.request('open', 'initialize', params);
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  pipe.sendRaw(`{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":${deep(20_000)}}}\n`);
  await pipe.until(() => pipe.lines.length === 2);
  t.like(pipe.lines[1], { id: 1, error: { code: -32_600 } });
  t.deepEqual((await pipe.request(2, 'echo', { text: deep(300) })).result, { params: { text: deep(300) } });
  await pipe.transport.stop();
});
