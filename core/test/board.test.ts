// The laws of the board, through the door that transports use: the list is the lock, answers find their callers, faults stay where they are.
import test from 'ava';
import fc from 'fast-check';
import { Answer, Denied, definePlugin, z } from '../src/index.ts';
import type { Grant, JsonObject, Plugin, RpcResponse, ToolEntry, ToolResult } from '../src/index.ts';
import { echoServer, HandServer, ready, startHost, TestClient, until } from './support.ts';

const toolNames = ['read', 'write', 'delete_all', 'list-items', 'list_items', 'a.b/c'];

/** A plugin that filters and renames by a table, as a policy plugin would. */
function reshaping(index: number, hide: readonly string[], rename: Readonly<Record<string, string>>): Plugin {
  const step = (['guard', 'early', 'normal', 'late', 'last'] as const)[index % 5] ?? 'normal';
  return definePlugin({
    id: `reshape-${index}`,
    apiVersion: 1,
    apply: ({ hooks }) =>
      hooks.on(
        'onListTools',
        (list) =>
          list
            .filter(({ tool }) => !hide.includes(tool))
            .map((entry) => ({ ...entry, name: rename[entry.tool] ?? entry.name })),
        step,
      ),
  });
}

const layer = fc.record({
  hide: fc.subarray(toolNames),
  rename: fc.dictionary(
    fc.constantFrom(...toolNames),
    fc.oneof(fc.constantFrom('same', 'fs_read', 'x'.repeat(80), 'git_write'), fc.string()),
  ),
});
const rules = fc.record({
  allow: fc.subarray(['*', 'fs:*', 'git:read', 'git:list*', 'fs:delete_all', 'nothing:here', 'fs_read']),
  deny: fc.subarray(['fs:write', '*:delete_all', 'git:*']),
});

test('a tool is callable exactly when it is listed, under any stack of filters and renames', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(layer, { maxLength: 4 }), rules, async (layers, tools) => {
      const plugins = layers.map(({ hide, rename }, index) => reshaping(index, hide, rename));
      const { host, board } = await startHost([echoServer('fs', toolNames), echoServer('git', toolNames), ...plugins], {
        tools,
      });
      try {
        await ready(board);
        for (const client of [await TestClient.old(board), await TestClient.new(board)]) {
          const listed = await client.toolNames();
          t.is(new Set(listed).size, listed.length, 'a name is listed twice');
          for (const name of listed) {
            t.true(
              `mcp__plugboard__${name}`.length <= 64 && /^[\w-]+$/.test(name),
              `the name ${name} does not fit clients`,
            );
            t.truthy(await client.echo(name), `${name} is listed and not callable`);
          }
          const guesses = ['fs', 'git'].flatMap((server) =>
            toolNames.flatMap((tool) => [
              `${server}_${tool}`,
              tool,
              `${server}:${tool}`,
              `mcp__plugboard__${server}_${tool}`,
            ]),
          );
          for (const name of [...guesses, '__proto__', 'constructor', '']) {
            if (!listed.includes(name)) t.is(await client.echo(name), undefined, `${name} is callable and not listed`);
          }
        }
      } finally {
        await host.stop();
      }
    }),
    { numRuns: 40 },
  );
});

test('an unlisted tool and a tool that does not exist get the same answer', async (t) => {
  const { host, board } = await startHost([echoServer('fs', ['read', 'write'])], { tools: { allow: ['fs:read'] } });
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  const hidden = await client.request('tools/call', { name: 'fs_write', arguments: {} });
  const missing = await client.request('tools/call', { name: 'fs_wrote', arguments: {} });
  t.is(hidden.response.error?.code, -32602);
  t.is(hidden.response.error?.message.replace('fs_write', 'fs_wrote'), missing.response.error?.message);
});

test('concurrent calls get their own answers, with ids and progress tokens of any kind', async (t) => {
  const { host, board } = await startHost([echoServer('fs', ['read', 'write']), echoServer('git', ['read'])]);
  t.teardown(() => host.stop());
  await ready(board);
  const id = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(id, { minLength: 1, maxLength: 30, selector: (value) => JSON.stringify(value) }),
      fc.constantFrom('old', 'new'),
      async (ids, era) => {
        const client = era === 'old' ? await TestClient.old(board) : await TestClient.new(board);
        await Promise.all(
          ids.map(async (each, index) => {
            const params = {
              name: index % 2 === 0 ? 'fs_read' : 'git_read',
              arguments: { mine: each, index },
              _meta: { progressToken: each },
            };
            const { response } = await client.request('tools/call', params, each);
            t.is(JSON.stringify(response.id), JSON.stringify(each));
            const [content] = (response.result?.['content'] ?? []) as { text: string }[];
            const echoed = JSON.parse(content?.text ?? '{}') as { args: unknown; server: string };
            t.deepEqual(echoed.args, JSON.parse(JSON.stringify({ mine: each, index })));
            t.is(echoed.server, index % 2 === 0 ? 'fs' : 'git');
          }),
        );
      },
    ),
    { numRuns: 50 },
  );
});

