// Children that go wrong: each fault ends in a clear error, bounded memory, and no process left behind.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import test from 'ava';
import { CallFailure } from 'plugboard';
import { LineWriter } from '../src/stdio/line-writer.ts';
import { ask, child, Harness, isAlive, send, textOf, tool, until } from './support.ts';

const faulty = (...flags: string[]) => ({ command: process.execPath, args: [child('faulty'), ...flags] });
const rpc = (text: string) => JSON.parse(text) as Record<string, number>;

test('killed in mid-call: all open calls fail with a clear error, closed is told once', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  const waiting = Array.from({ length: 5 }, () => send(connection, 'tools/call', { name: 'hang', arguments: {} }));
  waiting.push(send(connection, 'tools/call', { name: 'crash', arguments: {} }));
  for (const call of waiting) {
    const failure = await t.throwsAsync(call.answer, { instanceOf: CallFailure });
    t.is(failure.kind, 'gone');
    t.regex(failure.message, /server "faulty" stopped while it was answering \(was ended by SIGKILL\)/);
  }
  await until('closed', () => told.closed.length > 0);
  t.regex(told.closed[0]?.message ?? '', /was ended by SIGKILL; its last words are in the log$/);
  t.regex((told.closed[0] as { detail?: string }).detail ?? '', /^its last words: .*about to crash/);
  await t.throwsAsync(send(connection, 'tools/list').answer, { instanceOf: CallFailure });
  const again = await harness.connect('faulty');
  t.is(textOf(await tool(again.connection, 'echo', { a: 1 })), '{"a":1}');
  await connection.close();
  t.is(told.closed.length, 1);
});

test('the answer that a child writes before it exits still arrives', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  t.is(textOf(await tool(connection, 'answerAndExit')), 'last answer');
  await until('closed', () => told.closed.length > 0);
  t.regex(told.closed[0]?.message ?? '', /exited with code 0/);
});

test('a child that ends at start: its last words are for the log and the status alone, without its secrets; one that is not there, what to do', async (t) => {
  const harness = await Harness.start(t, {
    servers: {
      ending: { ...faulty('--exit-at-start'), env: { API_TOKEN: 'sesame-open-123' } },
      missing: { command: 'plugboard-no-such-program' },
      nowhere: { ...faulty(), cwd: './no/such/folder' },
      path: { command: './no-such-script' },
      nul: { command: 'a\0b' },
    },
  });
  const ending = await t.throwsAsync(harness.connect('ending'));
  t.regex(
    ending.message,
    /^server "ending" exited with code 7 before it was ready; .*mcpServers\.ending; its last words are in the log$/,
  );
  const words = 'its last words: first line | no licence found for ***';
  t.like(ending, { detail: words });
  t.true(harness.messages('warn').includes(`server "ending": ${words}`));
  t.false(harness.messages().some((line) => line.includes('sesame')));
  t.regex(
    (await t.throwsAsync(harness.connect('missing'))).message,
    /server "missing" could not be started: there is no program "plugboard-no-such-program" on the PATH/,
  );
  t.regex(
    (await t.throwsAsync(harness.connect('nowhere'))).message,
    /working directory .*no\/such\/folder does not exist; correct mcpServers\.nowhere\.cwd/,
  );
  t.regex(
    (await t.throwsAsync(harness.connect('path'))).message,
    /server "path" could not be started: there is no file \/.*\/no-such-script; install it, or correct mcpServers\.path\.command/,
  );
  t.regex((await t.throwsAsync(harness.connect('nul'))).message, /server "nul" could not be started/);
});

test('a child that never answers the handshake is given up and ended, and so is one whose opening is aborted', async (t) => {
  const silent = {
    command: process.execPath,
    args: ['-e', 'process.stdin.resume(); console.error("pid " + process.pid)'],
  };
  const harness = await Harness.start(t, { connectTimeout: 4000, probeTimeout: 200, servers: { silent } });
  await t.throwsAsync(harness.connect('silent'), {
    message: /server "silent" was not ready within [\d.]+ s; .* its last words are in the log$/,
  });
  t.true(harness.messages('warn').some((line) => /"silent": its last words: pid \d+/.test(line)));
  const abort = new AbortController();
  const opening = harness.connect('silent', {}, abort);
  const before = harness.messages('info').length;
  await until('its start', () => harness.messages('info').length > before);
  abort.abort();
  await t.throwsAsync(opening, { message: /server "silent" was stopped before it was ready/ });
  const pids = harness.messages('info').map((line) => Number(/pid (\d+)/.exec(line)?.[1]));
  t.true(pids.length >= 2);
  for (const pid of pids) t.false(isAlive(pid));
});

