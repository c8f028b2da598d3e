// Both eras of clients in front of servers: lists, questions to the client, progress, logs, subscriptions. Servers are the SDK's own, v1 and v2.
import { McpServer as ServerV1, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer as ServerV2 } from '@modelcontextprotocol/server';
import test from 'ava';
import * as zod from 'zod';
import { definePlugin, mcpServer } from '../src/index.ts';
import type { JsonObject, Plugin } from '../src/index.ts';
import { startHost, TestClient, until } from './support.ts';

function plugin(name: string, create: () => never): Plugin {
  return definePlugin({
    id: name,
    apiVersion: 1,
    apply: ({ servers }) => servers.register(mcpServer({ name, isolation: 'task', create })),
  });
}

/** A v1 server that asks its client things. */
function asking(): ServerV1 {
  const server = new ServerV1(
    { name: 'asking', version: '1.0.0' },
    { capabilities: { logging: {}, resources: { subscribe: true } }, instructions: 'Ask first.' },
  );
  server.registerTool('ask_name', { description: 'asks', inputSchema: {} }, async () => {
    const answer = await server.server.elicitInput({
      message: 'Name?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
    });
    return { content: [{ type: 'text', text: `Hello ${JSON.stringify(answer.content)}` }] };
  });
  server.registerTool(
    'work',
    { description: 'reports', inputSchema: { steps: zod.number() } },
    async ({ steps }, { _meta, sendNotification }) => {
      for (let step = 1; step <= steps; step += 1) {
        if (_meta?.progressToken !== undefined) {
          await sendNotification({
            method: 'notifications/progress',
            params: { progressToken: _meta.progressToken, progress: step, total: steps },
          });
        }
      }
      await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'done' } });
      return { content: [{ type: 'text', text: 'worked' }], structuredContent: { steps } };
    },
  );
  server.registerResource('note', 'note://one', {}, (uri) => ({ contents: [{ uri: uri.href, text: 'first' }] }));
  server.registerResource(
    'notes',
    new ResourceTemplate('note://{id}', { list: undefined, complete: { id: () => ['one', 'two'] } }),
    {},
    (uri, { id }) => ({
      contents: [{ uri: uri.href, text: String(id) }],
    }),
  );
  server.registerPrompt('greet', { argsSchema: { who: zod.string() } }, ({ who }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Greet ${who}` } }],
  }));
  return server;
}

function sdkV2(): ServerV2 {
  const server = new ServerV2({ name: 'second', version: '2.0.0' });
  server.registerTool(
    'add',
    { description: 'adds', inputSchema: zod.object({ a: zod.number(), b: zod.number() }) },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  );
  return server;
}

async function start(t: { teardown(done: () => unknown): void }) {
  const started = await startHost([plugin('v1', asking as never), plugin('v2', sdkV2 as never)]);
  t.teardown(() => started.host.stop());
  await until(() => started.board.servers().every(({ state }) => state === 'ready'));
  return started;
}

const asks = { elicitation: { form: {} } };

test('an old client is asked on the stream of its call', async (t) => {
  const { board } = await start(t);
  const client = await TestClient.old(board, board.defaultGrant, asks);
  client.onAsked = () => ({ action: 'accept', content: { name: 'Ada' } });
  const { response, stream } = await client.request('tools/call', { name: 'v1_ask_name', arguments: {} });
  t.like(response.result, { content: [{ text: 'Hello {"name":"Ada"}' }] });
  t.is((stream[0] as { method?: string }).method, 'elicitation/create');
});

test('a new client is asked by input_required and goes on by its state; a forged state is refused', async (t) => {
  const { board } = await start(t);
  const client = await TestClient.new(board, board.defaultGrant);
  client.capabilities = asks;
  const call = { name: 'v1_ask_name', arguments: {} };
  const { response } = await client.request('tools/call', call);
  const { resultType, inputRequests, requestState } = response.result as {
    resultType: string;
    inputRequests: Record<string, JsonObject>;
    requestState: string;
  };
  t.is(resultType, 'input_required');
  const [key, question] = Object.entries(inputRequests)[0] ?? ['', {}];
  t.is(question['method'], 'elicitation/create');
  const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada' } } };
  for (const forged of [`${requestState}x`, `x${requestState}`, `${requestState.split('.')[0]}.AAAA`]) {
    t.is(
      (await client.request('tools/call', { ...call, inputResponses, requestState: forged })).response.error?.code,
      -32602,
    );
  }
  const second = await client.request('tools/call', { ...call, inputResponses, requestState });
  t.like(second.response.result, { resultType: 'complete', content: [{ text: 'Hello {"name":"Ada"}' }] });
  t.is(
    (await client.request('tools/call', { ...call, inputResponses, requestState })).response.error?.code,
    -32602,
    'a state was used twice',
  );
});

test('progress comes with the client’s own token and logs as far as wanted, in both eras', async (t) => {
  const { board } = await start(t);
  const old = await TestClient.old(board);
  const params = { name: 'v1_work', arguments: { steps: 3 }, _meta: { progressToken: 'mine' } };
  const { response, stream } = await old.request('tools/call', params);
  t.like(response.result, { structuredContent: { steps: 3 } });
  const progress = stream.filter((message) => (message as { method?: string }).method === 'notifications/progress');
  t.deepEqual(
    progress.map((message) => (message as { params: JsonObject }).params['progressToken']),
    ['mine', 'mine', 'mine'],
  );
  t.is(stream.length, 4, 'the log message is missing');
  t.is((await old.request('logging/setLevel', { level: 'error' })).response.error, undefined);
  t.is((await old.request('tools/call', params)).stream.length, 3, 'a log message below the level came through');
  const young = await TestClient.new(board);
  t.is((await young.request('tools/call', params)).stream.length, 3, 'a log message came that nobody asked for');
});

test('lists, prompts, resources and completions reach their server under exposed names', async (t) => {
  const { board } = await start(t);
  for (const client of [await TestClient.old(board), await TestClient.new(board)]) {
    t.deepEqual(await client.toolNames(), ['v1_ask_name', 'v1_work', 'v2_add']);
    t.like((await client.request('tools/call', { name: 'v2_add', arguments: { a: 1, b: 2 } })).response.result, {
      content: [{ text: '3' }],
    });
    t.like((await client.request('prompts/get', { name: 'v1_greet', arguments: { who: 'Ada' } })).response.result, {
      messages: [{ content: { text: 'Greet Ada' } }],
    });
    t.like((await client.request('resources/read', { uri: 'note://one' })).response.result, {
      contents: [{ text: 'first' }],
    });
    t.like((await client.request('resources/read', { uri: 'note://seven' })).response.result, {
      contents: [{ text: 'seven' }],
    });
    const ref = { type: 'ref/resource', uri: 'note://{id}' };
    t.like(
      (await client.request('completion/complete', { ref, argument: { name: 'id', value: '' } })).response.result,
      { completion: { values: ['one', 'two'] } },
    );
    const code = (await client.request('resources/read', { uri: 'other://x' })).response.error?.code;
    t.is(code, client.session.era === 'old' ? -32002 : -32602);
  }
});

test('results carry what their era wants and nothing of the other', async (t) => {
  const { board } = await start(t);
  const old = await TestClient.old(board);
  const young = await TestClient.new(board);
  for (const method of ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']) {
    t.like(
      (await young.request(method)).response.result,
      { resultType: 'complete', ttlMs: 0, cacheScope: 'private' },
      method,
    );
    t.deepEqual(Object.keys((await old.request(method)).response.result ?? {}).length, 1, method);
  }
  t.deepEqual((await old.request('ping')).response.result, {});
  for (const method of ['ping', 'logging/setLevel', 'resources/subscribe', 'initialize'])
    t.is((await young.request(method)).response.error?.code, -32601, method);
  t.like((await young.request('server/discover')).response.result, {
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true } },
  });
  t.is((await old.request('server/discover')).response.error?.code, -32601);
});

test('one server’s endpoint shows its own names, instructions and nothing else', async (t) => {
  const { board } = await start(t);
  const client = await TestClient.old(board, board.defaultGrant, {}, 'v2');
  t.deepEqual(await client.toolNames(), ['add']);
  t.like((await client.request('tools/call', { name: 'add', arguments: { a: 2, b: 2 } })).response.result, {
    content: [{ text: '4' }],
  });
  for (const name of ['v1_work', 'work', 'v2_add'])
    t.is((await client.request('tools/call', { name, arguments: {} })).response.error?.code, -32602, name);
});
