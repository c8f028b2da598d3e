// Questions that a server takes back, or that end with it or with their call: told to the client that was asked, where it can be told; late answers go nowhere.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { definePlugin, mcpServer } from '../src/index.ts';
import type { JsonObject, OpenRequestHandle, RequestId, RpcMessage, RpcResponse } from '../src/index.ts';
import { startHost, TestClient, until } from './support.ts';
import type { Exchanged } from './support.ts';

/** A server of the old era in the proxy's process, written message by message: the test says what its tool `one` leads to. */
class RawServer {
  /** What it was told, by connection, the newest last: calls of its tool, answers to its questions, notifications. */
  readonly heard: RpcMessage[] = [];
  #send: (message: JsonObject) => void = () => {};
  /** Ends its newest connection, as a server that dies. */
  die: () => void = () => {};

  readonly plugin = definePlugin({
    id: 'raw',
    apiVersion: 1,
    apply: ({ servers }) =>
      servers.register(mcpServer({ name: 'raw', isolation: 'task', create: () => ({ connect: this.#connect }) })),
  });

  /** Ids of the calls of its tool. */
  get calls(): RequestId[] {
    return this.heard.flatMap((each) =>
      'method' in each && each.method === 'tools/call' && 'id' in each ? each.id : [],
    );
  }

  /** Answers to questions of its own. */
  get answers(): RpcMessage[] {
    return this.heard.filter((each) => !('method' in each));
  }

  /** Says something on its newest connection. */
  say(...messages: JsonObject[]): void {
    for (const message of messages) this.#send({ jsonrpc: '2.0', ...message });
  }

  ask(id: RequestId, message = 'Sure?'): void {
    this.say({ id, method: 'elicitation/create', params: { message, requestedSchema: { type: 'object' } } });
  }

  takeBack(requestId: RequestId, reason?: string): void {
    this.say({
      method: 'notifications/cancelled',
      params: reason === undefined ? { requestId } : { requestId, reason },
    });
  }

  /** Ends the newest call of its tool. */
  finish(text: string): void {
    this.say({ id: this.calls.at(-1), result: { content: [{ type: 'text', text }] } });
  }

  readonly #connect = async (transport: {
    onmessage?: (message: never) => void;
    send(message: unknown): Promise<void>;
    close(): Promise<void>;
  }): Promise<void> => {
    const send = (message: JsonObject) => void transport.send(message);
    transport.onmessage = (message: { id?: RequestId; method?: string }) => {
      const { id, method = '' } = message;
      const results: JsonObject = {
        initialize: {
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'raw', version: '1' },
        },
        'tools/list': { tools: [{ name: 'one', inputSchema: { type: 'object' } }] },
      };
      if (results[method] !== undefined) send({ jsonrpc: '2.0', id, result: results[method] });
      else {
        this.#send = send;
        this.die = () => void transport.close();
        this.heard.push(message as RpcMessage);
      }
    };
  };
}

const call = (client: TestClient, more: JsonObject = {}): Promise<Exchanged> =>
  client.request('tools/call', { name: 'raw_one', arguments: {}, ...more });

const elicitation = { elicitation: {} };

async function start(t: ExecutionContext, config: JsonObject = {}) {
  const server = new RawServer();
  const { host, board, lines } = await startHost([server.plugin], config);
  t.teardown(() => host.stop());
  await until(() => board.servers()[0]?.state === 'ready');
  return { server, board, faults: () => lines.filter((line) => /^(?:error|warn)/.test(line)) };
}

/** An old-era client that answers nothing by itself: what it was asked and told. */
async function silentClient(board: Awaited<ReturnType<typeof start>>['board']) {
  const client = await TestClient.old(board, board.defaultGrant, elicitation);
  const told: RpcMessage[] = [];
  const answers: RpcResponse[] = [];
  const own: RpcMessage[] = [];
  client.session.outlet = (message) => void own.push(message);
  const begin = (id: RequestId): OpenRequestHandle =>
    board.handle(
      client.session,
      { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'raw_one', arguments: {} } },
      {
        answer: (answer) => void answers.push(JSON.parse(answer.encode(id).toString()) as RpcResponse),
        notify: (message) => void told.push(message),
        ask: (message) => void told.push(message),
      },
    );
  const answer = (id: unknown) =>
    board.deliver(client.session, { jsonrpc: '2.0', id: id as number, result: { action: 'accept', content: {} } });
  const asked = (messages: RpcMessage[]) =>
    messages.flatMap((each) =>
      'method' in each && each.method === 'elicitation/create' && 'id' in each ? each.id : [],
    );
  return { session: client.session, begin, answer, asked, told, answers, own };
}

/** What a client is told of a question that nobody waits for any more. */
const taken = (requestId: unknown, reason: string) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId, reason },
});

