// Callers side by side: each sees its own list and nothing else, in both eras; credentials, sessions, memories and processes do not cross.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import { startFixture } from '../conformance/fixture.ts';
import { initializeParams, rawClient, sendHttp } from './support/raw-http.ts';
import type { RawClient, RawClientOptions } from './support/raw-http.ts';
import type { ClientKind } from './support/sdk-clients.ts';
import { clientFor, proxyFor, scripted } from './support/stand.ts';

const eras = ['old', 'new'] as const;
const tokens = {
  alice: 'token-of-alice-0123456789',
  bob: 'token-of-bob-0123456789',
  carol: 'token-of-carol-0123456789',
  wrong: 'token-of-nobody-0123456789',
};
const secret = 'upstream-secret-0123456789';

const grants = {
  alice: { token: '${env:ALICE}', tools: { allow: ['memory:*', 'tools:echo'], deny: ['memory:delete_*'] } },
  bob: { token: '${env:BOB}', tools: { allow: ['tools:*', 'tools_b:*'], deny: ['tools:pid', 'tools_b:c'] } },
  carol: { token: '${env:CAROL}', tools: { allow: ['*'] } },
};

/** Three callers, and a server that writes its secret to stderr. */
async function guardedProxy(t: ExecutionContext): Promise<ProxyProcess> {
  const server = scripted('--tools=b_c');
  const script = ['-c', 'echo "my key is $API_KEY" >&2; exec "$0" "$@"', server.command, ...server.args];
  const mcpServers = {
    tools: { command: 'sh', args: script, env: { API_KEY: '${env:SECRET}' } },
    // Its tool `c` and the tool `b_c` of `tools` would have the same name.
    tools_b: scripted('--tools=c'),
  };
  const config = { plugins: { memory: {} }, mcpServers, grants, log: { level: 'debug' } };
  const env = { ALICE: tokens.alice, BOB: tokens.bob, CAROL: tokens.carol, SECRET: secret };
  const proxy = await proxyFor(t, config, { env });
  await proxy.ready();
  return proxy;
}

async function errorOf(client: RawClient, method: string, params: JsonObject): Promise<string> {
  const { messages } = await client.request(method, params, 'refused');
  return messages.at(-1)?.error?.message ?? JSON.stringify(messages);
}

test('each caller sees and reaches its own tools, on every endpoint', async (t) => {
  const proxy = await guardedProxy(t);
  for (const era of eras) {
    const open = (options: RawClientOptions, path = '') => rawClient(era, `${proxy.url}${path}`, options);
    const alice = await open({ token: tokens.alice });
    const names = await alice.toolNames();
    t.true(names.includes('memory_create_entities') && names.includes('tools_echo'));
    t.true(
      names.every(
        (name) => name === 'tools_echo' || (name.startsWith('memory_') && !name.startsWith('memory_delete_')),
      ),
    );
    const bob = await open({ token: tokens.bob });
    const ofBob = await bob.toolNames();
    t.true(ofBob.includes('tools_hang') && ofBob.includes('tools_b_echo'));
    t.false(ofBob.some((name) => name.startsWith('memory_') || name === 'tools_pid'));
    const nobody = await open({});
    t.deepEqual(await nobody.toolNames(), []);

    const ofServer = await open({ token: tokens.alice }, '/memory');
    t.true((await ofServer.toolNames()).every((name) => !name.startsWith('delete_')));
    t.deepEqual(JSON.parse(await ofServer.call('read_graph')), { entities: [], relations: [] });
    // Whatever name is tried, it is answered as a tool that does not exist is.
    const tried = [
      'memory_read_graph',
      'tools_pid',
      'tools:pid',
      'pid',
      'echo',
      'tools_echo ',
      'TOOLS_ECHO',
      'mcp__plugboard__tools_echo',
      'tools__echo',
      'tools/echo',
      '../tools_echo',
      '__proto__',
      'constructor',
      '',
    ];
    for (const name of tried) t.is(await errorOf(bob, 'tools/call', { name, arguments: {} }), `Unknown tool: ${name}`);
    const tools = await open({ token: tokens.bob }, '/tools');
    t.is(await tools.call('echo', { n: 1 }), '{"n":1}');
    for (const name of ['pid', 'tools_echo', 'read_graph', 'c'])
      t.is(await errorOf(tools, 'tools/call', { name, arguments: {} }), `Unknown tool: ${name}`);
  }
});

