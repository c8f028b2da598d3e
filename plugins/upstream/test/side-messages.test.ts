// What servers say beside their answers: whose it is, on a connection of one grant and on one that several share; and what is none of it.
import type { ServerResponse } from 'node:http';
import test from 'ava';
import { CallFailure } from 'plugboard';
import type { Connection, JsonObject, LeaseKey, RpcNotification, RpcRequest, UpstreamCall } from 'plugboard';
import { event, events, Scripted } from './scripted.ts';
import { child, Harness, send, textOf, tool, until } from './support.ts';

const faulty = { command: process.execPath, args: [child('faulty')] };
const shared: Partial<LeaseKey> = { kind: 'catalogue', grant: undefined };
const question = { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: { message: 'Whose?' } };
const note = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'Whose?' } };
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const empty = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[]}}';

/** A call that is still open when the test ends. */
function begin(connection: Connection, name: string, args: JsonObject, relay: Client): UpstreamCall {
  const call = send(connection, 'tools/call', { name, arguments: args }, { relay });
  call.answer.catch(() => {});
  return call;
}

/** A client that is asked and told things for one call. */
class Client {
  readonly asked: RpcRequest[] = [];
  readonly told: RpcNotification[] = [];
  readonly withdrawn: (AbortSignal | undefined)[] = [];
  /** True: it answers when it is released. */
  hold = false;
  release: () => void = () => {};
  readonly #released = new Promise<void>((resolve) => (this.release = resolve));

  notify(message: RpcNotification): void {
    this.told.push(message);
  }

  async ask(message: RpcRequest, withdrawn?: AbortSignal) {
    this.asked.push(message);
    this.withdrawn.push(withdrawn);
    if (this.hold) await this.#released;
    return { jsonrpc: '2.0' as const, result: { action: 'decline' } };
  }
}

test('stdio: what names no call goes to the only one that is open where all are of one grant, and to none where several share', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty } });
  const lines = [question, note].map((each) => JSON.stringify(each));
  const alone = await harness.connect('faulty');
  const client = new Client();
  begin(alone.connection, 'say', { lines }, client);
  await until('both', () => client.asked.length + client.told.length === 2);
  t.deepEqual([alone.told.requests, alone.told.notifications], [[], []]);
  const common = await harness.connect('faulty', shared);
  const other = new Client();
  // The call that a question belongs to may have been given up a moment ago: the one that is open is somebody else's.
  begin(common.connection, 'say', { lines }, other);
  await until('both', () => common.told.requests.length + common.told.notifications.length === 2);
  t.like(common.told.requests, [{ method: 'elicitation/create' }]);
  t.like(common.told.notifications, [{ method: 'notifications/message' }]);
  t.deepEqual([other.asked, other.told], [[], []]);
});

test('HTTP: a question on the stream of its call is for its client, one on the standing stream for nobody where several share', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  server.on['tools/call'] = ({ params, response }) => {
    const stream = params['name'] === 'own' ? events(response) : server.gets.at(-1)!.response;
    stream.write(event(question) + event(note));
  };
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s', shared);
  await until('the standing stream', () => server.gets.length === 1);
  const [own, other] = [new Client(), new Client()];
  const first = begin(connection, 'own', {}, own);
  await until('both', () => own.asked.length + own.told.length === 2);
  first.cancel({ kind: 'client', message: 'enough' });
  await t.throwsAsync(first.answer);
  begin(connection, 'standing', {}, other);
  await until('both', () => told.requests.length + told.notifications.length === 2);
  t.deepEqual([other.asked, other.told], [[], []]);
  const alone = await harness.connect('s');
  await until('the standing stream', () => server.gets.length === 2);
  begin(alone.connection, 'standing', {}, other);
  await until('the question', () => other.asked.length === 1);
});