test('rubbish, answers twice and for nobody, lines in pieces: reported, survived, nothing is mixed up', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  t.is(textOf(await tool(connection, 'twice')), 'once');
  t.is(textOf(await tool(connection, 'rubbish')), 'after rubbish');
  t.is(textOf(await tool(connection, 'split')), 'zwölf → 12');
  const texts = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => rpc(textOf(await tool(connection, 'echo', { n })))['n']),
  );
  t.deepEqual(
    texts,
    Array.from({ length: 200 }, (_, n) => n),
  );
  t.is(told.closed.length, 0);
  t.true(harness.messages('warn').some((line) => line.includes('id 987654321')));
  t.true(harness.messages('warn').some((line) => line.includes('Listening')));
  t.is(textOf(await tool(connection, 'notice')), 'noticed');
  t.true(told.notifications.some(({ method }) => method === 'notifications/tools/list_changed'));
});

test('a line of 100 MB ends the connection with a clear error and is never held in memory', async (t) => {
  const harness = await Harness.start(t, { maxMessageBytes: 4 * 1024 * 1024, servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  t.is(textOf(await tool(connection, 'large', { bytes: 3_000_000 })).length, 3_000_000);
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().external + process.memoryUsage().arrayBuffers);
  }, 5);
  const before = process.memoryUsage().external + process.memoryUsage().arrayBuffers;
  const failure = await t.throwsAsync(tool(connection, 'endlessLine', { bytes: 100 * 1024 * 1024 }), {
    instanceOf: CallFailure,
  });
  clearInterval(watch);
  t.regex(failure.message, /wrote a line of more than 4194304 bytes; raise maxMessageBytes/);
  t.true(most - before < 60 * 1024 * 1024, `${most - before} bytes`);
  await until('closed', () => told.closed.length === 1);
});

test('a flooded stderr is drained, logged within limits and never blocks the server', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection } = await harness.connect('faulty');
  t.is(textOf(await tool(connection, 'flood', { lines: 50_000 })), 'flooded');
  await connection.close();
  const lines = harness.messages('info').filter((line) => line.includes('flood'));
  t.true(lines.length >= 1 && lines.length < 5000, `${lines.length} lines`);
  t.false(lines.some((line) => line.includes('\u001b')));
  const dropped = harness.messages('warn').map((line) => Number(/(\d+) lines of stderr left out/.exec(line)?.[1] ?? 0));
  t.is(lines.length + dropped.reduce((sum, each) => sum + each, 0), 50_001);
});

test('a child that does not read its input, or closed it, is noticed', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  t.is(textOf(await tool(connection, 'closeInput')), 'deaf now');
  const call = send(
    connection,
    'tools/call',
    { name: 'echo', arguments: { a: 'x'.repeat(200_000) } },
    { timeout: 500 },
  );
  await t.throwsAsync(call.answer, { instanceOf: CallFailure });
  await connection.close();
  t.is(told.closed.length <= 1, true);
});

