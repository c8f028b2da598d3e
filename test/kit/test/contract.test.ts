// The contract itself: does it find what is wrong, in plugins that break its rules on purpose, and nothing in one that keeps them? And the host for tests.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  checkCapabilities,
  checkPlugin,
  checkTools,
  fakeServer,
  pluginHost,
  until,
} from '@plugboard/test-kit/contract';
import type { Finding, PluginSubject } from '@plugboard/test-kit/contract';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { definePlugin, Denied, z } from 'plugboard';
import type { JsonObject } from 'plugboard';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

const manifest = {
  name: '@acme/plugboard-good',
  version: '1.0.0',
  license: 'MIT',
  type: 'module',
  engines: { node: '>=20.19' },
  exports: { '.': { types: './index.d.ts', default: './index.js' } },
  files: ['index.js', 'index.d.ts'],
  keywords: ['plugboard-plugin'],
  plugboard: { id: 'good', apiVersion: 1, capabilities: { hooks: ['onListTools'] } },
  peerDependencies: { plugboard: '^0.1.0' },
};

const good = `
import { definePlugin, localServer, localTool, z } from 'plugboard';
const greet = localTool({
  name: 'greet', title: 'Greet', description: 'Greets.', input: z.strictObject({}),
  annotations: { readOnlyHint: true }, run: () => ({ content: [] }),
});
export default definePlugin({
  id: 'good',
  apiVersion: 1,
  options: z.strictObject({ size: z.int().default(1) }),
  apply({ hooks, servers }) {
    hooks.on('onListTools', (tools) => tools.filter((tool) => tool.name !== 'none'));
    servers.register(localServer({ name: 'good', version: '1.0.0', isolation: 'shared', tools: [greet], open: () => ({}) }));
  },
});
`;

const readme = '# good\n\n## Options\n\n| option | meaning |\n|---|---|\n| `size` | how much |\n';

