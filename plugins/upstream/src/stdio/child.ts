// One server process: started in a group of its own, read line by line, ended with everything it started. No protocol lives here.
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Log } from 'plugboard';
import { pause } from '../pause.ts';
import type { StdioSettings } from '../settings.ts';
import { childEnvironment } from './environment.ts';
import { LineSplitter } from './line-splitter.ts';
import { LineWriter } from './line-writer.ts';
import { ownGroup, signalGroup } from './process-group.ts';
import { StderrLog } from './stderr-log.ts';
import type { Watchdog } from './watchdog.ts';

/** ms that a child gets to leave by itself after its input has ended, and after SIGTERM. */
const grace = { input: 700, term: 2000, kill: 5000 } as const;
/** ms in which output that a child left in its pipe is still read. */
const drainTime = 500;
/** Characters that may wait for a child to read them, and ms in which it must read something when there is no more room. */
const maxWaiting = 64 * 1024 * 1024;
const readTime = 60_000;

export interface ChildHandlers {
  /** One line of standard output. */
  line(line: Buffer): void;
  /** The process is gone (or cannot be used any more), in words that complete "because it …". Called once. */
  gone(why: string): void;
}

export interface ChildInit {
  readonly settings: StdioSettings;
  readonly maxLineBytes: number;
  readonly log: Log;
  readonly watchdog: Watchdog;
}

export class Child {
  readonly #init: ChildInit;
  readonly #handlers: ChildHandlers;
  readonly #process: ChildProcessWithoutNullStreams | undefined;
  readonly #writer: LineWriter | undefined;
  readonly #stderr: StderrLog;
  /** Resolves when the leader of the group has exited. */
  readonly #exited: Promise<void>;
  #why: string | undefined;
  #told = false;
  #stopping: Promise<void> | undefined;

  /** Starts the process. A failure to start is told by `gone`, later. */
  constructor(init: ChildInit, handlers: ChildHandlers) {
    this.#init = init;
    this.#handlers = handlers;
    this.#stderr = new StderrLog(init.settings.name, init.log, init.settings.redact);
    try {
      this.#process = spawn(init.settings.command, [...init.settings.args], {
        cwd: init.settings.cwd,
        env: childEnvironment(init.settings.env),
        stdio: ['pipe', 'pipe', 'pipe'],
        shell: false,
        ...ownGroup,
      });
    } catch (error) {
      this.#why = this.#explain(error as NodeJS.ErrnoException);
      this.#exited = Promise.resolve();
      setImmediate(() => this.#tell());
      return;
    }
    const child = this.#process;
    this.#writer = new LineWriter(child.stdin, maxWaiting, readTime, () =>
      this.fail(`did not read its input for ${readTime / 1000} s`),
    );
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => child.pid === undefined && resolve());
    });
    if (child.pid !== undefined) init.watchdog.add(child.pid);
    this.#listen(child);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The last lines of stderr, fit for a message. */
  get lastWords(): string {
    return this.#stderr.tail;
  }

  /**
   * Writes one line, without its end. False when too much waits already; what cannot be delivered for another reason shows as the end
   * of the process. Never throws.
   */
  send(line: string): boolean {
    return this.#writer?.write(line) ?? true;
  }

  /** Gives the process up: it is ended, and `gone` tells why. */
  fail(why: string): void {
    this.#why ??= why;
    this.#tell();
    void this.stop(true);
  }

  /** Ends the process and its group: end of input, SIGTERM, SIGKILL, each with its grace. Resolves when it is gone. */
  stop(atOnce = false): Promise<void> {
    this.#stopping ??= this.#stop(atOnce);
    return this.#stopping;
  }

  #listen(child: ChildProcessWithoutNullStreams): void {
    const limit = this.#init.maxLineBytes;
    const lines = new LineSplitter(
      limit,
      (line) => this.#told || this.#handlers.line(line),
      () =>
        this.fail(
          `wrote a line of more than ${limit} bytes; raise maxMessageBytes of plugin "upstream" if that is meant`,
        ),
    );
    child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk));
    for (const pipe of [child.stdout, child.stderr]) pipe.on('error', () => {});
    child.on('error', (error) => {
      this.#why ??= this.#explain(error);
      if (child.pid === undefined) this.#tell();
    });
    child.once('exit', (code, signal) => {
      this.#why ??= signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
      // What it wrote last may still stand in the pipe; a process that it left behind may hold the pipe open for ever.
      const drained = setTimeout(() => this.#tell(), drainTime);
      child.once('close', () => {
        clearTimeout(drained);
        this.#tell();
      });
      void this.stop();
    });
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#stderr.end();
    this.#handlers.gone(this.#why ?? 'ended');
  }

  async #stop(atOnce: boolean): Promise<void> {
    const child = this.#process;
    const leader = child?.pid;
    if (child === undefined || leader === undefined) return;
    const exits = (ms: number) => race(this.#exited, ms);
    if (!atOnce) this.#writer?.end();
    let killed = atOnce;
    if (atOnce || !(await exits(grace.input))) {
      signalGroup(leader, atOnce ? 'SIGKILL' : 'SIGTERM');
      if (!(await exits(grace.term))) killed = signalGroup(leader, 'SIGKILL');
      await exits(grace.kill);
    }
    await sweep(leader, killed ? 0 : grace.term);
    this.#init.watchdog.drop(leader);
    await race(closed(child), drainTime);
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
    this.#tell();
  }

  #explain(error: NodeJS.ErrnoException): string {
    const { command, cwd, name } = this.#init.settings;
    const place = `mcpServers.${name}`;
    if (error.code !== 'ENOENT') return `could not be started with "${command}" (${error.message}); correct ${place}`;
    if (!existsSync(cwd))
      return `could not be started: its working directory ${cwd} does not exist; correct ${place}.cwd`;
    const where = command.includes('/') ? `file ${path.resolve(cwd, command)}` : `program "${command}" on the PATH`;
    return `could not be started: there is no ${where}; install it, or correct ${place}.command`;
  }
}

/** True when the promise is settled within so many ms. */
async function race(promise: Promise<void>, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const settled = await Promise.race([promise.then(() => true), pause(ms, abort.signal)]);
  abort.abort();
  return settled === true;
}

function closed(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.stdout.closed && child.stderr.closed) return Promise.resolve();
  return new Promise((resolve) => child.once('close', () => resolve()));
}

/** Ends what the leader left behind. Zombies that nobody collects count as members for ever, so the last wait is short. */
async function sweep(leader: number, graceTime: number): Promise<void> {
  const poll = 20;
  const collectTime = 200;
  if (!signalGroup(leader, 'SIGTERM')) return;
  for (let waited = 0; waited < graceTime; waited += poll) {
    await pause(poll);
    if (!signalGroup(leader, 0)) return;
  }
  signalGroup(leader, 'SIGKILL');
  for (let waited = 0; waited < collectTime; waited += poll) {
    await pause(poll);
    if (!signalGroup(leader, 0)) return;
  }
}
