// Requests of the new era: the ladder of checks, statuses, streams, cancelling; and a comparison with the SDK's own classification.
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { classifyInboundRequest, createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import test from 'ava';
import fc from 'fast-check';
import { Answer, findResponseId } from 'plugboard';
import { FakeBoard, grantNamed, until } from '@plugboard/test-kit/stand';
import { envelope, newVersion, OldClient, send, sendNew, start } from './harness.ts';

function relayed(text: string): Answer {
  const place = findResponseId(Buffer.from(text));
  if (place === undefined) throw new Error(`not passed on as bytes: ${text}`);
  return Answer.relayed(Buffer.from(text), place);
}

const versionKey = 'io.modelcontextprotocol/protocolVersion';
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const standard = { 'mcp-protocol-version': newVersion, 'mcp-method': 'test/echo' };

test('a request reaches the board with its envelope, whatever session it names', async (t) => {
  const { port, board } = await start(t);
  const params = {
    name: 'tool',
    arguments: { a: 1 },
    _meta: envelope({ 'io.modelcontextprotocol/logLevel': 'debug', progressToken: 7 }),
  };
  const headers = { 'mcp-session-id': 'ignored', 'mcp-param-region': '=?base64?SGk=?=', 'Mcp-Param-__proto__': 'x' };
  const pending = sendNew(port, 12, 'tools/call', params, headers, '/mcp/alpha');
  const call = await board.take();
  t.is(call.session.era, 'new');
  t.is(call.session.server, 'alpha');
  t.like(call.envelope, {
    protocolVersion: newVersion,
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' },
    logLevel: 'debug',
    headers: { 'mcp-param-region': '=?base64?SGk=?=', 'mcp-param-__proto__': 'x' },
  });
  t.deepEqual(call.request.params, params);
  call.reply.answer(Answer.result({ resultType: 'complete' }));
  const reply = await pending;
  t.is(reply.status, 200);
  t.is(reply.headers['content-type'], 'application/json');
  t.is(reply.headers['mcp-session-id'], undefined);
  t.deepEqual(await reply.json(), { jsonrpc: '2.0', id: 12, result: { resultType: 'complete' } });
  const plain = sendNew(port, 13, 'tools/list', {});
  const second = await board.take();
  t.deepEqual(second.envelope?.headers, {});
  second.reply.answer(Answer.result({}));
  t.is((await plain).status, 200);
});

test('statuses: of the answer, else of its code', async (t) => {
  const { port, board } = await start(t);
  const cases: [Answer, number][] = [
    [Answer.error(-32601, 'no'), 404],
    [Answer.error(-32021, 'no', { requiredCapabilities: { sampling: {} } }), 400],
    [Answer.error(-32020, 'no'), 400],
    [Answer.error(-32022, 'no'), 400],
    [Answer.error(-32602, 'no'), 200],
    [Answer.error(-32602, 'no', undefined, 400), 400],
    [Answer.error(-32603, 'no'), 200],
    [Answer.error(-32601, 'no', undefined, 200), 200],
    [Answer.result({}), 200],
    [relayed('{"jsonrpc":"2.0","id":5,"result":{}}'), 200],
  ];
  for (const [answer, status] of cases) {
    const pending = sendNew(port, 'x', 'some/method');
    (await board.take()).reply.answer(answer);
    const reply = await pending;
    t.is(reply.status, status, JSON.stringify(answer.message));
    t.like(await reply.json(), { id: 'x' });
  }
});

test('the ladder: each request is refused by the first check that it fails', async (t) => {
  const { port } = await start(t);
  const meta = envelope();
  const without = (key: string): object => Object.fromEntries(Object.entries(meta).filter(([name]) => name !== key));
  type Case = [
    name: string,
    method: string,
    params: object,
    headers: Record<string, string | undefined>,
    status: number,
    code: number | undefined,
  ];
  const cases: Case[] = [
    ['all in order', 'test/echo', { _meta: meta }, {}, 200, undefined],
    ['no clientInfo', 'test/echo', { _meta: without('io.modelcontextprotocol/clientInfo') }, {}, 200, undefined],
    ['no envelope', 'test/echo', {}, {}, 400, -32602],
    ['no version in it, header differs', 'test/echo', { _meta: without(versionKey) }, {}, 400, -32602],
    ['no capabilities', 'test/echo', { _meta: without(capabilitiesKey) }, {}, 400, -32602],
    [
      'capabilities of a wrong form',
      'test/echo',
      { _meta: { ...meta, [capabilitiesKey]: { sampling: 1 } } },
      {},
      400,
      -32602,
    ],
    ['unknown capability', 'test/echo', { _meta: { ...meta, [capabilitiesKey]: { other: 1 } } }, {}, 200, undefined],
    ['bad log level', 'test/echo', { _meta: { ...meta, 'io.modelcontextprotocol/logLevel': 'loud' } }, {}, 400, -32602],
    [
      'version unknown to both',
      'test/echo',
      { _meta: { ...meta, [versionKey]: 'v999.0.0' } },
      { 'mcp-protocol-version': 'v999.0.0' },
      400,
      -32022,
    ],
    ['version unknown, header known', 'test/echo', { _meta: { ...meta, [versionKey]: 'v999.0.0' } }, {}, 400, -32020],
    [
      'an old version in an envelope',
      'test/echo',
      { _meta: { ...meta, [versionKey]: '2025-11-25' } },
      { 'mcp-protocol-version': '2025-11-25' },
      400,
      -32022,
    ],
    ['no version header', 'test/echo', { _meta: meta }, { 'mcp-protocol-version': undefined }, 400, -32020],
    ['no method header', 'test/echo', { _meta: meta }, { 'mcp-method': undefined }, 400, -32020],
    ['another method', 'test/echo', { _meta: meta }, { 'mcp-method': 'tools/list' }, 400, -32020],
    ['method in capitals', 'test/echo', { _meta: meta }, { 'mcp-method': 'TEST/ECHO' }, 400, -32020],
    ['initialize with an envelope', 'initialize', { _meta: meta }, { 'mcp-method': undefined }, 400, -32020],
    ['initialize with a new header', 'initialize', {}, {}, 400, -32020],
    ['method of the prototype', 'constructor', { _meta: meta }, { 'mcp-method': 'x' }, 400, -32020],
  ];
  for (const [name, method, params, headers, status, code] of cases) {
    const reply = await send(port, {
      headers: { ...standard, ...headers },
      body: { jsonrpc: '2.0', id: name, method, params },
    });
    t.is(reply.status, status, name);
    const body = await reply.json();
    t.is(body['id'], name);
    t.is((body['error'] as { code: number } | undefined)?.code, code, name);
  }
  const unsupported = await send(port, {
    headers: { ...standard, 'mcp-protocol-version': 'v999.0.0' },
    body: { jsonrpc: '2.0', id: 1, method: 'test/echo', params: { _meta: { ...meta, [versionKey]: 'v999.0.0' } } },
  });
  t.like(await unsupported.json(), { error: { data: { supported: [newVersion], requested: 'v999.0.0' } } });
});

test('Mcp-Name repeats what the request is about', async (t) => {
  const { port, board } = await start(t);
  const cases: [method: string, params: Record<string, string>, header: string | undefined, good: boolean][] = [
    ['tools/call', { name: 'add' }, 'add', true],
    ['tools/call', { name: 'add' }, '  add  ', true],
    ['tools/call', { name: 'add' }, undefined, false],
    ['tools/call', { name: 'add' }, 'ADD', false],
    ['tools/call', { name: 'grüße' }, `=?base64?${Buffer.from('grüße').toString('base64')}?=`, true],
    ['tools/call', { name: 'add' }, '=?base64?YWRk?=', true],
    ['tools/call', { name: 'ad' }, '=?base64?YWQ?=', false],
    ['tools/call', { name: 'ad' }, '=?base64?YWR=?=', false],
    ['tools/call', { name: '=?base64?YWRk' }, '=?base64?YWRk', true],
    ['tools/call', { name: '�' }, '=?base64?/w==?=', false],
    ['prompts/get', { name: 'add' }, 'sub', false],
    ['resources/read', { uri: 'file:///a%20b' }, 'file:///a%20b', true],
    ['resources/read', { uri: 'file:///a%20b' }, 'file:///a b', false],
    ['tasks/get', { taskId: '1' }, '1', true],
    ['tasks/cancel', { taskId: '1' }, '2', false],
    ['tasks/update', { taskId: '1' }, undefined, false],
    ['tools/list', {}, 'whatever', true],
  ];
  for (const [method, params, header, good] of cases) {
    const pending = sendNew(port, 1, method, params, { 'mcp-name': header });
    const name = JSON.stringify([method, params, header]);
    if (good) (await board.take()).reply.answer(Answer.result({}));
    const reply = await pending;
    t.is(reply.status, good ? 200 : 400, name);
    if (!good) t.like(await reply.json(), { id: 1, error: { code: -32020 } }, name);
  }
});

test('a stream carries what comes before the answer, and closing it takes the request back', async (t) => {
  const { port, board } = await start(t, { streamAfter: 50, keepAlive: 20 });
  const pending = sendNew(port, 1_234_567_890_123, 'subscriptions/listen', {
    notifications: { toolsListChanged: true },
  });
  const call = await board.take();
  call.reply.notify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: {} });
  const stream = await pending;
  t.is(stream.headers['content-type'], 'text/event-stream');
  t.is(
    String(await stream.block()),
    'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}',
  );
  t.is(await stream.block(), ': keep-alive');
  for (let n = 0; n < 3; n += 1) {
    call.reply.notify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { n } });
    t.like((await stream.next())?.message, { params: { n } });
  }
  stream.drop();
  await until('the request is cancelled', () => call.cancelled !== undefined);
  call.reply.notify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  call.reply.answer(Answer.result({}));

  // Silent for too long: a stream, whose answer ends it; an answer is not a cancel.
  const slow = sendNew(port, 2, 'tools/list');
  const second = await board.take();
  const answered = await slow;
  t.is(answered.headers['content-type'], 'text/event-stream');
  second.reply.answer(Answer.error(-32601, 'no'));
  t.like((await answered.next())?.message, { id: 2, error: { code: -32601 } });
  t.is(await answered.next(), undefined);
  t.is(second.cancelled, undefined);
});

