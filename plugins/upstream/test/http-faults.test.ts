// HTTP servers that go wrong: sessions forgotten, streams broken, answers missing, doubled, endless; each ends in a clear error or heals.
import type { ServerResponse } from 'node:http';
import test from 'ava';
import { CallFailure } from 'plugboard';
import type { RpcRequest, Tool } from 'plugboard';
import { answer, event, events, Scripted, text } from './scripted.ts';
import type { Posted } from './scripted.ts';
import { ask, bodyOf, Harness, json, send, serve, textOf, tool, until } from './support.ts';

test('a forgotten session is opened again once for 20 calls, which are replayed; levels and subscriptions are told again', async (t) => {
  const server = await Scripted.start(t);
  server.capabilities = { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s');
  await ask(connection, 'logging/setLevel', { level: 'debug' });
  await ask(connection, 'resources/subscribe', { uri: 'a://1' });
  await ask(connection, 'resources/subscribe', { uri: 'a://2' });
  await ask(connection, 'resources/unsubscribe', { uri: 'a://1' });
  server.sessions.clear();
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => tool(connection, 'echo', { n })));
  t.deepEqual(
    results.map(textOf),
    Array.from({ length: 20 }, (_, n) => `{"n":${n}}`),
  );
  t.is(server.count('initialize'), 2);
  t.is(server.count('logging/setLevel'), 2);
  t.deepEqual(
    server.posted.filter(({ method }) => method === 'resources/subscribe').map(({ params }) => params['uri']),
    ['a://1', 'a://2', 'a://2'],
  );
  t.true(told.notifications.some(({ method }) => method === 'notifications/tools/list_changed'));
  t.deepEqual(told.closed, []);
  await connection.close();
  t.is(server.sessions.size, 0);
});