/** A package in a folder from which `plugboard` is found; removed with the test. */
async function packageFor(
  t: ExecutionContext,
  source: string,
  more: { manifest?: JsonObject; readme?: string } = {},
): Promise<string> {
  t.timeout(240_000);
  await mkdir(path.join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.cache', 'contract-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const files = {
    'package.json': JSON.stringify({ ...manifest, ...more.manifest }),
    'index.js': source,
    'index.d.ts': 'export {};\n',
    'README.md': more.readme ?? readme,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  return folder;
}

const packed = async () => ['package.json', 'README.md', 'index.js', 'index.d.ts'];

/** What is found in a plugin, as `rule: text`. */
async function findingsOf(subject: PluginSubject): Promise<string[]> {
  const findings: Finding[] = await checkPlugin({ packed, ...subject });
  return findings.map(({ rule, text }) => `${rule}: ${text}`).toSorted();
}

/** Each expectation fits exactly one finding, and none is left. */
function finds(t: ExecutionContext, findings: readonly string[], expected: readonly RegExp[]): void {
  for (const pattern of expected)
    t.is(findings.filter((each) => pattern.test(each)).length, 1, `${pattern}: ${findings.join('\n')}`);
  t.deepEqual(
    findings.filter((each) => !expected.some((pattern) => pattern.test(each))),
    [],
  );
}

test('a plugin that keeps the contract: nothing is found, npm itself says what is packed', async (t) => {
  const folder = await packageFor(t, good);
  t.deepEqual(await checkPlugin({ folder }), []);
});

test('a plugin that breaks every rule while it lives: each is found', async (t) => {
  const folder = await packageFor(
    t,
    `
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { definePlugin, z } from 'plugboard';
const tool = { name: 'no spaces', description: '', inputSchema: { type: 'object', properties: { a: { type: 'strnig' } } } };
const connection = {
  era: 'old',
  info: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'bad', version: '1' } },
  send: (call) => call.resolve(answer(call)), notify() {}, listen() {}, async close() {},
};
let answer;
export default definePlugin({
  id: 'good',
  apiVersion: 1,
  wants: ['store'],
  options: z.looseObject({ size: z.int().default(1) }),
  async apply({ hooks, servers, services, log, signal, board }) {
    const { Answer } = await import('plugboard');
    answer = () => Answer.result({ tools: [tool, tool] });
    hooks.on('onListResources', (list) => { list.push(...list); return list; });
    hooks.on('onListTools', (list) => list);
    hooks.on('onCallTool', (call) => { call.arguments.extra = 1; });
    hooks.on('onCallSettled', async (record) => { record.outcome = 'ok'; });
    servers.register({ name: 'bad', kind: 'in-process', isolation: 'shared', open: async () => connection });
    services.find('store');
    setInterval(() => {}, 1000);
    process.on('warning', () => {});
    createServer().listen(0, '127.0.0.1').unref();
    spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    globalThis.console = Object.create(globalThis.console);
    signal.addEventListener('abort', () => setTimeout(() => services.find('store'), 50));
  },
});
`,
    {
      manifest: {
        plugboard: {
          id: 'good',
          apiVersion: 1,
          capabilities: { hooks: ['onListTools', 'onSessionStart', 'onTypo'], colour: 'red', secrets: [] },
        },
      },
    },
  );
  finds(t, await findingsOf({ folder }), [
    /^options: it takes an option that it does not have/,
    /^capabilities: .*hooks: there is no hook "onTypo"/,
    /^capabilities: .*hooks: "onTypo" was not used/,
    /^capabilities: .*hooks: "onSessionStart" was not used/,
    /^capabilities: .*hooks: "onCallTool" is missing/,
    /^capabilities: .*hooks: "onCallSettled" is missing/,
    /^capabilities: .*services: "store" is missing/,
    /^capabilities: .*colour: there is no such capability/,
    /^capabilities: .*secrets: must be a text/,
    /^capabilities: .*board: true is missing/,
    /^capabilities: it listens on the network: say with whom/,
    /^capabilities: it starts processes: say so/,
    /^tools: bad: tool "no spaces" is there twice/,
    /^tools: bad: tool "no spaces": its name/,
    /^tools: bad: tool "no spaces": it has no title/,
    /^tools: bad: tool "no spaces": it has no description/,
    /^tools: bad: tool "no spaces": annotations.readOnlyHint is missing/,
    /^tools: bad: tool "no spaces": inputSchema is no valid schema/,
    /^inputs: onListResources changes its arguments/,
    /^capabilities: .*hooks: "onListResources" is missing/,
    /^inputs: onCallTool changes its arguments/,
    /^inputs: onCallSettled changes its arguments/,
    /^leavings: .*2 × handle Timeout/,
    /^leavings: .*2 × listener of process for "warning"/,
    /^leavings: .*3 × handle Timeout/,
    /^leavings: .*3 × listener of process for "warning"/,
    /^leavings: it leaves another globalThis.console/,
    /^silence: it used services.find\("store"\) after it was stopped/,
  ]);
});

test('a package that says something else than its plugin: each difference is found', async (t) => {
  const folder = await packageFor(t, good, {
    manifest: {
      type: 'commonjs',
      engines: {},
      license: undefined,
      version: '^1.0.0',
      keywords: [],
      exports: { '.': { types: './types.d.ts', import: './index.mjs' } },
      peerDependencies: {},
      plugboard: { id: 'other', apiVersion: 2, capabilities: { hooks: ['onListTools'] } },
    },
    readme: '# good\n\n## Options\n\n| option | meaning |\n|---|---|\n| `sise` | how much |\n',
  });
  await writeFile(path.join(folder, 'index.mjs'), good);
  await mkdir(path.join(folder, 'plugins'));
  await writeFile(
    path.join(folder, 'plugins', 'good.json'),
    JSON.stringify({
      id: 'other',
      package: 'another',
      kind: 'server',
      title: 'Good',
      description: 'x',
      status: 'active',
    }),
  );
  const files = async () => ['package.json', 'index.mjs', 'test/index.test.js', '.env'];
  finds(t, await findingsOf({ folder, packed: files }), [
    /^manifest: .*type must be "module"/,
    /^manifest: .*engines.node is missing/,
    /^manifest: .*license is missing/,
    /^manifest: .*version is "\^1.0.0"/,
    /^manifest: .*keywords must include/,
    /^manifest: .*peerDependencies.plugboard is missing/,
    /^manifest: .*plugboard.id is "other" and the entry says/,
    /^manifest: .*plugboard.id is "other" and definePlugin says/,
    /^manifest: .*apiVersion is 2/,
    /^readme: .*describes `sise`/,
    /^readme: .*does not describe `size`/,
    /^entry: .*id: is "other"/,
    /^entry: .*package is "another"/,
    /^pack: .*types\.d\.ts, which package.json exports, is not in the package/,
    /^pack: tests are in the package \(test\/index\.test\.js\)/,
    /^pack: what must stay at home is in the package: \.env/,
    /^pack: README.md is not in the package/,
  ]);
});

test('a plugin that does not start, does not load, or ends its process, is said to', async (t) => {
  const needy = await packageFor(t, good.replace('z.int().default(1)', 'z.int()'));
  finds(t, await findingsOf({ folder: needy }), [/^options: it does not start with the options \{\}: .*size/s]);
  t.deepEqual(await findingsOf({ folder: needy, options: { size: 3 } }), []);
  const dying = await packageFor(t, good.replace('hooks.on(', 'process.exit(3); hooks.on('));
  await t.throwsAsync(checkPlugin({ folder: dying, packed }), { message: /ended its process with code 3/ });
  const broken = await packageFor(t, 'export default 7;');
  await t.throwsAsync(checkPlugin({ folder: broken, packed }), { message: /was not made by definePlugin/ });
  const down = await packageFor(t, good.replace('open: () => ({})', "open: () => { throw new Error('no database') }"));
  finds(t, await findingsOf({ folder: down }), [/^tools: its server "good" is failed: .*no database/s]);
});

test('a plugin that needs another plugin, a store, a file and a variable is given them', async (t) => {
  const needs = good
    .replace(
      'z } from',
      "z } from 'plugboard'; import { readFileSync } from 'node:fs'; import path from 'node:path'; export {} from",
    )
    .replace("id: 'good',", "id: 'good', needs: ['thing', 'store'],")
    .replace(
      'apply({ hooks, servers }) {',
      `apply({ hooks, servers, services, directory }) {
    if (services.get('thing') !== 7 || services.get('store') === undefined) throw new Error('no thing');
    if (readFileSync(path.join(directory, 'a', 'b.txt'), 'utf8') !== process.env.EXPECTED) throw new Error('no text');`,
    );
  const capabilities = { hooks: ['onListTools'], services: ['store', 'thing'] };
  const folder = await packageFor(t, needs, { manifest: { plugboard: { id: 'good', apiVersion: 1, capabilities } } });
  const offering = `import { definePlugin } from 'plugboard';
export default definePlugin({ id: 'offering', apiVersion: 1, provides: ['thing'], apply: ({ services }) => services.provide('thing', 7) });`;
  const beside = { [await packageFor(t, offering)]: {} };
  const files = { 'a/b.txt': 'a text' };
  t.deepEqual(await findingsOf({ folder, beside, files, env: { EXPECTED: 'a text' } }), []);
  finds(t, await findingsOf({ folder, beside, files }), [/^options: it does not start.*no text/s]);
  finds(t, await findingsOf({ folder, files }), [/^options: it does not start.*thing/s]);
});

test('capabilities: with what was seen they agree, in every shape they may have', (t) => {
  const seen = {
    hooks: ['onStart'],
    services: ['host'],
    board: true,
    network: ['it listens'],
    childProcess: ['it starts'],
  };
  const declared = {
    hooks: ['onStart'],
    services: ['host'],
    board: true,
    network: ['x'],
    childProcess: true,
    filesystem: 'reads',
    secrets: ['a key'],
  };
  t.deepEqual(checkCapabilities(declared, seen), []);
  t.deepEqual(
    checkCapabilities(undefined, { hooks: [], services: [], board: false, network: [], childProcess: [] }),
    [],
  );
  t.is(checkCapabilities([], seen).length, 1);
  for (const wrong of [
    { hooks: 'onStart' },
    { hooks: ['onStart', 'onStart'] },
    { board: 'yes' },
    { network: true },
    { filesystem: ' ' },
    { childProcess: 1 },
  ])
    t.regex(checkCapabilities({ ...declared, ...wrong }, seen).join(), /must be/, JSON.stringify(wrong));
});

test('tools: what a good one may look like, and what of a stranger’s is looked at', (t) => {
  const tool = {
    name: 'read',
    title: 'Read',
    description: 'Reads.',
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint: true },
  };
  t.deepEqual(
    checkTools('s', [
      tool,
      {
        ...tool,
        name: 'write',
        title: undefined,
        annotations: { title: 'Write', readOnlyHint: false, destructiveHint: true },
      } as never,
    ]),
    [],
  );
  t.deepEqual(checkTools('s', [{ name: 'bare', inputSchema: { type: 'object' } }], true), []);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ annotations: { readOnlyHint: false } }, /destructiveHint is missing/],
    [{ annotations: { readOnlyHint: 'yes' } }, /must be true or false/],
    [{ inputSchema: { type: 'array' } }, /type must be "object"/],
    [{ inputSchema: { type: 'object', properties: { a: { $ref: '#/nowhere' } } } }, /cannot be used/],
    [
      { inputSchema: { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', required: 'a' } },
      /no valid schema/,
    ],
    [{ outputSchema: 7 }, /outputSchema is no object/],
  ];
  for (const [change, pattern] of wrong)
    t.regex(checkTools('s', [{ ...tool, ...change }]).join(), pattern, JSON.stringify(change));
});

