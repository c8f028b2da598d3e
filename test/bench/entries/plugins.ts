// What ten plugins that tap every hook of a call and do nothing add to it.
import type { Bench } from '../bench.ts';
import * as common from './common.ts';

const entry = 'plugins';
const pairs = ['old → old', 'new → new'];

export async function measurePlugins(bench: Bench): Promise<void> {
  const servers = common.addresses(await common.startUpstreams());
  const without = await bench.proxy.start(servers);
  const with10 = await bench.proxy.start(servers, { noOpPlugins: 10 });
  const load = common.fullLoad(bench);
  // Side by side what is compared, and in small slices: it is the smallest difference that the bench looks for.
  const cases = pairs.flatMap((pair) => [
    ...common.pairCases('without', without, [pair], load),
    ...common.pairCases('with', with10, [pair], load),
  ]);
  const samples = await bench.measure(cases, 8);
  for (const pair of pairs) {
    const value = samples.ratio(`with ${pair}`, `without ${pair}`, 'allCpu');
    const figures = ['without', 'with'].map((name) => samples.median(`${name} ${pair}`, 'allCpu').toFixed(0));
    const detail = `${figures.join(' → ')} µs CPU per call`;
    bench.find({ entry, name: `${pair}: ten no-op plugins`, value, unit: '× without', limit: { most: 1.15 }, detail });
  }
}