/** A call of the client, and a question of its server while it runs. */
async function askDuringCall(server: RawServer, client: Awaited<ReturnType<typeof silentClient>>, question: RequestId) {
  client.begin('call');
  await until(() => server.calls.length === 1);
  server.ask(question);
  await until(() => client.told.length === 1);
}

test('the client is told under its own id and on the stream where it was asked, and its late answer goes nowhere', async (t) => {
  const { server, board, faults } = await start(t);
  const client = await silentClient(board);
  client.begin('call');
  await until(() => server.calls.length === 1);
  server.ask('kept');
  server.ask('q');
  await until(() => client.told.length === 2);
  const [kept, id] = client.asked(client.told);
  server.takeBack('q', 'found it');
  await until(() => client.told.length === 3);
  t.like(client.told[2], taken(id, 'found it'));
  client.answer(id);
  client.answer(kept);
  await until(() => server.answers.length > 0);
  server.takeBack('q', 'again');
  server.takeBack('kept', 'too late');
  server.finish('done');
  await until(() => client.answers.length === 1);
  t.like(client.answers[0], { id: 'call', result: { content: [{ text: 'done' }] } });
  t.deepEqual(server.answers, [{ jsonrpc: '2.0', result: { action: 'accept', content: {} }, id: 'kept' }]);
  t.is(client.told.length, 3);
  t.deepEqual(client.own, []);
  t.deepEqual(faults(), []);
});

test('a question that outlives its call, or never had one, is taken back outside of any', async (t) => {
  const { server, board } = await start(t);
  const client = await silentClient(board);
  await askDuringCall(server, client, 1);
  server.finish('done');
  await until(() => client.answers.length === 1);
  server.ask(2);
  await until(() => client.own.length === 1);
  server.takeBack(1, 'no more');
  server.takeBack(2);
  await until(() => client.own.length === 3);
  t.deepEqual(
    client.own.slice(1).map((each) => 'params' in each && each.params),
    [
      { requestId: client.asked(client.told)[0], reason: 'no more' },
      { requestId: client.asked(client.own)[0], reason: 'the server does not ask any more' },
    ],
  );
  for (const id of [...client.asked(client.told), ...client.asked(client.own)]) client.answer(id);
  await new Promise(setImmediate);
  t.deepEqual(server.answers, []);
});

test('what a server has asked is taken back when it dies, on the call’s stream and outside of any', async (t) => {
  const { server, board } = await start(t);
  const client = await silentClient(board);
  await askDuringCall(server, client, 1);
  server.finish('done');
  await until(() => client.answers.length === 1);
  server.ask(2);
  await until(() => client.own.length === 1);
  client.begin('second');
  await until(() => server.calls.length === 2);
  server.ask(3);
  await until(() => client.told.length === 2);
  server.die();
  await until(() => client.answers.length === 2);
  const why = client.answers[1]?.error?.message ?? '';
  t.regex(why, /^server "raw" stopped while it was answering/);
  const [first, third] = client.asked(client.told);
  t.deepEqual(client.told.slice(2), [taken(third, why)] as unknown as RpcMessage[]);
  const [second] = client.asked(client.own);
  t.deepEqual(client.own.slice(1), [taken(first, why), taken(second, why)] as unknown as RpcMessage[]);
  for (const id of [first, second, third]) client.answer(id);
  await new Promise(setImmediate);
  t.deepEqual(server.answers, []);
});

