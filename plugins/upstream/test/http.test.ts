// Real servers over HTTP: Streamable HTTP in both eras, the older HTTP+SSE, era and transport detection, headers, streams.
import test from 'ava';
import { CallFailure } from 'plugboard';
import type { RpcNotification, Tool } from 'plugboard';
import { serveEverything, serveNewEra, serveStateless } from './http-servers.ts';
import { events, Scripted } from './scripted.ts';
import { ask, Harness, send, serve, textOf, tool, until } from './support.ts';

const nobody = { notify: () => {}, ask: () => Promise.reject(new Error('nobody')) };

test('server-everything over Streamable HTTP: session, calls, progress, notices, requests, farewell', async (t) => {
  const { url, seen, sessions } = await serveEverything(t);
  const harness = await Harness.start(t, {
    servers: { everything: { url: `${url}/mcp`, headers: { 'X-Key': 'abc' } } },
  });
  const { connection, told } = await harness.connect('everything', {
    capabilities: { elicitation: {}, roots: { listChanged: true } },
  });
  told.answer = () => Promise.resolve({ jsonrpc: '2.0', result: { roots: [] } });
  t.is(connection.era, 'old');
  t.is(connection.info.serverInfo.name, 'mcp-servers/everything');
  t.is(sessions.size, 1);
  t.is(textOf(await tool(connection, 'echo', { message: 'hällo' })), 'Echo: hällo');
  const sums = await Promise.all(Array.from({ length: 50 }, (_, a) => tool(connection, 'get-sum', { a, b: 1000 })));
  for (const [a, result] of sums.entries()) t.regex(textOf(result), new RegExp(`\\b${a + 1000}\\b`));
  const progress: unknown[] = [];
  const relay = {
    notify: ({ params }: RpcNotification) => void progress.push([params?.['progressToken'], params?.['progress']]),
    ask: () => Promise.resolve({ jsonrpc: '2.0' as const, result: { action: 'accept', content: { name: 'Ada' } } }),
  };
  const long = {
    name: 'trigger-long-running-operation',
    arguments: { duration: 1, steps: 3 },
    _meta: { progressToken: 'mine' },
  };
  await ask(connection, 'tools/call', long, { relay });
  t.deepEqual(progress, [
    ['mine', 1],
    ['mine', 2],
    ['mine', 3],
  ]);
  const asked = (await tool(connection, 'trigger-elicitation-request', {}, { relay }))['content'];
  t.true(JSON.stringify(asked).includes('Ada'));
  // It belongs to no call, so it comes on the GET stream; the server asks again when it is told of a change.
  let waited = 0;
  await until('roots/list', () => {
    waited += 1;
    if (waited % 100 === 0) connection.notify('notifications/roots/list_changed');
    return told.requests.some(({ method }) => method === 'roots/list');
  });
  const [session] = sessions.values();
  await until('the notice', () => {
    session?.server.sendToolListChanged();
    return told.notifications.some(({ method }) => method === 'notifications/tools/list_changed');
  });
  const afterStart = seen.filter(({ headers }) => headers['mcp-session-id'] !== undefined);
  t.true(afterStart.every(({ headers }) => headers['mcp-protocol-version'] === '2025-11-25'));
  t.true(seen.every(({ headers }) => headers['x-key'] === 'abc'));
  await connection.close();
  t.is(sessions.size, 0);
  t.is(seen.at(-1)?.method, 'DELETE');
  t.deepEqual(told.closed, []);
});

test('the older HTTP+SSE transport, configured and found out', async (t) => {
  const { url } = await serveEverything(t);
  const harness = await Harness.start(t, {
    servers: { named: { type: 'sse', url: `${url}/sse` }, found: { url: `${url}/sse` } },
  });
  for (const name of ['named', 'found', 'found']) {
    const { connection, told } = await harness.connect(name);
    t.is(connection.era, 'old');
    t.is(textOf(await tool(connection, 'echo', { message: name })), `Echo: ${name}`);
    const call = send(connection, 'tools/call', {
      name: 'trigger-long-running-operation',
      arguments: { duration: 30, steps: 1 },
    });
    call.cancel({ kind: 'client', message: 'enough' });
    await t.throwsAsync(call.answer, { message: 'enough' });
    await connection.close();
    t.deepEqual(told.closed, []);
  }
});

test('servers without sessions, answering with JSON and with events', async (t) => {
  for (const asJson of [true, false]) {
    const { url } = await serveStateless(t, asJson);
    const harness = await Harness.start(t, { servers: { stateless: { type: 'streamable-http', url } } });
    const { connection } = await harness.connect('stateless');
    const texts = await Promise.all(
      Array.from({ length: 20 }, async (_, a) => textOf(await tool(connection, 'add', { a, b: 1 }))),
    );
    t.deepEqual(
      texts,
      Array.from({ length: 20 }, (_, a) => String(a + 1)),
    );
  }
});

