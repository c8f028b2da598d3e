// Subscriptions to resources: at the server that has them and no other, given back by whoever leaves, refused where the server refuses.
import test from 'ava';
import { Answer, CallFailure } from '../src/index.ts';
import type { BoardApi } from '../src/index.ts';
import { HandServer, ready, startHost, TestClient, until } from './support.ts';

const grants = {
  alice: { token: 'alice-secret-token-1', tools: { allow: ['a:*', 's:*'] } },
  bob: { token: 'bob-secret-token-001', tools: { allow: ['b:*', 's:*'] } },
};

const listing = (...uris: string[]) => ({
  'resources/list': { resources: uris.map((uri) => ({ uri, name: uri })) },
});

const lists = { tools: { listChanged: true } };

async function start(t: { teardown(done: () => unknown): void }, servers: readonly HandServer[], config = {}) {
  const started = await startHost(
    servers.map(({ plugin }) => plugin),
    config,
  );
  t.teardown(() => started.host.stop());
  await ready(started.board);
  return started.board;
}

test('a new-era server is told of its own resources only, and that nobody wants them any more', async (t) => {
  const a = new HandServer({ name: 'a', era: 'new', lists: listing('x://a') });
  const b = new HandServer({ name: 'b', era: 'new', lists: listing('x://b'), capabilities: lists });
  const board = await start(t, [a, b], { grants });
  const alice = await TestClient.old(board, board.grants.get('alice'));
  const bob = await TestClient.new(board, board.grants.get('bob'));
  t.deepEqual((await alice.request('resources/subscribe', { uri: 'x://a' })).response.result, {});
  const stream = bob.listen({ resourceSubscriptions: ['x://a', 'x://b'] });
  await until(() => stream.heard.length > 0);
  t.like(stream.heard[0], { params: { notifications: { resourceSubscriptions: ['x://b'] } } });
  t.deepEqual(a.filters, [{ resourceSubscriptions: ['x://a'] }]);
  t.deepEqual(b.filters, [{ toolsListChanged: true }, { toolsListChanged: true, resourceSubscriptions: ['x://b'] }]);
  a.updated('x://b');
  b.updated('x://a');
  b.updated('x://b');
  a.updated('x://a');
  await until(() => alice.heard.length > 0);
  t.deepEqual(
    stream.heard.map(({ params }) => params?.['uri']),
    [undefined, 'x://b'],
  );
  t.deepEqual(
    alice.heard.map((message) => 'params' in message && message.params?.['uri']),
    ['x://a'],
  );
  await board.close(alice.session, 'done');
  stream.leave();
  t.deepEqual(a.filters.at(-1), {});
  t.deepEqual(b.filters.at(-1), { toolsListChanged: true });
});

