// What every request of the management API goes through: validation, errors, idempotency, versions, routes of other plugins, paging.
import { connect } from 'node:net';
import { memoryStores, until } from '@plugboard/test-kit';
import test from 'ava';
import { route, z } from 'plugboard';
import type { JsonObject, Management, Route } from 'plugboard';
import { key, openSession, operator, send, serverOf, stand } from './harness.ts';
import { isProblem, withThings } from './things.ts';

test('problem documents: malformed, too large, unknown members, wrong type, wrong method, wrong path, faults', async (t) => {
  const { api, things } = await withThings(t);
  const make = (body: unknown, headers: Record<string, string> = {}, place = '/things') =>
    api.ask('POST', place, { body, headers });
  isProblem(t, await make('{"name": "x"'), 400, 'body-malformed');
  isProblem(t, await make(Buffer.from([0x22, 0xff, 0x22])), 400, 'body-malformed');
  isProblem(t, await make('['.repeat(50_000) + ']'.repeat(50_000)), 400, 'body-malformed');
  const unknown = await make({ name: 'x', nmae: 1, tags: [{ text: 'a' }, { text: 'b', colour: 'red' }] });
  isProblem(t, unknown, 422, 'body-invalid');
  t.deepEqual(
    (unknown.body['problems'] as JsonObject[])
      .map(({ in: where, place }) => `${String(where)} ${String(place)}`)
      .sort(),
    ['body nmae', 'body tags.1.colour'],
  );
  const wrong = await make('{"name": 7, "__proto__": {"admin": true}}');
  isProblem(t, wrong, 422, 'body-invalid');
  t.regex(String(wrong.body['detail']), /name: .*string/);
  isProblem(t, await make(undefined), 422, 'body-missing');
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1', ''])
    isProblem(t, await make('{"name":"x"}', { 'content-type': type }), 415, 'media-type');
  isProblem(t, await make('{"name":"x"}', { 'content-encoding': 'gzip' }), 415, 'media-type');
  t.is((await make('{"name":"x"}', { 'content-type': 'Application/JSON; charset=UTF-8' })).status, 201);
  const small = JSON.stringify({ name: 'x'.repeat(100) });
  isProblem(t, await make(small, {}, '/things/small'), 413, 'body-too-large');
  isProblem(t, await make(JSON.stringify({ name: 'x'.repeat(1024 * 1024) })), 413, 'body-too-large');
  t.like((await make(small, {}, '/things/small')).body, { limit: 100 });
  isProblem(t, await api.ask('PUT', '/things/x', { body: {} }), 400, 'body-unexpected');
  isProblem(t, await api.ask('GET', '/servers', { body: {} }), 400, 'body-unexpected');
  const query = await api.ask('GET', '/servers?limt=3&limit=501');
  isProblem(t, query, 400, 'query-invalid');
  t.deepEqual((query.body['problems'] as JsonObject[]).map(({ place }) => String(place)).sort(), ['limit', 'limt']);
  isProblem(t, await api.ask('GET', '/servers?limit=1&limit=2'), 400, 'query-invalid');
  isProblem(t, await api.ask('POST', '/things?x=1', { body: { name: 'x' } }), 400, 'query-invalid');
  const method = await api.ask('PATCH', '/things/x');
  isProblem(t, method, 405, 'method-not-allowed');
  t.is(method.headers.allow, 'GET, HEAD, PUT');
  t.is((await api.ask('OPTIONS', '/servers')).headers.allow, 'GET, HEAD');
  for (const place of ['/nowhere', '/Servers', '/servers/', '/things/x/y', '/'])
    isProblem(t, await api.ask('GET', place), 404, 'path-unknown');
  isProblem(t, await send(api.url.replace('/v1', '/v2'), 'GET', '/servers'), 404, 'path-unknown');

  const before = things.made;
  const fault = await api.ask('POST', '/things/fail/Unforeseen');
  isProblem(t, fault, 500, 'internal');
  t.false(fault.text.includes('hunter2'));
  const line = api.log.find(({ fields }) => fields?.['instance'] === fault.body['instance']);
  t.true(
    (line?.fields?.['error'] as Error | undefined)?.message.includes('hunter2'),
    'the log has the cause under the instance',
  );
  isProblem(t, await api.ask('POST', '/things/fail/Strange'), 500, 'internal');
  isProblem(t, await api.ask('POST', '/things/fail/Denied'), 403, 'denied');
  const teapot = await api.ask('POST', '/things/fail/Teapot');
  isProblem(t, teapot, 418, 'teapot');
  t.is(teapot.body['spout'], 'short');
  t.is(things.made, before + 4);
  for (const reply of [fault, method, query, await api.ask('GET', '/servers')]) {
    t.is(reply.headers['cache-control'], 'no-store');
    t.is(reply.headers['x-content-type-options'], 'nosniff');
    t.is(reply.headers['access-control-allow-origin'], undefined);
    t.is(reply.headers['set-cookie'], undefined);
  }
});

