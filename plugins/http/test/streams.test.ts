// Event streams of the old era: the standing stream, resumption after a broken connection, bounds, slow readers, keep-alives.
import test from 'ava';
import { Answer } from 'plugboard';
import type { RpcNotification } from 'plugboard';
import type { HandledRequest } from '@plugboard/test-kit/stand';
import { until } from '@plugboard/test-kit/stand';
import { connectionsOf, OldClient, rawPost, type Reply, start } from './harness.ts';

const note = (n: number, filler = ''): RpcNotification => ({
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: { n, filler },
});

async function numbers(stream: Reply, count: number): Promise<unknown[]> {
  const found: unknown[] = [];
  while (found.length < count) {
    const event = await stream.next();
    if (event === undefined) break;
    found.push((event.message['params'] as { n: number } | undefined)?.n ?? event.message.id);
  }
  return found;
}

/** A call that has a stream: its first event was read. */
async function streaming(
  client: OldClient,
  id: number,
  take: () => Promise<HandledRequest>,
): Promise<{ call: HandledRequest; stream: Reply; first: string }> {
  const pending = client.request(id, 'tools/call');
  const call = await take();
  call.reply.notify(note(0));
  const stream = await pending;
  const event = await stream.next();
  return { call, stream, first: String(event?.id) };
}

test('messages that belong to no request wait for the standing stream; the newest stream wins', async (t) => {
  const { port, board, service } = await start(t);
  const client = await OldClient.open(port);
  const session = [...board.sessions.values()][0];
  session?.send(note(1));
  session?.send(note(2));
  const first = await client.get();
  t.is(first.status, 200);
  t.is(first.headers['content-type'], 'text/event-stream');
  t.deepEqual(await numbers(first, 2), [1, 2]);
  session?.send(note(3));
  t.deepEqual(await numbers(first, 1), [3]);

  const second = await client.get();
  t.is(await first.next(), undefined);
  session?.send(note(4));
  t.deepEqual(await numbers(second, 1), [4]);
  // What was sent to nobody is sent to the next one, once.
  second.drop();
  await until('the connection is gone', async () => (await connectionsOf(service.server)) === 0);
  session?.send(note(5));
  const third = await client.get();
  t.deepEqual(await numbers(third, 1), [5]);
  session?.send(note(6));
  t.deepEqual(await numbers(third, 1), [6]);
  // The server may ask the client on this stream, too.
  const asked = session?.ask('roots/list', undefined);
  const question = await third.next();
  t.is(question?.message['method'], 'roots/list');
  await client.post({ jsonrpc: '2.0', id: question?.message.id, result: { roots: [] } });
  t.like(await asked, { result: { roots: [] } });
});

test('a standing stream is resumed from an event, with that stream’s events only', async (t) => {
  const { port, board } = await start(t);
  const client = await OldClient.open(port);
  const session = [...board.sessions.values()][0];
  const stream = await client.get();
  session?.send(note(1));
  const event = await stream.next();
  const call = await streaming(client, 9, () => board.take());
  session?.send(note(2));
  session?.send(note(3));
  t.deepEqual(await numbers(stream, 2), [2, 3]);
  stream.drop();
  const resumed = await client.get(event?.id);
  t.deepEqual(await numbers(resumed, 2), [2, 3]);
  session?.send(note(4));
  t.deepEqual(await numbers(resumed, 1), [4]);
  call.call.reply.answer(Answer.result({}));
  t.deepEqual(await numbers(call.stream, 2), [9]);
  for (const id of ['77-1', 'x', '0', '1-', '-1', '1-999', '__proto__', '999999999999-1']) {
    const unknown = await client.get(id);
    t.is(unknown.status, 400, id);
    t.like(await unknown.json(), { error: { code: -32600 } });
  }
});

test('a call whose connection breaks goes on and its answer is fetched by resuming', async (t) => {
  const { port, board, service } = await start(t);
  const client = await OldClient.open(port);
  const { call, stream, first } = await streaming(client, 1, () => board.take());
  stream.drop();
  await until('the connection is gone', async () => (await connectionsOf(service.server)) === 0);
  call.reply.notify(note(1));
  // Resumed while it runs …
  const resumed = await client.get(first);
  t.deepEqual(await numbers(resumed, 1), [1]);
  call.reply.notify(note(2));
  t.deepEqual(await numbers(resumed, 1), [2]);
  resumed.drop();
  await until('the connection is gone', async () => (await connectionsOf(service.server)) === 0);
  call.reply.notify(note(3));
  call.reply.answer(Answer.result({ done: true }));
  // … and after its end, as often as one likes, from any place.
  for (const count of [4, 4]) t.deepEqual(await numbers(await client.get(first), count + 1), [1, 2, 3, 1]);
  const last = await client.get('1-3');
  t.deepEqual(await numbers(last, 2), [3, 1]);
  t.is(call.cancelled, undefined);
});