for (const kind of ['stdio', 'HTTP'] as const)
  test(`${kind}: a question that the server takes back is taken back at whoever was asked, and not answered any more`, async (t) => {
    const server = await Scripted.start(t);
    server.get = (_request, response) => void events(response);
    const harness = await Harness.start(t, { servers: { stdio: faulty, HTTP: { url: server.url } } });
    const { connection, told } = await harness.connect(kind);
    const cancel = (requestId: string, reason: string) => ({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId, reason },
    });
    const heard = async () =>
      kind === 'stdio'
        ? textOf(await tool(connection, 'heard'))
        : JSON.stringify(server.posted.flatMap(({ method, id }) => (method === undefined ? [id] : [])));
    const say = (to: ServerResponse | undefined, ...messages: object[]) =>
      to === undefined
        ? begin(connection, 'say', { lines: messages.map((each) => JSON.stringify(each)) }, client)
        : to.write(messages.map((each) => event(each)).join(''));
    const client = new Client();
    client.hold = true;
    let stream: ServerResponse | undefined;
    server.on['tools/call'] = ({ response }) => void (stream = events(response));
    const call = begin(connection, 'hang', {}, client);
    if (kind === 'HTTP') await until('the stream', () => stream !== undefined && server.gets.length === 1);
    if (kind === 'stdio') call.cancel({ kind: 'client', message: 'one call only' });
    say(stream, question, { ...question, id: 'other' }, cancel('q', 'found it'), cancel('nothing', 'never asked'));
    await until('the signal', () => client.withdrawn[0]?.aborted === true);
    t.is(client.withdrawn[0]?.reason, 'found it');
    t.is(client.withdrawn[1]?.aborted, false);
    client.release();
    await until('the other answer', async () => (await heard()) === '["other"]');
    t.deepEqual([told.requests, told.notifications, client.told], [[], [], []]);
  });

test('HTTP: a question of no call is taken back on the standing stream', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { told } = await harness.connect('s');
  told.answer = () => new Promise(() => {});
  await until('the standing stream', () => server.gets.length === 1);
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q' } };
  server.gets[0]!.response.write(event(question));
  await until('the question', () => told.requests.length === 1);
  t.false(told.withdrawn[0]?.aborted);
  server.gets[0]!.response.write(event(cancel));
  await until('its end', () => told.withdrawn[0]?.aborted === true);
  t.deepEqual(told.notifications, []);
});

test('HTTP: a question is taken back when its connection ends', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  const harness = await Harness.start(t, { servers: { s: { url: server.url } } });
  const { connection, told } = await harness.connect('s');
  told.answer = () => new Promise(() => {});
  await until('the standing stream', () => server.gets.length === 1);
  server.gets[0]!.response.write(event(question));
  await until('the question', () => told.requests.length === 1);
  await connection.close();
  t.true(told.withdrawn[0]?.aborted);
  t.is(told.withdrawn[0]?.reason, 'server "s" was stopped');
});

test('messages that nest without end: reported, and what follows is read', async (t) => {
  const server = await Scripted.start(t);
  server.get = (_request, response) => void events(response);
  const harness = await Harness.start(t, { servers: { faulty, s: { url: server.url } } });
  const { connection } = await harness.connect('faulty');
  const deep = [nested(50_000), `{"a":${nested(50_000)}}`, `{"id":"x","result":{"a":${nested(50_000)}}}`];
  for (const line of deep) t.deepEqual(await tool(connection, 'say', { lines: [line, empty] }), { content: [] });
  const remote = await harness.connect('s');
  await until('the standing stream', () => server.gets.length === 1);
  for (const each of deep) server.gets[0]!.response.write(`data: ${each}\n\n`);
  server.gets[0]!.response.write(event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
  await until('what follows', () => remote.told.notifications.length === 1);
  t.is(harness.messages('warn').filter((line) => /no(?:t a)? message of the protocol/.test(line)).length, 4);
});

test('a call that cannot be written fails at once, and nothing of it stays', async (t) => {
  const server = await Scripted.start(t);
  const harness = await Harness.start(t, { servers: { faulty, s: { url: server.url } } });
  const deep = JSON.parse(nested(50_000)) as unknown;
  const { connection } = await harness.connect('faulty');
  const call = send(connection, 'tools/call', { name: 'echo', arguments: { deep } });
  await t.throwsAsync(call.answer, { instanceOf: CallFailure, message: /tools\/call cannot be sent/ });
  t.is(textOf(await tool(connection, 'echo', { a: 1 })), '{"a":1}');
  // Others leave it to the core to catch what they throw; they must not keep the call.
  const remote = await harness.connect('s');
  t.throws(() => send(remote.connection, 'tools/call', { name: 'echo', arguments: { deep } }), {
    instanceOf: RangeError,
  });
  t.is(textOf(await tool(remote.connection, 'echo', { a: 1 })), '{"a":1}');
});