test('idempotency: done once, answered again; other requests with the key and duplicates under way are refused', async (t) => {
  const stores = memoryStores();
  const { api, things } = await withThings(t, { stores });
  const headers = key();
  const first = await api.ask('POST', '/things', { body: { name: 'a' }, headers });
  t.is(first.status, 201);
  t.is(first.headers['idempotency-replayed'], undefined);
  const again = await api.ask('POST', '/things', { body: '{ "name": "a" }', headers });
  t.deepEqual(
    [again.status, again.text, again.headers.etag, again.headers.location],
    [201, first.text, '"1"', '/api/v1/things/1'],
  );
  t.is(again.headers['idempotency-replayed'], 'true');
  isProblem(t, await api.ask('POST', '/things', { body: { name: 'b' }, headers }), 422, 'idempotency-mismatch');
  isProblem(t, await api.ask('POST', '/things/large', { body: { name: 'a' }, headers }), 422, 'idempotency-mismatch');
  t.is(things.made, 1);
  const other = await api.ask('POST', '/things', { body: { name: 'a' }, headers, token: operator });
  t.is(other.headers['idempotency-replayed'], undefined, 'a key belongs to its actor');
  t.is(things.made, 2);
  isProblem(
    t,
    await api.ask('POST', '/things', { body: { name: 'a' }, headers: { 'idempotency-key': 'a b' } }),
    400,
    'idempotency-key-malformed',
  );

  const slow = key();
  const ask = () => api.ask('POST', '/things/slow', { body: { name: 'a' }, headers: slow });
  const running = ask();
  await until('the slow one runs', () => things.made === 3);
  const duplicates = await Promise.all([ask(), ask(), ask()]);
  for (const duplicate of duplicates) isProblem(t, duplicate, 409, 'idempotency-running');
  t.is(duplicates[0]?.headers['retry-after'], '1');
  isProblem(
    t,
    await api.ask('POST', '/things/slow', { body: { name: 'b' }, headers: slow }),
    422,
    'idempotency-mismatch',
  );
  things.release();
  t.is((await running).status, 200);
  t.is((await ask()).headers['idempotency-replayed'], 'true');
  t.is(things.made, 3);

  const burst = key();
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => api.ask('POST', '/things', { body: { name: 'burst' }, headers: burst })),
  );
  t.is(things.made, 4, 'of twenty at once one is done');
  t.deepEqual(
    [...new Set(replies.map(({ status }) => status))].filter((status) => status !== 201 && status !== 409),
    [],
  );

  const secret = key();
  const token = await api.ask('POST', '/things/secret', { body: { name: 'hush-hush' }, headers: secret });
  t.is(token.status, 201);
  isProblem(
    t,
    await api.ask('POST', '/things/secret', { body: { name: 'hush-hush' }, headers: secret }),
    409,
    'idempotency-secret',
  );
  const kept = await (await stores.open('admin')).list('');
  t.false(JSON.stringify(kept).includes('hush-hush'), 'a secret is not kept');
  const large = key();
  t.is((await api.ask('POST', '/things/large', { body: { name: 'a' }, headers: large })).status, 200);
  isProblem(
    t,
    await api.ask('POST', '/things/large', { body: { name: 'a' }, headers: large }),
    409,
    'idempotency-large',
  );

  const refused = key();
  for (let count = 0; count < 2; count += 1) {
    const before = things.made;
    isProblem(t, await api.ask('POST', '/things/fail/Teapot', { headers: refused }), 418, 'teapot');
    t.is(things.made, before + 1, 'a refusal is not kept: the key may be used again');
  }
});

