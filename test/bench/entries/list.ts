// A list of 1,000 tools that the proxy already knows: CPU against a node:http server that sends the same bytes.
import type { Bench } from '../bench.ts';
import { Caller, type Era } from '../load/caller.ts';
import { messageOf } from '../load/check.ts';
import { type Running, startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'list';
const eras = ['old', 'new'] as const;
const tools = 1000;

/** Has the echo send, for `era`, the list that `proxy` sends. Returns its size in bytes. */
async function copyList(proxy: Running, echo: Running, era: Era): Promise<number> {
  const caller = await Caller.connect(`${proxy.url}/mcp`, era);
  const { result } = messageOf(await caller.list()) as { result: unknown };
  await caller.close();
  const body = JSON.stringify(result);
  await fetch(`${echo.url}/list/${era}`, { method: 'PUT', body });
  return Buffer.byteLength(body);
}

export async function measureList(bench: Bench): Promise<void> {
  const upstream = await startTarget('upstream-http', ['--tools', String(tools)]);
  const proxy = await bench.proxy.start({ bench: { url: `${upstream.url}/mcp` } });
  const echo = await startTarget('echo');
  const load = { concurrency: 32, calls: bench.calls(1200) };
  const work = () => ({ kind: 'list', tools }) as const;
  const served = eras.filter((era) => bench.proxy.pairs.includes(`${era} → ${era}`));
  const sizes = new Map<Era, number>();
  for (const era of served) sizes.set(era, await copyList(proxy, echo, era));
  const cases = served.flatMap((era) => [
    common.directCase('echo', echo, era, load, work),
    common.directCase('proxy', proxy, era, load, work),
  ]);
  const samples = await bench.measure(cases);
  for (const era of served) {
    const value = samples.ratio(`proxy ${era}`, `echo ${era}`, 'allCpu');
    const figures = ['echo', 'proxy'].map((name) => samples.median(`${name} ${era}`, 'allCpu').toFixed(0));
    const detail = `echo ${figures[0]} µs, proxy ${figures[1]} µs, ${Math.round((sizes.get(era) ?? 0) / 1024)} KiB`;
    const name = `${era} client: tools/list of ${tools} tools`;
    bench.find({ entry, name, value, unit: '× same bytes', limit: { most: 2 }, detail });
  }
}
