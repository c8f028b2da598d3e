// What an idle session of the old era costs in memory, and that nothing is left when it has ended, here or upstream.
import type { Bench } from '../bench.ts';
import { Caller } from '../load/caller.ts';
import { Connection } from '../load/connection.ts';
import { median } from '../statistics.ts';
import { type Isolation, type Running, startTarget } from '../targets/proxy.ts';
import type { UpstreamStats } from '../targets/upstream-http.ts';

const entry = 'sessions';

/** One round: bytes for each session while it idled and after it ended; upstream sessions then and in between. */
export interface SessionRound {
  isolation: Isolation;
  round: number;
  idle: number;
  rss: number;
  kept: number;
  upstreamOpen: number;
  upstreamLeft: number;
}

async function stats(upstream: Running): Promise<UpstreamStats> {
  return (await (await fetch(`${upstream.url}/stats`)).json()) as UpstreamStats;
}

/** Opens `count` sessions as clients do: initialize, initialized, tools/list. Leaves no connection open. */
async function openSessions(url: string, count: number): Promise<Caller[]> {
  const connection = await Connection.open(url);
  const callers: Caller[] = [];
  for (let n = 0; n < count; n++) {
    const caller = new Caller(connection, `${url}/mcp`, 'old');
    await caller.open();
    if (caller.session === undefined)
      throw new Error('initialize was answered without Mcp-Session-Id: nothing to measure');
    await caller.names();
    const wrong = await caller.work({ kind: 'call', tool: 'bench_echo' });
    if (wrong !== undefined) throw new Error(wrong);
    callers.push(caller);
  }
  connection.close();
  return callers;
}

async function endSessions(url: string, callers: Caller[]): Promise<void> {
  const connection = await Connection.open(url);
  for (const caller of callers) await caller.end(connection);
  connection.close();
}

/** Bytes of heap and buffers, and resident bytes, after a forced collection. */
async function memory({ child }: Running): Promise<{ used: number; rss: number }> {
  const { heap = Number.NaN, external = Number.NaN, rss = Number.NaN } = await child.probe('memory');
  return { used: heap + external, rss };
}

/** Upstream sessions once the proxy had time to close them: a DELETE is answered before its upstream part is done. */
async function settled(upstream: Running, most: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    const { sessionsOpen } = await stats(upstream);
    if (sessionsOpen <= most || tries === 100) return sessionsOpen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function measureIsolation(bench: Bench, isolation: Isolation, count: number): Promise<SessionRound[]> {
  const upstream = await startTarget('upstream-http', ['--era', 'old']);
  const proxy = await bench.proxy.start({ bench: { url: `${upstream.url}/mcp` } }, { isolation });
  const rounds: SessionRound[] = [];
  // Code and caches warm up in round 0, which is not kept.
  for (let round = 0; round <= Math.min(3, bench.options.rounds); round++) {
    const before = await memory(proxy);
    const { sessionsOpen } = await stats(upstream);
    const callers = await openSessions(proxy.url, count);
    const during = await memory(proxy);
    const upstreamOpen = (await stats(upstream)).sessionsOpen - sessionsOpen;
    await endSessions(proxy.url, callers);
    const upstreamLeft = (await settled(upstream, sessionsOpen)) - sessionsOpen;
    const after = await memory(proxy);
    const idle = (during.used - before.used) / count;
    const rss = (during.rss - before.rss) / count;
    const kept = (after.used - before.used) / count;
    if (round > 0) rounds.push({ isolation, round, idle, rss, kept, upstreamOpen, upstreamLeft });
  }
  await proxy.child.stop();
  await upstream.child.stop();
  return rounds;
}

export async function measureSessions(bench: Bench): Promise<void> {
  const count = bench.options.quick ? 500 : 1000;
  const isolations: Isolation[] = bench.proxy.features.includes('isolation') ? ['shared', 'session'] : ['shared'];
  for (const isolation of isolations) {
    const rounds = await measureIsolation(bench, isolation, count);
    for (const round of rounds) bench.record(round);
    const of = (key: 'idle' | 'rss' | 'kept' | 'upstreamOpen' | 'upstreamLeft'): number => {
      return median(rounds.map((round) => round[key]));
    };
    const name = `${count} idle sessions, upstream ${isolation}`;
    const detail = `resident ${(of('rss') / 1000).toFixed(1)} kB each, ${of('upstreamOpen')} upstream sessions`;
    bench.find({
      entry,
      name: `${name}: memory each`,
      value: of('idle') / 1000,
      unit: 'kB',
      limit: { most: 20 },
      detail,
    });
    bench.find({
      entry,
      name: `${name}: kept after their end, each`,
      value: of('kept') / 1000,
      unit: 'kB',
      limit: { most: 1 },
    });
    const left = Math.max(...rounds.map((round) => round.upstreamLeft));
    bench.find({ entry, name: `${name}: upstream sessions left open`, value: left, unit: '', limit: { most: 0 } });
    if (isolation === 'shared') continue;
    // Otherwise "none left open" would also hold for a proxy that never opened one.
    bench.find({
      entry,
      name: `${name}: upstream sessions opened`,
      value: of('upstreamOpen'),
      unit: '',
      limit: { least: count },
    });
  }
}
