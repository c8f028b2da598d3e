// Which proxy a command asks and as whom, and what it says when it is not sure of the one or lacks the other.
import test from 'ava';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { exitCodes } from '../src/cli/exit-codes.ts';
import type { JsonObject } from '../src/protocol/messages.ts';
import { core, folder, plugboard, Proxy, running } from './cli-support.ts';

test('a proxy at any port is found by its configuration; one that is not known to be it is asked with a warning', async (t) => {
  const { proxy, cwd, port } = await running(t);
  const own = await plugboard(['tools'], { cwd });
  t.is(own.code, exitCodes.ok, own.stderr);
  t.is(own.stderr, '4 tools\n');

  const other = await folder(t, { 'plugboard.yaml': `plugins: { http: { port: ${port} } }\n` });
  for (const command of ['tools', 'servers']) {
    const { code, stderr } = await plugboard([command], { cwd: other });
    t.is(code, exitCodes.ok, stderr);
    t.regex(
      stderr,
      /^warning: no proxy of \/.*plugboard\.yaml is known to run; what answers at http:\S+ may have another/,
    );
  }
  t.notRegex((await plugboard(['tools', '--port', port], { cwd: other })).stderr, /warning/);

  t.is(await proxy.stop(), exitCodes.ok);
  const gone = await plugboard(['tools'], { cwd });
  t.is(gone.code, exitCodes.notRunning);
  t.regex(gone.stderr, /no proxy of \/.*plugboard\.yaml has said at which port it listens/);
});

test('without a credential, or with a wrong one, a command says which it sent and how to send one', async (t) => {
  const token = 'alice-token-0123456789';
  const grants = `grants: { alice: { token: "\${env:ALICE}", tools: { allow: ["*"] } } }\n`;
  const config = `plugins: { http: { port: 0 }, ./demo.js: {} }\n${grants}`;
  const { proxy, cwd } = await running(t, config, { ALICE: token });
  const none = await plugboard(['tools'], { cwd });
  t.is(none.code, exitCodes.ok);
  t.is(none.stderr, '0 tools\nno token was sent (--grant NAME, --token-file FILE, PLUGBOARD_TOKEN)\n');
  const call = await plugboard(['call', 'demo_echo'], { cwd });
  t.regex(
    call.stderr,
    /TOOL_UNKNOWN: this caller sees no tool "demo_echo", nor any other: no token was sent \(--grant NAME/,
  );
  const servers = await plugboard(['servers'], { cwd });
  t.regex(servers.stderr, /UNAUTHORIZED: .* names no server to this caller: no token was sent/);
  const wrong = await plugboard(['servers'], { cwd, env: { PLUGBOARD_TOKEN: 'wrong-token-0123456789' } });
  t.regex(wrong.stderr, /UNAUTHORIZED: .*: the token sent was that of the environment variable PLUGBOARD_TOKEN/);
  t.is(await proxy.stop(), exitCodes.ok);
});

/** Takes every caller in, so that one without a token sees nothing though the file has no grants. */
const authentication = `
import { definePlugin } from '${core}';
export default definePlugin({ id: 'doors', apiVersion: 1, provides: ['authentication'], apply({ services }) {
  services.provide('authentication', {});
} });
`;

test('whoever runs the proxy sees its servers without a token, when the plugin admin is there', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml': 'plugins: { http: { port: 0 }, admin: {}, memory: {}, ./doors.js: {} }\nlog: { format: json }\n',
    'doors.js': authentication,
  });
  const proxy = new Proxy(t, [], { cwd });
  await proxy.event('ready');
  const { code, stdout, stderr } = await plugboard(['servers', '--json'], { cwd });
  t.is(code, exitCodes.ok, stderr);
  const { servers } = JSON.parse(stdout) as { servers: JsonObject[] };
  t.deepEqual(
    servers.map(({ name, state }) => [name, state]),
    [['memory', 'ready']],
  );
  const none = await plugboard(['tools'], { cwd });
  t.is(none.stderr, '0 tools\nno token was sent (--token-file FILE, PLUGBOARD_TOKEN)\n');
  t.regex(proxy.stderr, /"page":"http:\/\/127\.0\.0\.1:\d+\/api\/v1\/docs"/);
  t.is(await proxy.stop(), exitCodes.ok);
});

test('up prints what a port of its choice needs, and offers neither transports nor what mcpServers brings', async (t) => {
  const { proxy, cwd } = await running(t);
  t.is(await proxy.stop(), exitCodes.ok);
  const stop = `import { definePlugin } from '${core}';
export default definePlugin({ id: 'stop', apiVersion: 1, apply() { setTimeout(() => process.kill(process.pid, 'SIGINT'), 3000); } });`;
  await writeFile(path.join(cwd, 'stop.js'), stop);
  await writeFile(path.join(cwd, 'my file.yaml'), 'plugins: { http: { port: 0 }, ./demo.js: {}, ./stop.js: {} }\n');
  const { stdout } = await plugboard(['up', '--config', 'my file.yaml'], { cwd });
  const [, port] = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(stdout) ?? [];
  t.regex(stdout, new RegExp(`^node \\S+ call demo_\\S+ .*--config 'my file\\.yaml' --port ${port}$`, 'm'));
  t.regex(stdout, /^node \S+ add \w+ --config 'my file\.yaml'$/m);
  t.regex(stdout, /^github +/m);
  t.notRegex(stdout, /^(?:stdio|websocket|upstream|http) +/m);
});
