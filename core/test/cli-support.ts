// The command line from outside, for its tests: processes of it, a folder to run them in, a proxy that runs, and a plugin with tools of every kind.
import type { ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../src/protocol/messages.ts';

export const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
export const core = new URL('../src/index.js', import.meta.url).href;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Record<string, string>;
  readonly input?: string;
}

export function start(
  args: readonly string[],
  { cwd, env = {} }: RunOptions,
  command = process.execPath,
): ChildProcessWithoutNullStreams {
  const own = { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env };
  return spawn(command, command === process.execPath ? [main, ...args] : args, { cwd, env: own });
}

export async function finish(child: ChildProcessWithoutNullStreams, input = ''): Promise<Result> {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {}).end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

export const plugboard = (args: readonly string[], options: RunOptions) => finish(start(args, options), options.input);

/** Runs a command line on a terminal of 80 columns; what it shows there, both streams together. */
export async function onTerminal(args: readonly string[], { cwd, env = {} }: RunOptions): Promise<Result> {
  const words = [process.execPath, main, ...args].map((word) => `'${word}'`);
  const command = `stty cols 80; ${words.join(' ')}`;
  return finish(start(['-qec', command, '/dev/null'], { cwd, env: { TERM: 'xterm', ...env } }, 'script'));
}

export async function folder(t: ExecutionContext, files: Record<string, string> = {}): Promise<string> {
  // A start takes half a second, and all tests of this file start several processes at once.
  t.timeout(180_000);
  const made = await mkdtemp(path.join(tmpdir(), 'plugboard-cli-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(made, name), text);
  return made;
}

/** A running `plugboard up --json`. */
export class Proxy {
  readonly child: ChildProcessWithoutNullStreams;
  readonly events: JsonObject[] = [];
  stderr = '';
  readonly ended: Promise<number | null>;
  #changed: () => void = () => {};

  constructor(t: ExecutionContext, args: readonly string[], options: RunOptions) {
    this.child = start(['up', '--json', ...args], options);
    let rest = '';
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.events.push(JSON.parse(line) as JsonObject);
      this.#changed();
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changed();
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        resolve(code);
        this.#changed();
      });
    });
    t.teardown(() => this.child.kill('SIGKILL'));
  }

  /** Waits until something that was written fits; fails when the process ends before. */
  async until<Found>(find: () => Found | undefined | false): Promise<Found> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      if (this.child.exitCode !== null) throw new Error(`the proxy ended with ${this.child.exitCode}: ${this.stderr}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  event(name: string): Promise<JsonObject> {
    return this.until(() => this.events.find((each) => each['event'] === name));
  }

  async url(): Promise<string> {
    return String((await this.event('listening'))['url']);
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGINT');
    return await this.ended;
  }
}

/** A plugin file with one in-process server `demo`. */
export const demo = `
import { definePlugin, localServer, localTool, z } from '${core}';
const text = (value) => ({ content: [{ type: 'text', text: value }] });
const tools = [
  localTool({ name: 'echo', description: 'Says it again. With more.', input: z.object({ text: z.string().optional(), count: z.int().optional(), tags: z.array(z.string()).optional() }).strict(), run: (args) => text(JSON.stringify(args)) }),
  localTool({ name: 'fail', description: 'Fails.', input: z.object({}), run: () => ({ ...text('it went wrong'), isError: true }) }),
  localTool({ name: 'mixed', description: 'Everything but text.', input: z.object({}), run: () => ({ content: [
    { type: 'image', data: 'AAAA', mimeType: 'image/png' }, { type: 'resource_link', uri: 'demo://a', name: 'a' },
    { type: 'resource', resource: { uri: 'demo://b', text: 'embedded' } } ] }) }),
  localTool({ name: 'hang', description: 'Waits.', input: z.object({}), run: (args, { signal }) => new Promise((resolve) => {
    process.stderr.write('hanging\\n');
    signal.addEventListener('abort', () => { process.stderr.write('cancelled\\n'); resolve(text('late')); });
  }) }),
];
export default definePlugin({ id: 'demo', apiVersion: 1, apply({ servers }) {
  servers.register(localServer({ name: 'demo', version: '1.0.0', isolation: 'task', tools, open: () => ({}) }));
  setTimeout(() => Promise.reject(new Error('stray with secret-of-the-server')), 50);
} });
`;

export const openConfig = 'plugins: { http: { port: 0 }, ./demo.js: {} }\nlog: { format: json }\n';

/** A proxy in a new folder, and what speaks to it. */
export async function running(t: ExecutionContext, config = openConfig, env: Record<string, string> = {}) {
  const cwd = await folder(t, { 'plugboard.yaml': config, 'demo.js': demo });
  const proxy = new Proxy(t, [], { cwd, env });
  const { port } = new URL(await proxy.url());
  await proxy.event('ready');
  const run = (args: readonly string[], more: Partial<RunOptions> = {}) =>
    plugboard([...args, '--port', port], { cwd, ...more });
  return { cwd, proxy, port, run };
}

/** An HTTP server of the test's own, on a port of this machine. */
export async function listening(t: ExecutionContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return String(typeof address === 'object' ? address?.port : '');
}

/** What a server answers that has one tool, `work`; its call is answered by `call`, with the stream of the answer open. */
export function fakeProxy(call: (stream: ServerResponse) => void, tool: JsonObject = {}): RequestListener {
  const results: Record<string, JsonObject> = {
    initialize: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'fake', version: '1' } },
    'tools/list': { tools: [{ name: 'work', inputSchema: { type: 'object' }, ...tool }] },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { id, method } = JSON.parse(body || '{}') as { id?: number; method?: string };
    if (method === 'tools/call') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      call(response);
    } else if (id === undefined) response.writeHead(202).end();
    else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method ?? ''] ?? {} }));
    }
  };
  return (request, response) => void answer(request, response);
}