test('a call that nobody comes back for is cancelled after the grace time', async (t) => {
  const { port, board, service } = await start(t, { grace: 2000 });
  const client = await OldClient.open(port);
  const headers = client.headers();
  const silent = rawPost(port, { jsonrpc: '2.0', id: 1, method: 'tools/call' }, headers);
  const plain = await board.take();
  silent.destroy();
  const { call, stream, first } = await streaming(client, 2, () => board.take());
  stream.drop();
  await until('the connections are gone', async () => (await connectionsOf(service.server)) === 0);
  t.is(plain.cancelled, undefined);
  t.is(call.cancelled, undefined);
  // A server's question on a broken connection that cannot be resumed is answered for the client.
  const asked = plain.session.ask('roots/list', undefined, plain.reply);
  t.truthy((await asked).error);
  await until('both are cancelled', () => plain.cancelled !== undefined && call.cancelled !== undefined);
  t.regex(String(call.cancelled), /gone/);
  const resumed = await client.get(first);
  t.like((await resumed.next())?.message, { id: 2, error: { code: -32600 } });
  t.is(await resumed.next(), undefined);
  // Its id is free again.
  t.is((await client.request(1, 'test/echo')).status, 200);
});

test('clients of 2025-11-25 are primed for resumption, older ones are not', async (t) => {
  const { port, board } = await start(t, { retry: 432 });
  for (const [version, primed] of [
    ['2025-11-25', true],
    ['2025-06-18', false],
    ['2024-11-05', false],
  ] as const) {
    const client = await OldClient.open(port, { version });
    const pending = client.request(1, 'tools/call');
    const call = await board.take();
    call.reply.notify(note(1));
    const stream = await pending;
    const block = await stream.block();
    if (primed) t.is(block, 'id: 1-0\nretry: 432\ndata: ');
    else t.regex(String(block), /^event: message\nid: 1-1\ndata: \{/);
    // A stream can be resumed from its priming event alone.
    stream.drop();
    call.reply.answer(Answer.result({}));
    if (primed) t.deepEqual(await numbers(await client.get('1-0'), 3), [1, 1]);
  }
});

test('a silent call becomes a stream that is kept alive', async (t) => {
  const { port, board } = await start(t, { streamAfter: 40, keepAlive: 20 });
  const client = await OldClient.open(port);
  const pending = client.request(1, 'tools/call');
  const call = await board.take();
  const stream = await pending;
  t.is(stream.headers['content-type'], 'text/event-stream');
  t.regex(String(await stream.block()), /^id: 1-0/);
  for (let n = 0; n < 3; n += 1) t.is(await stream.block(), ': keep-alive');
  call.reply.answer(Answer.result({}));
  t.like((await stream.next())?.message, { id: 1, result: {} });
  t.is(await stream.next(), undefined);
  const standing = await client.get();
  t.regex(String(await standing.block()), /^id: 0-0/);
  for (let n = 0; n < 3; n += 1) t.is(await standing.block(), ': keep-alive');
});

test('kept events are bounded by number and bytes, and a lost question is answered', async (t) => {
  const { port, board } = await start(t, { maxEvents: 5, maxEventBytes: 2000 });
  const client = await OldClient.open(port);
  const session = [...board.sessions.values()][0];
  const asked = session?.ask('roots/list', undefined);
  for (let n = 1; n <= 8; n += 1) session?.send(note(n));
  t.truthy((await asked)?.error);
  const stream = await client.get();
  t.deepEqual(await numbers(stream, 5), [4, 5, 6, 7, 8]);

  const { call, stream: post, first } = await streaming(client, 1, () => board.take());
  for (let n = 1; n <= 3; n += 1) call.reply.notify(note(n, 'x'.repeat(600)));
  call.reply.answer(Answer.result({ filler: 'y'.repeat(600) }));
  t.deepEqual(await numbers(post, 5), [1, 2, 3, 1]);
  const gap = await client.get(first);
  t.is(gap.status, 400);
  t.deepEqual(await numbers(await client.get('1-3'), 3), [3, 1]);

  // An answer that cannot be kept says so to whoever comes for it later.
  const large = await streaming(client, 2, () => board.take());
  large.stream.drop();
  large.call.reply.answer(Answer.result({ filler: 'z'.repeat(5000) }));
  const late = await client.get(large.first);
  t.like((await late.next())?.message, { id: 2, error: { code: -32000 } });
  const whole = await streaming(client, 3, () => board.take());
  whole.call.reply.answer(Answer.result({ filler: 'z'.repeat(5000) }));
  t.like((await whole.stream.next())?.message, { id: 3, result: { filler: 'z'.repeat(5000) } });
});

test('a reader that is too slow is disconnected and gets the rest by resuming', async (t) => {
  const { port, board, service } = await start(t, {
    maxQueuedBytes: 20_000,
    maxEventBytes: 50_000_000,
    maxEvents: 2000,
    retry: 1,
  });
  const client = await OldClient.open(port);
  const other = await OldClient.open(port);
  const socket = rawPost(port, { jsonrpc: '2.0', id: 1, method: 'tools/call' }, client.headers());
  socket.pause();
  const call = await board.take();
  let sent = 0;
  await until('the slow reader is disconnected', async () => {
    for (let n = 0; n < 20; n += 1) call.reply.notify(note((sent += 1), 'x'.repeat(20_000)));
    return (await connectionsOf(service.server)) === 0;
  });
  t.is((await other.request(1, 'test/echo')).status, 200);
  call.reply.answer(Answer.result({}));
  const found: unknown[] = [];
  let place = '1-0';
  while (found.at(-1) !== 'answer') {
    const resumed = await client.get(place);
    t.is(resumed.status, 200);
    for (let event = await resumed.next(); event !== undefined; event = await resumed.next()) {
      place = String(event.id);
      found.push((event.message['params'] as { n: number } | undefined)?.n ?? 'answer');
    }
  }
  t.deepEqual(found, [...Array.from({ length: sent }, (_, n) => n + 1), 'answer']);
});
