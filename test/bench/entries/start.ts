// From the start of the process to the first answered tools/list, with plugins http, filesystem and memory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Bench } from '../bench.ts';
import { median, paired, quantile } from '../statistics.ts';
import { timeStart } from '../targets/plugboard.ts';
import { startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'start';
/** ms that a start may take beyond that of Node alone, on the machine the limit of 250 ms was set for: Node takes 45 there. */
const goal = 205;

/** ms of one start of the proxy and of one `node -e 0` beside it. */
export interface StartRound {
  round: number;
  proxy: number;
  bare: number;
}

async function timeBare(): Promise<number> {
  const started = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - started;
}

async function slownessNow(bench: Bench): Promise<number> {
  const echo = await startTarget('echo');
  const samples = await bench.measure([common.directCase('echo', echo, 'old', common.fullLoad(bench))]);
  return common.slowness(samples.median('echo old', 'allCpu'));
}

export async function measureStart(bench: Bench): Promise<void> {
  const rounds: StartRound[] = [];
  const count = bench.options.quick ? 5 : 15;
  // Round 0 reads the files into the system's cache and is not kept.
  for (let round = 0; round <= count; round++) {
    const proxy = await timeStart();
    const bare = await timeBare();
    if (round === 0) continue;
    rounds.push({ round, proxy, bare });
    bench.record({ round, proxy, bare });
  }
  const proxy = rounds.map((round) => round.proxy);
  const bare = rounds.map((round) => round.bare);
  const slower = await slownessNow(bench);
  const p90 = `p90 ${quantile(proxy, 0.9).toFixed(0)} ms; bare node ${median(bare).toFixed(0)} ms`;
  bench.find({ entry, name: 'start to first tools/list', value: median(proxy), unit: 'ms', detail: p90 });
  bench.find({
    entry,
    name: 'start to first tools/list, beyond bare node',
    value: paired(proxy, bare, (a, b) => a - b),
    unit: 'ms',
    limit: { most: Math.round(goal * slower) },
    detail: common.scaled(`${goal} ms`, slower),
  });
  bench.find({
    entry,
    name: 'start to first tools/list',
    value: paired(proxy, bare, (a, b) => a / b),
    unit: '× bare node',
  });
}