test('a call that ends at the hard time limit takes its question back, and the server hears that it did', async (t) => {
  const { server, board } = await start(t, { limits: { callTimeout: 200, maxCallTimeout: 200 } });
  const client = await silentClient(board);
  await askDuringCall(server, client, 'q');
  await until(() => client.answers.length === 1);
  const why = 'no answer to tools/call within the time limit (the hard limit)';
  const [id] = client.asked(client.told);
  t.deepEqual(client.told.slice(1), [taken(id, why)] as unknown as RpcMessage[]);
  client.answer(id);
  await until(() => server.answers.length > 0);
  t.like(server.answers, [{ id: 'q', error: { message: `the question was taken back: ${why}` } }]);
  t.is(server.answers.length, 1);
});

test('a call that the client cancels takes its question back outside of it; a client that leaves is told nothing', async (t) => {
  const { server, board, faults } = await start(t);
  for (const way of ['cancel', 'leave']) {
    const client = await silentClient(board);
    const request = client.begin('call');
    const calls = server.calls.length + 1;
    await until(() => server.calls.length === calls);
    server.ask(way);
    await until(() => client.told.length === 1);
    const [id] = client.asked(client.told);
    if (way === 'cancel') request.cancel('enough');
    else await board.close(client.session, 'left');
    t.deepEqual(
      client.own,
      way === 'leave' ? [] : ([taken(id, 'the request was taken back')] as unknown as RpcMessage[]),
    );
    t.is(client.told.length, 1, 'something is sent on a stream that is over');
    client.answer(id);
  }
  await until(() => server.answers.some((each) => 'id' in each && each.id === 'cancel'));
  t.is(server.answers.filter((each) => 'id' in each && each.id === 'cancel').length, 1);
  t.deepEqual(faults(), []);
});

test('the time limit of a call runs again when its question was taken back', async (t) => {
  const { server, board } = await start(t, { limits: { callTimeout: 200 } });
  const client = await silentClient(board);
  await askDuringCall(server, client, 'q');
  server.takeBack('q');
  await until(() => client.answers.length === 1);
  t.regex(client.answers[0]?.error?.message ?? '', /within the time limit/);
});

test('new era: a retry continues the call; the answer to what was taken back is dropped, the other one is delivered', async (t) => {
  const { server, board } = await start(t);
  const client = await TestClient.new(board);
  client.capabilities = elicitation;
  const first = call(client);
  await until(() => server.calls.length === 1);
  server.ask('q', 'first');
  server.ask('r', 'second');
  const { inputRequests, requestState } = (await first).response.result as {
    inputRequests: JsonObject;
    requestState: string;
  };
  const keys = Object.keys(inputRequests);
  t.is(keys.length, 2);
  server.takeBack('q', 'found it');
  const accept = { action: 'accept', content: {} };
  const second = call(client, { requestState, inputResponses: Object.fromEntries(keys.map((key) => [key, accept])) });
  await until(() => server.answers.length > 0);
  server.finish('done');
  t.like((await second).response, { result: { content: [{ text: 'done' }] } });
  t.deepEqual(server.answers, [{ jsonrpc: '2.0', result: accept, id: 'r' }]);
  t.is(server.calls.length, 1);
});

test('new era: a question that is taken back is not asked again, and its call ends for the retry that comes', async (t) => {
  const { server, board } = await start(t);
  const client = await TestClient.new(board);
  client.capabilities = elicitation;
  const first = call(client);
  await until(() => server.calls.length === 1);
  server.ask('q');
  const { requestState } = (await first).response.result as { requestState: string };
  server.takeBack('q');
  // It answers nothing: what nobody asks any more is not asked again.
  const second = call(client, { requestState, inputResponses: {} });
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.finish('done without');
  t.like((await second).response, { result: { content: [{ text: 'done without' }] } });
  t.deepEqual(server.answers, []);
});

test('new era: what is taken back before the client was asked is never asked', async (t) => {
  const { server, board } = await start(t);
  const client = await TestClient.new(board);
  client.capabilities = elicitation;
  const only = call(client);
  await until(() => server.calls.length === 1);
  server.ask('q');
  server.takeBack('q');
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.finish('done at once');
  t.like((await only).response, { result: { content: [{ text: 'done at once' }] } });
  t.deepEqual(server.answers, []);
});
