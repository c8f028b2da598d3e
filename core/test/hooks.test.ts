// The laws of hooks: taps run one after the other in the order of their steps, whether they answer at once or later.
import test from 'ava';
import fc from 'fast-check';
import { Answer, Denied, definePlugin } from '../src/index.ts';
import type { Plugin, ToolResult } from '../src/index.ts';
import { findResponseId } from '../src/protocol/response-place.ts';
import { echoServer, HandServer, ready, startHost, TestClient, until } from './support.ts';

const steps = ['guard', 'early', 'normal', 'late', 'last'] as const;

/** What one plugin does at a call. */
interface Tap {
  hook: 'onCallTool' | 'onToolResult';
  step: (typeof steps)[number];
  later: boolean;
  act: 'pass' | 'null' | 'decide' | 'deny' | 'throw';
}

const tap: fc.Arbitrary<Tap> = fc.record({
  hook: fc.constantFrom('onCallTool', 'onToolResult'),
  step: fc.constantFrom(...steps),
  later: fc.boolean(),
  // Mostly such as let the call go on: the first that ends it hides all behind it.
  act: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('pass' as const, 'null' as const) },
    { weight: 3, arbitrary: fc.constant('decide' as const) },
    { weight: 1, arbitrary: fc.constantFrom('deny' as const, 'throw' as const) },
  ),
});

/** What `act` makes of `result`: for a judge there is none yet. */
function perform({ act }: Tap, index: number, result: ToolResult | undefined): ToolResult | undefined {
  if (act === 'deny') throw new Denied(`denied by ${index}`);
  if (act === 'throw') throw new Error(`broken in ${index}`);
  if (act === 'decide') return { content: [...(result?.content ?? []), { type: 'text', text: `by ${index}` }] };
  // Plugins in JavaScript return what they like.
  return act === 'null' ? (null as never) : undefined;
}

function tapping(one: Tap, index: number, entered: number[]): Plugin {
  const act = (result: ToolResult | undefined) => {
    entered.push(index);
    if (!one.later) return perform(one, index, result);
    return new Promise((resolve) => setImmediate(resolve)).then(() => perform(one, index, result));
  };
  return definePlugin({
    id: `tap-${index}`,
    apiVersion: 1,
    apply: ({ hooks }) => {
      if (one.hook === 'onCallTool') hooks.on('onCallTool', () => act(undefined), one.step);
      else hooks.on('onToolResult', (result) => act(result) as ToolResult, one.step);
    },
  });
}

/** The same said plainly: who is entered, and the texts that the client gets; undefined stands for what the server itself says. */
function expected(taps: readonly Tap[]): { entered: number[]; texts: (string | undefined)[] } {
  const order = taps.map((one, index) => ({ one, index }));
  order.sort((a, b) => steps.indexOf(a.one.step) - steps.indexOf(b.one.step) || a.index - b.index);
  const of = (hook: Tap['hook']) => order.filter(({ one }) => one.hook === hook);
  const entered: number[] = [];
  let texts: (string | undefined)[] | undefined;
  for (const { one, index } of of('onCallTool')) {
    entered.push(index);
    if (one.act === 'deny') return { entered, texts: [`denied by ${index}`] };
    if (one.act === 'throw') return { entered, texts: [`broken in ${index}`] };
    if (one.act === 'decide') texts = [`by ${index}`];
    if (texts !== undefined) break;
  }
  texts ??= [undefined];
  for (const { one, index } of of('onToolResult')) {
    entered.push(index);
    if (one.act === 'deny') return { entered, texts: [`denied by ${index}`] };
    if (one.act === 'throw') return { entered, texts: [`broken in ${index}`] };
    if (one.act === 'decide') texts = [...texts, `by ${index}`];
  }
  return { entered, texts };
}

test('any stack of taps, at once or later, decides as one after the other would', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(tap, { maxLength: 8 }), async (taps) => {
      const entered: number[] = [];
      const plugins = taps.map((one, index) => tapping(one, index, entered));
      const { host, board } = await startHost([echoServer('s', ['one']), ...plugins]);
      try {
        await ready(board);
        const client = await TestClient.old(board);
        const { response } = await client.request('tools/call', { name: 's_one', arguments: {} });
        const model = expected(taps);
        t.deepEqual(entered, model.entered);
        const { content } = (response.result ?? { content: [{ text: response.error?.message }] }) as ToolResult;
        t.is(content.length, model.texts.length);
        for (const [place, text] of model.texts.entries())
          t.true(JSON.stringify(content[place]).includes(text ?? 'one'), `says ${text ?? 'what the server said'}`);
      } finally {
        await host.stop();
      }
    }),
    { numRuns: 150 },
  );
});

test('a hook that does not exist is refused by name when a plugin taps it', async (t) => {
  const wrong = definePlugin({
    id: 'wrong',
    apiVersion: 1,
    apply: ({ hooks }) => hooks.on('onToolCall' as never, () => undefined as never),
  });
  const error = await t.throwsAsync(startHost([wrong]));
  t.regex(error?.message ?? '', /plugin "wrong".*there is no hook "onToolCall" \(there are: onAuthenticate, /s);
});

test('an answer that looks like JSON and is none is accounted for as a failure', async (t) => {
  const bytes = Buffer.from('{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":nonsense}}');
  const place = findResponseId(bytes);
  if (place === undefined) throw new Error('it is not passed on as bytes');
  const tools = [{ name: 'one', inputSchema: { type: 'object' } }];
  const server = new HandServer({ name: 'bad', lists: { 'tools/list': { tools } } });
  server.answer = () => Answer.relayed(bytes, place);
  const outcomes: string[] = [];
  const audit = definePlugin({
    id: 'audit',
    apiVersion: 1,
    apply: ({ hooks }) => hooks.on('onCallSettled', ({ outcome }) => void outcomes.push(outcome)),
  });
  const { host, board } = await startHost([server.plugin, audit]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  t.truthy((await client.request('tools/call', { name: 'bad_one', arguments: {} })).response.error);
  await until(() => outcomes.length === 1);
  t.deepEqual(outcomes, ['failed']);
});