test('servers that say 400 to an unknown session, and one that forgets every session, do not loop', async (t) => {
  const server = await Scripted.start(t);
  let refusals = 1;
  server.on['tools/call'] = (posted) => {
    if (refusals > 0) {
      refusals -= 1;
      json(posted.response, 400, {
        jsonrpc: '2.0',
        error: { code: -32000, message: 'Bad Request: No valid session ID provided' },
        id: null,
      });
    } else answer(posted, text('fine'));
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  t.is(textOf(await tool(connection, 'x')), 'fine');
  t.is(server.count('initialize'), 2);
  refusals = 1000;
  await t.throwsAsync(tool(connection, 'x'), {
    instanceOf: CallFailure,
    message: /server "s" has forgotten its session \(HTTP 400\)/,
  });
  t.is(server.count('initialize'), 3);
});

test('an error with the id of the call is its answer, whatever its status and its words: nothing is sent again', async (t) => {
  const server = await Scripted.start(t);
  const paid = { code: -32602, message: 'paid, but the checkout session could not be closed' };
  const unknown = { code: -32601, message: 'Method not found' };
  const forgotten = { code: -32001, message: 'Session not found' };
  const replies = [
    [400, paid],
    [404, unknown],
    [404, forgotten],
  ] as const;
  server.on['tools/call'] = ({ id, params, response }) => {
    const [status, error] = replies[Number(params['name'])]!;
    json(response, status, { jsonrpc: '2.0', id, error });
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  const errorOf = async (name: number) =>
    (await send(connection, 'tools/call', { name: String(name) }).answer).message.error;
  t.deepEqual([await errorOf(0), await errorOf(1)], [paid, unknown]);
  t.is(server.count('initialize'), 1);
  t.deepEqual(await errorOf(2), forgotten);
  await until('another session', () => server.count('initialize') === 2);
  t.is(server.count('tools/call'), 3);
});

test('when a session cannot be opened again, calls fail and closed is told once', async (t) => {
  const server = await Scripted.start(t);
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s');
  server.sessions.clear();
  server.on['initialize'] = ({ response }) => void response.writeHead(500).end('out of order');
  const calls = Array.from({ length: 5 }, () => tool(connection, 'echo'));
  for (const call of calls)
    await t.throwsAsync(call, { instanceOf: CallFailure, message: /server "s" failed \(HTTP 500\).*out of order/ });
  await t.throwsAsync(tool(connection, 'echo'), { instanceOf: CallFailure });
  await until('closed', () => told.closed.length > 0);
  await connection.close();
  t.is(told.closed.length, 1);
});

test('a broken event stream is resumed by its last id, at the pace the server asks for, as often as it takes', async (t) => {
  const server = await Scripted.start(t);
  let id: unknown;
  let endedAt = 0;
  server.on['tools/call'] = (posted) => {
    id = posted.id;
    events(posted.response).write('id: e-1\nretry: 300\ndata: \n\n', () => {
      endedAt = performance.now();
      posted.response.end();
    });
  };
  server.get = (request, response) => {
    const last = request.headers['last-event-id'];
    if (last === undefined) response.writeHead(405).end();
    else if (server.gets.filter(({ request: each }) => each.headers['last-event-id'] !== undefined).length < 9) {
      // Polling: nothing yet, come again. More often than a failing server would be asked.
      events(response).end(`id: e-${Number(String(last).slice(2)) + 1}\nretry: 20\ndata: \n\n`);
    } else events(response).end(event({ jsonrpc: '2.0', id, result: text(`resumed after ${String(last)}`) }, 'e-99'));
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  t.is(textOf(await tool(connection, 'slow')), 'resumed after e-9');
  const resumed = server.gets.filter(({ request }) => request.headers['last-event-id'] !== undefined);
  t.is(resumed[0]?.request.headers['last-event-id'], 'e-1');
  t.true(resumed[0]!.at - endedAt >= 290, `${resumed[0]!.at - endedAt} ms`);
  t.true(resumed.every(({ request }) => request.headers['mcp-session-id'] !== undefined));
});

test('answers that break off, are empty, are none, or are refused: a clear error, and the connection goes on', async (t) => {
  const server = await Scripted.start(t);
  server.on['tools/call'] = (posted) => {
    const { response, params } = posted;
    switch (params['name']) {
      case 'cut':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"jsonrpc":"2.0","id":', () => response.destroy());
        break;
      case 'cutEvents':
        events(response).write(': comment\n', () => response.destroy());
        break;
      case 'noAnswer':
        events(response).end();
        break;
      case 'dropped':
        response.destroy();
        break;
      case 'broken':
        response.writeHead(503, { 'content-type': 'text/plain' }).end('database sesame-42 is away');
        break;
      case 'page':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
        break;
      case 'refused':
        json(response, 400, {
          jsonrpc: '2.0',
          id: posted.id,
          error: { code: -32602, message: 'no', data: { why: 1 } },
        });
        break;
      case 'unauthorized':
        json(response, 401, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'expired' } });
        break;
      default:
        answer(posted, text('fine'));
    }
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url, headers: { 'x-key': 'sesame-42' } } } });
  const { connection, told } = await harness.connect('s');
  const expected: [string, RegExp][] = [
    ['cut', /server "s" broke the connection off while it was answering/],
    ['cutEvents', /server "s" broke the connection off while it was answering/],
    ['noAnswer', /server "s" ended its answer early: try again/],
    ['dropped', /server "s" broke the connection off before it answered/],
    ['broken', /server "s" failed \(HTTP 503\): see its own log, then try again; it said: database \*\*\* is away/],
    ['page', /server "s" answered tools\/call with something else/],
    ['unauthorized', /server "s" wants to know who is calling \(HTTP 401\)/],
  ];
  for (const [name, message] of expected) {
    const failure = await t.throwsAsync(tool(connection, name), { instanceOf: CallFailure, message });
    t.is(failure.kind, 'gone');
    t.is(textOf(await tool(connection, 'fine')), 'fine');
  }
  const refused = await send(connection, 'tools/call', { name: 'refused', arguments: {} }).answer;
  t.like(refused.message.error, { code: -32602, message: 'no', data: { why: 1 } });
  t.is(refused.status, 400);
  t.deepEqual(told.closed, []);
});

