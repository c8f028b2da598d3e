// The plugin in a real proxy, asked by clients; and the contract that every plugin keeps.
import { fileURLToPath } from 'node:url';
import { pluginContract, pluginHost } from '@plugboard/test-kit/contract';
import test from 'ava';
import plugin from '../src/index.ts';

pluginContract(test, { plugin, folder: fileURLToPath(new URL('../../', import.meta.url)) });

test('greets by name', async (t) => {
  const host = await pluginHost({ plugins: [[plugin, { greeting: 'Hi' }]] });
  t.teardown(() => host.stop());
  const client = await host.client();
  t.deepEqual(await client.toolNames(), ['template-id_greet']);
  t.is(await client.text('template-id_greet', { name: 'Ada' }), 'Hi, Ada!');
});

test('says which argument is wrong', async (t) => {
  const host = await pluginHost({ plugins: [plugin] });
  t.teardown(() => host.stop());
  const client = await host.client({ era: 'new' });
  await t.throwsAsync(client.text('template-id_greet', { name: '' }), { message: /name/ });
});

test('logs slow calls', async (t) => {
  const host = await pluginHost({ plugins: [[plugin, { slow: 0 }]] });
  t.teardown(() => host.stop());
  const client = await host.client();
  await client.call('template-id_greet', { name: 'Ada' });
  await host.logged(/slow call/);
  t.pass();
});