test('notifications are accepted; cancels of others’ requests are not passed on', async (t) => {
  const { port, board } = await start(t);
  const note = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', method, params });
  t.is(
    (await send(port, { headers: { 'mcp-protocol-version': newVersion }, body: note('notifications/x') })).status,
    202,
  );
  t.is((await send(port, { body: note('notifications/y', { _meta: { [versionKey]: newVersion } }) })).status, 202);
  t.is((await send(port, { headers: standard, body: note('notifications/cancelled', { requestId: 1 }) })).status, 400);
  const cancel = note('notifications/cancelled', { requestId: 1, _meta: envelope() });
  t.is((await send(port, { headers: { 'mcp-protocol-version': newVersion }, body: cancel })).status, 202);
  await until('both reach the board', () => board.notified.length === 2);
  t.deepEqual(
    board.notified.map((each) => each.notification.method),
    ['notifications/x', 'notifications/y'],
  );
  const bad = await send(port, { body: note('n', { _meta: { [versionKey]: 5 } }) });
  t.is(bad.status, 400);
  t.like(await bad.json(), { id: null, error: { code: -32602 } });
});

test('GET and DELETE belong to the old era', async (t) => {
  const { port } = await start(t);
  const client = await OldClient.open(port);
  for (const method of ['GET', 'DELETE']) {
    for (const headers of [
      {},
      { 'mcp-protocol-version': newVersion },
      client.headers({ 'mcp-protocol-version': newVersion }),
    ]) {
      const reply = await send(port, { method, headers });
      t.is(reply.status, 405);
      t.is(reply.headers.allow, 'POST');
    }
  }
  t.is((await client.request(1, 'ping')).status, 200);
});

