// Keeps one applied plugin running in a worker: hands its hooks over, ends a worker that hangs, starts it again, gives it up in the end.
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Grant } from '../grant.ts';
import type { HookFunction, HookName } from '../hooks.ts';
import type { PluginApi } from '../plugin.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { decodeError } from './crossing-errors.ts';
import { decodeAnswer, plainArguments } from './crossing-values.ts';
import type { TapNote, ToHost, Where } from './messages.ts';
import { oversightOf } from './oversight.ts';
import type { Oversight } from './oversight.ts';
import { OwnGrants } from './own-grants.ts';
import { ThreadEnded } from './plugin-thread.ts';
import type { PluginThread } from './plugin-thread.ts';
import { RemoteServers } from './remote-servers.ts';
import type { IsolationSettings } from './settings.ts';

/** ms before the first restart, and the longest there is; each one after another takes twice as long. */
const backoff = { first: 100, most: 5000 };
/** ms in which restarts are counted. */
const span = 60_000;
/** ms that a hook or a connection waits for a worker that is being started again. */
const patience = 5000;
/** ms that calls under way may take when the plugin is stopped. */
const drain = 10_000;

export interface SupervisorInit {
  readonly api: PluginApi;
  readonly options: JsonObject;
  readonly settings: IsolationSettings;
  /** A worker with the plugin loaded and not applied. */
  readonly start: () => Promise<PluginThread>;
}

/** A hook call under way. */
interface Running extends Where {
  readonly over: Promise<unknown>;
}

export class Supervisor {
  readonly #init: SupervisorInit;
  readonly #oversight: Oversight;
  readonly #servers: RemoteServers;
  readonly #grants = new OwnGrants();
  readonly #running = new Set<Running>();
  readonly #ended = new AbortController();
  #taps: readonly TapNote[] = [];
  #thread: PluginThread | undefined;
  #waiting: (() => void)[] = [];
  #losses: number[] = [];
  #started = false;
  /** Why there is no worker, for whoever needs one. */
  #reason = 'it is being started';

  constructor(init: SupervisorInit) {
    this.#init = init;
    this.#oversight = oversightOf(init.api);
    this.#servers = new RemoteServers({ servers: init.api.servers, thread: () => this.#up() });
  }

