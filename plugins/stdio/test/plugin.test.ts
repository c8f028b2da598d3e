// The plugin in a process of its own, on real pipes: its options, what it keeps off standard output, and how the process ends with its client.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import plugin from '@plugboard/stdio';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { isPlugin } from 'plugboard';

const program = fileURLToPath(new URL('program.js', import.meta.url));
const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};

class Child {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
  out = '';
  err = '';
  #heard: (() => void)[] = [];

  constructor(t: ExecutionContext, ...args: string[]) {
    this.process = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    t.teardown(() => this.process.kill('SIGKILL'));
    this.ended = once(this.process, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    this.process.stdout.on('data', (text: Buffer) => this.#hear(() => (this.out += text.toString())));
    this.process.stderr.on('data', (text: Buffer) => this.#hear(() => (this.err += text.toString())));
    this.process.stdin.on('error', () => {});
  }

  send(message: object): void {
    this.process.stdin.write(`${JSON.stringify(message)}\n`);
  }

  async until(so: () => boolean): Promise<void> {
    while (!so()) await new Promise<void>((resolve) => this.#heard.push(resolve));
  }

  #hear(keep: () => void): void {
    keep();
    for (const each of this.#heard.splice(0)) each();
  }
}

test('options have defaults and unknown ones are refused', (t) => {
  t.true(isPlugin(plugin));
  t.deepEqual([plugin.id, plugin.exclusive], ['stdio', true]);
  t.deepEqual(plugin.options?.parse({}), { maxLineBytes: 16 * 1024 * 1024 });
  t.deepEqual(plugin.options?.parse({ server: 'git', token: 's', maxLineBytes: 4096 }), {
    server: 'git',
    token: 's',
    maxLineBytes: 4096,
  });
  for (const wrong of [{ onEnd: 1 }, { maxLineBytes: 10 }, { server: 'a b' }, { token: '' }])
    t.false(plugin.options?.safeParse(wrong).success, JSON.stringify(wrong));
});

test('only the protocol is on standard output, and the end of input ends the process by the signal', async (t) => {
  const child = new Child(t);
  child.send(initialize);
  child.send({ jsonrpc: '2.0', id: 1, method: 'big', params: { size: 1_000_000 } });
  child.send({ jsonrpc: '2.0', id: 2, method: 'echo', params: {} });
  await child.until(() => child.out.includes('"id":2'));
  const lines = child.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: number; result: { text?: string } });
  t.deepEqual(
    lines.map((each) => each.id),
    [0, 1, 2],
  );
  t.is(lines[1]?.result.text?.length, 1_000_000);
  child.process.stdin.end();
  t.deepEqual(await child.ended, [null, 'SIGTERM']);
  t.true(
    child.err.includes('a stray line') &&
      child.err.includes('and another') &&
      child.err.includes('log: the client has gone'),
    child.err,
  );
});

test('a client that closes its end of the output ends the process too, in good order', async (t) => {
  const child = new Child(t, '{}', 'graceful');
  child.send(initialize);
  await child.until(() => child.out.includes('"id":0'));
  child.process.stdout.destroy();
  // The broken pipe shows when something is written.
  for (let id = 1; id < 4; id += 1) child.send({ jsonrpc: '2.0', id, method: 'later', params: {} });
  await child.until(() => child.err.includes('stopped in good order'));
  child.process.stdin.end();
  t.deepEqual(await child.ended, [0, null]);
});

test('a process that is already stopping is not asked twice', async (t) => {
  const child = new Child(t, '{}', 'graceful');
  child.send(initialize);
  child.send({ jsonrpc: '2.0', id: 1, method: 'hang' });
  await child.until(() => child.out.includes('"id":0'));
  child.process.kill('SIGTERM');
  child.process.stdin.end();
  // A second signal would end it at once, without code 0: the handler is there once only.
  t.deepEqual(await child.ended, [0, null]);
  t.true(child.err.includes('stopped in good order'));
});
