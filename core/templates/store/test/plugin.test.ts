// The plugin in a real proxy; and the contracts that every plugin and every store keep.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { pluginContract, pluginHost, storeContract } from '@plugboard/test-kit/contract';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Stores } from 'plugboard';
import plugin from '../src/index.ts';

pluginContract(test, { plugin, folder: fileURLToPath(new URL('../../', import.meta.url)) });

storeContract(test, 'template-id', async (t, limits = {}) => {
  const directory = await temporaryFolder(t);
  const open = () => pluginHost({ plugins: [[plugin, { ...limits }]], directory });
  let host = await open();
  return {
    stores: host.service<Stores>('store'),
    reopen: async () => {
      await host.stop();
      host = await open();
      return host.service<Stores>('store');
    },
    close: () => host.stop(),
  };
});

test('a damaged file is refused and left alone', async (t) => {
  const directory = await temporaryFolder(t);
  const host = await pluginHost({ plugins: [[plugin, { path: 'state' }]], directory });
  t.teardown(() => host.stop());
  const stores = host.service<Stores>('store');
  const file = path.join(directory, 'state', 'notes.json');
  await stores.open('other');
  await writeFile(file, '{ "half": ');
  await t.throwsAsync(stores.open('notes'), { message: /notes\.json is damaged/ });
  t.is(await readFile(file, 'utf8'), '{ "half": ');
});

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'template-id-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
