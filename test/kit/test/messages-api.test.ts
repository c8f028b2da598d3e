// The stand-in for the Messages API, asked by hand as an agent would.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startMessagesApi } from '../src/index.ts';
import type { MessagesApi, MessagesApiOptions } from '../src/index.ts';

async function start(t: ExecutionContext, options: MessagesApiOptions): Promise<MessagesApi> {
  const api = await startMessagesApi(options);
  t.teardown(() => api.close());
  return api;
}

const tools = [{ name: 'look', input_schema: { type: 'object' } }, { name: 'mcp__plugboard__memory_read_graph' }];

async function ask(api: MessagesApi, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${api.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'a model', max_tokens: 10, ...body }),
  });
}

/** Puts the events of a stream together, as a client has to. */
function assemble(text: string): {
  types: string[];
  blocks: { type: string; text?: string; name?: string; id?: string; json: string }[];
  stop: string;
} {
  const events = [...text.matchAll(/^event: (.+)\ndata: (.+)$/gm)].map(([, type, data]) => ({
    name: type,
    ...JSON.parse(data ?? ''),
  }));
  const blocks: ReturnType<typeof assemble>['blocks'] = [];
  for (const { type, index, content_block, delta } of events) {
    if (type === 'content_block_start') blocks[index] = { ...content_block, json: '' };
    else if (type === 'content_block_delta') {
      const block = blocks[index];
      if (block === undefined) throw new Error('a delta of no block');
      if (delta.type === 'text_delta') block.text += delta.text;
      else block.json += delta.partial_json;
    }
  }
  return {
    types: events.map(({ type }) => type as string),
    blocks,
    stop: events.find(({ type }) => type === 'message_delta')?.delta.stop_reason,
  };
}

test('plays a turn with a tool as a stream of events, and records what it was asked', async (t) => {
  const api = await start(t, {
    script: async ({ toolResults }, index) => {
      await Promise.resolve();
      return index === 0
        ? [
            { type: 'text', text: 'I look.' },
            { type: 'tool_use', name: 'look', input: { at: 'ü"' } },
          ]
        : `saw ${toolResults[0]?.text}`;
    },
  });
  const messages: object[] = [{ role: 'user', content: 'look' }];
  const response = await ask(api, { stream: true, tools, messages });
  t.is(response.headers.get('content-type'), 'text/event-stream');
  const first = assemble(await response.text());
  const block = ['content_block_start', 'content_block_delta', 'content_block_stop'];
  t.deepEqual(first.types, ['message_start', ...block, ...block, 'message_delta', 'message_stop']);
  t.is(first.stop, 'tool_use');
  t.is(first.blocks[0]?.text, 'I look.');
  t.deepEqual([first.blocks[1]?.name, JSON.parse(first.blocks[1]?.json ?? '')], ['look', { at: 'ü"' }]);

  const id = first.blocks[1]?.id;
  messages.push({ role: 'assistant', content: [{ type: 'tool_use', id, name: 'look', input: {} }] });
  messages.push({
    role: 'user',
    content: [
      {
        type: 'tool_result',
        tool_use_id: id,
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        is_error: true,
      },
    ],
  });
  const second = assemble(await (await ask(api, { stream: true, tools: tools.slice(1), messages })).text());
  t.deepEqual([second.stop, second.blocks[0]?.text], ['end_turn', 'saw a\nb']);
  t.deepEqual(
    api.requests.map(({ toolNames }) => toolNames),
    [['look', 'mcp__plugboard__memory_read_graph'], ['mcp__plugboard__memory_read_graph']],
  );
  t.deepEqual(api.requests[0]?.toolResults, []);
  t.deepEqual(api.requests[1]?.toolResults, [{ id: String(id), text: 'a\nb', isError: true }]);
  t.is(api.requests[1]?.body.messages.length, 3);
});

test('answers without a stream, counts tokens, answers probes and asides, and tells what it does not know', async (t) => {
  const api = await start(t, { script: () => 'hello' });
  const answer = (await (await ask(api, { tools, messages: [{ role: 'user', content: 'x' }] })).json()) as {
    content: object[];
    stop_reason: string;
  };
  t.deepEqual([answer.content, answer.stop_reason], [[{ type: 'text', text: 'hello' }], 'end_turn']);

  const agent = { 'user-agent': 'claude-cli/2.1 (external)' };
  const title = (await (
    await ask(api, { messages: [{ role: 'user', content: 'a title, please' }] }, agent)
  ).json()) as { content: object[] };
  t.deepEqual(title.content, [{ type: 'text', text: 'ok' }]);
  t.deepEqual([api.requests.length, api.asides.length], [1, 1], 'the script does not see it');
  await ask(api, { messages: [{ role: 'user', content: 'without tools' }] });
  t.deepEqual([api.requests.length, api.asides.length], [2, 1], 'others may ask without tools');

  t.is((await fetch(api.url, { method: 'HEAD' })).status, 200);
  const counted = await fetch(`${api.url}/v1/messages/count_tokens?beta=true`, {
    method: 'POST',
    body: '{"messages": []}',
  });
  t.true(((await counted.json()) as { input_tokens: number }).input_tokens > 0);
  const missing = await fetch(`${api.url}/v1/models`);
  t.is(missing.status, 404);
  t.is(((await missing.json()) as { error: { type: string } }).error.type, 'not_found_error');
  t.deepEqual(api.unknown, ['GET /v1/models']);
  t.deepEqual(api.failures, []);
});

test('a script that throws is an error that says so, and closing ends what is open', async (t) => {
  let reached: () => void = () => {};
  const waiting = new Promise<void>((resolve) => (reached = resolve));
  const api = await startMessagesApi({
    script: (_request, index) => {
      if (index === 0) throw new Error('out of lines');
      reached();
      return new Promise(() => {});
    },
  });
  const response = await ask(api, { tools, messages: [] });
  t.is(response.status, 400);
  t.regex(await response.text(), /out of lines/);
  t.is((api.failures[0] as Error).message, 'out of lines');
  const open = ask(api, { tools, messages: [] });
  await waiting;
  await Promise.all([t.throwsAsync(open), api.close()]);
  await t.throwsAsync(fetch(api.url));
});
