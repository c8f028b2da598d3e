// What the command line says when something around it is not as it should be: files, addresses, a port that says nothing.
import test from 'ava';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { core, fakeProxy, folder, listening, plugboard } from './cli-support.ts';
import type { Result } from './cli-support.ts';

/** A failure for people: its code, no stack, and something to do. */
function says({ code, stderr }: Result, exit: number, words: RegExp): string | undefined {
  if (code !== exit) return `ended with ${code}: ${stderr}`;
  if (!words.test(stderr)) return stderr;
  return /this is a bug|\n +at /.test(stderr) || !/\n→ \S/.test(stderr) ? stderr : undefined;
}

test('a file that cannot be written is named, with why and what to do; it is nobody’s bug', async (t) => {
  const cwd = await folder(t, { file: '' });
  await mkdir(path.join(cwd, 'taken.yaml'));
  const blocked = /error FILE_FAILED: cannot \w[\w ]* \/\S*\/file\/\S*: not a directory\n→ give this user the right/;
  t.is(says(await plugboard(['init', '--config', 'file/x.yaml'], { cwd }), exitCodes.error, blocked), undefined);
  // A plugin’s own failure keeps the name of the plugin.
  const plugin = `import { mkdirSync } from 'node:fs'; import { definePlugin } from '${core}';
export default definePlugin({ id: 'writer', apiVersion: 1, apply() { mkdirSync('file/state'); } });`;
  await writeFile(path.join(cwd, 'writer.js'), plugin);
  await writeFile(path.join(cwd, 'plugboard.yaml'), 'plugins: { ./writer.js: {} }\n');
  const inPlugin =
    /error FILE_FAILED: plugin "writer" failed in apply: cannot make the folder file\/state: not a directory/;
  t.is(says(await plugboard(['up'], { cwd }), exitCodes.error, inPlugin), undefined);
});

test('init finds a folder that is there already', async (t) => {
  const cwd = await folder(t);
  await mkdir(path.join(cwd, 'workspace'));
  t.regex(
    (await plugboard(['init'], { cwd })).stdout,
    /\ntook the present folder \/.*workspace, the folder that agents work in\n/,
  );
  t.true((await stat(path.join(cwd, 'plugboard.yaml'))).isFile());
});

test('the management API: a wrong address, a wrong path, a missing token, no plugin admin', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }', token: 'a-token-0123456789' });
  const list = (...args: string[]) => plugboard(['task', 'list', ...args], { cwd });
  const port = await listening(t, (_, response) => response.writeHead(404).end('nothing here'));
  const api = `http://127.0.0.1:${port}/wrong`;
  const isUsage = async (args: readonly string[], words: RegExp) =>
    t.is(says(await list(...args), exitCodes.usage, words), undefined);
  await isUsage(['--api', 'nonsense', '--token-file', 'token'], /--api: "nonsense" is no address such as http:/);
  await isUsage(['--api', api, '--token-file', 'nosuch'], /--token-file: .*nosuch/);
  await isUsage(['--token-file', 'token'], /--token-file goes with --api/);
  const wrongPath =
    /REQUEST_FAILED: http:\S+\/wrong\/tasks\S* answers with HTTP 404: it is no management API, whose address/;
  t.is(says(await list('--api', api, '--token-file', 'token'), exitCodes.error, wrongPath), undefined);
  const noAdmin = /PLUGIN_NOT_FOUND: .*the plugin admin is not configured: `node \S+ add admin`/;
  t.is(says(await list(), exitCodes.error, noAdmin), undefined);
  await writeFile(path.join(cwd, 'plugboard.yaml'), 'plugins: { http: {}, admin: {} }');
  t.is(says(await list(), exitCodes.notRunning, /NOT_RUNNING: no proxy of .*plugboard\.yaml runs/), undefined);
});

test('a port that says nothing is waited for with a word, and given up for what it is', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const sockets = new Set<{ destroy(): unknown }>();
  const mute = createServer((socket) => void sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  const address = mute.address();
  const port = String(address !== null && typeof address === 'object' ? address.port : '');
  const result = await plugboard(['tools', '--port', port], { cwd });
  const words = /^waiting for http:\S+ …\nerror REQUEST_FAILED: http:\S+: no answer within 15 s\n/;
  t.is(says(result, exitCodes.error, words), undefined);
});

test('a warning names an argument that the tool does not list, and the nearest; an answer that is no JSON is no bug', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const answered = fakeProxy(
    (stream) => stream.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 3, result: { content: [] } })}\n\n`),
    { inputSchema: { type: 'object', properties: { head: { type: 'integer' } } } },
  );
  const port = await listening(t, answered);
  const call = (...args: string[]) => plugboard(['call', 'work', ...args, '--port', port], { cwd });
  const hed = await call('hed=3');
  t.is(hed.code, exitCodes.ok, hed.stderr);
  t.is(hed.stderr, 'warning: tool "work" has no argument "hed" (known: head; nearest: head)\n');
  t.is((await call('head=3')).stderr, '');
  t.is((await call('{"hed": 3}')).stderr, hed.stderr);
  const html = await listening(t, (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'));
  const noJson = /NOT_RUNNING: http:\S+ does not answer with JSON: it is no Plugboard/;
  t.is(says(await plugboard(['tools', '--port', html], { cwd }), exitCodes.notRunning, noJson), undefined);
});

test('an address that cannot be listened on: what is wrong with it, and one hint for what to do', async (t) => {
  const grants = 'grants: { a: { token: literal-token-0123456789, tools: { allow: ["*"] } } }\n';
  const cwd = await folder(t, { 'plugboard.yaml': `plugins: { http: { host: 192.0.2.1 } }\n${grants}` });
  const absent =
    /CANNOT_LISTEN: .*http: cannot listen on 192\.0\.2\.1:8807: this machine has no such address\n→ choose a free port/;
  t.is(says(await plugboard(['up'], { cwd }), exitCodes.error, absent), undefined);
  const port = await listening(t, () => {});
  await writeFile(path.join(cwd, 'plugboard.yaml'), `plugins: { http: { port: ${port} } }\n`);
  const taken = /: another process listens there\n→ choose a free port .*, or end what listens there\n$/;
  t.is(says(await plugboard(['up'], { cwd }), exitCodes.error, taken), undefined);
});
