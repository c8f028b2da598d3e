// What the proxy adds to the time of one call when nothing else is going on: p50 at concurrency 1, against the upstream.
import type { Bench } from '../bench.ts';
import * as common from './common.ts';

const entry = 'latency';
const pairs = ['old → old', 'new → new'] as const;

export async function measureLatency(bench: Bench): Promise<void> {
  const upstreams = await common.startUpstreams();
  const proxy = await bench.proxy.start(common.reachable(bench.proxy, common.addresses(upstreams)));
  const load = { concurrency: 1, calls: bench.calls(3000) };
  const measured = pairs.filter((pair) => bench.proxy.pairs.includes(pair));
  const direct = (['old', 'new'] as const).map((era) => common.directCase('upstream', upstreams[era], era, load));
  const samples = await bench.measure([...direct, ...common.pairCases('proxy', proxy, measured, load)]);
  for (const pair of measured) {
    const straight = `upstream ${common.erasOf(pair).client}`;
    const value = samples.difference(`proxy ${pair}`, straight, 'p50');
    const p50 = samples.median(straight, 'p50').toFixed(3);
    const detail = `direct ${p50} ms, proxied ${samples.median(`proxy ${pair}`, 'p50').toFixed(3)} ms`;
    bench.find({ entry, name: `${pair}: added to p50`, value, unit: 'ms', limit: { most: 0.3 }, detail });
    const p99 = samples.difference(`proxy ${pair}`, straight, 'p99');
    bench.find({ entry, name: `${pair}: added to p99`, value: p99, unit: 'ms' });
  }
}