test('a subscription that the server refuses, or that cannot reach it, is refused with its reason', async (t) => {
  const full = new HandServer({ name: 'full', lists: listing('x://full') });
  full.answer = () => Answer.error(-32600, 'no more watchers');
  const down = new HandServer({ name: 'down', lists: listing('x://down') });
  down.opening = () => Promise.reject(new Error('no such database'));
  const { host, board, lines } = await startHost([full.plugin, down.plugin]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  const subscribe = async (uri: string) => (await client.request('resources/subscribe', { uri })).response;
  t.deepEqual((await subscribe('x://full')).error, { code: -32600, message: 'no more watchers' });
  t.like((await subscribe('x://down')).error, { code: -32000 });
  t.regex((await subscribe('x://down')).error?.message ?? '', /"down" could not be started: no such database/);
  t.is(client.session.subscriptions.size, 0);
  t.deepEqual(
    lines.filter((line) => line.startsWith('error')),
    [],
    'a server’s trouble is reported as ours',
  );
  // The next one asks the server anew.
  full.answer = () => Answer.result({});
  t.deepEqual((await subscribe('x://full')).result, {});
  full.updated('x://full');
  await until(() => client.heard.length > 0);
});

test('a stream watches what can be watched, is told which, and hears nothing before', async (t) => {
  const live = new HandServer({ name: 'live', lists: listing('x://live', 'x://refused') });
  live.answer = ({ method, params }) => {
    if (method !== 'resources/subscribe') return Answer.result({});
    if (params?.['uri'] === 'x://refused') return Answer.error(-32600, 'no');
    live.updated('x://live');
    return Answer.result({});
  };
  const down = new HandServer({ name: 'down', lists: listing('x://down') });
  down.opening = () => Promise.reject(new Error('no such database'));
  const board = await start(t, [live, down]);
  const client = await TestClient.new(board);
  const stream = client.listen({ resourceSubscriptions: ['x://down', 'x://nobody', 'x://refused', 'x://live'] });
  await until(() => stream.heard.length > 1);
  t.like(stream.heard[0], {
    method: 'notifications/subscriptions/acknowledged',
    params: { notifications: { resourceSubscriptions: ['x://live'] } },
  });
  t.like(stream.heard[1], { method: 'notifications/resources/updated', params: { uri: 'x://live' } });
  t.is(stream.answers.length, 0);
  const nothing = client.listen({ resourceSubscriptions: ['x://down'] });
  await until(() => nothing.answers.length > 0);
  t.like(nothing.heard, [{ params: { notifications: {} } }]);
});

test('who leaves while a server is being opened is forgotten, client or session', async (t) => {
  const slow = new HandServer({ name: 's', lists: listing('x://s') });
  let open!: () => void;
  slow.opening = () => new Promise<void>((resolve) => (open = resolve));
  const board = await start(t, [slow], { grants });
  const notifications = { toolsListChanged: true, resourceSubscriptions: ['x://s'] };
  for (const leave of ['client', 'session', 'neither']) {
    // A grant each: its connection is opened anew.
    const grant = { id: `grant:${leave}`, tools: { allow: ['*'], deny: [] } };
    const client = await TestClient.new(board, grant);
    const stream = client.listen(notifications);
    await until(() => (open as unknown) !== undefined);
    if (leave === 'client') stream.leave();
    if (leave === 'session') await board.close(client.session, 'idle');
    t.is(stream.answers.length, leave === 'session' ? 1 : 0);
    open();
    open = undefined as never;
    if (leave === 'neither') {
      await until(() => stream.heard.length > 0);
      t.deepEqual(slow.uris('resources/subscribe'), ['x://s']);
      await board.close(client.session, 'idle');
    } else {
      await new Promise((resolve) => setTimeout(resolve, 50));
      t.deepEqual(slow.uris('resources/subscribe'), [], `${leave}: the server was asked for nobody`);
    }
    slow.updated('x://s');
    t.true(stream.heard.every(({ method }) => method !== 'notifications/resources/updated'));
    board.grantChanged({ ...grant, tools: { allow: [], deny: [] } });
  }
  t.deepEqual(slow.uris('resources/unsubscribe'), ['x://s']);
});

test('what a session subscribed to at a shared server is given back when it ends; another’s stays', async (t) => {
  const server = new HandServer({ name: 's', isolation: 'shared', lists: listing('x://one', 'x://two') });
  const board = await start(t, [server], { grants });
  const alice = await TestClient.old(board, board.grants.get('alice'));
  const bob = await TestClient.old(board, board.grants.get('bob'));
  for (const uri of ['x://one', 'x://two']) await alice.request('resources/subscribe', { uri });
  await bob.request('resources/subscribe', { uri: 'x://one' });
  t.deepEqual(server.uris('resources/subscribe'), ['x://one', 'x://two']);
  await board.close(alice.session, 'done');
  t.deepEqual(server.uris('resources/unsubscribe'), ['x://two']);
  server.updated('x://one');
  t.is(bob.heard.length, 1);
  await bob.request('resources/unsubscribe', { uri: 'x://one' });
  t.deepEqual(server.uris('resources/unsubscribe'), ['x://two', 'x://one']);
});

for (const [way, restart] of Object.entries({
  'lost and opened again': (_board, server) => server.events[0]?.closed(new Error('it fell over')),
  'stopped and started again': async (board) => {
    await board.stopServer('n');
    board.startServer('n');
  },
} satisfies Record<string, (board: BoardApi, server: HandServer) => unknown>))
  test(`a new-era server whose connection is ${way} is told at once what is watched, and later that nothing is`, async (t) => {
    const server = new HandServer({ name: 'n', era: 'new', lists: listing('x://one', 'x://two') });
    const board = await start(t, [server]);
    const old = await TestClient.old(board);
    await old.request('resources/subscribe', { uri: 'x://one' });
    const client = await TestClient.new(board);
    const stream = client.listen({ resourceSubscriptions: ['x://two'] });
    await until(() => stream.heard.length > 0);
    const both = { resourceSubscriptions: ['x://one', 'x://two'] };
    t.deepEqual(server.filters.splice(0).at(-1), both);
    await restart(board, server);
    await until(() => server.filters.length > 0);
    await ready(board);
    t.deepEqual(server.filters, [both]);
    for (const uri of ['x://one', 'x://two'])
      server.events
        .at(-1)
        ?.notification({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
    t.like(old.heard.at(-1), { params: { uri: 'x://one' } });
    t.like(stream.heard.at(-1), { params: { uri: 'x://two' } });
    stream.leave();
    await old.request('resources/unsubscribe', { uri: 'x://one' });
    t.deepEqual(server.filters.at(-1), {});
  });

test('a connection with a process of its own is told what is watched when it is opened again', async (t) => {
  const server = new HandServer({ name: 'n', era: 'new', separate: true, lists: listing('x://one') });
  const board = await start(t, [server]);
  const client = await TestClient.old(board);
  await client.request('resources/subscribe', { uri: 'x://one' });
  t.is(server.events.length, 2);
  const watched = { resourceSubscriptions: ['x://one'] };
  t.deepEqual(server.filters.splice(0), [watched, watched], 'the catalogue’s connection and the caller’s');
  server.events[1]?.closed(new Error('it fell over'));
  await client.request('resources/read', { uri: 'x://one' });
  t.is(server.events.length, 3);
  t.deepEqual(server.filters.splice(0), [watched]);
  await client.request('resources/unsubscribe', { uri: 'x://one' });
  t.deepEqual(server.filters, [{}, {}]);
});

const updated = (uri: string) =>
  ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }) as const;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const [way, restart] of Object.entries({
  'lost and opened again': async (board, server) => {
    server.events[0]?.closed(new Error('it fell over'));
    await until(() => board.servers()[0]?.state === 'failed');
  },
  'stopped and started again': async (board) => {
    await board.stopServer('s');
    board.startServer('s');
  },
} satisfies Record<string, (board: BoardApi, server: HandServer) => unknown>))
  test(`an old-era server whose shared connection is ${way} is asked again for what is watched, once`, async (t) => {
    const server = new HandServer({ name: 's', isolation: 'shared', lists: listing('x://one', 'x://two', 'x://left') });
    const board = await start(t, [server]);
    const [alice, bob] = [await TestClient.old(board), await TestClient.old(board)];
    for (const client of [alice, bob]) await client.request('resources/subscribe', { uri: 'x://one' });
    await alice.request('resources/subscribe', { uri: 'x://left' });
    const stream = (await TestClient.new(board)).listen({ resourceSubscriptions: ['x://two'] });
    await until(() => stream.heard.length > 0);
    server.calls.length = 0;
    await restart(board, server);
    await alice.request('resources/unsubscribe', { uri: 'x://left' });
    await until(() => server.uris('resources/subscribe').length === 2);
    t.deepEqual(server.uris('resources/subscribe'), ['x://one', 'x://two']);
    // What has changed meanwhile nobody knows.
    await until(() => bob.heard.length > 0 && stream.heard.length > 1);
    t.deepEqual([alice.heard, bob.heard, stream.heard.length], [[updated('x://one')], [updated('x://one')], 2]);
    for (const uri of ['x://one', 'x://two', 'x://left']) server.events.at(-1)?.notification(updated(uri));
    t.deepEqual([alice.heard.length, bob.heard.length, stream.heard.length], [2, 2, 3]);
    t.like(stream.heard[2], { params: { uri: 'x://two' } });
    await board.close(alice.session, 'done');
    t.deepEqual(server.uris('resources/unsubscribe'), []);
    await board.close(bob.session, 'done');
    stream.leave();
    t.deepEqual(server.uris('resources/unsubscribe'), ['x://one', 'x://two']);
    t.is(server.events.length, 2);
  });