// The host.

const guard = definePlugin({
  id: 'guard',
  apiVersion: 1,
  options: z.strictObject({ refused: z.array(z.string()).default([]) }),
  apply({ hooks, log }, { refused }) {
    log.info('guarding', { refused });
    hooks.on('onCallTool', ({ tool }) => {
      if (refused.includes(tool)) throw new Denied(`${tool} is refused`);
    });
  },
});

for (const era of ['old', 'new'] as const) {
  test(`host, ${era} era: calls, progress, cancellation, changes while it runs`, async (t) => {
    const notes = fakeServer('notes', {
      read: ({ id }) => `note ${String(id)}`,
      fail: () => Promise.reject(new Error('it is on fire')),
      steps: (_args, call) => {
        call.progress(1, 2);
        return 'done';
      },
      wait: (_args, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('late')))),
    });
    const host = await pluginHost({ plugins: [[guard, { refused: ['read'] }]], servers: [notes] });
    t.teardown(() => host.stop());
    await host.logged(/^info guard: guarding \{"refused":\["read"\]\}$/);
    const client = await host.client({ era });
    t.deepEqual(await client.toolNames(), ['notes_read', 'notes_fail', 'notes_steps', 'notes_wait']);
    await t.throwsAsync(client.text('notes_read', { id: 1 }), { message: /read is refused/ });
    await t.throwsAsync(client.text('notes_fail'), { message: 'it is on fire' });
    t.is((await client.call('notes_fail')).isError, true);
    const { stream } = await client.request('tools/call', {
      name: 'notes_steps',
      arguments: {},
      _meta: { progressToken: 'p' },
    });
    t.like(stream[0], { method: 'notifications/progress', params: { progressToken: 'p', progress: 1, total: 2 } });
    const waiting = client.send('tools/call', { name: 'notes_wait', arguments: {} });
    await until('the call does not arrive', () => notes.calls.some(({ tool }) => tool === 'wait'));
    waiting.cancel();
    await until('it is not cancelled', () => notes.calls.at(-1)?.signal.aborted === true);
    await host.configure({ plugins: [guard] });
    t.is(await client.text('notes_read', { id: 1 }), 'note 1');
    await t.throwsAsync(host.configure({ plugins: [[guard, { refussed: [] }]] }), { message: /refussed/ });
    t.is(await client.text('notes_read', { id: 2 }), 'note 2', 'it goes on as it was');
    notes.setTool('read', undefined);
    await until('it is still listed', async () => !(await client.toolNames()).includes('notes_read'));
    t.deepEqual(
      notes.calls.map(({ tool }) => tool),
      ['fail', 'fail', 'steps', 'wait', 'read', 'read'],
    );
    await client.close();
  });
}

