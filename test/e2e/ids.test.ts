// Calls at the same time: every answer and every report of progress reaches the one who asked, with the very id and token that were sent, whatever
// they are; over both transports, in both eras, through servers over stdio and HTTP.
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { JsonObject } from 'plugboard';
import { httpUpstream } from './support/http-upstream.ts';
import { envelope, rawClient } from './support/raw-http.ts';
import type { Message } from './support/raw-http.ts';
import { proxyFor, scripted, stdioProxyFor } from './support/stand.ts';

fc.configureGlobal({ includeErrorInReport: true });

/** One of many calls at the same time. */
interface Call {
  readonly id: string | number;
  readonly token: string | number | undefined;
  readonly ms: number;
  readonly steps: number;
}

const idOrToken = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom<string | number>('', '1', 1, 0, '0', 'null', '__proto__', 'constructor', Number.MAX_SAFE_INTEGER),
);
const calls: fc.Arbitrary<Call[]> = fc
  .tuple(
    fc.uniqueArray(idOrToken, { minLength: 1, maxLength: 25, selector: (value) => JSON.stringify(value) }),
    fc.uniqueArray(idOrToken, { minLength: 25, maxLength: 25, selector: (value) => JSON.stringify(value) }),
    fc.infiniteStream(fc.tuple(fc.boolean(), fc.nat(12), fc.nat(3))),
  )
  .map(([ids, tokens, rest]) =>
    ids.map((id, index) => {
      const [wantsProgress, ms, steps] = rest.next().value;
      return { id, token: wantsProgress ? tokens[index] : undefined, ms, steps };
    }),
  );

function paramsOf({ id, token, ms, steps }: Call, tool: string): JsonObject {
  return {
    name: tool,
    arguments: { mine: id, ms, steps },
    ...(token !== undefined && { _meta: { progressToken: token } }),
  };
}

/** Throws unless these messages are exactly what the call must bring: its progress with its own token, in order, and its answer with its id. */
function judge(call: Call, messages: readonly Message[]): void {
  const params = paramsOf(call, 'any');
  const steps = call.token === undefined ? 0 : call.steps;
  const expected = Array.from({ length: steps }, (_, index) => [call.token, index + 1]);
  const reports = messages.filter(({ method }) => method === 'notifications/progress');
  const progress = reports.map(({ params }) => [
    (params as JsonObject)['progressToken'],
    (params as JsonObject)['progress'],
  ]);
  if (!isDeepStrictEqual(progress, expected))
    throw new Error(`progress ${JSON.stringify(progress)} of ${JSON.stringify(call)}`);
  const answers = messages.filter(({ method }) => method === undefined);
  const [content] = (answers[0]?.result?.['content'] ?? []) as { text: string }[];
  const right =
    answers.length === 1 && answers[0]?.id === call.id && content?.text === JSON.stringify(params['arguments']);
  if (!right) throw new Error(`answered with ${JSON.stringify(answers)}: ${JSON.stringify(call)}`);
}

/** True when a message on a shared channel is the answer to a call, or its progress. */
function belongs({ id, method, params }: Message, call: Call): boolean {
  return method === undefined
    ? id === call.id
    : call.token !== undefined && (params as JsonObject | undefined)?.['progressToken'] === call.token;
}

/** True for what a session of the old era hears unasked when a server comes up. */
function isListChange({ method }: Message, era: 'old' | 'new'): boolean {
  return era === 'old' && method?.endsWith('/list_changed') === true;
}

const targets = ['child', 'old', 'new'] as const;

/** Calls that report nothing go to the tool that answers at once: over HTTP as JSON, not as a stream. */
function toolOf({ steps }: Call, index: number): string {
  return `${targets[index % targets.length] ?? 'child'}_${steps === 0 ? 'echo' : 'wait'}`;
}

async function targetServers(t: ExecutionContext): Promise<JsonObject> {
  const [old, young] = await Promise.all([httpUpstream(t, 'old'), httpUpstream(t, 'new')]);
  return { child: { ...scripted(), isolation: 'shared' }, old: { url: old.url }, new: { url: young.url } };
}

