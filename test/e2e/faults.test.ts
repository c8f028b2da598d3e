// Servers and clients that go wrong, as real processes and sockets: what the client is told, that the next call works, that nobody else notices.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendantsOf, isAlive, peakResidentBytes, residentBytes, until } from '@plugboard/test-kit';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { httpUpstream } from './support/http-upstream.ts';
import { rawClient } from './support/raw-http.ts';
import type { HttpReply, RawClient } from './support/raw-http.ts';
import { StdioProxy } from './support/raw-stdio.ts';
import { clientFor, everything, folderFor, proxyFor, scripted } from './support/stand.ts';

const eras = ['old', 'new'] as const;
const megabyte = 1024 * 1024;
/** JSON-RPC codes of docs/errors.md. */
const serverGone = -32_000;
const timedOut = -32_001;

/** Sends a call without waiting for its answer. */
function begin(client: RawClient, name: string, args: JsonObject = {}, signal?: AbortSignal): Promise<HttpReply> {
  return client.request('tools/call', { name, arguments: args }, `${name}-${Math.random()}`, signal);
}

function errorOf(reply: HttpReply): { code: number; message: string } {
  const { error } = reply.messages.at(-1) ?? {};
  if (error === undefined) throw new Error(`no error: ${reply.status} ${reply.text}`);
  return error;
}

for (const isolation of ['shared', 'task', 'session'] as const) {
  test(`a server killed in mid-call, isolation ${isolation}: a clear error, and the next call reaches a new process`, async (t) => {
    const proxy = await proxyFor(t, { mcpServers: { frail: { ...scripted(), isolation }, other: scripted() } });
    await proxy.ready();
    for (const era of eras) {
      const client = await rawClient(era, proxy.url);
      const pid = Number(await client.call('frail_pid'));
      const others = Number(await client.call('other_pid'));
      const hanging = begin(client, 'frail_hang');
      // The call before is answered only after this one has reached the process.
      await client.call('frail_echo');
      process.kill(pid, 'SIGKILL');
      const error = errorOf(await hanging);
      t.is(error.code, serverGone);
      t.regex(error.message, /"frail".*SIGKILL.*try again/s);
      const next = Number(await client.call('frail_pid'));
      t.not(next, pid);
      t.true(isAlive(next));
      t.true((await client.toolNames()).includes('frail_echo'));
      t.is(Number(await client.call('other_pid')), others, 'the other server goes on');
    }
    t.is(await proxy.stop(), 0);
  });
}

