// Tests the fixture with real clients in both eras on both transports, and how the runner reads and compares results.
// The suites themselves are run by run.ts, not here: they are installed on demand.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ProgressNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import test, { type ExecutionContext } from 'ava';
import { startFixture } from './fixture.ts';
import { type Child, startChild } from './runner/child.ts';
import { compare, type RatchetEntry } from './runner/ratchet.ts';
import { didNotRun, readResults, type ScenarioResult, totalsOf } from './runner/results.ts';
import { fixtureProgram, startListening } from './runner/targets.ts';

type Era = 'old' | 'new';
type Via = 'http' | 'stdio';

// Milliseconds; many programs start at once here.
const patience = 60_000;
const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
const reply = {
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'Paris' },
  model: 'a',
  stopReason: 'endTurn',
};
// With a token of its own: the clients' `onprogress` misses what arrives together with the result.
const progressCall = { name: 'test_tool_with_progress', arguments: {}, _meta: { progressToken: 'p-1' } };
const progressSaid = [0, 50, 100].map((progress) => ({ progressToken: 'p-1', progress, total: 100 }));

for (const era of ['old', 'new'] as const) {
  for (const via of ['http', 'stdio'] as const) {
    test(`the ${era} fixture over ${via} serves the newer client`, async (t) => {
      t.timeout(patience);
      const client = await connect(t, era, via);
      t.is(client.getProtocolEra(), era === 'old' ? 'legacy' : 'modern');
      await checkLists(t, client, era);
      await checkCalls(t, client);
      await checkChanges(t, client, era);
    });
  }
}

for (const via of ['http', 'stdio'] as const) {
  test(`the old fixture over ${via} serves the older client`, async (t) => {
    t.timeout(patience);
    const client = new OldClient({ name: 'test', version: '1' }, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    client.setRequestHandler(CreateMessageRequestSchema, () => reply);
    t.teardown(() => client.close());
    if (via === 'stdio') {
      await client.connect(
        new OldStdioTransport({ command: process.execPath, args: [fixtureProgram, ...stdioArgs('old')] }),
      );
    } else {
      const { url, close } = await startFixture({ era: 'old', transport: 'http' });
      t.teardown(close);
      await client.connect(new OldHttpTransport(new URL(url)));
    }
    t.is((await client.listTools()).tools[0]?.name, 'test_simple_text');
    const elicited = await client.callTool({ name: 'test_input_required_result_elicitation', arguments: {} });
    t.deepEqual(elicited.content, [{ type: 'text', text: 'Hello, Ada!' }]);
    const progress: unknown[] = [];
    client.setNotificationHandler(ProgressNotificationSchema, ({ params }) => void progress.push(params));
    await client.callTool(progressCall);
    t.deepEqual(progress, progressSaid);
  });
}

test('the fixture speaks only the era it was started in', async (t) => {
  const old = await startFixture({ era: 'old', transport: 'http' });
  t.teardown(old.close);
  const modern = newClient('new');
  await t.throwsAsync(() => modern.connect(new StreamableHTTPClientTransport(new URL(old.url))));
  const current = await startFixture({ era: 'new', transport: 'http' });
  t.teardown(current.close);
  const legacy = newClient('old');
  await t.throwsAsync(() => legacy.connect(new StreamableHTTPClientTransport(new URL(current.url))));
});

for (const era of ['old', 'new'] as const) {
  for (const via of ['http', 'stdio'] as const) {
    test(`the ${era} fixture over ${via} ends on SIGTERM and when its input ends`, async (t) => {
      t.timeout(patience);
      const bySignal = startProgram(t, era, via);
      await ready(bySignal, via);
      bySignal.process.kill('SIGTERM');
      t.is(await bySignal.ended, 0);
      const byInput = startProgram(t, era, via);
      await ready(byInput, via);
      byInput.process.stdin?.end();
      t.is(await byInput.ended, 0);
    });
  }
}

test('a program that fails to start is reported with its own words', async (t) => {
  await t.throwsAsync(() => startListening([fixtureProgram, '--era', 'none']), { message: /usage: fixture/ });
});

test('results are read from the files that a suite leaves, and what is missing counts as failed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'plugboard-results-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const checks = [
    { id: 'a', status: 'SUCCESS', description: 'one' },
    { id: 'b', status: 'FAILURE', description: 'two', errorMessage: 'wrong' },
    { id: 'c', status: 'WARNING', description: 'three' },
    { id: 'd', status: 'INFO', description: 'four' },
  ];
  await writeChecks(join(folder, 'server-tools-list-2026-11-23T04-59-12-373Z'), checks);
  await writeChecks(join(folder, 'auth', 'basic-cimd-2026-11-23T04-59-12-373Z'), checks.slice(0, 1));
  const expected = new Map([
    ['gone', true],
    ['tools-list', false],
  ]);
  const results = await readResults(folder, expected);
  t.deepEqual(
    results.map(({ scenario, scored, passed, failed, warnings }) => [scenario, scored, passed, failed, warnings]),
    [
      ['gone', true, 0, 1, 0],
      ['tools-list', false, 1, 1, 1],
      ['auth/basic-cimd', true, 1, 0, 0],
    ],
  );
  t.is(results[0]?.checks[0]?.id, didNotRun);
  t.is(results[1]?.checks[1]?.message, 'wrong');
  t.deepEqual(totalsOf(results), { scenarios: 3, passed: 2, failed: 2, warnings: 1, scoredPassed: 1, scoredFailed: 1 });
});