test('a child that is behind with reading: calls that find no room are refused, the others are answered, and it lives', async (t) => {
  const harness = await Harness.start(t, { servers: { faulty: faulty() } });
  const { connection, told } = await harness.connect('faulty');
  const busy = tool(connection, 'busy', { ms: 1500 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const outcomes: string[] = [];
  const pad = 'x'.repeat(8 * 1024 * 1024);
  for (let n = 0; n < 12; n += 1) {
    const { answer } = send(connection, 'tools/call', { name: 'noSuchTool', arguments: { pad } });
    void answer.then(
      () => outcomes.push('answered'),
      (failure: CallFailure) => outcomes.push(`${failure.kind}: ${failure.message}`),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(textOf(await busy), 'was busy');
  await until('all ends', () => outcomes.length === 12);
  t.true(outcomes.includes('answered'));
  t.true(outcomes.includes('gone: server "faulty" is behind with reading what it is sent; try again later'));
  t.is(textOf(await tool(connection, 'echo', { a: 1 })), '{"a":1}');
  t.deepEqual(told.closed, []);
});

test('a reader that reads nothing is told of when there is no more room, and not before', async (t) => {
  const pipe = new Writable({ highWaterMark: 10, write: (_chunk, _encoding, done) => void (read = done) });
  let read = () => {};
  let stalls = 0;
  const writer = new LineWriter(pipe, 100, 50, () => void (stalls += 1));
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  t.true(writer.write('x'.repeat(90)));
  await wait(100);
  t.true(writer.write('x'.repeat(90)));
  await wait(100);
  t.is(stalls, 0);
  t.false(writer.write('x'.repeat(90)));
  read();
  await wait(100);
  t.is(stalls, 0);
  t.true(writer.write('x'.repeat(90)));
  t.false(writer.write('x'.repeat(90)));
  await until('the stall', () => stalls === 1);
});

test('close ends a child that ignores the end of its input and SIGTERM, and everything it started', async (t) => {
  const harness = await Harness.start(t, { servers: { stubborn: faulty('--ignore-eof', '--grandchild') } });
  const { connection, told } = await harness.connect('stubborn');
  const { self, grandchild } = rpc(textOf(await tool(connection, 'pids')));
  t.true(isAlive(self!) && isAlive(grandchild!));
  const open = send(connection, 'tools/call', { name: 'hang', arguments: {} });
  const closing = connection.close();
  await t.throwsAsync(open.answer, { message: 'server "stubborn" was stopped' });
  await closing;
  t.false(isAlive(self!));
  t.false(isAlive(grandchild!));
  t.deepEqual(told.closed, []);
});

test('what a child leaves behind when it exits is ended, too', async (t) => {
  const harness = await Harness.start(t, { servers: { leaving: faulty('--grandchild') } });
  const { connection, told } = await harness.connect('leaving');
  const { grandchild } = rpc(textOf(await tool(connection, 'pids')));
  t.true(isAlive(grandchild!));
  t.is(textOf(await tool(connection, 'answerAndExit')), 'last answer');
  await until('the end of what it left behind', () => !isAlive(grandchild!));
  await until('closed', () => told.closed.length === 1);
});

test('a proxy that is killed with SIGKILL leaves no child, not even one that ignores everything', async (t) => {
  const servers = { stubborn: faulty('--ignore-eof', '--grandchild'), other: faulty('--ignore-eof', '--grandchild') };
  const proxy = spawn(process.execPath, [child('proxy'), JSON.stringify({ servers }), 'pids'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  proxy.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await until('the process ids', () => out.includes('\n'));
  const pids = (JSON.parse(out) as Record<string, number>[]).flatMap((each) => Object.values(each));
  t.is(pids.length, 4);
  t.true(pids.every(isAlive));
  const helpers = childrenOf(proxy.pid!).filter((pid) => !pids.includes(pid));
  t.is(helpers.length, 1, 'one watchdog');
  proxy.kill('SIGKILL');
  await until('the end of all processes', () => ![...pids, ...helpers].some(isAlive));
  t.pass();
});

test.serial('200 connections opened and closed leave no process and no handle behind', async (t) => {
  const harness = await Harness.start(t, {
    servers: { cat: { command: '/bin/sh', args: ['-c', echoServer], era: 'old' } },
  });
  const first = await harness.connect('cat');
  await first.connection.close();
  const handles = () => process.getActiveResourcesInfo().filter((each) => /Pipe|Process|Timeout/.test(each)).length;
  const before = handles();
  const helpers = childrenOf(process.pid).length;
  for (let round = 0; round < 20; round += 1) {
    const opened = await Promise.all(Array.from({ length: 10 }, () => harness.connect('cat')));
    await Promise.all(opened.map(({ connection }) => ask(connection, 'tools/list')));
    await Promise.all(opened.map(({ connection }) => connection.close()));
  }
  harness.open.length = 0;
  t.is(childrenOf(process.pid).length, helpers);
  await until('no handle to be left', () => handles() <= before);
  await harness.release();
  t.deepEqual(
    childrenOf(process.pid).filter((pid) => commandOf(pid).includes('plugboard-watchdog')),
    [],
  );
});

/** The smallest MCP server: answers initialize and everything after it. */
const echoServer = `
while read -r line; do
  id=$(expr "$line" : '.*"id":\\([0-9]*\\)')
  case $line in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}}' ;;
    *'"id":'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"tools":[]}}' ;;
  esac
done`;

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
