// tools/call over HTTP to HTTP upstreams: CPU per call against the echo and against proxies composed of the SDK.
import type { Bench, Case, Samples } from '../bench.ts';
import type { Era } from '../load/caller.ts';
import { proxies, type Proxy, type ServerAddress, startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'http';
const references = ['relay', 'sdk-v1', 'sdk-v2'] as const;

export async function measureHttp(bench: Bench): Promise<void> {
  const upstreams = await common.startUpstreams();
  const servers = common.addresses(upstreams);
  const proxy = await bench.proxy.start(common.reachable(bench.proxy, servers));
  const echo = await startTarget('echo');
  const load = common.fullLoad(bench);
  const cases: Case[] = [
    common.directCase('echo', echo, 'old', load),
    common.directCase('echo', echo, 'new', load),
    common.directCase('upstream', upstreams.old, 'old', load),
    common.directCase('upstream', upstreams.new, 'new', load),
    ...common.pairCases('proxy', proxy, bench.proxy.pairs, load),
    ...(await referenceCases(bench, servers)),
  ];
  if (bench.proxy.features.includes('server-path')) {
    for (const era of ['old', 'new'] as const) {
      const work = common.echoWork('');
      cases.push({ name: `proxy /mcp/${era}`, target: proxy, path: `/mcp/${era}`, era, work, ...load });
    }
  }
  const samples = await bench.measure(cases, 4);
  judge(bench, samples, cases);
}

async function referenceCases(bench: Bench, servers: Record<Era, ServerAddress>): Promise<Case[]> {
  const cases: Case[] = [];
  for (const name of references) {
    const reference: Proxy = proxies[name];
    const target = await reference.start(common.reachable(reference, servers));
    const load = name === 'relay' ? common.fullLoad(bench) : common.slowLoad(bench);
    const pairs = reference.pairs.filter((pair) => pair === 'old → old' || pair === 'new → new');
    cases.push(...common.pairCases(name, target, pairs, load));
  }
  return cases;
}

function judge(bench: Bench, samples: Samples, cases: Case[]): void {
  for (const one of cases) {
    const { name, era } = one;
    const cpu = samples.median(name, 'allCpu');
    const rate = Math.round(samples.median(name, 'rate'));
    const detail = `${cpu.toFixed(0)} µs CPU per call, ${rate} calls/s`;
    const value = samples.ratio(name, `echo ${era}`, 'allCpu');
    const finding = { entry, name: `${name}: CPU per call`, value, unit: '× echo', detail };
    if (!name.startsWith('proxy')) {
      bench.find(finding);
      continue;
    }
    bench.find({ ...finding, limit: { most: 2.5 } });
    bench.find({ entry, ...common.absolute(samples, one, cpu, 1.2) });
  }
  const rivals = [
    ['sdk-v1', 'old → old'],
    ['sdk-v2', 'old → old'],
    ['sdk-v2', 'new → new'],
  ] as const;
  for (const [sdk, pair] of rivals) {
    if (!bench.proxy.pairs.includes(pair)) continue;
    const value = samples.ratio(`${sdk} ${pair}`, `proxy ${pair}`, 'allCpu');
    bench.find({ entry, name: `${sdk} ${pair}: CPU per call`, value, unit: '× proxy', limit: { least: 5 } });
  }
}