test('the new era: discovery, envelope and headers, progress, change notices, cancellation by closing', async (t) => {
  const { url, seen, cancelled, notify } = await serveNewEra(t, true);
  const harness = await Harness.start(t, { servers: { fresh: { url: `${url}/mcp` } } });
  const { connection, told } = await harness.connect('fresh');
  t.is(connection.era, 'new');
  t.like(connection.info, { protocolVersion: '2026-07-28', serverInfo: { name: 'new-era', version: '2' } });
  t.is(textOf(await tool(connection, 'echo', { text: 'héllo' })), 'héllo');
  t.like(seen.at(-1)?.headers, {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo',
  });
  const progress: unknown[] = [];
  const relay = {
    ...nobody,
    notify: ({ params }: RpcNotification) => void progress.push([params?.['progressToken'], params?.['progress']]),
  };
  await ask(connection, 'tools/call', { name: 'steps', arguments: {}, _meta: { progressToken: 7 } }, { relay });
  t.deepEqual(progress, [
    [7, 1],
    [7, 2],
    [7, 3],
  ]);
  connection.listen({ toolsListChanged: true });
  // The server has no listener until the request is there.
  await until('the notice', () => {
    notify.toolsChanged();
    return told.notifications.length > 0;
  });
  t.deepEqual(told.notifications.slice(0, 1), [{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
  connection.listen({});
  const call = send(connection, 'tools/call', { name: 'wait', arguments: {} });
  await tool(connection, 'echo', { text: 'meanwhile' });
  call.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(call.answer, { message: 'enough' });
  await until('the cancellation', () => cancelled.length > 0);
  const unknown = await send(connection, 'no/such/method').answer;
  t.is(unknown.message.error?.code, -32601);
  t.is(unknown.status, 404);
});

test('Mcp-Name and Mcp-Param headers: derived from the tool, encoded where needed, unknown ones forwarded', async (t) => {
  const { url, seen } = await serveNewEra(t);
  const harness = await Harness.start(t, { servers: { fresh: { url, era: 'new' } } });
  const { connection } = await harness.connect('fresh');
  const definition: Tool = {
    name: 'region',
    inputSchema: {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        nested: {
          type: 'object',
          properties: {
            on: { type: 'boolean', 'x-mcp-header': 'On' },
            count: { type: 'integer', 'x-mcp-header': 'Count' },
          },
        },
        absent: { type: 'string', 'x-mcp-header': 'Absent' },
        nothing: { type: 'string', 'x-mcp-header': 'Nothing' },
        plain: { type: 'string' },
      },
    },
  };
  const headers = { 'mcp-param-region': 'a lie', 'mcp-param-other': 'kept', authorization: 'Bearer stolen' };
  const args = { region: ' Zürich\r\nX: y', nested: { on: false, count: -3 }, nothing: null, plain: 'x' };
  await send(connection, 'tools/call', { name: 'region', arguments: args }, { tool: definition, headers }).answer;
  const sent = seen.at(-1)?.headers ?? {};
  const encoded = String(sent['mcp-param-region']);
  t.is(Buffer.from(/^=\?base64\?(.*)\?=$/.exec(encoded)?.[1] ?? '', 'base64').toString(), args.region);
  t.like(sent, { 'mcp-param-on': 'false', 'mcp-param-count': '-3', 'mcp-param-other': 'kept' });
  t.is(sent['authorization'], undefined);
  for (const name of ['absent', 'nothing', 'plain']) t.is(sent[`mcp-param-${name}`], undefined);
  await send(connection, 'resources/read', { uri: 'file:///path/to/file%20name.txt' }).answer;
  t.is(seen.at(-1)?.headers['mcp-name'], 'file:///path/to/file%20name.txt');
});

test('era detection over HTTP: configured eras win, 401, 403 and 500 are no evidence and say what to do', async (t) => {
  const { url } = await serveNewEra(t);
  const asked: string[] = [];
  const refusing = await serve(t, (request, response) => {
    asked.push(`${request.url?.slice(1, 4)} ${String(request.headers['mcp-method'])}`);
    const status = Number(request.url?.slice(1, 4));
    response
      .writeHead(status, { 'content-type': 'application/json', 'www-authenticate': 'Bearer' })
      .end('{"error":"token sesame-1234 is bad"}');
  });
  const secret = { headers: { Authorization: 'Bearer sesame-1234' } };
  const harness = await Harness.start(t, {
    servers: {
      auto: { url },
      old: { url, era: 'old' },
      s401: { url: `${refusing.url}/401?key=sesame-9999`, ...secret },
      s403: { url: `${refusing.url}/403`, ...secret },
      s500: { url: `${refusing.url.replace('//', '//user:sesame-5678@')}/500`, ...secret },
      page: { url: `${refusing.url}/200`, ...secret },
      gone: { url: 'http://127.0.0.1:9/mcp' },
    },
  });
  t.is((await harness.connect('auto')).connection.era, 'new');
  const { connection } = await harness.connect('old');
  t.is(connection.era, 'old');
  t.is(textOf(await tool(connection, 'echo', { text: 'old' })), 'old');
  const message = async (name: string) => (await t.throwsAsync(harness.connect(name))).message;
  const texts = [
    await message('s401'),
    await message('s403'),
    await message('s500'),
    await message('gone'),
    await message('page'),
  ];
  t.regex(
    texts[0]!,
    /server "s401" wants to know who is calling \(HTTP 401\): set headers\.Authorization under mcpServers\.s401/,
  );
  t.regex(texts[1]!, /server "s403" refused the caller \(HTTP 403\)/);
  t.regex(texts[2]!, /server "s500" failed \(HTTP 500\): see its own log/);
  t.regex(texts[3]!, /server "gone" cannot be reached at http:\/\/127\.0\.0\.1:9 \(nothing listens there\)/);
  t.regex(
    texts[4]!,
    /server "page" gave no answer that can be read \(HTTP 200, application\/json\): check that http:\/\/127\.0\.0\.1:\d+\/200 is an MCP endpoint/,
  );
  const initialized = asked.filter((each) => !each.endsWith('server/discover') && !each.startsWith('200'));
  t.deepEqual(initialized, []);
  for (const text of [...texts, ...harness.messages()]) t.false(text.includes('sesame'), text);
});

test('redirects: followed within the origin, refused beyond it', async (t) => {
  const { url } = await serveStateless(t, true);
  const { port } = new URL(url);
  const inner = await serve(t, (request, response) => {
    if (request.url === '/mcp') response.writeHead(307, { location: '/mcp/' }).end();
    else if (request.url === '/away') response.writeHead(307, { location: `http://127.0.0.1:${port}/mcp` }).end();
    else {
      const chunks: Buffer[] = [];
      request
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          void fetch(url, {
            method: 'POST',
            headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
            body: Buffer.concat(chunks),
          }).then(async (answer) =>
            response
              .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
              .end(await answer.text()),
          );
        });
    }
  });
  const harness = await Harness.start(t, {
    servers: {
      slash: { url: `${inner.url}/mcp` },
      away: { url: `${inner.url}/away`, headers: { Authorization: 'Bearer x' } },
    },
  });
  const { connection } = await harness.connect('slash');
  t.is(textOf(await tool(connection, 'add', { a: 1, b: 2 })), '3');
  t.regex(
    (await t.throwsAsync(harness.connect('away'))).message,
    /server "away" has moved \(HTTP 307 to http:\/\/127\.0\.0\.1:\d+\/mcp\)/,
  );
});