test('a request with the id of an open one is refused, and the open one is answered', async (t) => {
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const slow = definePlugin({
    id: 'slow',
    apiVersion: 1,
    apply: ({ hooks }) => hooks.on('onCallTool', () => gate),
  });
  const { host, board } = await startHost([echoServer('fs', ['read']), slow]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  const first = client.request('tools/call', { name: 'fs_read', arguments: {} }, 'same');
  const second = await client.request('tools/list', {}, 'same');
  t.is(second.response.error?.code, -32600);
  open();
  t.truthy((await first).response.result);
});

test('a result is frozen for plugins: it is changed by returning another one, at once or later', async (t) => {
  const ways: Readonly<Record<string, (result: ToolResult) => ToolResult | Promise<ToolResult>>> = {
    keep: (result) => result,
    replace: (result) => ({ ...result, content: [{ type: 'text', text: 'replaced' }] }),
    later: async (result) => ({ ...result, content: [{ type: 'text', text: 'later' }] }),
    mutate: (result) => {
      result.content.push({ type: 'text', text: 'smuggled' });
      return result;
    },
  };
  const shaping = definePlugin({
    id: 'shaping',
    apiVersion: 1,
    apply: ({ hooks }) => hooks.on('onToolResult', (result, { tool }) => ways[tool]?.(result) ?? result),
  });
  const { host, board } = await startHost([echoServer('fs', Object.keys(ways)), shaping]);
  t.teardown(() => host.stop());
  await ready(board);
  for (const client of [await TestClient.old(board), await TestClient.new(board)]) {
    const call = async (tool: string) => (await client.request('tools/call', { name: `fs_${tool}` })).response;
    t.regex(JSON.stringify((await call('keep')).result), /\\"tool\\":\\"keep\\"/);
    t.like((await call('replace')).result, { content: [{ text: 'replaced' }] });
    t.like((await call('later')).result, { content: [{ text: 'later' }] });
    t.regex((await call('mutate')).error?.message ?? '', /plugin "shaping" failed in onToolResult.*not extensible/);
  }
});

test('a plugin that fails is named, refuses what it guards, and leaves other hooks and sessions alone', async (t) => {
  const faulty = definePlugin({
    id: 'faulty',
    apiVersion: 1,
    apply: ({ hooks }) => {
      hooks.on('onCallTool', (call) => {
        if (call.tool === 'throw') throw new Error('cannot decide');
        if (call.tool === 'reject') return Promise.reject(new Error('cannot decide later'));
        if (call.tool === 'deny') throw new Denied('not on Sundays');
        return undefined;
      });
      hooks.on('onCallSettled', () => {
        throw new Error('settle failed');
      });
    },
  });
  const records: string[] = [];
  const audit = definePlugin({
    id: 'audit',
    apiVersion: 1,
    apply: ({ hooks }) =>
      hooks.on('onCallSettled', ({ call, outcome }) => void records.push(`${call.tool} ${outcome}`)),
  });
  const { host, board, lines } = await startHost([echoServer('s', ['throw', 'reject', 'deny', 'fine']), faulty, audit]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  for (const tool of ['throw', 'reject']) {
    const { response } = await client.request('tools/call', { name: `s_${tool}`, arguments: {} });
    t.is(response.error?.code, -32603);
    t.regex(response.error?.message ?? '', /plugin "faulty" failed in onCallTool during the call of s_/);
  }
  const denied = await client.request('tools/call', { name: 's_deny', arguments: {} });
  t.like(denied.response.result, { isError: true, content: [{ text: 'not on Sundays' }] });
  t.truthy(await client.echo('s_fine'));
  await until(() => records.length === 4);
  t.deepEqual(records, ['throw failed', 'reject failed', 'deny refused', 'fine ok']);
  t.true(lines.some((line) => line.includes('plugin "faulty" failed in onCallSettled')));
});

test('a list whose filter fails is refused, not shown unfiltered', async (t) => {
  const broken = definePlugin({
    id: 'broken',
    apiVersion: 1,
    apply: ({ hooks }) =>
      hooks.on('onListTools', () => {
        throw new Error('no policy file');
      }),
  });
  const { host, board } = await startHost([echoServer('fs', ['read']), broken]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  const { response } = await client.request('tools/list');
  t.regex(response.error?.message ?? '', /plugin "broken" failed in onListTools/);
  t.is(await client.echo('fs_read'), undefined);
});

test('a hook cannot add a tool that the rules did not select', async (t) => {
  const forge = definePlugin({
    id: 'forge',
    apiVersion: 1,
    apply: ({ hooks }) =>
      hooks.on(
        'onListTools',
        (list) => [...list, ...list.map((entry): ToolEntry => ({ ...entry, tool: 'write', name: 'fs_forged' }))],
        'last',
      ),
  });
  const { host, board } = await startHost([echoServer('fs', ['read', 'write']), forge], {
    tools: { allow: ['fs:read'] },
  });
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  t.deepEqual(await client.toolNames(), ['fs_read']);
  t.is(await client.echo('fs_forged'), undefined);
});

test('a change of plugins swaps generations: sessions stay, calls in flight end, whoever sees a difference is told', async (t) => {
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const stopped: string[] = [];
  const slow = definePlugin({
    id: 'slow',
    apiVersion: 1,
    apply: ({ hooks }) => {
      hooks.on('onCallTool', () => gate);
      return () => void stopped.push('slow');
    },
  });
  const hide = definePlugin({
    id: 'hide',
    apiVersion: 1,
    options: z.strictObject({ tool: z.string() }),
    apply: ({ hooks }, { tool }) => hooks.on('onListTools', (list) => list.filter((entry) => entry.tool !== tool)),
  });
  const fs = echoServer('fs', ['read', 'write']);
  const { host, board, configure } = await startHost([fs, slow]);
  t.teardown(() => host.stop());
  await ready(board);
  const [old, young] = [await TestClient.old(board), await TestClient.new(board)];
  t.deepEqual(await old.toolNames(), ['fs_read', 'fs_write']);
  t.deepEqual(await young.toolNames(), ['fs_read', 'fs_write']);
  const heard: string[] = [];
  board.handle(
    young.session,
    {
      jsonrpc: '2.0',
      id: 'listen',
      method: 'subscriptions/listen',
      params: { notifications: { toolsListChanged: true } },
    },
    {
      answer: () => {},
      ask: () => {},
      notify: (message) =>
        void heard.push(
          `${message.method} ${String((message.params?.['_meta'] as never)?.['io.modelcontextprotocol/subscriptionId'])}`,
        ),
    },
    { protocolVersion: '2026-07-28', capabilities: {}, clientInfo: undefined, logLevel: undefined },
  );
  const inFlight = old.echo('fs_read');
  await configure([fs, [hide, { tool: 'write' }]]);
  t.deepEqual(stopped, ['slow']);
  t.is(await old.echo('fs_write'), undefined);
  await until(() => heard.length === 2 && old.heard.length > 0);
  t.deepEqual(await old.toolNames(), ['fs_read']);
  t.deepEqual(heard, ['notifications/subscriptions/acknowledged listen', 'notifications/tools/list_changed listen']);
  t.deepEqual(old.heard, [{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
  open();
  t.truthy(await inFlight);
  await t.throwsAsync(configure([fs, [hide, { tol: 'write' }]]), {
    message: /plugins\.hide: unknown key "tol" \(known: tool/,
  });
  t.deepEqual(await old.toolNames(), ['fs_read'], 'a broken configuration changed something');
});

test('rules of grants change live; a removed grant sees nothing', async (t) => {
  const fs = echoServer('fs', ['read', 'write']);
  const token = 'alice-secret-token-1';
  const withRules = (allow: string[]) => ({ grants: { alice: { token, tools: { allow } } } });
  const { host, board, configure } = await startHost([fs], withRules(['fs:read']));
  t.teardown(() => host.stop());
  await ready(board);
  const alice = await board.authenticate({ kind: 'bearer', token }, { transport: 'test' });
  const client = await TestClient.old(board, alice);
  const anonymous = await TestClient.old(board, await board.authenticate({ kind: 'none' }, { transport: 'test' }));
  t.deepEqual(await client.toolNames(), ['fs_read']);
  t.deepEqual(await anonymous.toolNames(), [], 'callers without a credential see tools although grants are configured');
  t.throws(() => board.authenticate({ kind: 'bearer', token: 'wrong-secret-token-1' }, { transport: 'test' }), {
    name: 'Unauthorized',
  });
  await configure([fs], withRules(['fs:*']));
  await until(() => client.heard.length === 1);
  t.deepEqual(await client.toolNames(), ['fs_read', 'fs_write']);
  t.deepEqual(anonymous.heard, []);
  await configure([fs], {});
  t.deepEqual(await client.toolNames(), []);
  t.is(await client.echo('fs_read'), undefined);
});

test('grants have connections of their own where a server is isolated by task', async (t) => {
  const grants = {
    alice: { token: 'alice-secret-token-1', tools: { allow: ['*'] } },
    bob: { token: 'bob-secret-token-001', tools: { allow: ['*'] } },
  };
  const { host, board } = await startHost(
    [echoServer('own', ['who']), echoServer('common', ['who'], 'shared'), echoServer('each', ['who'], 'session')],
    { grants },
  );
  t.teardown(() => host.stop());
  await ready(board);
  const leases = async (name: string) => {
    const client = await TestClient.old(board, board.grants.get(name));
    return Promise.all(['own_who', 'each_who'].map(async (tool) => (await client.echo(tool))?.lease));
  };
  const [[ownA, eachA], [ownA2, eachA2], [ownB]] = [await leases('alice'), await leases('alice'), await leases('bob')];
  t.is(ownA, ownA2);
  t.not(ownA, ownB);
  t.not(eachA, eachA2);
  const client = await TestClient.old(board, board.grants.get('alice'));
  t.is((await client.echo('common_who'))?.lease, 'catalogue');
});

test('an answer that cannot be written as JSON is answered with an error, in every form', async (t) => {
  const lists = { 'tools/list': { tools: [{ name: 'deep', inputSchema: { type: 'object' } }] } };
  const server = new HandServer({ name: 's', lists });
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown;
  const circular: JsonObject = { content: [] };
  circular['self'] = circular;
  const { host, board } = await startHost([server.plugin]);
  t.teardown(() => host.stop());
  await ready(board);
  for (const result of [{ content: [], deep }, circular, { content: [], big: 1n }]) {
    server.answer = () => Answer.result(result);
    for (const client of [await TestClient.old(board), await TestClient.new(board)]) {
      const { response } = await client.request('tools/call', { name: 's_deep', arguments: {} }, 7);
      t.like(response, { id: 7, error: { code: -32603 } });
      t.regex(response.error?.message ?? '', /^The answer cannot be written as JSON: /);
    }
    const answer = Answer.result(result);
    t.is(answer.binary('id'), answer.encode('id').toString());
    t.is(Buffer.concat(answer.pieces(1)).toString(), answer.encode(1).toString());
    t.is((JSON.parse(answer.encode(undefined).toString()) as RpcResponse).id, null as never);
  }
});

test('a transport that throws while it is answered is reported, and nobody else notices', async (t) => {
  const { host, board, lines } = await startHost([echoServer('fs', ['read'])]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board);
  const answer = () => {
    throw new Error('the socket is gone');
  };
  const params = { name: 'fs_read', arguments: {} };
  board.handle(
    client.session,
    { jsonrpc: '2.0', id: 'lost', method: 'tools/call', params },
    { answer, notify: () => {}, ask: () => {} },
  );
  await until(() => lines.some((line) => line.includes('the socket is gone')));
  t.truthy(await client.echo('fs_read'));
});

test('a caller is told of the extensions of the servers that it may use, and of no others', async (t) => {
  const extensions = (name: string) => ({ extensions: { [`com.example/${name}`]: { tenant: name } } });
  const servers = ['a', 'b'].map((name) => new HandServer({ name, capabilities: extensions(name) }).plugin);
  const grants = {
    alice: { token: 'alice-secret-token-1', tools: { allow: ['a'] } },
    both: { token: 'both-secret-token-01', tools: { allow: ['*'] } },
  };
  const { host, board } = await startHost(servers, { grants });
  t.teardown(() => host.stop());
  await ready(board);
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const told = async (grant: Grant) => {
    const { result } = await board.open({ transport: 'test', grant, server: undefined, params });
    const discovered = await (await TestClient.new(board, grant)).request('server/discover');
    const answers = [result, discovered.response.result] as { capabilities: { extensions?: object } }[];
    return answers.map(({ capabilities }) => Object.keys(capabilities.extensions ?? {}));
  };
  t.deepEqual(await told(board.grants.get('alice') as Grant), [['com.example/a'], ['com.example/a']]);
  t.deepEqual(await told(board.grants.get('both') as Grant), [
    ['com.example/a', 'com.example/b'],
    ['com.example/a', 'com.example/b'],
  ]);
  t.deepEqual(await told(board.defaultGrant), [[], []]);
});
