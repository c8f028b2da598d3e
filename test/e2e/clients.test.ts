// Official clients in front of real servers: every kind of client, over both transports, towards servers of both eras. What single features
// do is tested beside their code; here whoever connects must not notice the proxy.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { commandLine, until } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { startFixture } from '../conformance/fixture.ts';
import { clientKinds } from './support/sdk-clients.ts';
import type { ClientKind, SdkClient } from './support/sdk-clients.ts';
import {
  clientFor,
  everything,
  fixtureChild,
  folderFor,
  proxyFor,
  root,
  scripted,
  stdioAddress,
} from './support/stand.ts';

const transports = ['http', 'stdio'] as const;
type Transport = (typeof transports)[number];

/** A client of a kind behind a proxy with this configuration, over HTTP to a running proxy or over stdio to its own. */
async function connect(
  t: ExecutionContext,
  kind: ClientKind,
  transport: Transport,
  config: JsonObject,
): Promise<SdkClient> {
  if (transport === 'http') {
    const proxy = await proxyFor(t, config);
    await proxy.ready();
    return clientFor(t, kind, { url: proxy.url });
  }
  t.timeout(180_000);
  const folder = await folderFor(t);
  const file = path.join(folder, 'plugboard.json');
  await writeFile(file, JSON.stringify(config));
  const client = await clientFor(t, kind, stdioAddress(folder, file));
  const servers = Object.keys(config['mcpServers'] ?? {});
  await until('all servers are listed', async () => {
    const names = await client.toolNames();
    return servers.every((server) => names.some((name) => name.startsWith(`${server}_`)));
  });
  return client;
}

for (const kind of clientKinds) {
  for (const transport of transports) {
    test.serial(
      `${kind} over ${transport}: lists and calls tools of the servers in the process and of one from the ecosystem`,
      async (t) => {
        const plugins = { memory: {}, filesystem: { root: '.' } };
        const client = await connect(t, kind, transport, { plugins, mcpServers: { everything } });
        await clientUsesTools(t, client);
      },
    );
    for (const era of ['old', 'new'] as const) {
      test.serial(
        `${kind} over ${transport} and a server of the ${era} era over HTTP: everything passes through`,
        async (t) => {
          const fixture = await startFixture({ era, transport: 'http' });
          t.teardown(() => fixture.close());
          const client = await connect(t, kind, transport, { plugins: {}, mcpServers: { f: { url: fixture.url } } });
          await clientUsesEverything(t, client);
        },
      );
    }
  }
}

for (const era of ['old', 'new'] as const) {
  for (const kind of ['v2 old', 'v2 new'] as const) {
    test.serial(`${kind} over http and a server of the ${era} era over stdio: everything passes through`, async (t) => {
      const client = await connect(t, kind, 'http', { mcpServers: { f: fixtureChild(era) } });
      await clientUsesEverything(t, client);
    });
  }
}

test.serial('names that are too long with the prefix of a client are shortened, and reach their tools', async (t) => {
  const server = 'a-server-with-a-name-of-forty-characters';
  const long = ['b'.repeat(30), `${'b'.repeat(29)}c`, 'b'.repeat(60)];
  const mcpServers = { [server]: scripted(`--tools=${long.join()}`) };
  const proxy = await proxyFor(t, { mcpServers, tools: { allow: [`${server}:b*`, `${server}:echo`] } });
  await proxy.ready();
  for (const kind of clientKinds) {
    const client = await clientFor(t, kind, { url: proxy.url });
    const names = await client.toolNames();
    t.is(new Set(names).size, 4);
    for (const name of names) {
      t.regex(`mcp__plugboard__${name}`, /^[A-Za-z0-9_-]{1,64}$/);
      t.is((await client.call(name, { name })).text, JSON.stringify({ name }));
    }
    // At the server's own endpoint names are as they are.
    const own = await clientFor(t, kind, { url: `${proxy.url}/${server}` });
    t.deepEqual((await own.toolNames()).toSorted(), [...long, 'echo'].toSorted());
  }
});

test.serial('the v2 client that finds out the era by itself takes the newest', async (t) => {
  const proxy = await proxyFor(t, { plugins: { memory: {} } });
  for (const address of [{ url: proxy.url }, stdioAddress(proxy.folder, proxy.configFile)]) {
    const client = await clientFor(t, 'v2 auto', address);
    t.is(client.version, '2026-07-28');
    await until('the tools are listed', async () => (await client.toolNames()).includes('memory_read_graph'));
    t.false((await client.call('memory_read_graph')).isError);
  }
});

