// An agent with file tools on the folder of the configuration: it cannot make the proxy run a program of its choice, nor read its tokens.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { rawClient } from './support/raw-http.ts';
import type { RawClient } from './support/raw-http.ts';
import { proxyFor, root } from './support/stand.ts';

/** A program that leaves a mark, as an entry of `mcpServers`. */
const taker = (mark: string) => ({
  command: process.execPath,
  args: ['-e', `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '')`],
});

async function ask(client: RawClient, name: string, args: JsonObject): Promise<{ text: string; isError: boolean }> {
  const result = await client.result('tools/call', { name, arguments: args });
  const [block] = result['content'] as { text?: string }[];
  return { text: block?.text ?? '', isError: result['isError'] === true };
}

async function credentialOf(proxy: ProxyProcess): Promise<{ file: string; token: string }> {
  const file = path.join('.plugboard', 'admin-plugboard.json');
  await until('the credential is there', async () => existsSync(path.join(proxy.folder, file)));
  const { token } = JSON.parse(await readFile(path.join(proxy.folder, file), 'utf8')) as { token: string };
  return { file, token };
}

for (const isolation of ['here', 'worker'] as const) {
  test(`an agent that may edit files beside the configuration does not become its author (filesystem: ${isolation})`, async (t) => {
    const config = {
      plugins: { http: { port: 0 }, filesystem: { root: '.' }, admin: {} },
      ...(isolation === 'worker' && { pluginIsolation: { filesystem: { isolation: 'worker' } } }),
    };
    const proxy = await proxyFor(t, JSON.stringify(config, undefined, 2), { files: { 'notes.txt': 'mine\n' } });
    await proxy.ready();
    await proxy.logged(/option root: .* holds files of the proxy itself \(.*plugboard\.\w+.*\.\/workspace/s);
    const client = await rawClient('new', proxy.url);
    const { file, token } = await credentialOf(proxy);
    const name = path.basename(proxy.configFile);
    const mark = path.join(proxy.folder, 'taken');
    const pwn = `"mcpServers": { "pwn": ${JSON.stringify(taker(mark))} },\n  "plugins": {`;
    const edits = [{ oldText: '"plugins": {', newText: pwn }];
    const before = await readFile(proxy.configFile, 'utf8');
    for (const [tool, args] of [
      ['edit_file', { path: name, edits }],
      ['write_file', { path: name, content: before.replace('"plugins": {', pwn) }],
      ['write_file', { path: path.join(await realpath(proxy.folder), name.toUpperCase()), content: '{}' }],
      ['read_text_file', { path: name }],
      ['read_text_file', { path: file }],
      ['read_media_file', { path: file }],
      ['move_file', { source: '.plugboard', destination: 'state' }],
      ['move_file', { source: 'notes.txt', destination: 'plugboard.lock' }],
    ] as const) {
      const { text, isError } = await ask(client, `filesystem_${tool}`, args);
      t.true(isError && text.startsWith('Access denied - '), `${tool} ${JSON.stringify(args)}: ${text}`);
      t.false(text.includes(token));
    }
    t.deepEqual((await ask(client, 'filesystem_list_directory', { path: '.' })).text.split('\n'), ['[FILE] notes.txt']);
    t.is((await ask(client, 'filesystem_read_text_file', { path: 'notes.txt' })).text, 'mine\n');
    t.is(await readFile(proxy.configFile, 'utf8'), before);
    await sleep(1000);
    t.false(existsSync(mark));
  });
}

test('what a later configuration names is closed, too: plugins by path, files of secrets', async (t) => {
  const plugin =
    "import { definePlugin } from 'plugboard';\nexport default definePlugin({ id: 'mine', apiVersion: 1, apply() {} });\n";
  const plugins = { http: { port: 0 }, filesystem: { root: '.' } };
  // Inside the workspace, where `plugboard` is found.
  await mkdir(path.join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.cache', 'own-files-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const proxy = await proxyFor(
    t,
    { plugins },
    { folder, files: { 'mine.mjs': plugin, 'token.txt': 'a-token-of-sixteen-and-more' } },
  );
  await proxy.ready();
  const client = await rawClient('new', proxy.url);
  const read = (name: string) => ask(client, 'filesystem_read_text_file', { path: name });
  t.false((await read('mine.mjs')).isError);
  t.false((await read('token.txt')).isError);
  await proxy.configure({
    plugins: { ...plugins, './mine.mjs': {} },
    grants: { alice: { token: '${file:token.txt}', tools: { allow: ['*'] } } },
    tools: { allow: ['*'] },
  });
  await until('the plugin is closed', async () => (await read('mine.mjs')).isError);
  t.regex((await read('token.txt')).text, /^Access denied - /);
  t.true((await ask(client, 'filesystem_write_file', { path: 'mine.mjs', content: 'throw 1' })).isError);
  t.is(await readFile(path.join(folder, 'mine.mjs'), 'utf8'), plugin);
  await writeFile(path.join(folder, 'free.txt'), 'free');
  t.is((await read('free.txt')).text, 'free');
});
