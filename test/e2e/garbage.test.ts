// Whatever arrives, the proxy stands and nobody else notices: properties over both transports, with real servers behind. Right calls: ids.test.ts.
import { connect } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { envelope, initializeParams, rawClient, sendHttp } from './support/raw-http.ts';
import type { RawClient } from './support/raw-http.ts';
import { proxyFor, scripted, stdioProxyFor } from './support/stand.ts';

fc.configureGlobal({ includeErrorInReport: true });

/** Lines of the log that tell of a fault of the proxy, whatever a client has sent. */
const faults = /nobody caught|failed inside the proxy|"level":"error"|\berror\b.*core/i;

const methods = [
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
  'subscriptions/listen',
  'tasks/get',
  'notifications/cancelled',
  'notifications/initialized',
  'notifications/roots/list_changed',
  '__proto__',
  '',
];

const anyId = fc.oneof(fc.integer(), fc.string(), fc.constantFrom<unknown>(null, {}, [], true, 1e300, 0.5));

/** Params that look as if they were meant. */
const anyParams = fc.oneof(
  fc.record(
    {
      name: fc.oneof(
        fc.constantFrom<unknown>(
          'shared_echo',
          'memory_read_graph',
          'memory_create_entities',
          '__proto__',
          'constructor',
        ),
        fc.jsonValue(),
      ),
      arguments: fc.oneof(fc.constant({}), fc.jsonValue()),
      uri: fc.jsonValue(),
      cursor: fc.jsonValue(),
      level: fc.oneof(fc.constant<unknown>('debug'), fc.jsonValue()),
      ref: fc.jsonValue(),
      notifications: fc.oneof(fc.constant<unknown>({}), fc.jsonValue()),
      requestId: fc.jsonValue(),
      requestState: fc.jsonValue(),
      inputResponses: fc.jsonValue(),
      capabilities: fc.jsonValue(),
      protocolVersion: fc.jsonValue(),
      _meta: fc.oneof(
        fc.constant<unknown>(envelope()),
        fc.constant<unknown>({ ...envelope(), progressToken: {} }),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);

/** A message whose members are each right or wrong. */
const anyMessage = fc.record(
  {
    jsonrpc: fc.constantFrom<unknown>('2.0', '2.0', '2.0', '1.0', 2, null),
    id: anyId,
    method: fc.oneof(fc.constantFrom<unknown>(...methods), fc.jsonValue()),
    params: anyParams,
    result: fc.jsonValue(),
    error: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

/** Bytes of a body or a line: noise, JSON, messages, batches, right messages with a byte changed. */
const anyText = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 1000 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
  { weight: 4, arbitrary: anyMessage.map((message) => Buffer.from(JSON.stringify(message))) },
  { weight: 1, arbitrary: fc.array(anyMessage, { maxLength: 5 }).map((batch) => Buffer.from(JSON.stringify(batch))) },
  {
    weight: 2,
    arbitrary: fc.tuple(anyMessage, fc.nat(), fc.nat(255)).map(([message, place, byte]) => {
      const bytes = Buffer.from(JSON.stringify(message));
      bytes[place % bytes.length] = byte;
      return bytes;
    }),
  },
  { weight: 1, arbitrary: fc.nat(3000).map((depth) => Buffer.from(`${'['.repeat(depth)}${']'.repeat(depth)}`)) },
);

const headerText = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.~!*;,=? "[]{}é'), maxLength: 30 });
const anyHeaders = fc.record(
  {
    'mcp-session-id': headerText,
    'mcp-protocol-version': fc.oneof(
      fc.constantFrom('2026-07-28', '2025-11-25', '2025-03-26', '9999-99-99'),
      headerText,
    ),
    'mcp-method': fc.oneof(fc.constantFrom(...methods.filter((method) => method !== '')), headerText),
    'mcp-name': fc.oneof(fc.constantFrom('shared_echo', '=?base64?///=?='), headerText),
    'mcp-param-x': headerText,
    'last-event-id': headerText,
    accept: fc.oneof(fc.constant('application/json, text/event-stream'), headerText),
    'content-type': fc.oneof(fc.constant('application/json'), fc.constant('application/json'), headerText),
    authorization: headerText,
    origin: headerText,
    expect: fc.constantFrom('100-continue', 'x'),
  },
  { requiredKeys: [] },
);

const anyPath = fc.oneof(
  fc.constantFrom(
    '/mcp',
    '/mcp',
    '/mcp',
    '/mcp/memory',
    '/mcp/none',
    '/healthz',
    '/readyz',
    '*',
    'http://elsewhere.example/mcp',
  ),
  fc.string({ unit: fc.constantFrom(...'/mcp.%20?#:@shared'), maxLength: 30 }).map((path) => `/${path}`),
);
const anyMethod = fc.constantFrom(
  'POST',
  'POST',
  'POST',
  'POST',
  'GET',
  'DELETE',
  'PUT',
  'OPTIONS',
  'HEAD',
  'PATCH',
  'TRACE',
);

/** Another client that works all the time; `stop` tells how many of its calls were answered, all of them rightly. */
function witness(clients: readonly RawClient[]): { stop(): Promise<number> } {
  const stopping = new AbortController();
  const work = async (client: RawClient): Promise<number> => {
    let answered = 0;
    for (let n = 0; !stopping.signal.aborted; n += 1) {
      const args = { era: client.era, n, text: `zwölf ${n}` };
      const [first, second] = await Promise.all([
        client.call('shared_echo', args),
        client.call('shared_wait', { ...args, ms: n % 7 }),
      ]);
      if (first !== JSON.stringify(args) || second !== JSON.stringify({ ...args, ms: n % 7 }))
        throw new Error(`swapped: ${first} ${second}`);
      answered += 2;
    }
    return answered;
  };
  const working = clients.map(work);
  return {
    stop: async () => {
      stopping.abort();
      return (await Promise.all(working)).reduce((sum, each) => sum + each, 0);
    },
  };
}

test.serial('HTTP: random methods, paths, headers and bodies bring nothing down and disturb nobody', async (t) => {
  const proxy = await proxyFor(t, {
    plugins: { memory: {} },
    mcpServers: { shared: { ...scripted(), isolation: 'shared' } },
  });
  await proxy.ready();
  const clients = await Promise.all([rawClient('old', proxy.url), rawClient('new', proxy.url)]);
  const working = witness(clients);
  const inside = await rawClient('old', proxy.url);
  await fc.assert(
    fc.asyncProperty(
      anyMethod,
      anyPath,
      anyHeaders,
      anyText,
      fc.boolean(),
      async (method, path, headers, body, own) => {
        const leave = AbortSignal.timeout(150);
        const all = { ...headers, ...(own && { 'mcp-session-id': inside.session ?? '' }) };
        let status: number | undefined;
        try {
          const bodiless = method === 'GET' || method === 'HEAD' || method === 'TRACE';
          ({ status } = await sendHttp(proxy.url, {
            method,
            path,
            headers: latin(all),
            ...(!bodiless && { body }),
            signal: leave,
          }));
        } catch (error) {
          // A stream that stays open, and what Node's own parser refuses by closing.
          if (!leave.aborted && !/ECONNRESET|EPIPE|socket hang up|Parse Error/.test(String(error))) throw error;
        }
        if (status !== undefined && status >= 500 && status !== 503) throw new Error(`answered with ${status}`);
      },
    ),
    { numRuns: 1500 },
  );
  t.true((await working.stop()) > 0);
  t.true(proxy.running);
  t.notRegex(proxy.log, faults);
});

test.serial(
  'HTTP: bytes that are no request, cut off and slow ones, bring nothing down and disturb nobody',
  async (t) => {
    const proxy = await proxyFor(t, {
      plugins: { memory: {} },
      mcpServers: { shared: { ...scripted(), isolation: 'shared' } },
    });
    await proxy.ready();
    const working = witness([await rawClient('old', proxy.url), await rawClient('new', proxy.url)]);
    const port = Number(new URL(proxy.url).port);
    const head =
      'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n';
    const opening = Buffer.from(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() }),
    );
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(anyText, fc.integer({ min: -5, max: 5000 }))
        .map(([body, more]) =>
          Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length + more}\r\n\r\n`), body]),
        ),
      anyText.map((body) =>
        Buffer.concat([
          Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`),
          body,
          Buffer.from('\r\nzz\r\n'),
        ]),
      ),
      fc.constantFrom(
        Buffer.from(`${head}Content-Length: ${opening.length}\r\nContent-Length: 5\r\n\r\n`),
        Buffer.from(`${head}Content-Length: ${opening.length}\r\nTransfer-Encoding: chunked\r\n\r\n`),
        Buffer.from('GET /mcp HTTP/1.1\r\n\r\n'),
        Buffer.from('CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n'),
        Buffer.from('GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
        Buffer.concat([
          Buffer.from(`${head}Content-Length: ${opening.length}\r\n\r\n`),
          opening,
          Buffer.from('rest that is no request'),
        ]),
      ),
    );
    await fc.assert(
      fc.asyncProperty(anyBytes, fc.boolean(), async (bytes, destroys) => {
        await new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.write(bytes);
            if (destroys) setImmediate(() => socket.destroy());
            else socket.end();
          });
          const enough = setTimeout(() => socket.destroy(), 100);
          socket
            .on('error', () => {})
            .on('close', () => (clearTimeout(enough), resolve()))
            .resume();
        });
      }),
      { numRuns: 600 },
    );
    t.true((await working.stop()) > 0);
    t.true(proxy.running);
    t.notRegex(proxy.log, faults);
  },
);

test.serial('stdio: random lines bring nothing down, and the calls between them are answered rightly', async (t) => {
  t.timeout(180_000);
  const client = await stdioProxyFor(t, {
    plugins: { memory: {} },
    mcpServers: { shared: { ...scripted(), isolation: 'shared' } },
  });
  await client.initialize();
  await client.listed('shared_echo', 'old');
  let n = 0;
  // A line of noise must not end the line that follows: noise has no line breaks and is its own line.
  const line = anyText.map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13)));
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      n += 1;
      client.received.length = 0;
      const id = `witness-${n}`;
      for (const each of lines) client.write(Buffer.concat([each, Buffer.from('\n')]));
      const { result } = await client.request('tools/call', { name: 'shared_echo', arguments: { n } }, id);
      const [content] = (result?.['content'] ?? []) as { text: string }[];
      if (content?.text !== JSON.stringify({ n })) throw new Error(`answered with ${JSON.stringify(result)}`);
    }),
    { numRuns: 400 },
  );
  t.deepEqual(client.rubbish, []);
  t.notRegex(client.log, faults);
  t.is(await client.end(), 0);
});

/** Header values as bytes: Node sends no others. */
function latin(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );
}