for (const isolation of ['shared', 'session'] as const) {
  test(`a killed server, isolation ${isolation}: what clients watch there is watched at its next process, without a call of theirs`, async (t) => {
    const proxy = await proxyFor(t, { mcpServers: { e: { ...everything, isolation } } });
    await proxy.ready();
    const uri = 'demo://resource/dynamic/text/1';
    const clients = [await clientFor(t, 'v1', { url: proxy.url }), await clientFor(t, 'v2 new', { url: proxy.url })];
    for (const client of clients) await client.watch([uri]);
    const before = descendantsOf(proxy.pid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    for (const { heard } of clients)
      await until('it is told that much may have changed', () => heard.updated.length > 0);
    t.false(before.some(isAlive));
    const told = clients.map(({ heard }) => heard.updated.length);
    // It tells of changes from this call on, of what it was asked for.
    for (const client of isolation === 'shared' ? clients.slice(0, 1) : clients)
      await client.call('e_toggle-subscriber-updates');
    for (const [index, { heard }] of clients.entries())
      await until('the next process tells of a change', () => heard.updated.length > (told[index] ?? 0));
    t.deepEqual(new Set(clients.flatMap(({ heard }) => heard.updated)), new Set([uri]));
    t.is(await proxy.stop(), 0);
  });
}

test('a server that hangs: a time-out for the client, a cancellation for the server; late and double answers reach nobody', async (t) => {
  const proxy = await proxyFor(t, { mcpServers: { slow: { ...scripted(), timeout: 400 } } });
  await proxy.ready();
  for (const era of eras) {
    const client = await rawClient(era, proxy.url);
    const pid = await client.call('slow_pid');
    const error = errorOf(await begin(client, 'slow_hang', { name: `hanging ${era}` }));
    t.is(error.code, timedOut);
    t.regex(error.message, /"slow".*400 ms/);
    // An answer that comes after the time-out must not be taken for the answer to anything else.
    t.is(errorOf(await begin(client, 'slow_wait', { name: `late ${era}`, ms: 800 })).code, timedOut);
    const told = JSON.parse(await client.call('slow_cancelled')) as string[];
    t.deepEqual(told.slice(-2), [`hanging ${era}`, `late ${era}`]);
    t.is(await client.call('slow_twice'), 'first');
    const deadline = Date.now() + 1000;
    for (let n = 0; Date.now() < deadline; n += 1) t.is(await client.call('slow_echo', { n }), JSON.stringify({ n }));
    t.is(await client.call('slow_pid'), pid, 'it is still the same process');
  }
});

test('rubbish on stdout and a flooded stderr: calls are answered, the log stays within limits', async (t) => {
  const proxy = await proxyFor(t, { mcpServers: { noisy: scripted(), other: scripted() } });
  await proxy.ready();
  const client = await rawClient('old', proxy.url);
  const pid = await client.call('noisy_pid');
  t.is(await client.call('noisy_rubbish'), 'after rubbish');
  await proxy.logged(/noisy.*not JSON/);
  const before = residentBytes(proxy.pid);
  const flooded = client.call('noisy_flood', { megabytes: 50 });
  for (let n = 0; n < 20; n += 1) t.is(await client.call('other_echo', { n }), JSON.stringify({ n }));
  t.is(await flooded, 'flooded');
  t.is(await client.call('noisy_pid'), pid);
  t.true(peakResidentBytes(proxy.pid) - before < 150 * megabyte);
  t.true(proxy.log.length < 5 * megabyte, `${proxy.log.length} characters were logged`);
});

test('a line of 100 MB ends the connection with a clear error, is not kept, and the next call works', async (t) => {
  const proxy = await proxyFor(t, { mcpServers: { wide: scripted(), other: scripted() } });
  await proxy.ready();
  const client = await rawClient('old', proxy.url);
  await client.call('wide_echo');
  const before = residentBytes(proxy.pid);
  const wide = begin(client, 'wide_line', { megabytes: 100 });
  for (let n = 0; n < 20; n += 1) t.is(await client.call('other_echo', { n }), JSON.stringify({ n }));
  const error = errorOf(await wide);
  t.is(error.code, serverGone);
  t.regex(error.message, /"wide".*line of more than \d+ bytes.*maxMessageBytes/s);
  const growth = peakResidentBytes(proxy.pid) - before;
  t.true(growth < 150 * megabyte, `memory grew by ${Math.round(growth / megabyte)} MB`);
  t.is(await client.call('wide_echo', { again: true }), '{"again":true}');
});

test('a server that stops listing its tools: its last list stays, and nobody waits for it', async (t) => {
  const mcpServers = { mute: { ...scripted(), isolation: 'shared' }, other: scripted() };
  const proxy = await proxyFor(t, { mcpServers, limits: { startTimeout: 4000 } });
  await proxy.ready();
  for (const era of eras) {
    const client = await rawClient(era, proxy.url);
    const names = await client.toolNames();
    t.is(await client.call('mute_mute'), 'mute');
    for (let n = 0; n < 20; n += 1) {
      t.deepEqual(await client.toolNames(), names);
      t.is(await client.call('mute_echo', { n }), JSON.stringify({ n }));
      await sleep(20);
    }
  }
  await proxy.logged(/"mute.*did not list again, its last lists stay/);
  const late = await rawClient('new', proxy.url);
  t.true((await late.toolNames()).includes('mute_echo'));
});

test('a server that never answers: it is said how long it was waited for, and which limit to raise', async (t) => {
  const mute = { command: process.execPath, args: ['-e', 'setInterval(() => {}, 60_000)'] };
  const proxy = await proxyFor(t, { mcpServers: { mute, good: scripted() }, limits: { startTimeout: 1500 } });
  await proxy.logged(/server \\"mute\\" is down: was not ready within [\d.]+ s.*limits\.startTimeout/);
  const client = await rawClient('new', proxy.url);
  t.true((await client.toolNames()).every((name) => name.startsWith('good_')));
  t.is(await client.call('good_echo', { n: 1 }), '{"n":1}');
});

test('a server that ends at once, and one whose program does not exist: the others are listed, and it is said why', async (t) => {
  const mcpServers = { ends: scripted('--exit'), missing: { command: 'no-such-program-anywhere' }, good: scripted() };
  const proxy = await proxyFor(t, { mcpServers });
  const servers = await proxy.ready();
  const reasonOf = (name: string) => servers.find((server) => server.name === name);
  t.like(reasonOf('good'), { state: 'ready', reason: undefined });
  t.regex(reasonOf('ends')?.reason ?? '', /exited with code 3.*mcpServers\.ends.*no licence found/s);
  t.regex(reasonOf('missing')?.reason ?? '', /no program "no-such-program-anywhere".*mcpServers\.missing\.command/s);
  for (const era of eras) {
    const client = await rawClient(era, proxy.url);
    const names = await client.toolNames();
    t.true(names.length > 0 && names.every((name) => name.startsWith('good_')));
    await t.throwsAsync(client.call('ends_echo'), { message: /Unknown tool/ });
  }
  t.is(await proxy.stop(), 0);
});

for (const era of eras) {
  test(`an HTTP server of the ${era} era that answers 404, 500, nonsense, or not at all: a clear error each, and the next call works`, async (t) => {
    const upstream = await httpUpstream(t, era);
    const proxy = await proxyFor(t, {
      mcpServers: { remote: { url: upstream.url, timeout: 1500 }, other: scripted() },
    });
    await proxy.ready();
    for (const clientEra of eras) {
      const client = await rawClient(clientEra, proxy.url);
      const says = {
        404: /"remote".*404/s,
        500: /"remote".*500/s,
        503: /"remote".*503/s,
        drop: /"remote"/,
        half: /"remote"/,
        rubbish: /"remote"/,
        silence: /"remote".*1500 ms/s,
      };
      for (const [fault, words] of Object.entries(says)) {
        upstream.fault = () => (/^\d+$/.test(fault) ? Number(fault) : (fault as 'drop'));
        const { code, message } = errorOf(await begin(client, 'remote_echo', { fault }));
        t.is(code, fault === 'silence' ? timedOut : code, fault);
        t.true(code <= -32_000 && code >= -32_768, `${fault}: ${code}`);
        t.regex(message, words, fault);
        upstream.fault = () => undefined;
        t.is(await client.call('remote_echo', { after: fault }), JSON.stringify({ after: fault }));
        t.is(await client.call('other_echo', { after: fault }), JSON.stringify({ after: fault }));
      }
    }
  });
}

test('an HTTP server that has forgotten its sessions: the call is repeated in a new one, once for all who wait', async (t) => {
  const upstream = await httpUpstream(t, 'old');
  const proxy = await proxyFor(t, { mcpServers: { remote: { url: upstream.url } } });
  await proxy.ready();
  const client = await rawClient('old', proxy.url);
  await client.call('remote_echo');
  const opened = upstream.sessions.size;
  upstream.forget();
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => client.call('remote_echo', { n })));
  t.deepEqual(
    answers,
    Array.from({ length: 20 }, (_, n) => JSON.stringify({ n })),
  );
  t.true(upstream.sessions.size <= opened, `${upstream.sessions.size} sessions were opened instead of ${opened}`);
});

