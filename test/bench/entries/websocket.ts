// tools/call over WebSocket against the same calls over HTTP, to the same upstreams. Started as a program, this file is its own load
// generator: the one of the bench speaks HTTP only.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bench, Samples } from '../bench.ts';
import { Caller, type Era, versions, type Work } from '../load/caller.ts';
import { checkCall } from '../load/check.ts';
import { Connection } from '../load/connection.ts';
import type { RunResult } from '../load/load.ts';
import { Child, freePort, root } from '../process.ts';
import { quantile } from '../statistics.ts';
import type { Running } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'websocket';
const ways = ['http', 'ws'] as const;
type Way = (typeof ways)[number];

type Order =
  | { order: 'open'; way: Way; url: string; era: Era; concurrency: number }
  | { order: 'run'; work: Work; calls: number }
  | { order: 'close' };

export async function measureWebSocket(bench: Bench): Promise<void> {
  const proxy = await startProxy(common.addresses(await common.startUpstreams()));
  const load = new Child(fileURLToPath(import.meta.url), [], false);
  const { concurrency, calls } = common.fullLoad(bench);
  const samples = new Samples();
  const cases = bench.proxy.pairs.flatMap((pair) => ways.map((way) => ({ pair, way })));
  for (let round = 0; round <= bench.options.rounds; round++) {
    for (const { pair, way } of round % 2 === 0 ? cases : cases.toReversed()) {
      const { client: era, server } = common.erasOf(pair);
      const url = way === 'http' ? `${proxy.url}/mcp` : `${proxy.url}/ws`;
      const work = common.echoWork(`${server}_`);
      await ask(load, { order: 'open', way, url, era, concurrency });
      const before = await proxy.child.cpu();
      const result = (await ask(load, { order: 'run', work, calls })) as RunResult;
      const after = await proxy.child.cpu();
      await ask(load, { order: 'close' });
      if (result.wrong > 0) throw proxy.child.failure(`${way} ${pair}: ${result.complaints.join('; ')}`);
      // One round to warm up.
      if (round === 0) continue;
      const cpu = (after.own - before.own) / calls;
      const rate = calls / result.seconds;
      const loadBusy = result.loadCpu / 1e6 / result.seconds;
      const sample = { ...result, round, case: `${way} ${pair}`, rate, cpu, childCpu: 0, allCpu: cpu, loadBusy };
      samples.all.push(sample);
      bench.record(sample);
    }
  }
  for (const pair of bench.proxy.pairs) {
    const value = samples.ratio(`ws ${pair}`, `http ${pair}`, 'cpu');
    const [ws, http] = [samples.median(`ws ${pair}`, 'cpu'), samples.median(`http ${pair}`, 'cpu')];
    const detail = `${ws.toFixed(0)} µs against ${http.toFixed(0)} µs CPU per call, ${Math.round(samples.median(`ws ${pair}`, 'rate'))} calls/s`;
    bench.find({ entry, name: `proxy ${pair}: CPU per call`, value, unit: '× HTTP', limit: { most: 1.2 }, detail });
  }
}

async function ask(load: Child, order: Order): Promise<RunResult | undefined> {
  const { result, error } = await load.ask<{ result?: RunResult; error?: string }>(order);
  if (error !== undefined) throw new Error(error);
  return result;
}

/** The proxy with the plugin, on a port found here. */
async function startProxy(servers: Record<string, { url: string } | object>): Promise<Running> {
  const folder = join(root, '.cache/bench', `websocket-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const mcpServers = Object.fromEntries(Object.entries(servers).map(([name, at]) => [name, { type: 'http', ...at }]));
  const file = join(folder, 'plugboard.yaml');
  writeFileSync(file, JSON.stringify({ plugins: { http: {}, upstream: {}, websocket: {} }, mcpServers }));
  const port = await freePort();
  const child = new Child(join(root, 'core/bin/plugboard.js'), ['up', '--config', file, '--port', String(port)]);
  const url = `http://127.0.0.1:${port}`;
  await child.until('did not list the tools of all servers', async () => {
    const connection = await Connection.open(url).catch(() => undefined);
    if (connection === undefined) return undefined;
    const names = await new Caller(connection, `${url}/mcp`, 'new').names();
    connection.close();
    return Object.keys(servers).every((name) => names.includes(`${name}_echo`)) ? true : undefined;
  });
  return { child, url };
}

/** What the generator drives, over HTTP or WebSocket. */
interface Driven {
  work(work: Work): Promise<string | undefined>;
  close(): Promise<void> | void;
}

const envelope = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': versions.new,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
});

