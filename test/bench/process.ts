// The child processes of the bench: started, asked for their cost, ended by their own pid. Knows no MCP.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ProbeAnswer } from './probe.ts';

/** The repository's root, seen from the compiled file. */
export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The path of a compiled file of this folder, such as `targets/echo.js`. */
export function compiled(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const running = new Set<Child>();

/** Ends every child still running: for a `finally` and for Ctrl-C. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}

export class Child {
  readonly #name: string;
  readonly #process: ChildProcess;
  #output = '';
  #errors = '';
  #ended = false;

  /** Starts `node <script> <args>`; with `probe` it can tell its CPU and memory. */
  constructor(script: string, args: string[], probe = true) {
    this.#name = script.slice(script.lastIndexOf('/') + 1);
    const flags = probe ? ['--expose-gc', '--import', compiled('probe.js')] : [];
    this.#process = spawn(process.execPath, [...flags, script, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    // Only the ends are of interest: the first line tells the port, the last lines tell why it died.
    this.#process.stdout?.on('data', (data: Buffer) => (this.#output = (this.#output + String(data)).slice(-4000)));
    this.#process.stderr?.on('data', (data: Buffer) => (this.#errors = (this.#errors + String(data)).slice(-4000)));
    this.#process.once('error', (error) => (this.#errors += String(error)));
    // `close`, not `exit`: what the process wrote last has then been read.
    this.#process.once('close', () => {
      this.#ended = true;
      running.delete(this);
    });
    running.add(this);
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** An error that names the process and shows what it wrote. */
  failure(what: string): Error {
    const state = this.#ended ? `ended (code ${this.#process.exitCode}, signal ${this.#process.signalCode})` : 'runs';
    return new Error(`${this.#name}: ${what}; it ${state}\n${this.#output}${this.#errors}`);
  }

  /** Polls `ready` until it gives a value; throws when the process ends or `ms` have passed. */
  async until<T>(what: string, ready: () => Promise<T | undefined> | T | undefined, ms = 30_000): Promise<T> {
    const deadline = Date.now() + ms;
    for (;;) {
      const value = await ready();
      if (value !== undefined) return value;
      if (this.#ended || Date.now() > deadline) throw this.failure(what);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The port that a target of the bench prints as its first line. */
  port(): Promise<number> {
    const read = (): number | undefined => {
      const line = /^\{"port":(\d+)\}\n/.exec(this.#output);
      return line === null ? undefined : Number(line[1]);
    };
    return this.until('did not tell its port', read);
  }

  /** Sends an IPC message and resolves with the next answer. One at a time; throws when the process ends first. */
  ask<T>(message: object, ms = 120_000): Promise<T> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.failure('cannot be asked anything'));
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        child.off('message', answered);
        child.off('close', ended);
        act();
      };
      const answered = (answer: unknown): void => settle(() => resolve(answer as T));
      const ended = (): void => settle(() => reject(this.failure('ended while it was asked something')));
      const late = (): void =>
        settle(() => reject(this.failure(`did not answer ${JSON.stringify(message)} in ${ms} ms`)));
      const timer = setTimeout(late, ms);
      child.on('message', answered);
      child.on('close', ended);
      // A failed send means that the process is ending: `close` follows and tells why.
      child.send(message, () => {});
    });
  }

  async probe(what: 'cpu' | 'memory'): Promise<ProbeAnswer> {
    return (await this.ask<{ probe: ProbeAnswer }>({ probe: what })).probe;
  }

  /** CPU used so far in µs: by the process itself, and by all processes below it (in steps of 10 ms each). */
  async cpu(): Promise<{ own: number; children: number }> {
    const { cpu } = await this.probe('cpu');
    return { own: cpu, children: descendants(this.pid).reduce((sum, pid) => sum + ticks(pid) * 10_000, 0) };
  }

  /** Asks the process to end; kills it after 5 s. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await closed;
    clearTimeout(timer);
  }
}

/** The fields of /proc/<pid>/stat from `state` on; empty when the process is gone. */
function stat(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** User and system time in ticks of 10 ms, with that of children already waited for. */
function ticks(pid: number): number {
  return stat(pid)
    .slice(11, 15)
    .reduce((sum, field) => sum + Number(field), 0);
}

function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = Number(stat(Number(name))[1]);
    parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const below = (of: number): number[] => (parents.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}
