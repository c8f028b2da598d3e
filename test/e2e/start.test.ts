// The start: the proxy listens at once, lists what is up, tells of the rest when it comes, and ends as quickly as it came.
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { descendantsOf, isAlive, startProxy, until } from '@plugboard/test-kit';
import type { ServerReport } from '@plugboard/test-kit';
import test from 'ava';
import { rawClient, sendHttp } from './support/raw-http.ts';
import { clientFor, folderFor, proxyFor, scripted, stdioProxyFor } from './support/stand.ts';

test('a slow server holds up nobody, and is announced to open sessions of both eras when it comes', async (t) => {
  const signal = path.join(await folderFor(t), 'come');
  const mcpServers = { quick: scripted(), late: scripted(`--until=${signal}`) };
  const proxy = await proxyFor(t, { plugins: { memory: {} }, mcpServers });
  const clients = [await clientFor(t, 'v1', { url: proxy.url }), await clientFor(t, 'v2 new', { url: proxy.url })];
  for (const client of clients) {
    t.true((await client.toolNames()).includes('memory_read_graph'), 'the first list has what is up');
    t.false((await client.call('memory_read_graph')).isError);
    await client.watch([]);
    await until('the quick server is listed', async () => (await client.toolNames()).includes('quick_echo'));
    t.is((await client.call('quick_echo', { n: 1 })).text, '{"n":1}');
    t.false((await client.toolNames()).includes('late_echo'));
  }
  const before = clients.map(({ heard }) => heard.changed.tools);
  await writeFile(signal, '');
  for (const [index, client] of clients.entries()) {
    const told = () => client.heard.changed.tools > (before[index] ?? 0);
    await until('the late server is announced', async () => told() && (await client.toolNames()).includes('late_echo'));
    t.is((await client.call('late_echo', { at: 'last' })).text, '{"at":"last"}');
  }
});

test('health tells the truth: alive at once, ready when the last server is', async (t) => {
  const signal = path.join(await folderFor(t), 'come');
  const right = { quick: scripted(), late: scripted(`--until=${signal}`) };
  const proxy = await proxyFor(t, { mcpServers: { ...right, ends: scripted('--exit') } });
  const get = async (path: string) => {
    const { status, text } = await sendHttp(proxy.url, { method: 'GET', path });
    const { ready, servers = [] } = JSON.parse(text) as { ready?: boolean; servers?: ServerReport[] };
    return { status, ready, server: (wanted: string) => servers.find(({ name }) => name === wanted) };
  };
  t.is((await get('/healthz')).status, 200);
  const first = await get('/readyz');
  t.is(first.status, 503);
  t.false(first.ready);
  t.is(first.server('late')?.state, 'starting');
  await writeFile(signal, '');
  await until('the late server is ready', async () => (await get('/readyz')).server('late')?.state === 'ready');
  const why = async () => (await get('/readyz')).server('ends')?.reason;
  t.regex(await until('it is said why the third has failed', why), /no licence found/);
  t.is((await get('/readyz')).status, 503);
  await proxy.configure({ mcpServers: right });
  await until('it is ready without the failed server', async () => (await get('/readyz')).status === 200);
});

test('over stdio it answers at once as well, and a client that leaves during the start leaves nothing behind', async (t) => {
  const signal = path.join(await folderFor(t), 'come');
  const config = { plugins: { memory: {} }, mcpServers: { late: scripted(`--until=${signal}`) } };
  const leaving = await stdioProxyFor(t, config);
  await leaving.initialize();
  await leaving.listed('memory_read_graph', 'old');
  const children = await until('the server is started', () => {
    const found = descendantsOf(leaving.pid);
    return found.length >= 2 && found;
  });
  t.is(await leaving.end(), 0);
  t.deepEqual(children.filter(isAlive), []);

  const staying = await stdioProxyFor(t, config);
  await staying.initialize();
  await staying.listed('memory_read_graph', 'old');
  await writeFile(signal, '');
  await staying.next('the late server is announced', ({ method }) => method === 'notifications/tools/list_changed');
  await staying.listed('late_echo', 'old');
});

test('it stops by itself, whatever its servers and clients are doing', async (t) => {
  const mcpServers = {
    never: scripted('--late=600000'),
    ends: scripted('--exit'),
    good: scripted(),
    missing: { command: 'no-such-program' },
  };
  const env = { NODE_OPTIONS: `--import ${new URL('./servers/probe.js', import.meta.url).href}` };
  const proxy = await proxyFor(t, { plugins: { memory: {} }, mcpServers }, { env });
  const client = await rawClient('old', proxy.url);
  await until('the good server is up', async () => (await client.toolNames()).includes('good_echo'));
  t.is(await client.call('good_echo'), '{}');
  const children = descendantsOf(proxy.pid);
  t.true(children.length >= 3);
  t.is(await proxy.stop(), 0);
  t.deepEqual(children.filter(isAlive), []);
  // Otherwise something was left open, and the proxy ended itself after a while.
  t.notRegex(proxy.log, /process\.exit was called/);
});

test('twenty servers come up, no more than four of them starting at a time', async (t) => {
  const names = Array.from({ length: 20 }, (_, n) => `server${n}`);
  const journal = path.join(await folderFor(t), 'journal');
  const mcpServers = Object.fromEntries(names.map((name) => [name, scripted('--late=100', `--journal=${journal}`)]));
  const proxy = await proxyFor(t, { mcpServers });
  const servers = await proxy.ready();
  t.true(servers.every(({ state, tools }) => state === 'ready' && tools > 0));
  const client = await rawClient('new', proxy.url);
  const listed = await client.toolNames();
  for (const name of names) t.true(listed.includes(`${name}_echo`));
  let now = 0;
  const counts = [...(await readFile(journal, 'utf8'))].map((each) => (now += each === '+' ? 1 : -1));
  t.is(counts.length, 40);
  // How many really meet is the machine's business; more than four never may, and one by one would be no concurrency.
  const most = Math.max(...counts);
  t.true(most > 1 && most <= 4, `${most} at a time`);
});

test('a port that is taken, and an address that may not be used: said in one line, with what to do, and nothing is left', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const config = { mcpServers: { child: scripted(`--mark=taken-${process.pid}`) } };
  const refused = await t.throwsAsync(startProxy(config, { args: ['--port', String(port)] }));
  t.regex(refused?.message ?? '', new RegExp(`127\\.0\\.0\\.1:${port}|port ${port}`));
  t.regex(refused?.message ?? '', /another process listens there/);
  t.regex(refused?.message ?? '', /--port|plugins\.http\.port/);
  const open = await t.throwsAsync(startProxy({ plugins: { http: { host: '0.0.0.0' } } }));
  t.regex(open?.message ?? '', /grants/);
  t.regex(open?.message ?? '', /REFUSED_BIND|127\.0\.0\.1/);
});
