// One worker thread with one plugin in it: its start, its limits of memory and of silence, its end. What it is used for: `supervisor.ts`.
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { Log } from '../plugin.ts';
import { Channel } from './channel.ts';
import type { Description, ToHost, ToWorker, Where } from './messages.ts';
import type { IsolationSettings } from './settings.ts';

/** Beats within `heartbeat`: so many without an answer, and the thread is taken for blocked. */
const beats = 5;
/** ms to wait for a thread that is being ended: one inside a system call ends only when that returns. */
const endLimit = 2000;
/** Lines of its output that are written in one beat. */
const mostLines = 200;
const longestLine = 2000;
const megabyte = 1024 * 1024;

/** Why a thread has ended. */
export class ThreadEnded extends Error {
  /** Where it was, as far as the thread itself could say. */
  readonly where: Where | undefined;
  constructor(reason: string, where?: Where, options?: { cause?: unknown }) {
    super(reason, options);
    this.name = 'ThreadEnded';
    this.where = where;
  }
}

/** A running worker. */
export class PluginThread {
  readonly channel: Channel<ToWorker, ToHost>;
  /** Resolves with the reason when the thread has ended, or is given up. Never rejects. */
  readonly ended: Promise<ThreadEnded>;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #settings: IsolationSettings;
  #settle!: (reason: ThreadEnded) => void;
  #reason: ThreadEnded | undefined;
  #heart: NodeJS.Timeout | undefined;
  #output: { level: 'info' | 'warn'; line: string }[] = [];
  #leftOut = 0;
  #log: Log | undefined;

  constructor(settings: IsolationSettings, broken: (error: unknown) => void) {
    this.#settings = settings;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.channel = new Channel<ToWorker, ToHost>(port1, broken);
    this.#worker = new Worker(new URL('./worker-entry.js', import.meta.url), {
      workerData: { port: port2 },
      transferList: [port2],
      resourceLimits: {
        maxOldGenerationSizeMb: settings.memory,
        maxYoungGenerationSizeMb: Math.max(4, Math.min(32, settings.memory / 4)),
      },
      // What it prints goes to the log: stdout may belong to the protocol.
      stdout: true,
      stderr: true,
    });
    this.#worker.once('error', (error: unknown) => this.#gone(reasonOf(error, settings)));
    this.#worker.once('exit', (code) => this.#gone(new ThreadEnded(`it ended itself with process.exit(${code})`)));
  }

  /** Imports the plugin. Rejects with what the loader says, or when it takes too long. */
  async load(key: string, file: string): Promise<Description> {
    const { applyTimeout } = this.#settings;
    return await this.within(applyTimeout, 'it was not loaded', this.channel.ask('load', { key, file }));
  }

  /** Waits for the thread's answer; one that takes longer ends the thread. */
  async within<Value>(limit: number, what: string, work: Promise<Value>): Promise<Value> {
    const timer = setTimeout(() => void this.end(new ThreadEnded(`${what} within ${limit} ms`)), limit);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  /** From now on it must give signs of life and keep to its memory, and what it prints is logged. `beat` is called with every beat. */
  watch(log: Log, beat: () => void): void {
    const { heartbeat, memory } = this.#settings;
    this.#log = log;
    // Whoever reads this keeps the process alive, so it is not read before.
    this.#worker.stdout.setEncoding('utf8').on('data', (text: string) => this.#printed('info', text));
    this.#worker.stderr.setEncoding('utf8').on('data', (text: string) => this.#printed('warn', text));
    let missed = 0;
    this.#heart = setInterval(() => {
      this.#write();
      beat();
      if (this.#reason !== undefined) return;
      // Beats are counted, not time: a proxy that was asleep itself must not blame its workers.
      missed += 1;
      if (missed > beats)
        void this.end(new ThreadEnded(`it gave no sign of life for ${heartbeat} ms: something blocks it`));
      if (missed !== 1) return;
      this.channel.ask('ping', undefined).then(
        ({ used }) => {
          missed = 0;
          if (used <= memory * megabyte) return;
          const megabytes = Math.round(used / megabyte);
          void this.end(new ThreadEnded(`it uses ${megabytes} MB of memory, and ${memory} are allowed`));
        },
        () => {},
      );
    }, heartbeat / beats);
    this.#heart.unref();
  }

  /** Lets the process end although the thread waits. Not for one that is watched. */
  unref(): void {
    this.#worker.unref();
    this.#port.unref();
  }

  /** Makes the process wait for the thread. */
  ref(): void {
    this.#worker.ref();
    this.#port.ref();
  }

  /** Ends the thread, whatever it does. Resolves when it is gone, or after a while when a system call holds it. */
  async end(reason: ThreadEnded): Promise<void> {
    this.#lost(reason);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, endLimit)));
    await Promise.race([this.#worker.terminate(), patience]);
    clearTimeout(timer);
  }

  /** It has ended by itself; its last words may say more than its end. */
  #gone(reason: ThreadEnded): void {
    if (this.#reason === undefined) this.channel.drain();
    this.#lost(reason);
  }

  #lost(reason: ThreadEnded): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    clearInterval(this.#heart);
    this.#write();
    this.channel.close(new Error(`its worker has ended: ${reason.message}`));
    this.#settle(reason);
  }

  /** The thread said what it is about to die of. */
  dying(error: Error, where: Where | undefined): void {
    void this.end(new ThreadEnded(`nobody caught an error: ${error.message}`, where, { cause: error }));
  }

  #printed(level: 'info' | 'warn', text: string): void {
    for (const line of text.split('\n')) {
      if (line.trim() === '') continue;
      if (this.#output.length < mostLines) this.#output.push({ level, line: line.slice(0, longestLine) });
      else this.#leftOut += 1;
    }
  }

  #write(): void {
    if (this.#log === undefined) return;
    for (const { level, line } of this.#output.splice(0)) this.#log[level](line);
    if (this.#leftOut > 0) this.#log.warn(`${this.#leftOut} lines of its output were left out`);
    this.#leftOut = 0;
  }
}

function reasonOf(error: unknown, { memory }: IsolationSettings): ThreadEnded {
  const { code, message = String(error) } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return new ThreadEnded(`it used more than ${memory} MB of memory`);
  return new ThreadEnded(`nobody caught an error: ${message}`, undefined, { cause: error });
}
