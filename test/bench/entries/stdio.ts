// tools/call over HTTP to upstreams that are stdio children: CPU per call of the proxy's own process.
import type { Bench, Case } from '../bench.ts';
import { startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'stdio';

export async function measureStdio(bench: Bench): Promise<void> {
  const servers = { old: common.stdioServer('old'), new: common.stdioServer('new') };
  const proxy = await bench.proxy.start(common.reachable(bench.proxy, servers));
  const echo = await startTarget('echo');
  const load = common.fullLoad(bench);
  const proxied = common.pairCases('proxy', proxy, bench.proxy.pairs, load);
  const echoes: Case[] = (['old', 'new'] as const).map((era) => common.directCase('echo', echo, era, load));
  const samples = await bench.measure([...echoes, ...proxied], 4);
  for (const one of proxied) {
    const { name, era } = one;
    const cpu = samples.median(name, 'cpu');
    const child = samples.median(name, 'childCpu');
    const detail = `${cpu.toFixed(0)} µs, its children ${child.toFixed(0)} µs, ${Math.round(samples.median(name, 'rate'))} calls/s`;
    const value = samples.ratio(name, `echo ${era}`, 'cpu');
    bench.find({ entry, name: `${name}: CPU per call`, value, unit: '× echo', limit: { most: 2 }, detail });
    bench.find({ entry, ...common.absolute(samples, one, cpu, 0.8) });
  }
}
