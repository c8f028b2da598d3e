// Clients and proxies that come and go, a thousand times, in every way to go: no process, no handle and no memory is left behind.
import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendantsOf, openFiles, processesWith, startProxy, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Holdings } from './servers/probe.ts';
import { rawClient, sendHttp } from './support/raw-http.ts';
import type { RawClient } from './support/raw-http.ts';
import { folderFor, proxyFor, scripted } from './support/stand.ts';

let marks = 0;

/** A text in the command line of every process that a test starts through its proxies; what is left with it is ended with the test. */
function newMark(t: ExecutionContext): string {
  marks += 1;
  const mark = `cycles-${process.pid}-${marks}-`;
  t.teardown(() => {
    for (const pid of processesWith(mark)) process.kill(pid, 'SIGKILL');
  });
  return mark;
}

/** All that a proxy holds, after a collection of garbage. */
async function holdingsOf(proxy: ProxyProcess, file: string): Promise<Holdings> {
  rmSync(file, { force: true });
  process.kill(proxy.pid, 'SIGUSR2');
  const text = await until('the proxy tells what it holds', () => readFile(file, 'utf8').catch(() => undefined));
  const holdings = JSON.parse(text) as Holdings;
  return { ...holdings, resources: { ...holdings.resources, files: openFiles(proxy.pid) } };
}

/** What a proxy holds more than before, beyond what so many sessions may leave by chance. */
function difference(before: Holdings, after: Holdings, sessions: number): string[] {
  const perSession = Math.round((after.heap - before.heap) / sessions);
  const more = Object.entries(after.resources).filter(([kind, count]) => count > (before.resources[kind] ?? 0) + 3);
  const counts = more.map(([kind, count]) => `${kind}: ${before.resources[kind] ?? 0}, then ${count}`);
  return perSession < 2000 ? counts : [`${perSession} bytes of each session`, ...counts];
}

/** Every way in which a client may leave. */
const farewells: readonly ((client: RawClient, url: string, tool: string) => Promise<unknown> | void)[] = [
  (client) => client.end(),
  (client) => client.vanish(),
  // In mid-call.
  async (client, _url, tool) => {
    const calling = client.request('tools/call', { name: tool, arguments: {} }, 'broken').catch(() => undefined);
    await sleep(5);
    client.vanish();
    await calling;
  },
  // With its standing stream open.
  async (client, url) => {
    const leave = new AbortController();
    const listening = sendHttp(url, { method: 'GET', headers: client.headers, signal: leave.signal }).catch(
      () => undefined,
    );
    await sleep(5);
    leave.abort();
    await listening;
    client.vanish();
  },
  // Opened, and not used any more.
  () => undefined,
];

test.serial('a thousand sessions, a hundred of them with a process of their own, leave nothing behind', async (t) => {
  const mark = newMark(t);
  const folder = await folderFor(t);
  const file = `${folder}/holdings.json`;
  const preload = new URL('./servers/probe.js', import.meta.url).href;
  const config = {
    plugins: { http: { port: 0, idleTimeout: 1500, grace: 500 }, memory: {} },
    mcpServers: { child: { ...scripted(`--mark=${mark}`), isolation: 'session' } },
  };
  const proxy = await proxyFor(t, config, { env: { NODE_OPTIONS: `--import ${preload}`, PROBE_FILE: file } });
  await proxy.ready();
  const cycle = async (n: number): Promise<void> => {
    const client = await rawClient('old', proxy.url);
    // One in ten, of every kind of farewell.
    const withChild = Math.floor(n / farewells.length) % 10 === 0;
    await client.call(withChild ? 'child_spawn' : 'memory_read_graph');
    await farewells[n % farewells.length]?.(client, proxy.url, withChild ? 'child_hang' : 'memory_read_graph');
    client.vanish();
  };
  const cycles = async (count: number): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let n = next; n < count; n = next) {
        next += 1;
        await cycle(n);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  };
  const quiet = async (): Promise<void> => {
    // One for the list of tools, and one that watches over them.
    await until(
      () => `processes left: ${processesWith(mark).join()}, of the proxy: ${descendantsOf(proxy.pid).join()}`,
      () => processesWith(mark).length === 1 && descendantsOf(proxy.pid).length === 2,
    );
    // Sessions whose clients said nothing end by themselves.
    await sleep(3000);
  };
  await cycles(100);
  await quiet();
  const before = await holdingsOf(proxy, file);
  await cycles(900);
  await quiet();
  let left: readonly string[] = [];
  // What is only late goes away; what is left of every session stays.
  await until(
    () => left.join('; '),
    async () => {
      left = difference(before, await holdingsOf(proxy, file), 900);
      return left.length === 0;
    },
  );
  t.is(await proxy.stop(), 0);
  await until('the last processes end', () => processesWith(mark).length === 0);
});

test.serial('twenty proxies that are killed, and five that are stopped, take all processes with them', async (t) => {
  t.timeout(180_000);
  const mark = newMark(t);
  const mcpServers = {
    child: { ...scripted(`--mark=${mark}`), isolation: 'session' },
    stubborn: { ...scripted(`--mark=${mark}`, '--stubborn'), isolation: 'shared' },
  };
  const cycle = async (end: 'kill' | 'stop'): Promise<void> => {
    const proxy = await startProxy({ mcpServers });
    try {
      await proxy.ready();
      const clients = await Promise.all([rawClient('old', proxy.url), rawClient('new', proxy.url)]);
      const spawned = await Promise.all(
        clients.flatMap((client) => [client.call('child_spawn'), client.call('stubborn_spawn')]),
      );
      const own = descendantsOf(proxy.pid);
      t.true(spawned.every((pid) => own.includes(Number(pid))));
      const hanging = clients.map((client) =>
        client.request('tools/call', { name: 'child_hang', arguments: {} }, 'hang').catch(() => undefined),
      );
      if (end === 'kill') await proxy.kill();
      else t.is(await proxy.stop(), 0);
      await Promise.all(hanging);
      for (const client of clients) client.vanish();
      // A proxy that was stopped has already ended them all; who watches over a killed one needs a moment.
      if (end === 'stop')
        t.deepEqual(
          own.filter((pid) => processesWith(mark).includes(pid)),
          [],
        );
    } finally {
      await proxy.close();
    }
  };
  const ends: ('kill' | 'stop')[] = Array.from({ length: 25 }, (_, n) => (n % 5 === 4 ? 'stop' : 'kill'));
  const worker = async (): Promise<void> => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await cycle(end);
  };
  await Promise.all([worker(), worker(), worker()]);
  await until(
    () => `left behind: ${processesWith(mark).join()}`,
    () => processesWith(mark).length === 0,
  );
});