for (const kind of ['a child', 'an HTTP server'] as const) {
  test(`a client that vanishes in mid-call: ${kind} is told to stop, and other clients go on`, async (t) => {
    const upstream = await httpUpstream(t, 'new');
    const server = kind === 'a child' ? { ...scripted(), isolation: 'shared' } : { url: upstream.url };
    const proxy = await proxyFor(t, { plugins: { http: { port: 0, grace: 300 } }, mcpServers: { server } });
    await proxy.ready();
    const other = await rawClient('old', proxy.url);
    const namesOf = async (what: 'received' | 'cancelled'): Promise<unknown[]> =>
      kind === 'a child' ? (JSON.parse(await other.call(`server_${what}`)) as unknown[]) : upstream[what];
    const has = (what: 'received' | 'cancelled', name: string) =>
      until(`the call "${name}" is ${what}`, async () => (await namesOf(what)).includes(name));
    for (const era of eras) {
      const client = await rawClient(era, proxy.url);
      await client.call('server_echo');
      const broken = begin(client, 'server_hang', { name: `of ${era}` });
      await has('received', `of ${era}`);
      client.vanish();
      await t.throwsAsync(broken);
      await has('cancelled', `of ${era}`);
      t.is(await other.call('server_echo', { era }), JSON.stringify({ era }));
    }
    // A client that takes its call back in the old era says so, and stays.
    const client = await clientFor(t, 'v1', { url: proxy.url });
    const giveUp = new AbortController();
    const calling = client.call('server_hang', { name: 'taken back' }, { signal: giveUp.signal });
    await has('received', 'taken back');
    giveUp.abort();
    await t.throwsAsync(calling);
    await has('cancelled', 'taken back');
    t.is((await client.call('server_echo', { still: 'here' })).text, '{"still":"here"}');
  });
}

test('a client over stdio that vanishes in mid-call takes the proxy and its servers with it', async (t) => {
  const folder = await folderFor(t);
  await writeFile(`${folder}/plugboard.json`, JSON.stringify({ mcpServers: { child: scripted() } }));
  for (const way of ['end of input', 'SIGKILL'] as const) {
    const client = new StdioProxy(folder, `${folder}/plugboard.json`);
    t.teardown(() => client.kill());
    await client.initialize();
    await client.listed('child_spawn', 'old');
    const { result } = await client.request('tools/call', { name: 'child_spawn', arguments: {} }, 'spawn');
    const [content] = (result?.['content'] ?? []) as { text: string }[];
    const grandchild = Number(content?.text);
    client.send({ jsonrpc: '2.0', id: 'hang', method: 'tools/call', params: { name: 'child_hang', arguments: {} } });
    const all = descendantsOf(client.pid);
    t.true(all.includes(grandchild));
    const ended = way === 'SIGKILL' ? client.kill() : client.end();
    t.is(await ended, way === 'SIGKILL' ? undefined : 0);
    await until(
      () => `${way}: ${all.filter(isAlive).join()} of ${all.join()} are left`,
      () => !all.some(isAlive),
    );
    t.deepEqual(client.rubbish, []);
  }
});