test.serial('the inspector on the command line lists and calls, over HTTP and stdio', async (t) => {
  const proxy = await proxyFor(
    t,
    { plugins: { memory: {}, filesystem: { root: '.' } } },
    { files: { 'a.txt': 'inspected' } },
  );
  await proxy.ready();
  const { command, args } = commandLine('up', '--stdio', '--config', proxy.configFile);
  // Behind `--` stands what the inspector starts, with arguments of its own.
  for (const [before, after] of [
    [[proxy.url], []],
    [[], ['--', command, ...args]],
  ] as const) {
    const { tools } = await inspect([...before, '--method', 'tools/list', ...after]);
    t.true((tools as { name: string }[]).some(({ name }) => name === 'memory_search_nodes'));
    // The name of the tool comes last, for `--tool-arg` takes all that follows.
    const call = ['--method', 'tools/call', '--tool-arg', 'path=a.txt', '--tool-name', 'filesystem_read_text_file'];
    const { content } = await inspect([...before, ...call, ...after]);
    t.deepEqual(content, [{ type: 'text', text: 'inspected' }]);
  }
});

/** What the inspector prints. */
async function inspect(args: readonly string[]): Promise<JsonObject> {
  const inspector = path.join(root, 'node_modules', '.bin', 'mcp-inspector');
  const { stdout } = await promisify(execFile)(process.execPath, [inspector, '--cli', ...args]);
  return JSON.parse(stdout) as JsonObject;
}

/** Tools of several servers, side by side. */
async function clientUsesTools(t: ExecutionContext, client: SdkClient): Promise<void> {
  const tools = await client.tools();
  const names = tools.map((tool) => String(tool['name']));
  t.is(new Set(names).size, names.length);
  for (const expected of [
    'memory_create_entities',
    'filesystem_read_text_file',
    'everything_echo',
    'everything_get-sum',
  ]) {
    t.true(names.includes(expected), `${expected} is listed among ${names.join(', ')}`);
  }
  const sum = await client.call('everything_get-sum', { a: 20, b: 22 });
  t.regex(sum.text, /\b42\b/);
  const structured = await client.call('everything_get-structured-content', { location: 'Chicago' });
  t.is(typeof (structured.result['structuredContent'] as JsonObject)['temperature'], 'number');
  const image = await client.call('everything_get-tiny-image');
  t.true((image.result['content'] as { type: string }[]).some(({ type }) => type === 'image'));

  const entity = { name: 'Ada', entityType: 'person', observations: ['likes tea'] };
  t.false((await client.call('memory_create_entities', { entities: [entity] })).isError);
  t.deepEqual(JSON.parse((await client.call('memory_read_graph')).text), { entities: [entity], relations: [] });

  t.false((await client.call('filesystem_write_file', { path: 'notes.txt', content: 'zwölf → 12' })).isError);
  t.is((await client.call('filesystem_read_text_file', { path: 'notes.txt' })).text, 'zwölf → 12');
  t.true((await client.call('filesystem_read_text_file', { path: '../outside.txt' })).isError);
  await t.throwsAsync(client.call('everything_no_such_tool'), { message: /everything_no_such_tool/ });
}

/** All features of the conformance fixture, which is reached under the name `f`, so that the longest name of its tools needs no shortening. */
async function clientUsesEverything(t: ExecutionContext, client: SdkClient): Promise<void> {
  await usesContent(t, client);
  await isReportedTo(t, client);
  await isAsked(t, client);
  await hearsOfChanges(t, client);
}