test('idempotency: a restart with a store forgets nothing, and what was interrupted is not done again; keys are bounded', async (t) => {
  const stores = memoryStores();
  const { api, things } = await withThings(t, { stores });
  const [done, cut] = [key(), key()];
  const first = await api.ask('POST', '/things', { body: { name: 'a' }, headers: done });
  const running = api.ask('POST', '/things/slow', { body: { name: 'a' }, headers: cut }).catch(() => undefined);
  await until('the slow one runs', () => things.made === 2);
  // What the next process finds if this one ends now.
  const next = await withThings(t, { stores: stores.reopen(), admin: { idempotencyKeys: 3 } });
  things.release();
  await running;
  const again = await next.api.ask('POST', '/things', { body: { name: 'a' }, headers: done });
  t.deepEqual([again.text, again.headers['idempotency-replayed']], [first.text, 'true']);
  isProblem(
    t,
    await next.api.ask('POST', '/things/slow', { body: { name: 'a' }, headers: cut }),
    409,
    'idempotency-unknown',
  );
  t.is(next.things.made, 0);
  for (let index = 0; index < 3; index += 1)
    await next.api.ask('POST', '/things', { body: { name: 'a' }, headers: key() });
  const late = await next.api.ask('POST', '/things', { body: { name: 'a' }, headers: done });
  t.is(late.headers['idempotency-replayed'], undefined, 'of more keys than are kept the oldest is forgotten');
});

test('versions: If-Match demands one, If-None-Match asks for another; ETag and Location say what was made', async (t) => {
  const { api, things } = await withThings(t);
  const shown = await api.ask('GET', '/things/x?long=1');
  t.deepEqual([shown.status, shown.headers.etag, shown.body], [200, '"v7"', { id: 'x', recent: true }]);
  for (const tag of ['"v7"', 'W/"v7"', '"a", "v7"', '*']) {
    const same = await api.ask('GET', '/things/x', { headers: { 'if-none-match': tag } });
    t.deepEqual([same.status, same.text, same.headers.etag], [304, '', '"v7"'], tag);
  }
  t.is((await api.ask('GET', '/things/x', { headers: { 'if-none-match': '"v8"' } })).status, 200);
  const list = await api.ask('GET', '/servers');
  t.is((await api.ask('GET', '/servers', { headers: { 'if-none-match': String(list.headers.etag) } })).status, 304);
  isProblem(t, await api.ask('GET', '/things/x', { headers: { 'if-match': '"v8"' } }), 412, 'version-conflict');
  const conflict = await api.ask('PUT', '/things/x', { headers: { 'if-match': '"6"' } });
  isProblem(t, conflict, 412, 'version-conflict');
  t.like(conflict.body, { expected: 6, actual: 7 });
  t.is(things.made, 0);
  for (const tag of ['7', 'W/"7"', '"6", "7"', '"'])
    isProblem(t, await api.ask('PUT', '/things/x', { headers: { 'if-match': tag } }), 400, 'if-match-malformed');
  for (const tag of ['"7"', '*']) {
    const changed = await api.ask('PUT', '/things/x', { headers: { 'if-match': tag } });
    t.deepEqual([changed.status, changed.headers.etag, changed.text], [204, '"8"', '']);
  }
  const head = await api.ask('HEAD', '/things/x');
  t.deepEqual(
    [head.status, head.text, head.headers['content-length']],
    [200, '', String(JSON.stringify({ id: 'x', recent: false }).length)],
  );
});

