// Plugins that go wrong in every way there is, beside ones that behave, in a real proxy. In process where the contract promises survival;
// in a worker where only that survives: an endless loop, a gigabyte of memory, `process.exit`, a polluted prototype.
import { connect } from 'node:net';
import { residentBytes, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { rawClient } from './support/raw-http.ts';
import type { RawClient } from './support/raw-http.ts';
import { proxyFor, scripted } from './support/stand.ts';

const megabyte = 1024 * 1024;
const plugboard = import.meta.resolve('plugboard');

/** Does to the proxy what the call's argument `hostile` says. */
const hostile = `
import { createServer } from 'node:net';
import { definePlugin } from '${plugboard}';
const ways = {
  throw: () => { throw new Error('thrown at once'); },
  hang: () => new Promise(() => {}),
  mutate: (call) => { call.entry.name = 'stolen'; },
  reject: () => { setTimeout(async () => { throw new Error('rejected behind the back'); }); },
  uncaught: () => { setTimeout(() => { throw new Error('thrown behind the back'); }); },
  loop: () => { for (;;); },
  memory: () => { const kept = []; for (let n = 0; n < 1250; n += 1) kept.push(new Array(100_000).fill(n)); return { content: [{ type: 'text', text: 'a gigabyte is mine' }] }; },
  exit: () => process.exit(0),
  pollute: () => { Object.prototype.polluted = 'yes'; Array.prototype.filter = () => []; JSON.stringify = () => '{}'; globalThis.fetch = undefined; },
};
export default definePlugin({
  id: 'hostile',
  apiVersion: 1,
  apply({ hooks, log }) {
    const left = createServer((socket) => socket.on('error', () => {}).end('still here')).listen(0, '127.0.0.1', () => log.info('left open: port ' + left.address().port));
    hooks.on('onCallTool', (call) => ways[call.arguments.hostile]?.(call));
  },
});
`;

interface Stand {
  readonly proxy: ProxyProcess;
  /** Meets the hostile plugin. */
  readonly victim: RawClient;
  /** Has a session that was open before, with something in its memory. */
  readonly other: RawClient;
}

async function stand(t: ExecutionContext, isolation: JsonObject | undefined, limits: JsonObject = {}): Promise<Stand> {
  const plugins = { memory: {}, './hostile.mjs': {}, './polite.mjs': {} };
  const polite = `
    import { definePlugin } from '${plugboard}';
    export default definePlugin({ id: 'polite', apiVersion: 1, apply: ({ hooks, log }) => {
      hooks.on('onListTools', (list) => list.filter(({ tool }) => tool !== 'delete_entities'));
      hooks.on('onCallSettled', ({ call, outcome }) => log.info('settled: ' + call.name + ' ' + outcome));
    } });`;
  const config = {
    plugins,
    mcpServers: { scripted: scripted() },
    limits,
    ...(isolation && { pluginIsolation: { './hostile.mjs': { isolation: 'worker', ...isolation } } }),
  };
  const proxy = await proxyFor(t, config, { files: { 'hostile.mjs': hostile, 'polite.mjs': polite } });
  await proxy.ready();
  const [victim, other] = [await rawClient('new', proxy.url), await rawClient('old', proxy.url)];
  await other.call('memory_create_entities', {
    entities: [{ name: 'before', entityType: 'fact', observations: ['it was here'] }],
  });
  return { proxy, victim, other };
}

/** What a call that does harm is answered with: an error, a text, or that it was cut off. */
async function harm(client: RawClient, way: string): Promise<string> {
  const { messages } = await client.request('tools/call', { name: 'scripted_echo', arguments: { hostile: way } }, way);
  return messages.at(-1)?.error?.message ?? JSON.stringify(messages.at(-1)?.result);
}

/** The session that was open before goes on, with its state; so do the other plugin and the server's process. */
async function goesOn(t: ExecutionContext, { proxy, other }: Stand, pid: string): Promise<void> {
  t.regex(await other.call('memory_read_graph'), /it was here/);
  t.is(await other.call('scripted_pid'), pid);
  const names = await other.toolNames();
  t.true(names.includes('memory_read_graph') && !names.includes('memory_delete_entities'));
  t.is(await other.call('scripted_echo', { n: 1 }), '{"n":1}');
  t.true(proxy.running);
}

const attributed = /plugin \\?"hostile\\?" failed in onCallTool during the call of scripted_echo/;

test('in process: throws, hangs, changes what is frozen, leaves rejections and errors behind', async (t) => {
  const all = await stand(t, undefined, { hookTimeout: 1500 });
  const { proxy, victim } = all;
  const pid = await all.other.call('scripted_pid');
  for (const [way, text] of [
    ['throw', 'thrown at once'],
    ['hang', 'it did not finish within 1500 ms'],
    ['mutate', 'Cannot assign to read only property'],
  ] as const) {
    const waiting = harm(victim, way);
    await goesOn(t, all, pid);
    const answer = await waiting;
    t.regex(answer, attributed, way);
    t.true(answer.includes(text), answer);
    t.regex(await proxy.logged(new RegExp(`${attributed.source}: ${text}`)), attributed);
  }
  for (const [way, text] of [
    ['reject', /nobody caught an error.*rejected behind the back.*hostile\.mjs|hostile\.mjs.*nobody caught an error/],
    ['uncaught', /nobody caught an error.*thrown behind the back.*hostile\.mjs|hostile\.mjs.*nobody caught an error/],
  ] as const) {
    t.regex(await harm(victim, way), new RegExp(way));
    await proxy.logged(text);
    await goesOn(t, all, pid);
  }
  await proxy.logged(/settled: scripted_echo failed/);
  t.is(await proxy.stop(), 0, 'a socket that was left open does not keep the proxy');
});

test('in process a plugin can end the proxy: what only a worker holds off', async (t) => {
  const { proxy, victim } = await stand(t, undefined);
  await t.throwsAsync(harm(victim, 'exit'));
  t.is(await proxy.ended, 0);
});

test('in a worker: endless loop, a gigabyte, process.exit, polluted prototypes, and all the rest', async (t) => {
  const isolation = { memory: 128, heartbeat: 3000, restarts: 50 };
  const all = await stand(t, isolation, { hookTimeout: 60_000 });
  const { proxy, victim, other } = all;
  const pid = await other.call('scripted_pid');
  const before = residentBytes(proxy.pid);
  for (const [way, text] of [
    ['throw', 'thrown at once'],
    ['mutate', 'Cannot assign to read only property'],
    ['loop', 'it gave no sign of life for 3000 ms'],
    ['memory', 'it used more than 128 MB of memory|no sign of life'],
    ['exit', 'it ended itself with process\\.exit\\(0\\)'],
  ] as const) {
    const waiting = harm(victim, way);
    // Lists do not go through the hostile hook, so nobody waits for it.
    t.true((await other.toolNames()).includes('scripted_echo'), `during ${way}`);
    const answer = await waiting;
    t.regex(answer, attributed, way);
    t.regex(answer, new RegExp(text), way);
    await proxy.logged(new RegExp(`${attributed.source}.*(?:${text})`));
    await goesOn(t, all, pid);
  }
  await harm(victim, 'reject');
  await proxy.logged(new RegExp(`${attributed.source}: rejected behind the back`));
  await harm(victim, 'uncaught');
  await proxy.logged(new RegExp(`${attributed.source}: nobody caught an error: thrown behind the back`));
  await goesOn(t, all, pid);
  t.regex(await harm(victim, 'pollute'), /pollute/);
  await goesOn(t, all, pid);
  t.true(residentBytes(proxy.pid) - before < 300 * megabyte, 'its memory went with its workers');
  t.is(await proxy.stop(), 0);
});

test('in a worker a hook that never settles costs its own call; sockets that are left open go with the plugin', async (t) => {
  const all = await stand(t, {}, { hookTimeout: 1500 });
  const { proxy, victim } = all;
  const pid = await all.other.call('scripted_pid');
  const waiting = harm(victim, 'hang');
  await goesOn(t, all, pid);
  const answer = await waiting;
  t.regex(answer, attributed);
  t.regex(answer, /did not finish within 1500 ms/);
  const log = await proxy.logged(
    /its worker was started again[\s\S]*left open: port \d+|left open: port \d+[\s\S]*left open: port \d+/,
  );
  const ports = [...log.matchAll(/left open: port (\d+)/g)].map(([, port]) => Number(port));
  t.is(ports.length, 2);
  t.false(await listens(ports[0] ?? 0), 'the first worker has gone, and its socket');
  t.true(await listens(ports[1] ?? 0));
  await goesOn(t, all, pid);

  await proxy.configure({ plugins: { memory: {}, './polite.mjs': {} }, mcpServers: { scripted: scripted() } });
  await proxy.logged(/changed configuration is applied/);
  await until('the socket is closed', async () => !(await listens(ports[1] ?? 0)));
  t.regex(await harm(victim, 'throw'), /throw/, 'nobody is hostile any more');
  await goesOn(t, all, pid);
});

test('in a worker a plugin that loops while it is loaded is refused, and what runs goes on', async (t) => {
  const all = await stand(t, {});
  const { proxy } = all;
  const pid = await all.other.call('scripted_pid');
  await proxy.write('stalled.mjs', 'for (;;);');
  const keys = { './hostile.mjs': {}, './polite.mjs': {}, './stalled.mjs': {} };
  await proxy.configure({
    plugins: { memory: {}, ...keys },
    pluginIsolation: { './hostile.mjs': { isolation: 'worker' }, './stalled.mjs': { isolation: 'worker' } },
    mcpServers: { scripted: scripted() },
    limits: { applyTimeout: 2000 },
  });
  await goesOn(t, all, pid);
  await proxy.logged(/changed configuration is refused.*stalled\.mjs.*it was not loaded within 2000 ms/);
  await goesOn(t, all, pid);
  t.is(await proxy.stop(), 0);
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
