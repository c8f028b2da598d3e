// Whatever arrives, the transport stands and nobody else notices; and ids of every type come back as they came.
import { Agent } from 'node:http';
import test from 'ava';
import fc from 'fast-check';
import { Answer } from 'plugboard';
import { envelope, OldClient, send, sendRaw, start } from './harness.ts';

// Longer than any test takes: a busy machine must not turn an answer into a stream.
const streamAfter = 600_000;

const standard = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'test/echo' };

/** JSON-RPC members, each right or wrong. */
const anyMessage = fc.record(
  {
    jsonrpc: fc.constantFrom<unknown>('2.0', '2.0', '1.0', 2, null),
    id: fc.oneof(fc.integer(), fc.string(), fc.constantFrom<unknown>(null, {}, [], true, -0, 1e300)),
    method: fc.constantFrom<unknown>(
      'test/echo',
      'test/soon',
      'ping',
      'initialize',
      'notifications/cancelled',
      '',
      7,
      '__proto__',
    ),
    params: fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.record(
        { requestId: fc.jsonValue(), _meta: fc.oneof(fc.constant(envelope()), fc.jsonValue()) },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    ),
    result: fc.jsonValue(),
    error: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

const anyBody = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  anyMessage.map((message) => Buffer.from(JSON.stringify(message))),
  fc.array(anyMessage, { maxLength: 5 }).map((batch) => Buffer.from(JSON.stringify(batch))),
);

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.~!*\'/;,=? "\\[]{}'.split('')), maxLength: 40 });
const anyHeaders = fc.record(
  {
    'mcp-session-id': token,
    'mcp-protocol-version': fc.oneof(fc.constantFrom('2026-07-28', '2025-11-25', '2025-03-26'), token),
    'mcp-method': fc.oneof(fc.constantFrom('test/echo', 'tools/call'), token),
    'mcp-name': fc.oneof(fc.constant('=?base64?///=?='), token),
    'last-event-id': token,
    accept: fc.oneof(fc.constant('application/json, text/event-stream'), token),
    'content-type': fc.oneof(fc.constant('application/json'), fc.constant('application/json'), token),
    authorization: token,
    origin: token,
    'content-encoding': token,
  },
  { requiredKeys: [] },
);

const anyPath = fc.oneof(
  fc.constantFrom('/mcp', '/mcp/alpha', '/healthz', '/readyz'),
  fc.string({ unit: fc.constantFrom(...'/mcp.%20?#:@alpha'.split('')), maxLength: 30 }).map((path) => `/${path}`),
);

test('garbage never disturbs another session', async (t) => {
  t.timeout(120_000);
  const { port, board, log } = await start(t, { maxBodyBytes: 50_000, streamAfter });
  const client = await OldClient.open(port);
  const standing = await client.get();
  const pending = client.request('witness', 'tools/call');
  const call = await board.take();
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.teardown(() => agent.destroy());
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('POST', 'POST', 'POST', 'GET', 'DELETE', 'PUT', 'OPTIONS'),
      anyPath,
      anyHeaders,
      anyBody,
      async (method, path, headers, body) => {
        const own: Record<string, string> = { ...headers };
        // Of the witness's session only the id is unknown to strangers; with it, garbage is the witness's own.
        const reply = await send(port, { method, path, headers: own, agent, ...(method === 'GET' ? {} : { body }) });
        t.true(reply.status >= 200 && reply.status < 500, `${reply.status}`);
        if (String(reply.headers['content-type']).startsWith('text/event-stream')) reply.drop();
        else await reply.text();
        n += 1;
        if (n % 50 === 0) {
          call.session.send({ jsonrpc: '2.0', method: 'notifications/message', params: { n } });
          t.like((await standing.next())?.message, { params: { n } });
          t.like(await (await client.request(n, 'test/echo', { n })).json(), { id: n, result: { params: { n } } });
        }
      },
    ),
    { numRuns: 600 },
  );
  call.reply.answer(Answer.result({ fine: true }));
  t.deepEqual(await (await pending).json(), { jsonrpc: '2.0', id: 'witness', result: { fine: true } });
  t.deepEqual(
    log.filter((line) => line.level === 'error'),
    [],
  );
});

test('garbage in one’s own session never brings anything down', async (t) => {
  t.timeout(120_000);
  const { port, log } = await start(t, { streamAfter });
  const clients = [await OldClient.open(port), await OldClient.open(port, { version: '2025-03-26' })];
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.teardown(() => agent.destroy());
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(0, 1), anyBody, async (which, body) => {
      const reply = await send(port, { headers: clients[which]?.headers() ?? {}, body, agent });
      t.true(reply.status >= 200 && reply.status < 500, `${reply.status}`);
      await reply.text();
    }),
    { numRuns: 500 },
  );
  for (const client of clients) t.is((await client.request('after', 'ping')).status, 200);
  t.deepEqual(
    log.filter((line) => line.level === 'error'),
    [],
  );
});

test('bytes that are not HTTP never bring anything down', async (t) => {
  t.timeout(120_000);
  const { port, log } = await start(t, { streamAfter });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'test/echo', params: { _meta: envelope() } });
  const good = Buffer.from(
    `POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: test/echo\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.uint8Array({ maxLength: 20 }),
      fc.boolean(),
      async (at, bytes, cut) => {
        const broken = Buffer.concat([
          good.subarray(0, at),
          Buffer.from(bytes),
          cut ? Buffer.alloc(0) : good.subarray(at + bytes.length),
        ]);
        await sendRaw(port, broken, { end: true });
      },
    ),
    { numRuns: 300 },
  );
  t.is((await send(port, { headers: standard, body })).status, 200);
  t.deepEqual(
    log.filter((line) => line.level === 'error'),
    [],
  );
});

test('ids of every type come back unchanged, as JSON and on a stream', async (t) => {
  t.timeout(120_000);
  const { port, board } = await start(t, { streamAfter });
  const client = await OldClient.open(port);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const anyId = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true }),
  );
  await fc.assert(
    fc.asyncProperty(anyId, fc.boolean(), fc.boolean(), async (id, fresh, streamed) => {
      fc.pre(!(typeof id === 'number' && Object.is(id, -0)));
      const method = 'tools/list';
      const params = fresh ? { _meta: envelope() } : {};
      const headers = fresh ? { ...standard, 'mcp-method': method } : client.headers();
      const pending = send(port, { headers, agent, body: { jsonrpc: '2.0', id, method, params } });
      const call = await board.take();
      if (streamed) call.reply.notify({ jsonrpc: '2.0', method: 'notifications/message' });
      call.reply.answer(Answer.result({}));
      const reply = await pending;
      if (streamed) await reply.next();
      const answer = streamed ? (await reply.next())?.message : await reply.json();
      if (streamed) await reply.next();
      t.deepEqual(answer?.['id'], id);
    }),
    { numRuns: 300 },
  );
});
