// A proxy as users run it: `plugboard up` as a process of its own, in a folder of its own, on a free port.
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JsonObject } from 'plugboard';
import { guardChild } from './child-guard.ts';
import { until } from './until.ts';

const program = path.join(
  path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json')),
  'bin',
  'plugboard.js',
);

/** The command line of `plugboard` with the given arguments, for whoever starts it: a client over stdio, a test of the command line. */
export function commandLine(...args: string[]): { command: string; args: string[] } {
  return { command: process.execPath, args: [program, ...args] };
}

export interface ProxyOptions {
  /** Further files beside the configuration, by their path relative to it; `plugboard.yaml` among them wins over the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** Environment of the proxy beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments of `up` instead of `--port 0`. */
  readonly args?: readonly string[];
  /** The program instead of this package's neighbour `plugboard`: one that was installed elsewhere. */
  readonly program?: string;
  /** Folder for all files instead of a temporary one; it is not removed. */
  readonly folder?: string;
}

/** A server as `plugboard up --json` reports it. */
export interface ServerReport {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly era?: string;
  readonly tools: number;
}

/** A line of `plugboard up --json`. */
export type ProxyEvent =
  | { readonly event: 'listening'; readonly url: string; readonly config: string }
  | { readonly event: 'server'; readonly server: ServerReport }
  | { readonly event: 'ready'; readonly servers: readonly ServerReport[] };

/**
 * Starts a proxy and resolves when it listens; its servers may still be starting. `config` is an object, or the text of the file.
 * Rejects with what the proxy wrote when it ends instead.
 */
export async function startProxy(config: JsonObject | string, options: ProxyOptions = {}): Promise<ProxyProcess> {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'plugboard-proxy-')));
  const proxy = new ProxyProcess(folder, options);
  try {
    await proxy.start(config);
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

/** A running proxy. Whoever starts one ends it with {@link ProxyProcess.close}. */
export class ProxyProcess {
  /** Where its files are: the configuration, what it writes. */
  readonly folder: string;
  readonly configFile: string;
  /** All that it has printed. */
  readonly events: ProxyEvent[] = [];
  /** All that it has logged, as text. */
  log = '';
  readonly #options: ProxyOptions;
  #child: ChildProcessWithoutNullStreams | undefined;
  #ended: Promise<number | undefined> | undefined;
  #running = false;

  constructor(folder: string, options: ProxyOptions) {
    this.folder = folder;
    this.configFile = path.join(folder, 'plugboard.yaml');
    this.#options = options;
  }

  /** Starts the process, again if it has ended; resolves when it listens. Without `config` the file stays as it is. */
  async start(config?: JsonObject | string): Promise<void> {
    if (this.#running) throw new Error('the proxy runs already');
    if (config !== undefined) await this.configure(config);
    for (const [name, text] of Object.entries(this.#options.files ?? {})) await this.write(name, text);
    this.events.length = 0;
    this.#spawn();
    await until(
      () => `the proxy does not listen: ${this.log}`,
      () => {
        if (!this.#running) throw new Error(`the proxy ended: ${this.log}`);
        return this.#event('listening') !== undefined;
      },
    );
  }

  /** Where clients reach all servers: `http://127.0.0.1:PORT/mcp`. */
  get url(): string {
    const url = this.#event('listening')?.url;
    if (url === undefined) throw new Error('the proxy does not listen');
    return url;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the proxy was not started');
    return pid;
  }

  /** False once the process has ended. */
  get running(): boolean {
    return this.#running;
  }

  /** Resolves with the exit code when the process has ended; undefined when a signal ended it. */
  get ended(): Promise<number | undefined> {
    return this.#ended ?? Promise.resolve(undefined);
  }

  /** Resolves when every server is up or has failed. */
  async ready(): Promise<readonly ServerReport[]> {
    const { servers } = await until(
      () => `its servers are not ready: ${JSON.stringify(this.events)} ${this.log}`,
      () => this.#event('ready'),
    );
    return servers;
  }

  /** Waits for a line of the log that fits and returns all of the log. */
  logged(pattern: RegExp, limit?: number): Promise<string> {
    return until(
      () => `${pattern} was not logged: ${this.log}`,
      () => pattern.test(this.log) && this.log,
      limit,
    );
  }

  /** Replaces the configuration at once, as editors do; a running proxy applies it soon. */
  async configure(config: JsonObject | string): Promise<void> {
    await this.write('plugboard.yaml', typeof config === 'string' ? config : JSON.stringify(config, undefined, 2));
  }

  /** Writes a file beside the configuration. */
  async write(name: string, text: string): Promise<void> {
    const file = path.join(this.folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }

  /** Asks the proxy to stop, as Ctrl-C does; resolves with its exit code. */
  async stop(): Promise<number | undefined> {
    this.#child?.kill('SIGINT');
    return this.ended;
  }

  /** Ends the proxy without asking; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.ended;
  }

  /** Ends the proxy, if it still runs, and removes its temporary folder. */
  async close(): Promise<void> {
    await this.kill();
    if (this.#options.folder === undefined) await rm(this.folder, { recursive: true, force: true });
  }

  #spawn(): void {
    const {
      command,
      args: [own = '', ...args],
    } = commandLine('up', '--json', '--config', this.configFile, ...(this.#options.args ?? ['--port', '0']));
    const env = { PATH: process.env['PATH'] ?? '', HOME: this.folder, ...this.#options.env };
    const child = spawn(command, [this.#options.program ?? own, ...args], { cwd: this.folder, env });
    this.#child = child;
    this.#running = true;
    guardChild(child);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#printed(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => (this.log += `${String(error)}\n`));
      child.once('close', (code) => {
        this.#running = false;
        resolve(code ?? undefined);
      });
    });
  }

  /** An event; anything else, such as the error with which a start ends, goes to the log. */
  #printed(line: string): void {
    const event = line.startsWith('{"event":') ? (JSON.parse(line) as ProxyEvent) : undefined;
    if (event === undefined) this.log += `${line}\n`;
    else this.events.push(event);
  }

  #event<Name extends ProxyEvent['event']>(name: Name): (ProxyEvent & { event: Name }) | undefined {
    return this.events.find((each): each is ProxyEvent & { event: Name } => each.event === name);
  }
}
