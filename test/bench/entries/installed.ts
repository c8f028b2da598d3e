// What plugins cost a start, and how long a search of the catalogue takes as a whole process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { commandLine, startProxy } from '@plugboard/test-kit';
import type { Bench } from '../bench.ts';
import { root } from '../process.ts';
import { median, paired } from '../statistics.ts';
import { startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'installed';
const count = 30;
/** ms of a whole `plugboard search`, on a machine at rest. */
const searchGoal = 200;

const plugin = (number: number) => `import { definePlugin } from 'plugboard';
export default definePlugin({ id: 'plugin-${number}', apiVersion: 1, apply({ hooks }) { hooks.on('onListTools', (tools) => tools, 'late'); } });
`;

/** ms until a proxy with so many plugins listens. Beside the repository's packages, so that plugins find the core. */
async function timeStart(plugins: number): Promise<number> {
  const folder = await mkdtemp(path.join(root, '.cache', 'bench-installed-'));
  const numbers = Array.from({ length: plugins }, (_, number) => number);
  const files = Object.fromEntries(numbers.map((number) => [`plugin-${number}.mjs`, plugin(number)]));
  const entries = Object.fromEntries(numbers.map((number) => [`./plugin-${number}.mjs`, {}]));
  const started = performance.now();
  const proxy = await startProxy({ plugins: { http: {}, ...entries } }, { folder, files });
  const ms = performance.now() - started;
  await proxy.stop();
  await proxy.close();
  await rm(folder, { recursive: true, force: true });
  return ms;
}

async function timeSearch(): Promise<number> {
  const { command, args } = commandLine('search', 'database', '--json');
  const started = performance.now();
  await once(spawn(command, args, { stdio: 'ignore', cwd: root }), 'exit');
  return performance.now() - started;
}

export async function measureInstalled(bench: Bench): Promise<void> {
  const rounds = bench.options.quick ? 5 : 11;
  const none: number[] = [];
  const many: number[] = [];
  const search: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const times = [await timeStart(0), await timeStart(count), await timeSearch()] as const;
    // Round 0 reads the files into the system's cache and is not kept.
    if (round === 0) continue;
    none.push(times[0]);
    many.push(times[1]);
    search.push(times[2]);
    bench.record({ round, none: times[0], many: times[1], search: times[2] });
  }
  const echo = await startTarget('echo');
  const samples = await bench.measure([common.directCase('echo', echo, 'old', common.fullLoad(bench))]);
  const slower = common.slowness(samples.median('echo old', 'allCpu'));
  const detail = `none ${median(none).toFixed(0)} ms, ${count} plugins ${median(many).toFixed(0)} ms`;
  bench.find({
    entry,
    name: `start with ${count} plugins`,
    value: paired(many, none, (a, b) => a / b),
    unit: '× with none',
    limit: { most: 1.5 },
    detail,
  });
  const limit = { most: Math.round(searchGoal * slower) };
  bench.find({
    entry,
    name: 'search, the whole process',
    value: median(search),
    unit: 'ms',
    limit,
    detail: common.scaled(`${searchGoal} ms`, slower),
  });
}