test('a run is compared with the direct run and with the ratchet', (t) => {
  const direct = resultOf(
    scenario('same', 'FAILURE'),
    scenario('worse', 'SUCCESS'),
    scenario('less', 'SUCCESS', 'SUCCESS'),
  );
  const run = {
    target: 'proxy',
    suite: 's',
    result: resultOf(scenario('same', 'FAILURE'), scenario('worse', 'FAILURE', 'WARNING'), scenario('less', 'SUCCESS')),
  };
  const entry = (change: Partial<RatchetEntry>): RatchetEntry => ({
    target: 'proxy',
    suite: 's',
    scenario: 'worse',
    reason: 'known',
    ...change,
  });
  const brief = (entries: RatchetEntry[]) => {
    const { unexpected, expected, stale, fewer } = compare(run, direct, entries);
    const names = (problems: { scenario: string; check: string }[]) => problems.map((p) => `${p.scenario}/${p.check}`);
    return [names(unexpected), names(expected), stale.length, fewer.map((one) => one.scenario)];
  };
  t.deepEqual(
    brief([]),
    [['worse/c0', 'worse/c1'], [], 0, ['less']],
    'what fails directly is not held against the target',
  );
  t.deepEqual(brief([entry({})]), [[], ['worse/c0', 'worse/c1'], 0, ['less']], 'an entry covers its scenario');
  t.deepEqual(brief([entry({ check: 'c0' })]), [['worse/c1'], ['worse/c0'], 0, ['less']], 'or one check of it');
  t.deepEqual(brief([entry({}), entry({ scenario: 'less' })]), [[], ['worse/c0', 'worse/c1'], 1, ['less']], 'stale');
  t.deepEqual(brief([entry({}), entry({ scenario: 'same' })])[2], 1, 'an entry for what fails directly is stale too');
  t.deepEqual(brief([entry({ target: 'other' })])[0], ['worse/c0', 'worse/c1'], 'an entry is for one target');
});

async function checkLists(t: ExecutionContext, client: Client, era: Era): Promise<void> {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  t.is(names[0], 'test_simple_text');
  t.is(names.includes('greet'), era === 'new', 'task tools are for the new era');
  t.false(names.includes('test_dynamic_tool'));
  t.is((await client.listPrompts()).prompts.length, 5);
  t.is((await client.listResources()).resources.length, 3);
  t.is((await client.listResourceTemplates()).resourceTemplates.length, 1);
}