test('a server of which a caller may use nothing does not exist for it: not as an endpoint, not in the health report', async (t) => {
  const proxy = await guardedProxy(t);
  const headers = { authorization: `Bearer ${tokens.bob}` };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
  const never = await sendHttp(`${proxy.url}/no-such-server`, { headers, body });
  t.is(never.status, 404);
  const { text } = await sendHttp(proxy.url, { method: 'GET', path: '/readyz', headers });
  t.deepEqual(
    (JSON.parse(text) as { servers: { name: string }[] }).servers.map(({ name }) => name),
    ['tools', 'tools_b'],
  );
  const hidden = await sendHttp(`${proxy.url}/memory`, { headers, body });
  t.is(hidden.status, 404, hidden.text);
  t.is(hidden.text, never.text);
});

test('names that meet are told apart: each reaches its own server, and a denied one is not reached by the other', async (t) => {
  const proxy = await guardedProxy(t);
  for (const era of eras) {
    const carol = await rawClient(era, proxy.url, { token: tokens.carol });
    const meeting = (await carol.toolNames()).filter((name) => /^tools_b_c(_[0-9a-f]{8})?$/.test(name));
    t.is(meeting.length, 2, meeting.join());
    const bob = await rawClient(era, proxy.url, { token: tokens.bob });
    const allowed = (await bob.toolNames()).filter((name) => meeting.includes(name));
    t.is(allowed.length, 1, 'the tool b_c of tools, not the tool c of tools_b');
    const [denied] = meeting.filter((name) => !allowed.includes(name));
    t.is(await errorOf(bob, 'tools/call', { name: denied, arguments: {} }), `Unknown tool: ${denied}`);
    t.is(await bob.call(allowed[0] ?? '', { of: 'tools' }), '{"of":"tools"}');
  }
});

