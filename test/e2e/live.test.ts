// The configuration file changes while the proxy runs: what changes is applied and told to open sessions of both eras, what does not change goes on.
import { isAlive, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { rawClient, sendHttp } from './support/raw-http.ts';
import type { SdkClient } from './support/sdk-clients.ts';
import { clientFor, proxyFor, scripted } from './support/stand.ts';

/** How long a change may take to be seen; it should take a fraction of a second. */
const soon = 10_000;

/** Resolves when a client has been told of a change and lists what it should; with the ms that took. */
async function hears(client: SdkClient, before: number, right: (names: string[]) => boolean): Promise<number> {
  const started = performance.now();
  await until('the client is told', () => client.heard.changed.tools > before, soon);
  let names: string[] = [];
  await until(
    () => `the list is not as it should be: ${names.join(', ')}`,
    async () => right((names = await client.toolNames())),
    soon,
  );
  return Math.round(performance.now() - started);
}

/** The configuration is followed from a moment after the start on. */
async function followed(proxy: ProxyProcess, config: JsonObject): Promise<void> {
  await proxy.configure({ ...config, log: { level: 'debug' } });
  await proxy.logged(/the changed configuration is applied/);
}

test('rules: a change is seen by open sessions of both eras, is in force for calls, and can be taken back', async (t) => {
  const base = { plugins: { memory: {} } };
  const proxy = await proxyFor(t, base);
  await proxy.ready();
  const clients = [await clientFor(t, 'v1', { url: proxy.url }), await clientFor(t, 'v2 new', { url: proxy.url })];
  for (const client of clients) {
    t.true((await client.toolNames()).includes('memory_create_entities'));
    await client.watch([]);
  }
  const change = async (config: JsonObject, right: (names: string[]) => boolean): Promise<void> => {
    const before = clients.map(({ heard }) => heard.changed.tools);
    await proxy.configure({ ...base, ...config });
    const times = await Promise.all(clients.map((client, index) => hears(client, before[index] ?? 0, right)));
    t.log(`seen after ${times.join(' and ')} ms`);
  };
  await change(
    { tools: { deny: ['memory:create_*'] } },
    (names) => !names.includes('memory_create_entities') && names.includes('memory_read_graph'),
  );
  for (const client of clients) {
    await t.throwsAsync(client.call('memory_create_entities', { entities: [] }), {
      message: /Unknown tool: memory_create_entities/,
    });
    t.false((await client.call('memory_read_graph')).isError);
  }
  await change({ tools: { allow: ['memory:search_*'] } }, (names) => names.join() === 'memory_search_nodes');
  await change({}, (names) => names.includes('memory_create_entities'));
  for (const client of clients) t.false((await client.call('memory_create_entities', { entities: [] })).isError);
});

test('a broken file is refused with its place, and what ran goes on; the next right one is applied', async (t) => {
  const base = { mcpServers: { keep: { ...scripted(), isolation: 'shared' } } };
  const proxy = await proxyFor(t, base);
  await proxy.ready();
  const client = await rawClient('old', proxy.url);
  const pid = await client.call('keep_pid');
  await followed(proxy, base);
  const broken = {
    'plugboard.yaml:1:1: unknown key': 'tool: {}',
    'nearest: mcpServers': 'mcpServer: {}',
    'plugboard.yaml:2:': 'tools:\n  deny: [',
    'is not installed': 'plugins: { no-such-plugin: {} }',
    NOT_SET_ANYWHERE: 'grants: { a: { token: "${env:NOT_SET_ANYWHERE}" } }',
  };
  for (const [words, text] of Object.entries(broken)) {
    const from = proxy.log.length;
    await proxy.configure(text);
    await until(
      () => `${text} is not refused: ${proxy.log.slice(from)}`,
      () => proxy.log.slice(from).includes('the running one stays'),
    );
    t.true(proxy.log.slice(from).includes(words), `${words}: ${proxy.log.slice(from)}`);
    t.is(await client.call('keep_pid'), pid);
  }
  await proxy.configure({ ...base, tools: { deny: ['keep:echo'] } });
  await until('the right file is applied', async () => !(await client.toolNames()).includes('keep_echo'), soon);
  t.is(await client.call('keep_pid'), pid);
});

test('servers: added, changed and removed, while the sessions, processes and calls of the others go on', async (t) => {
  const keep = { ...scripted(), isolation: 'shared' };
  const proxy = await proxyFor(t, { mcpServers: { keep, change: { ...keep } } });
  await proxy.ready();
  const clients = [await rawClient('old', proxy.url), await rawClient('new', proxy.url)] as const;
  const [client] = clients;
  const kept = await client.call('keep_pid');
  const changed = Number(await client.call('change_pid'));
  // Calls that span the changes.
  const long = clients.map((each, n) =>
    each.request('tools/call', { name: 'keep_wait', arguments: { ms: 3000, n } }, 'long'),
  );
  const leaving = clients.map((each, n) =>
    each.request('tools/call', { name: 'change_wait', arguments: { ms: 1500, n } }, 'leaving'),
  );
  await client.call('keep_echo');
  await client.call('change_echo');

  const listed = (name: string, yes: boolean) =>
    until(`${name} is ${yes ? '' : 'not '}listed`, async () => (await client.toolNames()).includes(name) === yes, soon);
  await proxy.configure({
    mcpServers: { keep, change: { ...scripted('--tools=fresh'), isolation: 'shared' }, added: scripted() },
  });
  await listed('added_echo', true);
  await listed('change_fresh', true);
  for (const each of clients) {
    t.is(await each.call('added_echo', { n: 1 }), '{"n":1}');
    t.is(await each.call('change_fresh', { n: 2 }), '{"n":2}');
    t.is(await each.call('keep_pid'), kept);
  }
  t.not(Number(await client.call('change_pid')), changed);
  for (const [n, reply] of (await Promise.all(leaving)).entries()) {
    t.true(
      reply.text.includes(`{\\"ms\\":1500,\\"n\\":${n}}`),
      `a call of before the change is answered: ${reply.text}`,
    );
  }
  await until('the replaced process ends', () => !isAlive(changed), 30_000);

  const removed = Number(await client.call('added_pid'));
  await proxy.configure({ mcpServers: { keep } });
  await listed('added_echo', false);
  await listed('change_echo', false);
  await until('the process of the removed server ends', () => !isAlive(removed), 30_000);
  for (const reply of await Promise.all(long)) t.regex(reply.text, /\\"ms\\":3000/);
  for (const each of clients) {
    t.is(await each.call('keep_pid'), kept);
    await t.throwsAsync(each.call('added_echo'), { message: /Unknown tool/ });
  }
});

test('grants: rules change, tokens are exchanged, callers come and go, and nobody else notices', async (t) => {
  const token = (name: string) => `token-of-${name}-0123456789`;
  const grant = (name: string, ...allow: string[]) => ({ [name]: { token: token(name), tools: { allow } } });
  const config = (grants: JsonObject): JsonObject => ({ plugins: { memory: {} }, grants });
  const proxy = await proxyFor(t, config({ ...grant('alice', 'memory:*'), ...grant('bob', 'memory:*') }));
  await proxy.ready();
  const alice = await rawClient('old', proxy.url, { token: token('alice') });
  const [bobOld, bobNew] = [
    await rawClient('old', proxy.url, { token: token('bob') }),
    await rawClient('new', proxy.url, { token: token('bob') }),
  ];
  await alice.call('memory_create_entities', { entities: [{ name: 'x', entityType: 'y', observations: [] }] });

  await proxy.configure(config({ ...grant('alice', 'memory:*'), ...grant('bob', 'memory:read_graph') }));
  for (const bob of [bobOld, bobNew])
    await until('bob sees less', async () => (await bob.toolNames()).join() === 'memory_read_graph', soon);
  t.true((await alice.toolNames()).includes('memory_create_entities'));

  await proxy.configure(config({ ...grant('alice', 'memory:*'), ...grant('carol', 'memory:search_nodes') }));
  const status = async (name: string, session?: string) => {
    const headers = {
      authorization: `Bearer ${token(name)}`,
      ...(session !== undefined && { 'mcp-session-id': session }),
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
    return (await sendHttp(proxy.url, { headers, body })).status;
  };
  await until('bob is not let in any more', async () => (await status('bob', bobOld.session)) === 401, soon);
  t.is((await bobNew.request('tools/list')).status, 401);
  const carol = await rawClient('new', proxy.url, { token: token('carol') });
  t.deepEqual(await carol.toolNames(), ['memory_search_nodes']);
  t.true((await alice.call('memory_read_graph')).includes('"x"'), 'the session and the memory of alice go on');
});

test('a file that a reference names is followed too', async (t) => {
  const config = {
    plugins: { memory: {} },
    grants: { alice: { token: '${file:token.txt}', tools: { allow: ['*'] } } },
  };
  const proxy = await proxyFor(t, config, { files: { 'token.txt': 'first-token-0123456789\n' } });
  await proxy.ready();
  const first = await rawClient('new', proxy.url, { token: 'first-token-0123456789' });
  t.true((await first.toolNames()).length > 0);
  await followed(proxy, config);
  await proxy.write('token.txt', 'second-token-0123456789\n');
  await until('the old token is refused', async () => (await first.request('tools/list')).status === 401, soon);
  const second = await rawClient('new', proxy.url, { token: 'second-token-0123456789' });
  t.true((await second.toolNames()).length > 0);
});
