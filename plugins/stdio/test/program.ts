// A process that serves a fake board by the plugin on its real standard input and output. Tests start it.
import plugin from '@plugboard/stdio';
import type { PluginApi } from 'plugboard';
import { FakeBoard } from '@plugboard/test-kit/stand';

const log = (message: string) => void process.stderr.write(`log: ${message}\n`);
const ending = new AbortController();
const api = {
  board: new FakeBoard(),
  log: { debug: log, info: log, warn: log, error: log },
  signal: ending.signal,
};
const alive = setInterval(() => {}, 1000);
const stop = await plugin.apply(
  api as unknown as PluginApi,
  plugin.options?.parse(JSON.parse(process.argv[2] ?? '{}')),
);
console.log('a stray line');
console.info('and another');

if (process.argv[3] === 'graceful') {
  process.once('SIGTERM', () => {
    void (async () => {
      ending.abort();
      await stop?.();
      clearInterval(alive);
      process.stderr.write('stopped in good order\n');
    })();
  });
}