  /** Applies the plugin for the first time, and taps what it taps. Rejects, with no worker left, when that fails. */
  async start(): Promise<void> {
    const { api } = this.#init;
    api.signal.addEventListener('abort', () => this.#ended.abort(), { once: true });
    const thread = await this.#init.start();
    const stop = () => void thread.end(new ThreadEnded('it was stopped while it was applied'));
    api.signal.addEventListener('abort', stop, { once: true });
    if (api.signal.aborted) stop();
    try {
      this.#taps = await this.#apply(thread);
      for (const [index, { hook, step }] of this.#taps.entries()) api.hooks.on(hook, this.#tap(index, hook), step);
    } catch (error) {
      this.#ended.abort();
      await thread.end(new ThreadEnded('it could not be applied'));
      throw error;
    } finally {
      api.signal.removeEventListener('abort', stop);
    }
    this.#keep(thread);
  }

  /** Lets hooks under way end, stops the plugin and ends its worker. Rejects when the plugin did not stop well. */
  async stop(): Promise<void> {
    this.#ended.abort();
    this.#reason = 'the plugin was stopped';
    this.#wake();
    const thread = this.#thread;
    if (thread === undefined) return;
    const { hookTimeout } = this.#init.settings;
    thread.ref();
    const limit = AbortSignal.timeout(Math.min(drain, hookTimeout));
    while (this.#running.size > 0 && !limit.aborted) await sleep(20);
    this.#thread = undefined;
    try {
      await thread.within(hookTimeout, 'it did not stop', thread.channel.ask('stop', undefined));
    } finally {
      this.#servers.lost(new Error('its plugin was stopped'));
      await thread.end(new ThreadEnded('the plugin was stopped'));
    }
  }

  async #apply(thread: PluginThread): Promise<readonly TapNote[]> {
    const { api, options, settings } = this.#init;
    let refused: Error | undefined;
    thread.channel.serve({
      asks: this.#servers.asks,
      tells: {
        ...this.#servers.tells,
        log: ({ level, message, fields }) => this.#write(level, message, fields),
        register: (note) => {
          try {
            this.#servers.register(note);
          } catch (error) {
            refused ??= error instanceof Error ? error : new Error(String(error));
            if (this.#thread === thread) this.#oversight.fault({ hook: 'servers.register', request: undefined }, error);
          }
        },
        unregister: ({ server }) => this.#servers.unregister(server),
        fault: (told) => this.#told(thread, told),
      },
    });
    const body = { options, directory: api.directory, reserved: api.reserved };
    const applying = thread.channel.ask('apply', body);
    const { taps } = await thread.within(settings.applyTimeout, 'it was not applied', applying);
    if (refused !== undefined) throw refused;
    this.#servers.applied();
    return taps;
  }

  #keep(thread: PluginThread): void {
    this.#thread = thread;
    void thread.ended.then((reason) => this.#lost(thread, reason));
    thread.watch(this.#init.api.log, () => {
      // Its hooks have used up what may fail: nobody enters them any more, and what it does beside them must end, too.
      if (this.#oversight.spent) void thread.end(new ThreadEnded('it has failed too often'));
    });
    this.#wake();
  }

  /** The running worker, also one that is up in a moment. */
  async #up(): Promise<PluginThread> {
    const limit = Date.now() + patience;
    while (this.#thread === undefined) {
      const left = limit - Date.now();
      if (this.#ended.signal.aborted || left <= 0) throw new Error(`its worker is not running: ${this.#reason}`);
      await this.#woken(left);
    }
    return this.#thread;
  }

  #woken(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #tap<Name extends HookName>(index: number, hook: Name): HookFunction<Name> {
    const run = (...args: unknown[]) => {
      const where = { hook, request: requestOf(args[0]) };
      const over = this.#run(index, hook, args, where.request);
      const running = { ...where, over };
      this.#running.add(running);
      return over.finally(() => this.#running.delete(running));
    };
    return run as never;
  }

  async #run(index: number, hook: HookName, args: unknown[], request: string | undefined): Promise<unknown> {
    if (hook === 'onStart') this.#started = true;
    const thread = this.#thread ?? (await this.#up());
    const { args: plain, signal } = plainArguments(hook, args, (grant) => this.#grants.has(grant));
    const asking = thread.channel.ask('hook', { tap: index, args: plain, request }, signal);
    const { hookTimeout } = this.#init.settings;
    const answer = await thread.within(hookTimeout, `${describe({ hook, request })} did not finish`, asking);
    const value = decodeAnswer(args[0], answer);
    return hook === 'onAuthenticate' && value !== undefined ? this.#grants.keep(value as Grant) : value;
  }

  /** Nobody has checked what comes from the other side. */
  #write(level: string, message: unknown, fields: object | undefined): void {
    const { log } = this.#init.api;
    if (level === 'debug' || level === 'info' || level === 'warn' || level === 'error')
      log[level](String(message), fields);
  }

  #told(thread: PluginThread, told: ToHost['tells']['fault']): void {
    const error = decodeError(told.error);
    if (told.fatal) thread.dying(error, told.where);
    else this.#oversight.fault(told.where ?? { hook: 'the background', request: undefined }, error);
  }

  /** A worker has ended that nobody had stopped. */
  #lost(thread: PluginThread, reason: ThreadEnded): void {
    if (this.#thread !== thread) return;
    const doing = [...[...this.#running].map(describe), ...this.#servers.doing()];
    const [first] = this.#running;
    this.#thread = undefined;
    this.#servers.lost(new Error(`the worker of its plugin has ended: ${reason.message}`));
    if (this.#ended.signal.aborted) return;
    if (this.#oversight.spent) {
      this.#giveUp(reason.message);
      return;
    }
    const during = doing.length === 0 ? '' : `; it was at work on ${doing.slice(0, 5).join(', ')}`;
    const where = reason.where ??
      (doing.length === 1 ? first : undefined) ?? { hook: 'its worker', request: undefined };
    this.#oversight.fault(where, new Error(`${reason.message}${during}`, { cause: reason }));
    this.#again(reason.message);
  }

  /** Starts a worker again, or gives up. */
  #again(reason: string): void {
    const now = Date.now();
    this.#losses = [...this.#losses.filter((time) => now - time < span), now];
    const { restarts } = this.#init.settings;
    if (this.#oversight.spent) this.#giveUp(reason);
    else if (this.#losses.length > restarts) {
      const text = `its worker has ended ${this.#losses.length} times within a minute, and ${restarts} restarts are allowed; the last time: ${reason}`;
      this.#oversight.switchOff(text);
      this.#giveUp(text);
    } else {
      this.#reason = `${reason}; it is started again`;
      void this.#restart(Math.min(backoff.most, backoff.first * 2 ** (this.#losses.length - 1)));
    }
  }

  #giveUp(reason: string): void {
    this.#reason = `the plugin is switched off (${reason})`;
    this.#ended.abort();
    this.#wake();
  }

  async #restart(wait: number): Promise<void> {
    const { signal } = this.#ended;
    let thread: PluginThread | undefined;
    try {
      await sleep(wait, undefined, { signal });
      thread = await this.#init.start();
      const taps = await this.#apply(thread);
      if (!isDeepStrictEqual(taps, this.#taps)) throw new Error('it taps other hooks than before');
      if (signal.aborted) throw new Error('it was stopped');
      await this.#replayStart(thread);
    } catch (error) {
      const reason = `it could not be started again: ${error instanceof Error ? error.message : String(error)}`;
      await thread?.end(new ThreadEnded(reason));
      if (signal.aborted) return;
      this.#servers.lost(new Error(reason));
      this.#oversight.fault({ hook: 'its restart', request: undefined }, error);
      this.#again(reason);
      return;
    }
    if (signal.aborted) {
      await thread.end(new ThreadEnded('it was stopped'));
      return;
    }
    this.#init.api.log.warn('its worker was started again');
    this.#keep(thread);
  }

  /** What a plugin begins in `onStart` it must begin again. */
  async #replayStart(thread: PluginThread): Promise<void> {
    if (!this.#started) return;
    for (const [tap, { hook }] of this.#taps.entries()) {
      if (hook !== 'onStart') continue;
      const asking = thread.channel.ask('hook', { tap, args: [], request: undefined });
      await thread.within(this.#init.settings.hookTimeout, 'onStart did not finish', asking);
    }
  }
}

function describe({ hook, request }: Where): string {
  return request === undefined ? hook : `${hook} during ${request}`;
}

/** Which request a hook's first argument stands for; names only. */
function requestOf(first: unknown): string | undefined {
  const { method, name } = (first ?? {}) as { method?: unknown; name?: unknown };
  if (typeof method === 'string') return method;
  return typeof name === 'string' ? `the call of ${name}` : undefined;
}
