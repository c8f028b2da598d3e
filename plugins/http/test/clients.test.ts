// The SDK's own clients of both generations against this transport: they must list, call, be asked, listen and resume without noticing anything.
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import test from 'ava';
import { Answer, metaOf } from 'plugboard';
import { until } from '@plugboard/test-kit/stand';
import { start } from './harness.ts';

const tools = [{ name: 'add', inputSchema: { type: 'object' } }];

test('the v1 client: list, progress, sampling, list_changed, a broken connection, the end', async (t) => {
  const { port, board, service } = await start(t, { retry: 20 });
  const client = new Client({ name: 'v1', version: '1.0.0' }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'hello' },
  }));
  let changed = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (changed += 1));
  const transport = new StreamableHTTPClientTransport(new URL(service.address().url));
  await client.connect(transport);
  t.teardown(() => client.close());

  const listing = client.listTools();
  (await board.take()).reply.answer(Answer.result({ tools }));
  t.deepEqual(
    (await listing).tools.map((tool) => tool.name),
    ['add'],
  );

  const progress: number[] = [];
  const calling = client.callTool({ name: 'add' }, undefined, {
    onprogress: (each) => void progress.push(each.progress),
  });
  const call = await board.take();
  const progressToken = metaOf(call.request.params)?.['progressToken'];
  const report = (n: number): void =>
    call.reply.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: n } });
  report(1);
  const sampled = await call.session.ask('sampling/createMessage', { messages: [], maxTokens: 1 }, call.reply);
  t.like(sampled, { result: { content: { text: 'hello' } } });
  await until('progress arrives', () => progress.length === 1);
  // All connections break; the client comes back by itself and finds what it missed.
  service.server.closeAllConnections();
  report(2);
  call.reply.answer(Answer.result({ content: [{ type: 'text', text: 'done' }] }));
  t.deepEqual((await calling).content, [{ type: 'text', text: 'done' }]);
  t.deepEqual(progress, [1, 2]);

  call.session.send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  await until('the change is told', () => changed === 1);
  await transport.terminateSession();
  await until('the session is closed', () => board.closed.length === 1);
  t.is(port, service.address().port);
});

test('the v2 client, in both eras', async (t) => {
  const { board, service } = await start(t);
  for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
    const client = new NewClient({ name: 'v2', version: '1.0.0' }, { versionNegotiation: { mode } });
    const connecting = client.connect(new NewTransport(new URL(service.address().url)));
    if (mode !== 'legacy') {
      const discover = await board.take();
      t.is(discover.request.method, 'server/discover');
      const hints = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
      discover.reply.answer(
        Answer.result({
          ...hints,
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          serverInfo: { name: 'f', version: '1' },
        }),
      );
    }
    await connecting;
    const listing = client.listTools();
    const list = await board.take();
    t.is(list.session.era, mode === 'legacy' ? 'old' : 'new');
    list.reply.answer(Answer.result({ resultType: 'complete', ttlMs: 0, cacheScope: 'private', tools }));
    t.deepEqual(
      (await listing).tools.map((tool) => tool.name),
      ['add'],
    );
    const calling = client.callTool({ name: 'add', arguments: {} });
    const call = await board.take();
    call.reply.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } });
    call.reply.answer(Answer.result({ resultType: 'complete', content: [{ type: 'text', text: 'three' }] }));
    t.deepEqual((await calling).content, [{ type: 'text', text: 'three' }]);
    await client.close();
  }
});