for (const isolation of ['task', 'session'] as const)
  for (const era of ['old', 'new'] as const)
    test(`${isolation}, ${era} era: a connection of its own is brought back while somebody watches there, and no longer`, async (t) => {
      const server = new HandServer({ name: 's', isolation, lists: listing('x://one') });
      const board = await start(t, [server]);
      const client = await TestClient[era](board);
      const stream = era === 'new' ? client.listen({ resourceSubscriptions: ['x://one'] }) : undefined;
      if (era === 'old') await client.request('resources/subscribe', { uri: 'x://one' });
      else await until(() => (stream?.heard.length ?? 0) > 0);
      const heard = () =>
        (stream ?? client).heard.filter((each) => 'method' in each && each.method.endsWith('/updated'));
      t.is(server.events.length, 2);
      server.events[1]?.closed(new Error('it fell over'));
      await until(() => heard().length === 1);
      t.is(server.events.length, 3);
      t.deepEqual(server.uris('resources/subscribe'), ['x://one', 'x://one']);
      server.events[2]?.notification(updated('x://one'));
      t.is(heard().length, 2);
      // A call does not wait for the next attempt, and brings back what is watched.
      server.events[2]?.closed(new Error('it fell over'));
      await client.request('resources/read', { uri: 'x://one' });
      await until(() => heard().length === 3, 400);
      await pause(700);
      t.is(server.events.length, 4);
      t.is(server.uris('resources/subscribe').length, 3);
      stream?.leave();
      if (era === 'old') await client.request('resources/unsubscribe', { uri: 'x://one' });
      t.is(server.uris('resources/unsubscribe').length, 1);
      server.events[3]?.closed(new Error('it fell over'));
      await pause(700);
      t.is(server.events.length, 4);
    });