test('host: grants, one server alone, questions, resources and prompts, services', async (t) => {
  const asking = fakeServer(
    'asking',
    {
      ask: async (_args, call) =>
        JSON.stringify(
          (
            await call.ask('elicitation/create', {
              message: 'who?',
              requestedSchema: { type: 'object', properties: {} },
            })
          ).result,
        ),
    },
    { asks: true, resources: { 'note://1': 'one' }, prompts: { hello: 'say hello' } },
  );
  const offering = definePlugin({
    id: 'offering',
    apiVersion: 1,
    provides: ['thing'],
    apply: ({ services }) => services.provide('thing', 7),
  });
  const token = 'a-token-of-sixteen-characters';
  const host = await pluginHost({
    plugins: [offering],
    servers: [asking],
    config: { grants: { alice: { token, tools: { allow: ['asking'] } } } },
  });
  t.teardown(() => host.stop());
  t.is(host.service<number>('thing'), 7);
  t.throws(() => host.service('other'), { message: /"other"/ });
  await t.throwsAsync(host.client({ token: 'another-token-of-sixteen' }));
  t.deepEqual(await (await host.client()).toolNames(), []);
  const client = await host.client({ token, server: 'asking', capabilities: { elicitation: {} } });
  client.onAsked = (method, params) => ({ action: 'accept', content: { method, message: params['message'] } });
  t.deepEqual(JSON.parse(await client.text('ask')), {
    action: 'accept',
    content: { method: 'elicitation/create', message: 'who?' },
  });
  t.like(await client.result('resources/read', { uri: 'note://1' }), { contents: [{ text: 'one' }] });
  t.like(await client.result('prompts/get', { name: 'hello' }), { messages: [{ content: { text: 'say hello' } }] });
  await t.throwsAsync(client.result('resources/read', { uri: 'note://2' }));
});

test('host: what cannot be started is said, and nothing is left of it', async (t) => {
  const failing = definePlugin({ id: 'failing', apiVersion: 1, apply: () => Promise.reject(new Error('no luck')) });
  await t.throwsAsync(pluginHost({ plugins: [guard, failing] }), { message: /"failing".*no luck/s });
});