async function usesContent(t: ExecutionContext, client: SdkClient): Promise<void> {
  t.is((await client.call('f_test_simple_text')).text, 'This is a simple text response for testing.');
  const failed = await client.call('f_test_error_handling');
  t.true(failed.isError);
  t.regex(failed.text, /intentionally returns an error/);
  const kinds = (await client.call('f_test_multiple_content_types')).result['content'] as { type: string }[];
  t.deepEqual(
    kinds.map(({ type }) => type),
    ['text', 'image', 'resource'],
  );

  t.true((await client.resources()).includes('test://static-text'));
  t.true((await client.templates()).includes('test://template/{id}/data'));
  t.like((await client.read('test://static-text'))[0], { text: 'This is the content of the static text resource.' });
  t.like((await client.read('test://static-binary'))[0], { mimeType: 'image/png' });
  t.deepEqual(JSON.parse(String((await client.read('test://template/a7/data'))[0]?.['text'])), {
    id: 'a7',
    templateTest: true,
    data: 'Data for ID: a7',
  });
  await t.throwsAsync(client.read('test://there-is-none'));

  t.true((await client.prompts()).includes('f_test_prompt_with_arguments'));
  const messages = await client.prompt('f_test_prompt_with_arguments', { arg1: 'one', arg2: 'two' });
  t.like(messages[0], { content: { text: "Prompt with arguments: arg1='one', arg2='two'" } });
  t.deepEqual(await client.complete('f_test_prompt_with_arguments', 'arg1', 'par'), ['paris', 'park', 'party']);
}

async function isReportedTo(t: ExecutionContext, client: SdkClient): Promise<void> {
  const progress: number[] = [];
  t.is((await client.call('f_test_tool_with_progress', {}, { progress })).text, 'Progress reported');
  // The SDK forgets its progress handler when it reads the answer in one go with the last report; what arrives is exact and in order.
  t.deepEqual(progress, [0, 50, 100].slice(0, Math.max(2, progress.length)));

  await client.wantLogs('info');
  await client.call('f_test_tool_with_logging');
  t.deepEqual(client.heard.logs, ['Tool execution started', 'Tool processing data', 'Tool execution completed']);
  await client.wantLogs('error');
  await client.call('f_test_logging_tool');
  t.is(client.heard.logs.length, 3, 'nothing below the level that was asked for');
}

async function isAsked(t: ExecutionContext, client: SdkClient): Promise<void> {
  t.regex((await client.call('f_test_sampling', { prompt: 'Say something' })).text, /sampled words/);
  t.regex((await client.call('f_test_elicitation', { message: 'Who are you?' })).text, /ada@example\.com/);
  t.regex((await client.call('f_test_input_required_result_list_roots')).text, /file:\/\/\/of\/the\/client/);
  t.deepEqual(client.asked, { sampling: 1, elicitation: 1, roots: 1 });
  // Three things at once, then two rounds one after the other, each with a state of the server's.
  t.is((await client.call('f_test_input_required_result_multiple_inputs')).text, 'All inputs received');
  t.deepEqual(client.asked, { sampling: 2, elicitation: 2, roots: 2 });
  t.is((await client.call('f_test_input_required_result_request_state')).text, 'state-ok');
  t.like((await client.prompt('f_test_input_required_result_prompt'))[0], { role: 'user' });
}

/** Who hears of a change and asks again gets the changed list. */
async function hearsOfChanges(t: ExecutionContext, client: SdkClient): Promise<void> {
  const { changed, updated } = client.heard;
  t.false((await client.toolNames()).includes('f_test_dynamic_tool'));
  t.false((await client.prompts()).includes('f_test_dynamic_prompt'));
  t.false((await client.resources()).includes('test://dynamic-resource'));
  await client.watch(['test://watched-resource']);
  // A proxy over stdio tells its client of every server that comes up.
  const before = { ...changed };

  await client.call('f_test_trigger_tool_change');
  await until('the tools have changed', () => changed.tools > before.tools);
  t.true((await client.toolNames()).includes('f_test_dynamic_tool'));
  t.is((await client.call('f_test_dynamic_tool')).text, 'Here I am.');
  await client.call('f_test_trigger_prompt_change');
  await until('the prompts have changed', () => changed.prompts > before.prompts);
  t.true((await client.prompts()).includes('f_test_dynamic_prompt'));
  await client.call('f_test_trigger_resource_change');
  await until('the resources have changed', () => changed.resources > before.resources);
  t.true((await client.resources()).includes('test://dynamic-resource'));

  await client.call('f_test_trigger_resource_update', { uri: 'test://static-text' });
  await client.call('f_test_trigger_resource_update', { uri: 'test://watched-resource' });
  await until('the resource was updated', () => updated.length > 0);
  t.deepEqual(updated, ['test://watched-resource'], 'only what was subscribed to');
}