test('a session belongs to its caller and its endpoint; for everybody else it does not exist', async (t) => {
  const proxy = await guardedProxy(t);
  const alice = await rawClient('old', proxy.url, { token: tokens.alice });
  const session = { 'mcp-session-id': alice.session ?? '' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
  const unknown = await sendHttp(proxy.url, {
    headers: { authorization: `Bearer ${tokens.bob}`, 'mcp-session-id': 'no-such-session' },
    body,
  });
  for (const headers of [{ authorization: `Bearer ${tokens.bob}` }, {}]) {
    const stolen = await sendHttp(proxy.url, { headers: { ...headers, ...session }, body });
    t.is(stolen.status, 404);
    t.is(stolen.text, unknown.text, 'as for a session that never was');
    t.is((await sendHttp(proxy.url, { method: 'GET', headers: { ...headers, ...session } })).status, 404);
    t.is((await sendHttp(proxy.url, { method: 'DELETE', headers: { ...headers, ...session } })).status, 404);
  }
  const elsewhere = { authorization: `Bearer ${tokens.alice}`, ...session };
  t.is((await sendHttp(`${proxy.url}/memory`, { headers: elsewhere, body })).status, 404);
  t.is(
    (await sendHttp(proxy.url, { headers: { ...elsewhere, authorization: `Bearer ${tokens.wrong}` }, body })).status,
    401,
  );
  t.true((await alice.toolNames()).includes('memory_read_graph'), 'it still is its owner’s');
});

test('a wrong token is refused with 401, and no token and no secret is ever logged or told', async (t) => {
  const proxy = await guardedProxy(t);
  const told: string[] = [];
  for (const authorization of [
    `Bearer ${tokens.wrong}`,
    `bearer ${tokens.wrong}`,
    `Basic ${tokens.alice}`,
    `Bearer ${tokens.alice}x`,
    `Bearer ${tokens.alice.slice(0, -1)}`,
    'Bearer',
    tokens.alice,
  ]) {
    for (const method of ['POST', 'GET', 'DELETE']) {
      const post = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
      const headers = { authorization, ...(method !== 'POST' && { 'mcp-session-id': 'x' }) };
      const reply = await sendHttp(proxy.url, { method, headers, ...(method === 'POST' && { body: post }) });
      t.is(reply.status, 401, `${method} with ${authorization}`);
      t.regex(String(reply.headers['www-authenticate']), /^Bearer/);
      told.push(reply.text, JSON.stringify(reply.headers));
    }
  }
  for (const token of [tokens.alice, tokens.bob, tokens.carol]) {
    for (const era of eras) {
      const client = await rawClient(era, proxy.url, { token });
      await client.request('tools/call', { name: token, arguments: { token } });
      await client.request(token, { token });
      told.push((await client.request('tools/list')).text);
    }
  }
  for (const path of ['/readyz', '/healthz'])
    told.push(
      (await sendHttp(proxy.url, { method: 'GET', path, headers: { authorization: `Bearer ${tokens.carol}` } })).text,
    );
  const log = await proxy.logged(/my key is/);
  for (const each of [...Object.values(tokens), secret]) {
    t.false(log.includes(each), `${each} stands in the log`);
    t.false(JSON.stringify(proxy.events).includes(each));
  }
  t.false(told.join().includes(secret));
  t.false(told.slice(0, 42).join().includes(tokens.alice.slice(0, -1)), 'a refusal does not repeat the token');
});

test('every caller has a memory of its own, in both eras the same one; it survives a restart', async (t) => {
  const proxy = await guardedProxy(t);
  const entity = (name: string) => ({ name, entityType: 'person', observations: [`known to ${name}`] });
  const namesOf = async (era: 'old' | 'new', token: string) => {
    const client = await rawClient(era, proxy.url, { token });
    return (JSON.parse(await client.call('memory_read_graph')) as { entities: { name: string }[] }).entities.map(
      ({ name }) => name,
    );
  };
  const alice = await rawClient('old', proxy.url, { token: tokens.alice });
  await alice.call('memory_create_entities', { entities: [entity('of alice')] });
  const carol = await rawClient('new', proxy.url, { token: tokens.carol });
  await carol.call('memory_create_entities', { entities: [entity('of carol')] });
  for (const round of ['before', 'after']) {
    for (const era of eras) {
      t.deepEqual(await namesOf(era, tokens.alice), ['of alice'], round);
      t.deepEqual(await namesOf(era, tokens.carol), ['of carol'], round);
    }
    if (round === 'before') {
      t.is(await proxy.stop(), 0);
      await proxy.start();
      await proxy.ready();
    }
  }
});

test('processes are shared as far as their isolation says', async (t) => {
  const mcpServers = {
    shared: { ...scripted(), isolation: 'shared' },
    task: scripted(),
    session: { ...scripted(), isolation: 'session' },
  };
  const everybody = {
    alice: { token: tokens.alice, tools: { allow: ['*'] } },
    bob: { token: tokens.bob, tools: { allow: ['*'] } },
  };
  const proxy = await proxyFor(t, { mcpServers, grants: everybody });
  await proxy.ready();
  const pids = async (era: 'old' | 'new', token: string) => {
    const client = await rawClient(era, proxy.url, { token });
    const [shared, task, session] = await Promise.all(
      ['shared_pid', 'task_pid', 'session_pid'].map((name) => client.call(name)),
    );
    return { shared, task, session };
  };
  const [first, second, modern, bob] = await Promise.all([
    pids('old', tokens.alice),
    pids('old', tokens.alice),
    pids('new', tokens.alice),
    pids('old', tokens.bob),
  ]);
  t.is(new Set([first.shared, second.shared, modern.shared, bob.shared]).size, 1);
  t.is(new Set([first.task, second.task, modern.task]).size, 1);
  t.not(bob.task, first.task);
  t.is(new Set([first.session, second.session, modern.session, bob.session]).size, 4);
});

for (const serverEra of eras) {
  test(`changes of a server of the ${serverEra} era are told to those who may see what has changed, and to nobody else`, async (t) => {
    const fixture = await startFixture({ era: serverEra, transport: 'http' });
    t.teardown(() => fixture.close());
    const half = { token: tokens.bob, tools: { allow: ['f:test_simple_text'] } };
    const mcpServers = { f: { url: fixture.url } };
    const proxy = await proxyFor(t, {
      mcpServers,
      grants: { alice: { token: tokens.alice, tools: { allow: ['f'] } }, bob: half },
    });
    await proxy.ready();
    const connect = (token: string, kind: ClientKind) =>
      clientFor(t, kind, { url: proxy.url, headers: { authorization: `Bearer ${token}` } });
    const kinds = ['v2 old', 'v2 new'] as const;
    const [alice, bob] = await Promise.all(
      [tokens.alice, tokens.bob].map((token) => Promise.all(kinds.map((kind) => connect(token, kind)))),
    );
    const uri = 'test://watched-resource';
    for (const client of [...(alice ?? []), ...(bob ?? [])]) {
      await client.toolNames();
      // A client of the old era is refused what it may not see; one of the new era just hears nothing of it.
      await client.watch([uri]).catch((error: unknown) => t.regex(String(error), /Resource not found/));
    }
    await alice?.[0]?.call('f_test_trigger_tool_change');
    await alice?.[0]?.call('f_test_trigger_resource_update', { uri });
    for (const { heard, era } of alice ?? []) {
      await until(`alice (${era}) hears of the tools`, () => heard.changed.tools > 0);
      await until(`alice (${era}) hears of the resource`, () => heard.updated.length > 0);
    }
    // What would come to bob has come by the time that his next answers have.
    for (const client of bob ?? []) await client.call('f_test_simple_text');
    for (const { heard, era } of bob ?? [])
      t.deepEqual(heard, { logs: [], updated: [], changed: { tools: 0, prompts: 0, resources: 0 } }, era);
  });
}

for (const serverEra of eras) {
  test(`resources, prompts and half-finished calls of a server of the ${serverEra} era belong to those who may use it`, async (t) => {
    const fixture = await startFixture({ era: serverEra, transport: 'http' });
    t.teardown(() => fixture.close());
    const half = { token: tokens.bob, tools: { allow: ['f:test_*'], deny: ['f:test_simple_text'] } };
    const config = {
      mcpServers: { f: { url: fixture.url } },
      grants: { alice: { token: tokens.alice, tools: { allow: ['f'] } }, bob: half },
    };
    const proxy = await proxyFor(t, config);
    await proxy.ready();
    for (const era of eras) {
      const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
      const alice = await rawClient(era, proxy.url, { token: tokens.alice, capabilities });
      const bob = await rawClient(era, proxy.url, { token: tokens.bob, capabilities });
      const uri = 'test://static-text';
      t.true(JSON.stringify(await alice.result('resources/list')).includes(uri));
      t.true(JSON.stringify(await alice.result('resources/read', { uri })).includes('the static text resource'));
      t.deepEqual((await bob.result('resources/list'))['resources'], []);
      t.deepEqual((await bob.result('resources/templates/list'))['resourceTemplates'], []);
      t.deepEqual((await bob.result('prompts/list'))['prompts'], []);
      for (const hidden of [uri, 'test://template/1/data']) {
        const never = (await errorOf(bob, 'resources/read', { uri: 'test://never' })).replaceAll(
          'test://never',
          hidden,
        );
        t.is(await errorOf(bob, 'resources/read', { uri: hidden }), never);
      }
      const known = await errorOf(bob, 'prompts/get', { name: 'f_test_simple_prompt' });
      t.is(
        known,
        (await errorOf(bob, 'prompts/get', { name: 'f_no_prompt' })).replaceAll('f_no_prompt', 'f_test_simple_prompt'),
      );
      if (era === 'old') continue;
      // Alice's call waits for her answer; with her state in hand, Bob gets nothing of it.
      const call = { name: 'f_test_input_required_result_elicitation', arguments: {} };
      const asked = await alice.result('tools/call', call);
      t.is(asked['resultType'], 'input_required');
      const [key = ''] = Object.keys(asked['inputRequests'] as JsonObject);
      const answered = {
        ...call,
        requestState: asked['requestState'],
        inputResponses: { [key]: { action: 'accept', content: { name: 'Alice' } } },
      };
      if (serverEra === 'old') {
        const stolen = await bob.request('tools/call', answered);
        t.false(stolen.text.includes('Hello, Alice'), stolen.text);
      }
      t.true(JSON.stringify(await alice.result('tools/call', answered)).includes('Hello, Alice!'));
    }
  });
}