test('routes of other plugins: added all or none, taken back, the more exact path wins; a client that goes is noticed', async (t) => {
  const { api, things } = await withThings(t);
  const management = api.host.service<Management>('management');
  if (management === undefined) throw new Error('no service "management"');
  const plain = (method: Route['method'], place: string, operation: string): Route =>
    route({
      method,
      path: place,
      role: 'viewer',
      operation,
      summary: operation,
      params: z.strictObject({ a: z.string().optional(), b: z.string().optional() }),
      run: ({ params }) => ({ body: { operation, ...params } }),
    });
  t.throws(() => management.add([plain('GET', '/more', 'more'), plain('GET', '/things/:other', 'again')]), {
    message: /GET \/things\/:other: there is such a route/,
  });
  t.throws(() => management.add([plain('GET', '/more', 'showThing')]), {
    message: /another one has the operation "showThing"/,
  });
  for (const place of ['more', '/more/', '/more/*', '/:a/:a', '/(more)'])
    t.throws(() => management.add([plain('GET', place, 'odd')]), { instanceOf: TypeError }, place);
  isProblem(t, await api.ask('GET', '/more'), 404, 'path-unknown');
  const takeBack = management.add([
    plain('GET', '/more/:a', 'any'),
    plain('GET', '/more/exact', 'exact'),
    plain('GET', '/more/:a/:b', 'pair'),
  ]);
  t.is((await api.ask('GET', '/more/exact')).body['operation'], 'exact');
  t.like((await api.ask('GET', '/more/a%2Fb%20c')).body, { operation: 'any', a: 'a/b c' });
  t.like((await api.ask('GET', '/more/x/..%2f..%2fetc')).body, { operation: 'pair', a: 'x', b: '../../etc' });
  takeBack();
  takeBack();
  isProblem(t, await api.ask('GET', '/more/exact'), 404, 'path-unknown');
  things.takeBack();
  isProblem(t, await api.ask('GET', '/things/x'), 404, 'path-unknown');
  management.add(things.routes());

  const { port } = new URL(api.url);
  const socket = connect(Number(port), '127.0.0.1');
  const body = '{"name":"x"}';
  socket.write(
    `POST /api/v1/things/slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until('the slow one runs', () => things.made === 1);
  socket.destroy();
  await until('the route hears that the client has gone', () => things.aborted === 1);
  things.release();
});

test('paging: 1,000 sessions and 1,000 tools come once each, in order, whatever the page size; also while they change', async (t) => {
  const api = await stand(t, { beside: ({ servers }) => void servers.register(serverOf('many', 1000)) });
  const ids = new Set<string>();
  for (let index = 0; index < 1000; index += 1) ids.add(await openSession(api.host, `client ${index}`));
  const walk = async (list: string, keyOf: (item: JsonObject) => string, limit: number): Promise<string[]> => {
    const found: string[] = [];
    let after: unknown;
    do {
      const from = typeof after === 'string' ? `&after=${encodeURIComponent(after)}` : '';
      const { body, status, text } = await api.ask('GET', `${list}?limit=${limit}${from}`);
      t.is(status, 200, text);
      const items = body['items'] as JsonObject[];
      t.true(items.length <= limit);
      found.push(...items.map(keyOf));
      after = body['next'];
    } while (after !== undefined);
    return found;
  };
  const sessions = await walk('/sessions', ({ id }) => String(id), 123);
  t.deepEqual(sessions, [...ids].sort());
  await until('the server is ready', () => api.host.board.servers()[0]?.state === 'ready');
  const tools = await walk('/tools', ({ tool }) => String(tool), 500);
  t.deepEqual(
    tools,
    Array.from({ length: 1000 }, (_each, index) => `tool-${String(index).padStart(4, '0')}`),
  );
  const first = await api.ask('GET', '/sessions');
  t.is((first.body['items'] as unknown[]).length, 100);
  const last = String(first.body['next']);
  t.is((await api.ask('DELETE', `/sessions/${last}`, { token: operator })).status, 204);
  isProblem(t, await api.ask('GET', `/sessions/${last}`), 404, 'session-unknown');
  const second = await api.ask('GET', `/sessions?after=${last}&limit=1`);
  t.like(second.body['items'], [{ id: sessions[100] }], 'a page goes on where its session was');
  for (const limit of ['0', '501', 'x', '-1', '1.5', ''])
    isProblem(t, await api.ask('GET', `/sessions?limit=${limit}`), 400, 'query-invalid');
});