test('a connection that cannot be opened again is tried less and less often; what a server refuses then stays watched', async (t) => {
  const server = new HandServer({ name: 's', lists: listing('x://one') });
  const { host, board, lines } = await startHost([server.plugin]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  await client.request('resources/subscribe', { uri: 'x://one' });
  const tried: number[] = [];
  server.opening = () => {
    tried.push(Date.now());
    return tried.length < 3 ? Promise.reject(new Error('no memory')) : Promise.resolve();
  };
  server.answer = () => Answer.error(-32600, 'not now');
  server.events[1]?.closed(new Error('it fell over'));
  await until(() => server.events.length === 3 && server.uris('resources/subscribe').length === 2);
  const [first = 0, second = 0, third = 0] = tried;
  t.true(second - first > 400 && third - second > 900, String(tried.map((each) => each - first)));
  await until(() =>
    lines.some((line) => line.includes('"s" tells no more of 1 resources that are watched: x://one: not now')),
  );
  t.is(lines.filter((line) => line.includes('"s" cannot be asked to tell again')).length, 1);
  t.deepEqual(client.heard, []);
  server.answer = () => Answer.result({});
  server.events[2]?.closed(new Error('it fell over'));
  await until(() => client.heard.length === 1);
});

for (const isolation of ['shared', 'task'] as const)
  test(`${isolation}: a server that dies of being asked is asked a few times and then left alone`, async (t) => {
    const server = new HandServer({ name: 's', isolation, lists: listing('x://one', 'x://fatal') });
    const board = await start(t, [server]);
    const client = await TestClient.old(board);
    await client.request('resources/subscribe', { uri: 'x://fatal' });
    server.answer = (call) => {
      if (call.method !== 'resources/subscribe') return Answer.result({ contents: [] });
      const { events } = server;
      setImmediate(() => {
        call.fail(new CallFailure('gone', 'it died of it'));
        events.at(-1)?.closed(new Error('it died of it'));
      });
      return undefined;
    };
    server.events.at(-1)?.closed(new Error('it fell over'));
    const asked = () => server.uris('resources/subscribe').length - 1;
    await until(() => asked() === 3);
    await pause(3500);
    t.is(asked(), 3);
    await until(() => board.servers()[0]?.state === 'ready');
    t.deepEqual((await client.request('resources/read', { uri: 'x://one' })).response.result, { contents: [] });
    t.is(asked(), 3);
  });
