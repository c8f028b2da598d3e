// Answers of 64 KiB: the rate through the proxy against the rate of the upstream asked directly.
import type { Bench } from '../bench.ts';
import type { Work } from '../load/caller.ts';
import * as common from './common.ts';

const entry = 'blob';
const pairs = ['old → old', 'new → new'] as const;
const blobWork = (prefix: string): Work => ({ kind: 'blob', tool: `${prefix}blob`, kib: 64 });

export async function measureBlob(bench: Bench): Promise<void> {
  const upstreams = await common.startUpstreams();
  const proxy = await bench.proxy.start(common.reachable(bench.proxy, common.addresses(upstreams)));
  const load = { concurrency: 32, calls: bench.calls(3000) };
  const measured = pairs.filter((pair) => bench.proxy.pairs.includes(pair));
  const direct = (['old', 'new'] as const).map((era) =>
    common.directCase('upstream', upstreams[era], era, load, blobWork),
  );
  const samples = await bench.measure([...direct, ...common.pairCases('proxy', proxy, measured, load, blobWork)]);
  for (const pair of measured) {
    const straight = `upstream ${common.erasOf(pair).client}`;
    const value = samples.ratio(`proxy ${pair}`, straight, 'rate');
    const [rate, through] = [samples.median(straight, 'rate'), samples.median(`proxy ${pair}`, 'rate')].map(Math.round);
    const busy = Math.round(100 * samples.median(straight, 'loadBusy'));
    const cpu = samples.median(`proxy ${pair}`, 'allCpu').toFixed(0);
    const detail = `direct ${rate}/s (load generator ${busy} % busy), proxied ${through}/s, ${cpu} µs CPU per call`;
    bench.find({
      entry,
      name: `${pair}: rate of 64 KiB answers`,
      value,
      unit: '× direct',
      limit: { least: 0.4 },
      detail,
    });
  }
}
