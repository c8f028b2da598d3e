// Upstreams, cases and findings that several entries share. Measures nothing itself.
import type { Bench, Case, Finding, Samples } from '../bench.ts';
import type { Era, Work } from '../load/caller.ts';
import { compiled } from '../process.ts';
import { type Proxy, type Running, type ServerAddress, startTarget } from '../targets/proxy.ts';

/** Upstreams of one era each, named by it. */
export interface Upstreams {
  old: Running;
  new: Running;
}

/** Starts one HTTP upstream of each era. */
export async function startUpstreams(): Promise<Upstreams> {
  return {
    old: await startTarget('upstream-http', ['--era', 'old']),
    new: await startTarget('upstream-http', ['--era', 'new']),
  };
}

/** The addresses of `upstreams` as a proxy is given them. */
export function addresses({ old, new: fresh }: Upstreams): Record<Era, ServerAddress> {
  return { old: { url: `${old.url}/mcp` }, new: { url: `${fresh.url}/mcp` } };
}

/** The stdio upstream of one era, as a command. */
export function stdioServer(era: Era): ServerAddress {
  return { command: process.execPath, args: [compiled('targets/upstream-stdio.js'), '--era', era] };
}

/** Those of `servers` that `proxy` can talk to: the SDK's v1 does not even start in front of a new-era one. */
export function reachable(
  proxy: Pick<Proxy, 'pairs'>,
  servers: Record<Era, ServerAddress>,
): Record<string, ServerAddress> {
  const spoken = new Set(proxy.pairs.map((pair) => erasOf(pair).server as string));
  return Object.fromEntries(Object.entries(servers).filter(([era]) => spoken.has(era)));
}

/** `old → new`: an old client in front of a new upstream. */
export function erasOf(pair: string): { client: Era; server: Era } {
  const [client, server] = pair.split(' → ') as [Era, Era];
  return { client, server };
}

/** How much load a case gets. */
export type Load = Pick<Case, 'concurrency' | 'calls'>;

/** Calls for a proxy that takes about a millisecond for each: fewer, and still many times the clock's grain. */
export function slowLoad(bench: Bench): Load {
  return { concurrency: 32, calls: bench.calls(1000) };
}

/** The load under which CPU per call is measured. */
export function fullLoad(bench: Bench): Load {
  return { concurrency: 32, calls: bench.calls(8000) };
}

/** One case for each pair of eras, through `/mcp` with prefixed names, called `<name> <pair>`. */
export function pairCases(
  name: string,
  target: Running,
  pairs: readonly string[],
  load: Load,
  work = echoWork,
): Case[] {
  return pairs.map((pair) => {
    const { client, server } = erasOf(pair);
    return { name: `${name} ${pair}`, target, path: '/mcp', era: client, work: work(`${server}_`), ...load };
  });
}

/** A case that asks `target` directly. */
export function directCase(name: string, target: Running, era: Era, load: Load, work = echoWork): Case {
  return { name: `${name} ${era}`, target, path: '/mcp', era, work: work(''), ...load };
}

export function echoWork(prefix: string): Work {
  return { kind: 'call', tool: `${prefix}echo` };
}

/** CPU µs per call of the echo on the machine the absolute limits were set for, when nothing else runs there. */
export const echoAtRest = 38;

/** How many times slower than that machine this one is now, by the echo of the same run; never less than 1. */
export function slowness(echoCpu: number): number {
  return Math.max(1, echoCpu / echoAtRest);
}

/** How an absolute limit was scaled. */
export function scaled(goal: string, slower: number): string {
  return `${goal} on a machine where the echo takes ${echoAtRest} µs; here ${slower.toFixed(2)} × that`;
}

/**
 * CPU seconds for 10,000 calls, against a goal set for a machine at rest. CPU time per call grows when others use the
 * same cores and caches, for the echo as for the proxy: the limit grows with the echo of the same run, never below `goal`.
 */
export function absolute(samples: Samples, one: Case, cpu: number, goal: number): Omit<Finding, 'entry'> {
  const slower = slowness(samples.median(`echo ${one.era}`, 'allCpu'));
  const detail = scaled(`${goal} s`, slower);
  const limit = { most: Number((goal * slower).toFixed(2)) };
  return { name: `${one.name}: CPU for 10,000 calls`, value: cpu / 100, unit: 's', limit, detail };
}