test('grants are kept apart and promises of the board are awaited', async (t) => {
  const board = new FakeBoard();
  board.protected = true;
  board.slow = true;
  board.tokens.set('a', grantNamed('grant:a'));
  board.tokens.set('b', grantNamed('grant:b'));
  const { port } = await start(t, {}, board);
  // The same id at the same time is nobody's business here: clients of one grant do not know each other.
  const tokens = ['a', 'b', 'a'];
  const pending = tokens.map((token) => sendNew(port, 1, 'tools/list', {}, { authorization: `Bearer ${token}` }));
  const calls = [await board.take(), await board.take(), await board.take()];
  for (const [n, call] of calls.entries()) call.reply.answer(Answer.result({ n, grant: call.session.grant.id }));
  const results = await Promise.all(
    pending.map(async (each) => (await (await each).json())['result'] as { n: number; grant: string }),
  );
  t.deepEqual(
    results.map((each) => each.grant),
    ['grant:a', 'grant:b', 'grant:a'],
  );
  t.is(new Set(results.map((each) => each.n)).size, 3);
  t.is((await sendNew(port, 1, 'tools/list', {}, { authorization: 'Bearer c' })).status, 401);
});

/** Any mixture of right and wrong parts of a request. */
const anyRequest = fc.record({
  method: fc.constantFrom('initialize', 'tools/list', 'tools/call', 'server/discover', 'toString', 'tasks/get'),
  version: fc.constantFrom(undefined, newVersion, '2025-11-25', '2099-01-01', 'v1'),
  methodHeader: fc.constantFrom(undefined, 'same', 'same', 'other'),
  nameHeader: fc.constantFrom(undefined, 'n', 'n', 'm', '=?base64?bg==?=', '=?base64?bg?='),
  params: fc.constantFrom({}, { name: 'n' }, { name: 5 }, { taskId: 'n' }, undefined),
  meta: fc.option(
    fc.record(
      {
        [versionKey]: fc.constantFrom<unknown>(newVersion, newVersion, '2025-11-25', '2099-01-01', 5),
        [capabilitiesKey]: fc.constantFrom<unknown>({}, { roots: {} }, { sampling: 'no' }, null, []),
        'io.modelcontextprotocol/clientInfo': fc.constantFrom<unknown>({ name: 'a', version: '1' }, { name: 'a' }, 'x'),
        'io.modelcontextprotocol/logLevel': fc.constantFrom<unknown>('info', 'loud', 3),
        progressToken: fc.constantFrom<unknown>('p', 4),
      },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  ),
});

test('classification agrees with the SDK’s', async (t) => {
  t.timeout(120_000);
  const { port, board } = await start(t);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const handler = createMcpHandler(() => new McpServer({ name: 'reference', version: '1.0.0' }), { legacy: 'reject' });
  t.teardown(() => handler.close());
  let reached = 0;
  board.handle = (_session, _request, reply) => {
    reached += 1;
    reply.answer(Answer.result({}));
    return { cancel: () => undefined };
  };
  await fc.assert(
    fc.asyncProperty(anyRequest, async ({ method, version, methodHeader, nameHeader, params, meta }) => {
      const body = { jsonrpc: '2.0', id: 1, method, params: meta === undefined ? params : { ...params, _meta: meta } };
      const headers: Record<string, string> = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      };
      if (version !== undefined) headers['mcp-protocol-version'] = version;
      if (methodHeader !== undefined) headers['mcp-method'] = methodHeader === 'same' ? method : 'prompts/list';
      if (nameHeader !== undefined) headers['mcp-name'] = nameHeader;
      const { kind } = classifyInboundRequest({
        httpMethod: 'POST',
        body,
        ...(version === undefined ? {} : { protocolVersionHeader: version }),
      });
      const expected = await handler.fetch(
        new Request('http://localhost/mcp', { method: 'POST', headers, body: JSON.stringify(body) }),
      );
      const expectedCode = ((await expected.json()) as { error?: { code: number } }).error?.code;
      reached = 0;
      const reply = await send(port, { headers, body, agent });
      const code = ((await reply.json())['error'] as { code: number } | undefined)?.code;
      if (kind === 'legacy') {
        t.is(reached, 0);
        // Opened, or told that a session is missing.
        t.true(method === 'initialize' ? reply.status === 200 : code === -32600);
      } else if (expected.status === 400)
        t.deepEqual([reply.status, code], [400, expectedCode], JSON.stringify({ body, headers }));
      else t.is(reached, 1, JSON.stringify({ body, headers }));
    }),
    { numRuns: 600 },
  );
});