async function checkCalls(t: ExecutionContext, client: Client): Promise<void> {
  const rounds = await client.callTool({ name: 'test_input_required_result_multi_round', arguments: {} });
  t.deepEqual(rounds.content, [{ type: 'text', text: 'Your favourite colour is blue.' }]);
  const inputs = await client.callTool({ name: 'test_input_required_result_multiple_inputs', arguments: {} });
  t.deepEqual(inputs.content, [{ type: 'text', text: 'All inputs received' }]);
  const progress: unknown[] = [];
  client.setNotificationHandler('notifications/progress', ({ params }) => void progress.push(params));
  await client.callTool(progressCall);
  t.deepEqual(progress, progressSaid);
  const failed = await client.callTool({ name: 'test_error_handling', arguments: {} });
  t.true(failed.isError);
  await t.throwsAsync(() => client.callTool({ name: 'no_such_tool', arguments: {} }), { message: /not found/ });
  const wrong = await client.callTool({ name: 'test_sampling', arguments: { prompt: 7 } });
  t.true(wrong.isError, 'arguments are checked');
  const resource = await client.readResource({ uri: 'test://template/42/data' });
  t.like(resource.contents[0], { text: '{"id":"42","templateTest":true,"data":"Data for ID: 42"}' });
  const completed = await client.complete({
    ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
    argument: { name: 'arg1', value: 'par' },
  });
  t.deepEqual(completed.completion.values, ['paris', 'park', 'party']);
}

async function checkChanges(t: ExecutionContext, client: Client, era: Era): Promise<void> {
  const listed = new Promise<void>((resolve) =>
    client.setNotificationHandler('notifications/tools/list_changed', () => resolve()),
  );
  const updated = new Promise<string>((resolve) =>
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri)),
  );
  const uri = 'test://watched-resource';
  if (era === 'old') await client.subscribeResource({ uri });
  else await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] });
  await client.callTool({ name: 'test_trigger_tool_change', arguments: {} });
  await listed;
  const { tools } = await client.listTools();
  t.is(tools.at(-1)?.name, 'test_dynamic_tool');
  await client.callTool({ name: 'test_trigger_resource_update', arguments: { uri: 'test://static-text' } });
  await client.callTool({ name: 'test_trigger_resource_update', arguments: { uri } });
  t.is(await updated, uri, 'only what was subscribed to');
}

async function connect(t: ExecutionContext, era: Era, via: Via): Promise<Client> {
  const client = newClient(era);
  client.setRequestHandler('elicitation/create', ({ params }) => ({
    action: 'accept',
    content: params.message.includes('color') ? { color: 'blue' } : { name: 'Ada' },
  }));
  client.setRequestHandler('sampling/createMessage', () => reply);
  client.setRequestHandler('roots/list', () => ({ roots: [] }));
  t.teardown(() => client.close());
  if (via === 'stdio') {
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [fixtureProgram, ...stdioArgs(era)] }),
    );
  } else {
    const { url, close } = await startFixture({ era, transport: 'http' });
    t.teardown(close);
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  }
  return client;
}

function newClient(era: Era): Client {
  const mode = era === 'old' ? 'legacy' : { pin: '2026-07-28' };
  return new Client({ name: 'test', version: '1' }, { capabilities, versionNegotiation: { mode } });
}

function stdioArgs(era: Era): string[] {
  return ['--era', era, '--transport', 'stdio'];
}

function startProgram(t: ExecutionContext, era: Era, via: Via): Child {
  const child = startChild(process.execPath, [fixtureProgram, '--era', era, '--transport', via]);
  t.teardown(() => child.end());
  return child;
}

// Over HTTP the fixture says when it listens; over stdio it answers, be it with a refusal.
async function ready(child: Child, via: Via): Promise<void> {
  const first = new Promise((resolve) => child.process.stdout?.once('data', resolve));
  if (via === 'stdio') child.process.stdin?.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  await first;
}

async function writeChecks(folder: string, checks: unknown[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'checks.json'), JSON.stringify(checks));
}

function scenario(name: string, ...statuses: ('SUCCESS' | 'FAILURE' | 'WARNING')[]): ScenarioResult {
  return {
    scenario: name,
    scored: true,
    passed: statuses.filter((status) => status === 'SUCCESS').length,
    failed: statuses.filter((status) => status === 'FAILURE').length,
    warnings: statuses.filter((status) => status === 'WARNING').length,
    checks: statuses.map((status, index) => ({ id: `c${index}`, status, description: '' })),
  };
}

function resultOf(...scenarios: ScenarioResult[]) {
  return { scenarios, totals: totalsOf(scenarios), duration: 0, output: '' };
}