test('answers twice, for nobody, late, in batches, and rubbish: nothing is mixed up', async (t) => {
  const server = await Scripted.start(t);
  const held: Posted[] = [];
  server.on['tools/call'] = (posted) => {
    const { id, response, params } = posted;
    const result = text(String(params['name']));
    if (params['name'] === 'swap') {
      // Two calls, each answered on the other's stream.
      held.push(posted);
      events(response);
      const [one, other] = held;
      if (one === undefined || other === undefined) return;
      one.response.write(event({ jsonrpc: '2.0', id: other.id, result: text('other') }));
      other.response.write(event({ jsonrpc: '2.0', id: one.id, result: text('one') }));
    } else if (params['name'] === 'batch')
      json(response, 200, [
        { jsonrpc: '2.0', id: 1e9, result },
        { jsonrpc: '2.0', id, result },
      ]);
    else {
      const mine = event({ jsonrpc: '2.0', id, result });
      const rubbish = 'data: {"half":\n\ndata: [null, 3]\n\nevent: other\ndata: x\n\n';
      events(response).end(`${rubbish}${event({ jsonrpc: '2.0', id: 1e9, result: {} })}${mine}${mine}`);
    }
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  t.is(textOf(await tool(connection, 'events')), 'events');
  t.is(textOf(await tool(connection, 'batch')), 'batch');
  t.deepEqual((await Promise.all([tool(connection, 'swap'), tool(connection, 'swap')])).map(textOf), ['one', 'other']);
  t.true(harness.messages('warn').some((line) => line.includes('late, or twice')));
});

test('a connection that is closed before an answer: what changes nothing is sent again, what may is not', async (t) => {
  const server = await Scripted.start(t);
  const seen: Record<string, number> = {};
  const dropOnce = (posted: Posted) => {
    const name = String(posted.params['name'] ?? posted.method);
    seen[name] = (seen[name] ?? 0) + 1;
    if (seen[name] === 1) posted.response.destroy();
    else answer(posted, { tools: [], ...text('second time') });
  };
  server.on['tools/list'] = dropOnce;
  server.on['tools/call'] = dropOnce;
  server.on['initialize'] = (posted) => {
    seen['initialize'] = (seen['initialize'] ?? 0) + 1;
    if (seen['initialize'] === 1) posted.response.destroy();
    else server.initialize(posted);
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  t.deepEqual((await ask(connection, 'tools/list'))['tools'], []);
  await t.throwsAsync(tool(connection, 'write'), { message: /broke the connection off before it answered/ });
  const readOnly: Tool = { name: 'read', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } };
  t.is(textOf(await tool(connection, 'read', {}, { tool: readOnly })), 'second time');
  t.deepEqual(seen, { initialize: 2, 'tools/list': 2, write: 1, read: 2 });
});

test('a call that hangs: the server is told first, then the request is given up', async (t) => {
  const server = await Scripted.start(t);
  let closedAt = 0;
  let toldAt = 0;
  server.on['tools/call'] = ({ response }) => {
    events(response).on('close', () => {
      closedAt = performance.now();
    });
  };
  server.on['notifications/cancelled'] = ({ response }) => {
    toldAt = performance.now();
    response.writeHead(202).end();
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  const call = send(connection, 'tools/call', { name: 'hang', arguments: {} }, { timeout: 300 });
  t.is((await t.throwsAsync(call.answer, { instanceOf: CallFailure })).kind, 'timeout');
  await until('the end of the request', () => closedAt > 0);
  t.true(toldAt > 0 && toldAt <= closedAt);
  t.is(server.posted.find(({ method }) => method === 'notifications/cancelled')?.params['requestId'], call.id);
});

test('a server that never answers the question for its era is initialized all the same, one that answers nothing is given up', async (t) => {
  const server = await Scripted.start(t);
  server.on['server/discover'] = () => {};
  const deaf = await serve(t, () => {});
  const harness = await Harness.start(t, { connectTimeout: 8000, servers: { s: { url: server.url } } });
  const impatient = await Harness.start(t, { connectTimeout: 1000, servers: { deaf: { url: deaf.url } } });
  const { connection } = await harness.connect('s');
  t.is(connection.era, 'old');
  t.is(textOf(await tool(connection, 'echo', { a: 1 })), '{"a":1}');
  await t.throwsAsync(impatient.connect('deaf'), { message: /server "deaf" was not ready within [\d.]+ s/ });
});

test('messages longer than the limit are refused, as JSON and as an event, and not kept', async (t) => {
  const server = await Scripted.start(t);
  const block = 'x'.repeat(1024 * 1024);
  let written = 0;
  server.on['tools/call'] = ({ response, params }) => {
    if (params['name'] === 'json')
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc":"2.0","result":"');
    else events(response).write('data: ');
    const more = () => {
      while (written < 100 && !response.destroyed) {
        written += 1;
        if (!response.write(block)) {
          response.once('drain', more);
          return;
        }
      }
    };
    more();
  };
  const harness = await Harness.start(t, { maxMessageBytes: 2 * 1024 * 1024, servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  for (const name of ['json', 'events']) {
    written = 0;
    await t.throwsAsync(tool(connection, name), {
      message: /server "s" sent a message of more than 2097152 bytes; raise maxMessageBytes/,
    });
    t.true(written < 50, `${written} MB`);
  }
});

test('the standing stream: notices, pings and requests, opened again by its last id; parked calls do not block their own answers', async (t) => {
  const server = await Scripted.start(t);
  server.get = (request, response) => {
    const last = request.headers['last-event-id'];
    events(response);
    if (last === undefined) {
      response.write(event({ jsonrpc: '2.0', id: 'ping-1', method: 'ping' }));
      response.end(`retry: 20\n${event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, 's-1')}`);
    } else
      response.write(
        event(
          { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: `after ${String(last)}` } },
          's-2',
        ),
      );
  };
  server.on['tools/call'] = ({ id, response }) => {
    events(response).write(
      event({ jsonrpc: '2.0', id: `ask-${String(id)}`, method: 'elicitation/create', params: { message: 'Who?' } }),
    );
    pending.set(`ask-${String(id)}`, (value) =>
      response.end(event({ jsonrpc: '2.0', id, result: text(JSON.stringify(value)) })),
    );
  };
  const pending = new Map<string, (value: unknown) => void>();
  server.on['response'] = ({ id, body, response }) => {
    response.writeHead(202).end();
    pending.get(String(id))?.(body['result']);
  };
  const harness = await Harness.start(t, { maxSockets: 2, servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s');
  await until('both messages of the stream', () => told.notifications.length === 2);
  t.deepEqual(
    told.notifications.map(({ method, params }) => params?.['data'] ?? method),
    ['notifications/tools/list_changed', 'after s-1'],
  );
  t.true(server.posted.some(({ id, method }) => id === 'ping-1' && method === undefined));
  const relay = {
    notify: () => {},
    ask: (request: RpcRequest) =>
      Promise.resolve({ jsonrpc: '2.0' as const, result: { to: request.params?.['message'] } }),
  };
  const results = await Promise.all(Array.from({ length: 6 }, () => tool(connection, 'ask', {}, { relay })));
  t.deepEqual(
    results.map(textOf),
    Array.from({ length: 6 }, () => '{"to":"Who?"}'),
  );
});

test('a request that the server takes back is not answered any more', async (t) => {
  const server = await Scripted.start(t);
  server.on['tools/call'] = ({ id, response }) => {
    events(response).write(event({ jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: {} }));
    response.write(event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q' } }));
    setTimeout(() => response.end(event({ jsonrpc: '2.0', id, result: text('done without') })), 200);
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection } = await harness.connect('s');
  let settle: () => void = () => {};
  const relay = {
    notify: () => {},
    ask: () =>
      new Promise<never>((resolve) => {
        settle = () => resolve({ jsonrpc: '2.0', result: {} } as never);
      }),
  };
  t.is(textOf(await tool(connection, 'ask', {}, { relay })), 'done without');
  settle();
  await tool(connection, 'ask', {}, { relay });
  t.false(server.posted.some(({ id, method }) => id === 'q' && method === undefined));
});

test('a server that goes away for good is noticed by its stream, and closed is told', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s');
  server.http.close();
  server.http.closeAllConnections();
  await t.throwsAsync(tool(connection, 'x'), {
    instanceOf: CallFailure,
    message: /server "s" (cannot be reached|broke the connection off)/,
  });
  await until('closed', () => told.closed.length > 0);
  t.regex(told.closed[0]?.message ?? '', /server "s" cannot be reached at .* \(nothing listens there\)/);
});

test('HTTP+SSE: a stream that ends fails its calls; an endpoint elsewhere is refused', async (t) => {
  let stream: ServerResponse | undefined;
  const { url } = await serve(t, (request, response) => {
    void bodyOf(request).then((body) => {
      if (request.method === 'GET') {
        stream = events(response);
        stream.write(
          `event: endpoint\ndata: ${request.url === '/evil' ? 'http://127.0.0.1:1/steal' : '/post?x=1'}\n\n`,
        );
        return;
      }
      response.writeHead(202).end('Accepted');
      const result = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'older', version: '1' } };
      if (body['method'] === 'initialize') stream?.write(event({ jsonrpc: '2.0', id: body['id'], result }));
      if (body['method'] === 'tools/call') stream?.end();
    });
  });
  const harness = await Harness.start(t, {
    servers: {
      s: { type: 'sse', url: `${url}/sse` },
      evil: { type: 'sse', url: `${url}/evil`, headers: { Authorization: 'Bearer x' } },
    },
  });
  const { connection, told } = await harness.connect('s');
  t.is(connection.info.protocolVersion, '2024-11-05');
  await t.throwsAsync(tool(connection, 'x'), { instanceOf: CallFailure, message: /server "s" ended its event stream/ });
  await until('closed', () => told.closed.length > 0);
  t.is(told.closed.length, 1);
  await t.throwsAsync(harness.connect('evil'), { message: /server "evil" wants messages sent to another origin/ });
});

test('the new era: asked again after -32022, errors relayed with their status, broken answers, listen streams that break', async (t) => {
  let discovers = 0;
  let listens = 0;
  let refuseListen = false;
  const listenIds: unknown[] = [];
  const { url } = await serve(t, (request, response) => {
    void bodyOf(request).then((body) => {
      const id = body['id'];
      const params = (body['params'] ?? {}) as { name?: string; notifications?: object };
      if (body['method'] === 'server/discover') {
        discovers += 1;
        const data = { supported: ['2026-07-28'], requested: '2026-07-28' };
        if (discovers === 1)
          json(response, 400, {
            jsonrpc: '2.0',
            id,
            error: { code: -32022, message: 'Unsupported protocol version', data },
          });
        else
          json(response, 200, {
            jsonrpc: '2.0',
            id,
            result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
          });
      } else if (body['method'] === 'subscriptions/listen') {
        listens += 1;
        listenIds.push(id);
        if (refuseListen) {
          json(response, 404, { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
          return;
        }
        const _meta = { 'io.modelcontextprotocol/subscriptionId': id };
        events(response).write(
          event({
            jsonrpc: '2.0',
            method: 'notifications/subscriptions/acknowledged',
            params: { _meta, notifications: params.notifications },
          }),
        );
        if (listens === 1) response.destroy();
        else
          response.write(
            event({
              jsonrpc: '2.0',
              method: 'notifications/resources/updated',
              params: { _meta: { ..._meta, other: 1 }, uri: 'a://1' },
            }),
          );
      } else if (params.name === 'mismatch')
        json(response, 400, { jsonrpc: '2.0', id, error: { code: -32020, message: 'Header mismatch' } });
      else if (params.name === 'asks') {
        events(response).write(event({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: {} }));
        response.end(event({ jsonrpc: '2.0', id, result: text('asked in vain') }));
      } else
        events(response).write(
          event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'bye' } }),
          () => response.destroy(),
        );
    });
  });
  const harness = await Harness.start(t, { servers: { s: { url } } });
  const { connection, told } = await harness.connect('s');
  t.is(connection.era, 'new');
  t.is(discovers, 2);
  const mismatch = await send(connection, 'tools/call', { name: 'mismatch', arguments: {} }).answer;
  t.is(mismatch.message.error?.code, -32020);
  t.is(mismatch.status, 400);
  const logs: string[] = [];
  const relay = {
    notify: ({ params }: { params?: Record<string, unknown> }) => void logs.push(String(params?.['data'])),
    ask: () => Promise.reject(new Error('no')),
  };
  await t.throwsAsync(tool(connection, 'cut', {}, { relay }), {
    instanceOf: CallFailure,
    message: /server "s" broke the connection off while it was answering/,
  });
  t.deepEqual(logs, ['bye']);
  t.is(textOf(await tool(connection, 'asks')), 'asked in vain');
  connection.listen({ toolsListChanged: true, resourceSubscriptions: ['a://1'] });
  await until('the notices after the break', () => told.notifications.length >= 3);
  t.deepEqual(told.notifications.slice(0, 3), [
    { jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
    { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'a://1' } },
    { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { _meta: { other: 1 }, uri: 'a://1' } },
  ]);
  t.is(new Set(listenIds).size, listenIds.length);
  refuseListen = true;
  const before = listens;
  connection.listen({ promptsListChanged: true });
  await until('the warning', () =>
    harness.messages('warn').some((line) => line.includes('change notices are not to be had')),
  );
  t.is(listens, before + 1);
  t.deepEqual(told.closed, []);
});
