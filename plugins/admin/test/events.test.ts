// The event stream: nothing lost, nothing twice, bounded in every direction; and what the proxy tells of itself.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject, Management } from 'plugboard';
import { begin, openSession, readEvents, serverOf, stand, viewer } from './harness.ts';
import type { Stand, StreamEvent } from './harness.ts';

async function open(api: Stand, lastId?: string, query = '') {
  const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId };
  return readEvents(await begin(api.url, 'GET', `/events${query}`, { token: viewer, headers }));
}

async function withEvents(t: ExecutionContext, admin: JsonObject = {}, beside?: Parameters<typeof stand>[1]) {
  const api = await stand(t, { admin, ...beside });
  const management = api.host.service<Management>('management');
  if (management === undefined) throw new Error('no service "management"');
  const publish = (number: number, type = 'thing.changed') =>
    management.publish({ type, subject: `thing ${number}`, data: { number } });
  return { api, publish };
}

const numberOf = (event: StreamEvent | undefined) => (event?.data['data'] as { number?: number } | undefined)?.number;

test('resume: connections break at random, and every event comes once, in order', async (t) => {
  const { api, publish } = await withEvents(t, { events: 5000 });
  const total = 3000;
  let published = 0;
  const first = await open(api);
  t.is(first.message.statusCode, 200);
  t.regex(String(first.message.headers['content-type']), /^text\/event-stream/);
  const publishing = (async () => {
    while (published < total) {
      for (let count = 0; count < 20 && published < total; count += 1) publish((published += 1));
      await sleep(1);
    }
  })();
  const got: number[] = [];
  let last: string | undefined;
  let connections = 0;
  let stream = first;
  while (got.length < total) {
    connections += 1;
    // Some break at once, before the first event; the id is there all the same.
    const most = connections % 3 === 0 ? 0 : 1 + ((connections * 37) % 150);
    if (most === 0) last = /^id: (.*)$/m.exec((await stream.block()) ?? '')?.[1] ?? last;
    for (let count = 0; count < most && got.length < total; count += 1) {
      const event = await stream.next();
      t.not(event?.event, 'reset');
      got.push(numberOf(event) ?? -1);
      last = event?.id;
    }
    stream.drop();
    if (got.length < total) stream = await open(api, last);
  }
  await publishing;
  t.true(connections > 10, `${connections}`);
  t.deepEqual(
    got,
    Array.from({ length: total }, (_each, index) => index + 1),
  );
});