test('100 calls at once over few sockets, cancelled and answered, leave nothing open', async (t) => {
  const { url, cancelled } = await serveNewEra(t, true);
  const harness = await Harness.start(t, { maxSockets: 8, servers: { fresh: { url } } });
  const { connection } = await harness.connect('fresh');
  const waiting = Array.from({ length: 20 }, () => send(connection, 'tools/call', { name: 'wait', arguments: {} }));
  const answered = Array.from({ length: 80 }, (_, n) => tool(connection, 'echo', { text: String(n) }));
  setTimeout(() => {
    for (const call of waiting) call.cancel({ kind: 'client', message: 'enough' });
  }, 100);
  for (const call of waiting) await t.throwsAsync(call.answer, { instanceOf: CallFailure });
  t.deepEqual(
    await Promise.all(answered.map(async (each) => textOf(await each))),
    Array.from({ length: 80 }, (_, n) => String(n)),
  );
  t.true(cancelled.length <= 20);
  const result = await ask(connection, 'tools/list');
  t.true(Array.isArray(result['tools']));
});

test('100 connections opened and closed: no session is left at the server, no socket once the plugin has stopped', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  const harness = new Harness();
  await harness.apply({ maxSockets: 20, servers: { s: { url: server.url } } });
  for (let round = 0; round < 10; round += 1) {
    const opened = await Promise.all(Array.from({ length: 10 }, () => harness.connect('s')));
    await Promise.all(opened.map(({ connection }) => tool(connection, 'echo', { round })));
    t.is(server.sessions.size, 10);
    await Promise.all(opened.map(({ connection }) => connection.close()));
    t.is(server.sessions.size, 0);
  }
  t.is(server.count('initialize'), 100);
  await harness.stop();
  await until('no connection to be left', () => {
    return new Promise((resolve) => server.http.getConnections((_error, count) => resolve(count === 0)));
  });
});
