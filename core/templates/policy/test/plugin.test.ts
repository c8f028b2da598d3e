// The plugin in a real proxy, before a server that a test writes; and the contract that every plugin keeps.
import { fileURLToPath } from 'node:url';
import { fakeServer, pluginContract, pluginHost } from '@plugboard/test-kit/contract';
import test from 'ava';
import plugin from '../src/index.ts';

pluginContract(test, { plugin, folder: fileURLToPath(new URL('../../', import.meta.url)) });

for (const era of ['old', 'new'] as const) {
  test(`${era} era: what is hidden is neither listed nor callable`, async (t) => {
    const notes = fakeServer('notes', { read: () => 'a note', erase: () => 'gone' });
    const host = await pluginHost({ plugins: [[plugin, { hidden: ['notes:erase'] }]], servers: [notes] });
    t.teardown(() => host.stop());
    const client = await host.client({ era });
    t.deepEqual(await client.toolNames(), ['notes_read']);
    await t.throwsAsync(client.call('notes_erase'));
    t.deepEqual(notes.calls, []);
  });

  test(`${era} era: a forbidden word refuses the call before it reaches the server`, async (t) => {
    const notes = fakeServer('notes', { write: () => 'written' });
    const host = await pluginHost({ plugins: [[plugin, { words: ['"secret"'] }]], servers: [notes] });
    t.teardown(() => host.stop());
    const client = await host.client({ era });
    t.is(await client.text('notes_write', { text: 'harmless' }), 'written');
    await t.throwsAsync(client.text('notes_write', { text: 'a "secret" thing' }), { message: /must not leave/ });
    t.is(notes.calls.length, 1);
  });
}