test('a place that is no longer kept, or of another process, is said by reset; types choose', async (t) => {
  const { api, publish } = await withEvents(t, { events: 10 });
  const early = await open(api);
  publish(1);
  const event = await early.next();
  t.like(event, { event: 'thing.changed', data: { type: 'thing.changed', subject: 'thing 1', data: { number: 1 } } });
  t.regex(String(event?.data['at']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  early.drop();
  for (let number = 2; number <= 11; number += 1) publish(number);
  const kept = await open(api, event?.id);
  for (let number = 2; number <= 11; number += 1) t.is(numberOf(await kept.next()), number);
  kept.drop();
  publish(12);
  for (const id of [
    event?.id,
    'abcdef-3',
    `${event?.id}999`,
    '-',
    'x'.repeat(1000),
    `${event?.id?.split('-')[0]}--1`,
  ]) {
    const late = await open(api, id);
    const reset = await late.next();
    t.is(reset?.event, 'reset', id);
    publish(13);
    t.is(numberOf(await late.next()), 13, 'it goes on with what happens from now on');
    late.drop();
    const again = await open(api, reset?.id);
    t.is(numberOf(await again.next()), 13, 'the id of reset is a place to go on from');
    again.drop();
  }
  const chosen = await open(api, undefined, '?types=task.*,server.changed');
  for (const type of ['task.changed', 'tasks', 'server.changed', 'server.changed.not', 'task.ended']) publish(0, type);
  const types = [await chosen.next(), await chosen.next(), await chosen.next()].map((each) => each?.event);
  t.deepEqual(types, ['task.changed', 'server.changed', 'task.ended']);
  chosen.drop();
  t.is((await api.ask('GET', '/events?types=a%20b', { token: viewer })).status, 400);
  t.is((await api.ask('GET', '/events', { token: undefined })).status, 401);
  const head = await api.ask('HEAD', '/events', { token: viewer });
  t.is(head.status, 200);
});

test('bounds: streams at a time, comments that keep alive, readers that take nothing; a stop ends all', async (t) => {
  const { api, publish } = await withEvents(t, { streams: 2, keepAlive: 20, stallTimeout: 60_000, events: 100 });
  const first = await open(api);
  const second = await open(api);
  const third = await api.ask('GET', '/events', { token: viewer });
  t.is(third.status, 503);
  t.like(third.body, { code: 'streams-exhausted' });
  t.truthy(third.headers['retry-after']);
  t.regex((await first.block()) ?? '', /^retry: \d+\nid: /);
  t.regex((await first.block()) ?? '', /^: alive/);
  first.drop();
  second.drop();
  const message = await until('a place is free again', async () => {
    const next = await begin(api.url, 'GET', '/events', { token: viewer });
    if (next.statusCode === 200) return next;
    next.resume();
    return undefined;
  });
  const reader = readEvents(message);

  // One that never reads: what it does not take is not piled up for it, and its place is free again.
  const lazy = await neverReads(api);
  let closed = false;
  lazy.on('close', () => (closed = true));
  const large = 'x'.repeat(10_000);
  const management = api.host.service<Management>('management');
  let seen = 0;
  const reading = (async () => {
    while ((await reader.next()) !== undefined) seen += 1;
  })();
  for (let count = 0; count < 2000; count += 1) {
    management?.publish({ type: 'large', subject: 'x', data: { large } });
    // The eager reader keeps up; the lazy one does not.
    if (count % 20 === 0) await until('the eager reader keeps up', () => seen >= count - 40);
  }
  await until('the eager reader has all', () => seen >= 2000);
  await until('the lazy one is closed', () =>
    api.log.some(({ message }) => message.includes('further behind than events are kept')),
  );
  lazy.resume();
  await until('its connection ends', () => closed);
  publish(1);
  await api.stop();
  await reading;
  t.is(seen, 2001);
});

test('a reader that takes nothing is closed though all it missed is still kept', async (t) => {
  const { api } = await withEvents(t, { events: 100_000, keepAlive: 20, stallTimeout: 100 });
  const lazy = await neverReads(api);
  const management = api.host.service<Management>('management');
  const data = { large: 'x'.repeat(10_000) };
  for (let count = 0; count < 2000; count += 1) management?.publish({ type: 'large', subject: 'x', data });
  const takesNothing = () => api.log.find(({ message }) => message.includes('its reader takes nothing'));
  t.truthy(await until('it is closed', takesNothing));
  lazy.destroy();
});

/** Opens a stream and reads no more than its beginning. */
async function neverReads({ url }: Stand): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${viewer}\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  return socket.pause();
}

test('a plugin that is switched off because it fails is told', async (t) => {
  const { api } = await withEvents(
    t,
    {},
    {
      beside: ({ hooks }) =>
        hooks.on('onSessionEnd', () => {
          throw new Error('it always fails');
        }),
    },
  );
  const stream = await open(api, undefined, '?types=plugin.failed');
  for (let count = 0; count < 50; count += 1) await api.ask('DELETE', `/sessions/${await openSession(api.host)}`);
  const event = await stream.next();
  t.like(event, { event: 'plugin.failed', data: { subject: 'beside' } });
  t.regex(JSON.stringify(event), /it always fails/);
  stream.drop();
});

test('what the proxy tells of itself: servers, sessions, calls without their arguments', async (t) => {
  const { api } = await withEvents(t, {}, { beside: ({ servers }) => void servers.register(serverOf('tools', 3)) });
  await until('the server is ready', () => api.host.board.servers()[0]?.state === 'ready');
  const stream = await open(api);
  const id = await openSession(api.host);
  t.like(await stream.next(), {
    event: 'session.started',
    data: { subject: id, data: { grant: 'default', era: 'old' } },
  });
  const session = api.host.board.sessions.get(id);
  if (session === undefined) throw new Error('no session');
  const call = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'tools_tool-0001', arguments: { secret: 'hunter2' } },
  } as const;
  await new Promise<void>((resolve) =>
    api.host.board.handle(session, call, { answer: () => resolve(), notify: () => {}, ask: () => {} }),
  );
  const settled = await stream.next();
  t.like(settled, {
    event: 'call.settled',
    data: {
      subject: 'tools:tool-0001',
      data: { grant: 'default', session: id, outcome: 'ok', name: 'tools_tool-0001' },
    },
  });
  t.false(JSON.stringify(settled).includes('hunter2'));
  t.is((await api.ask('DELETE', `/sessions/${id}`)).status, 204);
  t.like(await stream.next(), { event: 'session.ended', data: { subject: id } });
  t.is((await api.ask('POST', '/servers/tools/stop')).status, 200);
  const changes: StreamEvent[] = [];
  while ((changes.at(-1)?.data['data'] as JsonObject | undefined)?.['state'] !== 'stopped') {
    const event = await stream.next();
    if (event === undefined) throw new Error('the stream ended');
    changes.push(event);
  }
  t.true(changes.every(({ event, data }) => event === 'server.changed' && data['subject'] === 'tools'));
  stream.drop();
});