test('requests that wait behind another on their connection are taken back with it, and may not be many', async (t) => {
  const { port, board } = await start(t);
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'some/method', params: { _meta: envelope() } });
  const head = [
    'POST /mcp HTTP/1.1',
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `MCP-Protocol-Version: ${newVersion}`,
    'Mcp-Method: some/method',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  const pipelined = async (count: number) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'connect');
    socket.write(`${head}\r\n\r\n${body}`.repeat(count));
    return socket;
  };
  const socket = await pipelined(3);
  const calls = [await board.take(), await board.take(), await board.take()];
  socket.destroy();
  await until('all are cancelled', () => calls.every(({ cancelled }) => cancelled !== undefined));
  const greedy = await pipelined(100);
  await once(greedy, 'close');
  t.pass();
});

test('a grant has so many requests under way and no more', async (t) => {
  const { port, board } = await start(t, { maxCallsPerSession: 2 });
  const pending = [1, 2].map((id) => sendNew(port, id, 'some/method'));
  const calls = [await board.take(), await board.take()];
  const refused = await sendNew(port, 3, 'some/method');
  t.is(refused.status, 429);
  t.is(refused.headers['retry-after'], '1');
  for (const call of calls) call.reply.answer(Answer.result({}));
  t.deepEqual(
    (await Promise.all(pending)).map(({ status }) => status),
    [200, 200],
  );
  const next = sendNew(port, 4, 'some/method');
  (await board.take()).reply.answer(Answer.result({}));
  t.is((await next).status, 200);
});

test('a long message before the answer costs nobody the answer', async (t) => {
  const { port, board } = await start(t);
  const pending = sendNew(port, 1, 'some/method');
  const { reply } = await board.take();
  const params = { level: 'info', data: 'x'.repeat(5_000_000) };
  for (let turn = 0; turn < 2; turn += 1) reply.notify({ jsonrpc: '2.0', method: 'notifications/message', params });
  reply.answer(Answer.result({ done: true }));
  const stream = await pending;
  for (let turn = 0; turn < 2; turn += 1) t.like((await stream.next())?.message, { method: 'notifications/message' });
  t.like((await stream.next())?.message, { id: 1, result: { done: true } });
});