test.serial(
  'HTTP: ids and progress tokens of any kind come back as they came, and answers are never swapped',
  async (t) => {
    const proxy = await proxyFor(t, { mcpServers: await targetServers(t) });
    await proxy.ready();
    const clients = await Promise.all([
      rawClient('old', proxy.url),
      rawClient('old', proxy.url),
      rawClient('new', proxy.url),
    ]);
    await fc.assert(
      // The same ids at the same time, in two sessions and without one, at three servers.
      fc.asyncProperty(calls, async (batch) => {
        await Promise.all(
          clients.flatMap((client, offset) =>
            batch.map(async (call, index) => {
              const params = paramsOf(call, toolOf(call, index + offset));
              judge(call, (await client.request('tools/call', params, call.id)).messages);
            }),
          ),
        );
      }),
      { numRuns: 60 },
    );
    t.true(proxy.running);
  },
);

for (const era of ['old', 'new'] as const) {
  test.serial(
    `stdio, ${era} era: ids and progress tokens of any kind come back as they came, and answers are never swapped`,
    async (t) => {
      t.timeout(180_000);
      const client = await stdioProxyFor(t, { mcpServers: await targetServers(t) });
      if (era === 'old') await client.initialize();
      for (const target of targets) await client.listed(`${target}_wait`, era);
      await fc.assert(
        fc.asyncProperty(calls, async (batch) => {
          client.received.length = 0;
          const answers = batch.map((call, index) => {
            const params = paramsOf(call, toolOf(call, index));
            const meta = { ...envelope(), ...(params['_meta'] as JsonObject | undefined) };
            return client.request('tools/call', era === 'old' ? params : { ...params, _meta: meta }, call.id);
          });
          await Promise.all(answers);
          for (const call of batch)
            judge(
              call,
              client.received.filter((message) => belongs(message, call)),
            );
          const strangers = client.received.filter(
            (message) => !batch.some((call) => belongs(message, call)) && !isListChange(message, era),
          );
          if (strangers.length > 0) throw new Error(`nobody asked for ${JSON.stringify(strangers)}`);
        }),
        { numRuns: 60 },
      );
      t.is(await client.end(), 0);
    },
  );
}

test.serial(
  'a server that writes more ids, or a method, into its answer reaches nobody but the call it answers',
  async (t) => {
    const upstreams = { old: await httpUpstream(t, 'old'), new: await httpUpstream(t, 'new') };
    const mcpServers = { old: { url: upstreams.old.url }, new: { url: upstreams.new.url } };
    const proxy = await proxyFor(t, { mcpServers });
    await proxy.ready();
    const result = '{"resultType":"complete","content":[{"type":"text","text":"mine"}]}';
    const bodies = [
      `{"jsonrpc":"2.0","id":ID,"result":${result},"id":99}`,
      `{"jsonrpc":"2.0","id":ID,"result":${result},"\\u0069d":99}`,
      `{"jsonrpc":"2.0","id":ID,"result":${result},"id":99,"x":{}}`,
      `{"result":${result},"id":99,"jsonrpc":"2.0","id":ID}`,
      `{"jsonrpc":"2.0","id":ID,"result":${result},"method":"sampling/createMessage","params":{}}`,
    ];
    for (const era of ['old', 'new'] as const) {
      const client = await rawClient(era, proxy.url);
      for (const target of ['old', 'new'] as const) {
        for (const body of bodies) {
          upstreams[target].fault = () => ({ body });
          const abort = new AbortController();
          const limit = setTimeout(() => abort.abort(), 1000);
          // What carries a wrong id answers nothing: then nothing comes, or an error with the right id.
          const sent = client.request('tools/call', { name: `${target}_echo`, arguments: {} }, 98, abort.signal);
          const messages = await sent.then(
            (reply) => reply.messages,
            () => [],
          );
          clearTimeout(limit);
          for (const message of messages) {
            const keys = Object.keys(message).filter((key) => key !== 'result' && key !== 'error');
            t.deepEqual([keys.toSorted(), message.id], [['id', 'jsonrpc'], 98], `${era} → ${target}: ${body}`);
          }
        }
      }
    }
  },
);
