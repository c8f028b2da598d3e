// Signals at the command line, and streams that break: what stops, what is still answered, and what is said of it.
import test from 'ava';
import type { ChildProcess } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { core, fakeProxy, finish, folder, listening, plugboard, Proxy, running, start } from './cli-support.ts';

/** A plugin with one tool that takes a second. */
const slow = `
import { definePlugin, localServer, localTool, z } from '${core}';
const tool = localTool({ name: 'wait', description: 'Waits.', input: z.object({}), run: async () => {
  process.stderr.write('waiting\\n');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return { content: [{ type: 'text', text: 'done' }] };
} });
export default definePlugin({ id: 'slow', apiVersion: 1, apply({ servers }) {
  servers.register(localServer({ name: 'slow', version: '1.0.0', isolation: 'shared', tools: [tool], open: () => ({}) }));
} });
`;

test('Ctrl-C reaches a proxy twice, from the terminal and from npm: it stops in order, and the call under way is answered', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml': 'plugins: { http: { port: 0 }, ./slow.js: {} }\nlog: { format: json }\n',
    'slow.js': slow,
  });
  const proxy = new Proxy(t, [], { cwd });
  await proxy.event('ready');
  const call = plugboard(['call', 'slow_wait'], { cwd });
  await proxy.until(() => proxy.stderr.includes('waiting\n'));
  proxy.child.kill('SIGINT');
  proxy.child.kill('SIGTERM');
  await proxy.until(() => /SIG\w+: stopping/.test(proxy.stderr));
  proxy.child.kill('SIGINT');
  t.is(await proxy.ended, exitCodes.ok, proxy.stderr);
  const { code, stdout, stderr } = await call;
  t.is(code, exitCodes.ok, stderr);
  t.is(stdout, 'done\n');
});

test('a second signal that is no echo ends a proxy at once; the call there fails without a stack', async (t) => {
  const { proxy, cwd } = await running(t);
  const call = plugboard(['call', 'demo_hang'], { cwd });
  await proxy.until(() => proxy.stderr.includes('hanging'));
  proxy.child.kill('SIGTERM');
  await proxy.until(() => proxy.stderr.includes('SIGTERM: stopping'));
  await sleep(600);
  proxy.child.kill('SIGTERM');
  t.is(await proxy.ended, 143);
  const { code, stderr } = await call;
  t.is(code, exitCodes.error);
  t.regex(stderr, /^error REQUEST_FAILED: .*the proxy stopped before it answered\n→ .*\n$/);
});

test('Ctrl-C cancels a call at the server', async (t) => {
  const { proxy, cwd } = await running(t);
  const call = start(['call', 'demo_hang'], { cwd });
  const ended = finish(call);
  await proxy.until(() => proxy.stderr.includes('hanging'));
  // Twice, as from npx.
  call.kill('SIGINT');
  call.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  t.is(code, exitCodes.cancelled, stderr);
  t.is(stdout, '');
  t.regex(stderr, /^error CANCELLED: cancelled before the answer came\n→ .*\n$/);
  await proxy.until(() => proxy.stderr.includes('cancelled\n'));
  t.is(await proxy.stop(), exitCodes.ok);
});

test('an answer that has begun and breaks off, or is cancelled then, is no bug of anybody', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const progress = {
    method: 'notifications/progress',
    params: { progressToken: 'call', progress: 1, message: 'begun' },
  };
  const streams: ServerResponse[] = [];
  const answer = fakeProxy((stream) => {
    streams.push(stream);
    stream.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...progress })}\n\n`);
  });
  const port = await listening(t, answer);
  const ends = [
    [
      () => void streams.at(-1)?.destroy(),
      exitCodes.error,
      /error REQUEST_FAILED: .*the proxy stopped before it answered/,
    ],
    [(call: ChildProcess) => void call.kill('SIGINT'), exitCodes.cancelled, /error CANCELLED: cancelled before/],
  ] as const;
  for (const [end, exit, words] of ends) {
    const call = start(['call', 'work', '--port', port], { cwd });
    const ended = finish(call);
    await new Promise((resolve) => call.stderr.once('data', resolve));
    end(call);
    const { code, stderr } = await ended;
    t.is(code, exit, stderr);
    t.regex(stderr, words);
    t.notRegex(stderr, /\n +at /);
  }
});