/** One client over one WebSocket, by hand: a library would cost the load generator more than the proxy takes. */
class SocketCaller implements Driven {
  readonly #socket: Socket;
  readonly #era: Era;
  #id = 1_000_000;
  #input: Buffer = Buffer.alloc(0);
  #waiting: ((payload: Buffer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: Socket, era: Era) {
    this.#socket = socket;
    this.#era = era;
    socket.on('error', () => {});
    socket.on('close', () => this.#failed?.(new Error('the proxy closed the connection')));
  }

  static async connect(url: string, era: Era): Promise<SocketCaller> {
    const { hostname, port, pathname, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const caller = new SocketCaller(socket, era);
    const head = await new Promise<Buffer>((resolve, reject) => {
      caller.#failed = reject;
      socket.once('data', resolve);
      socket.write(
        `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n',
      );
    });
    if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(head.toString('latin1'));
    socket.on('data', (data: Buffer) => caller.#receive(data));
    if (era === 'new') return caller;
    const clientInfo = { name: 'bench', version: '1.0.0' };
    const params = { protocolVersion: versions.old, capabilities: {}, clientInfo };
    await caller.#request('initialize', JSON.stringify(params));
    caller.#send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    return caller;
  }

  async work(work: Work): Promise<string | undefined> {
    if (work.kind !== 'call') throw new Error(`no ${work.kind} over WebSocket`);
    const text = `${process.pid} distinct argument of call ${this.#id + 1}`;
    const meta = this.#era === 'old' ? '' : `,"_meta":${envelope}`;
    const params = `{"name":"${work.tool}","arguments":${JSON.stringify({ text })}${meta}}`;
    const body = await this.#request('tools/call', params);
    return checkCall({ status: 200, head: '', body, stream: false }, this.#id, text);
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #request(method: string, params: string): Promise<Buffer> {
    this.#id += 1;
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#failed = reject;
      this.#send(`{"jsonrpc":"2.0","id":${this.#id},"method":"${method}","params":${params}}`);
    });
  }

  /** A text frame; its mask is not of zeros, so that unmasking costs the proxy what it always costs. */
  #send(text: string): void {
    const payload = Buffer.from(text);
    const mask = [0x5a, 0xc3, 0x17, 0x88];
    for (let index = 0; index < payload.length; index++) payload[index]! ^= mask[index & 3]!;
    const size = payload.length;
    const head = size < 126 ? [0x81, 0x80 | size] : [0x81, 0x80 | 126, size >> 8, size & 255];
    this.#socket.write(Buffer.concat([Buffer.from([...head, ...mask]), payload]));
  }

  #receive(data: Buffer): void {
    this.#input = this.#input.length === 0 ? data : Buffer.concat([this.#input, data]);
    for (;;) {
      const input = this.#input;
      if (input.length < 4) return;
      const short = (input[1] ?? 0) & 127;
      const start = short < 126 ? 2 : 4;
      const size = short < 126 ? short : input.readUInt16BE(2);
      if (input.length < start + size) return;
      this.#input = input.subarray(start + size);
      const isText = input[0] === 0x81;
      const payload = input.subarray(start, start + size);
      // Notifications and pings are nobody's answer.
      if (isText && payload.includes('"id":')) this.#waiting?.(payload);
    }
  }
}

let callers: Driven[] = [];

async function obey(order: Order): Promise<RunResult | void> {
  if (order.order === 'open') {
    const { way, url, era, concurrency } = order;
    for (let n = 0; n < concurrency; n++)
      callers.push(way === 'http' ? await Caller.connect(url, era) : await SocketCaller.connect(url, era));
  } else if (order.order === 'run') return run(order.work, order.calls);
  else {
    for (const caller of callers) await caller.close();
    callers = [];
  }
}

async function run(work: Work, calls: number): Promise<RunResult> {
  const latencies = new Float64Array(calls);
  const complaints: string[] = [];
  let next = 0;
  const drive = async (caller: Driven): Promise<void> => {
    while (next < calls && complaints.length < 100) {
      const call = next++;
      const started = performance.now();
      const complaint = await caller.work(work).catch((error: unknown) => String(error));
      latencies[call] = performance.now() - started;
      if (complaint !== undefined) complaints.push(complaint);
    }
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(callers.map(drive));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((q) => quantile(latencies, q)) as [number, number, number];
  const wrong = complaints.length;
  return { calls, wrong, complaints: complaints.slice(0, 3), seconds, p50, p90, p99, loadCpu: user + system };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on('message', (order: Order) => {
    obey(order).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
