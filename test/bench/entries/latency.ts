// What the proxy adds to the time of one call when nothing else is going on: p50 at concurrency 1, against the upstream.
import type { Bench } from '../bench.ts';
import { startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'latency';
/** ms that the proxy may add on the machine the limit was set for. */
const goal = 0.3;
const pairs = ['old → old', 'new → new'] as const;

export async function measureLatency(bench: Bench): Promise<void> {
  const upstreams = await common.startUpstreams();
  const proxy = await bench.proxy.start(common.reachable(bench.proxy, common.addresses(upstreams)));
  const echo = await startTarget('echo');
  const load = { concurrency: 1, calls: bench.calls(3000) };
  const measured = pairs.filter((pair) => bench.proxy.pairs.includes(pair));
  const direct = (['old', 'new'] as const).map((era) => common.directCase('upstream', upstreams[era], era, load));
  // At full load, as in the entry `http`: its CPU tells how fast this machine is now.
  const floor = common.directCase('echo', echo, 'old', common.fullLoad(bench));
  const samples = await bench.measure([floor, ...direct, ...common.pairCases('proxy', proxy, measured, load)]);
  const slower = common.slowness(samples.median('echo old', 'allCpu'));
  const most = Number((goal * slower).toFixed(2));
  for (const pair of measured) {
    const straight = `upstream ${common.erasOf(pair).client}`;
    const value = samples.difference(`proxy ${pair}`, straight, 'p50');
    const p50 = samples.median(straight, 'p50').toFixed(3);
    const times = `direct ${p50} ms, proxied ${samples.median(`proxy ${pair}`, 'p50').toFixed(3)} ms`;
    const detail = `${times}; ${common.scaled(`${goal} ms`, slower)}`;
    bench.find({ entry, name: `${pair}: added to p50`, value, unit: 'ms', limit: { most }, detail });
    const p99 = samples.difference(`proxy ${pair}`, straight, 'p99');
    bench.find({ entry, name: `${pair}: added to p99`, value: p99, unit: 'ms' });
  }
}
