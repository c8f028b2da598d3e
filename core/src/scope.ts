// What one plugin is handed, and the only place that enters plugin code: guard, time limit, attribution. Life cycle is the host's.
import { isDeepStrictEqual } from 'node:util';
import type { BoardApi } from './board-api.ts';
import type { ServerDefinition } from './connection.ts';
import type { Capabilities } from './capabilities.ts';
import { FaultBudget, SwitchedOff } from './fault-budget.ts';
import { isDenied, PluginError, RefusedRequest, Unauthorized } from './errors.ts';
import { hookKind } from './hooks.ts';
import type { GuardedTap, Hooks } from './hook.ts';
import type { HookFunction, HookName, Step } from './hooks.ts';
import type { Log, Plugin, PluginApi, Stop } from './plugin.ts';
import { oversee } from './worker/oversight.ts';
import type { Oversight } from './worker/oversight.ts';

/** Limits for entering plugin code. */
export interface PluginLimits {
  /** ms */
  readonly apply: number;
  /** ms */
  readonly hook: number;
  /** Faults within a minute after which the plugin's hooks are not entered any more. */
  readonly faults: number;
}

/** Services of all plugins, by name. */
export class ServiceTable {
  readonly #services = new Map<string, { owner: string; service: unknown }>();

  /** Services whose provider is about to be stopped: for the next generation they are not there any more. */
  going: ReadonlySet<string> = new Set();

  provide(owner: string, name: string, service: unknown): void {
    // A word that a plugin says of itself, not a thing that others use: any number of plugins may say it.
    if (name === 'authentication') return;
    const taken = this.#services.get(name);
    if (taken !== undefined && taken.owner !== owner)
      throw new Error(`service "${name}" is already provided by plugin "${taken.owner}"`);
    this.#services.set(name, { owner, service });
  }

  get(name: string): unknown {
    return this.going.has(name) ? undefined : this.#services.get(name)?.service;
  }

  /** Removes what a stopped plugin provided, unless somebody else provides it by now. */
  withdraw(owner: string, services: ReadonlyMap<string, unknown>): void {
    for (const [name, service] of services) {
      const current = this.#services.get(name);
      if (current?.owner === owner && current.service === service) this.#services.delete(name);
    }
  }
}

interface Tap {
  readonly hook: HookName;
  readonly step: Step;
  readonly run: GuardedTap;
}

export interface ServerChanges {
  added(scope: Scope, server: ServerDefinition): void;
  removed(scope: Scope, server: ServerDefinition): void;
}

export interface ScopeInit {
  readonly plugin: Plugin;
  readonly log: Log;
  readonly board: BoardApi;
  readonly services: ServiceTable;
  readonly directory: string;
  readonly reserved: readonly string[];
  readonly limits: PluginLimits;
  /** What its package declares to need; undefined for a single file, which may use everything. */
  readonly capabilities: Capabilities | undefined;
  /** Called once, when the plugin has failed too often. */
  readonly switchedOff: (reason: string) => void;
  /** Hears of servers that are registered, and taken back, at a later time than during `apply`. */
  readonly servers: ServerChanges;
  /** Called for faults that nobody waits for (settle hooks, stop). */
  readonly report: (fault: PluginError) => void;
}

/** One applied plugin: its taps, servers and services, and the way to stop it. */
export class Scope {
  readonly plugin: Plugin;
  readonly #init: ScopeInit;
  readonly #taps: Tap[] = [];
  readonly #provided = new Map<string, unknown>();
  readonly servers: ServerDefinition[] = [];
  readonly #abort = new AbortController();
  readonly #budget: FaultBudget;
  #stop: Stop | undefined;
  #applied = false;
  #knowsReserved = false;

  constructor(init: ScopeInit) {
    this.#init = init;
    this.#budget = new FaultBudget(init.limits.faults);
    this.plugin = init.plugin;
  }

  /** Runs the plugin's `apply` within the start time limit. Rejects with a {@link PluginError}. */
  async apply(options: unknown): Promise<void> {
    const { plugin, limits } = this.#init;
    try {
      const applied = plugin.apply(oversee(this.#api(), this.#oversight()), options);
      const hint = `it did not finish within ${limits.apply} ms; move slow work behind onStart or into the background`;
      const stop = await withLimit(Promise.resolve(applied), limits.apply, hint);
      if (typeof stop === 'function') this.#stop = stop;
    } catch (error) {
      await this.stop();
      throw new PluginError(plugin.id, 'apply', error);
    }
    this.#applied = true;
    for (const name of plugin.provides ?? []) {
      if (!this.#provided.has(name))
        throw new PluginError(plugin.id, 'apply', new Error(`it declares provides "${name}" but did not provide it`));
    }
  }

  /** True when the plugin has been told of other reserved paths than these. */
  isStale(reserved: readonly string[]): boolean {
    return this.#knowsReserved && !isDeepStrictEqual(reserved, this.#init.reserved);
  }

  /** Puts the plugin's taps on the hooks of a generation. */
  tapInto(hooks: Hooks): void {
    for (const { hook, step, run } of this.#taps) hooks[hook].tap(this.plugin.id, step, run);
  }

  /** Stops the plugin. Never rejects; faults are reported. */
  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#init.services.withdraw(this.plugin.id, this.#provided);
    try {
      await withLimit(
        Promise.resolve(this.#stop?.()),
        this.#init.limits.hook,
        `it did not stop within ${this.#init.limits.hook} ms`,
      );
    } catch (error) {
      this.#init.report(new PluginError(this.plugin.id, 'stop', error));
    }
  }

  /** What the keeper of a worker may do; plugins that run here have none. */
  #oversight(): Oversight {
    const budget = this.#budget;
    return {
      fault: ({ hook, request }, error) => {
        if (budget.spent) return;
        const fault = new PluginError(this.plugin.id, hook, error, request);
        this.#init.report(fault);
        if (budget.spend()) this.#init.switchedOff(fault.message);
      },
      switchOff: (reason) => {
        if (budget.exhaust()) this.#init.switchedOff(reason);
      },
      get spent() {
        return budget.spent;
      },
    };
  }

  #api(): PluginApi {
    const { plugin, services, log, board, directory, reserved, capabilities } = this.#init;
    const tellReserved = () => {
      this.#knowsReserved = true;
      return reserved;
    };
    const tooLate = (what: string) => {
      if (this.#applied) throw new Error(`${what} is possible only during apply`);
    };
    return {
      log,
      get board() {
        capabilities?.demandBoard();
        return board;
      },
      directory,
      get reserved() {
        return tellReserved();
      },
      signal: this.#abort.signal,
      hooks: {
        on: (hook, run, step = 'normal') => {
          tooLate(`hooks.on("${hook}")`);
          this.#init.capabilities?.demand('hooks', hook);
          this.#taps.push({ hook, step, run: this.#guard(hook, run) });
        },
      },
      servers: {
        register: (server) => this.#register(server),
      },
      services: {
        provide: (name, service) => {
          if (!plugin.provides?.includes(name)) throw new Error(`service "${name}" is not declared in provides`);
          services.provide(plugin.id, name, service);
          this.#provided.set(name, service);
        },
        get: <Service>(name: string): Service => {
          if (!plugin.needs?.includes(name)) throw new Error(`service "${name}" is not declared in needs`);
          capabilities?.demand('services', name);
          return services.get(name) as Service;
        },
        find: <Service>(name: string): Service | undefined => {
          if (!plugin.wants?.includes(name)) throw new Error(`service "${name}" is not declared in wants`);
          capabilities?.demand('services', name);
          return services.get(name) as Service | undefined;
        },
      },
    };
  }

  #register(server: ServerDefinition): () => void {
    if (this.#abort.signal.aborted) throw new Error('servers.register is not possible after the plugin was stopped');
    if (this.#applied) this.#init.servers.added(this, server);
    this.servers.push(server);
    return () => {
      const index = this.servers.indexOf(server);
      if (index < 0 || this.#abort.signal.aborted) return;
      this.servers.splice(index, 1);
      if (this.#applied) this.#init.servers.removed(this, server);
    };
  }

  /** Wraps a plugin's function: what it throws carries a name, `null` counts as nothing, and it ends in time or is not waited for. */
  #guard<Name extends HookName>(hook: Name, run: HookFunction<Name>): GuardedTap {
    const kind = hookKind(hook);
    const call = run as Enter;
    const decides = kind === 'answer' || kind === 'transform';
    const closed = decides && this.plugin.whenSwitchedOff !== 'open';
    const failed = (error: unknown, first: unknown): undefined => {
      if (isDenied(error) || error instanceof RefusedRequest || error instanceof Unauthorized) throw error;
      const fault = new PluginError(this.plugin.id, hook, error, requestOf(first));
      if (this.#budget.spend()) this.#init.switchedOff(fault.message);
      if (kind !== 'settle') throw fault;
      this.#init.report(fault);
    };
    const decided = (value: unknown): unknown => (decides ? (value ?? undefined) : undefined);
    const wait = (value: PromiseLike<unknown>, first: unknown): Promise<unknown> => {
      const { hook: limit } = this.#init.limits;
      return withLimit(value, limit, `it did not finish within ${limit} ms`).then(decided, (error: unknown) =>
        failed(error, first),
      );
    };
    const enter: Enter = (first, second, third) => {
      if (this.#budget.spent) {
        if (closed) throw new SwitchedOff(this.plugin.id, hook);
        return undefined;
      }
      let value: unknown;
      try {
        value = call(first, second, third);
      } catch (error) {
        return failed(error, first);
      }
      return isThenable(value) ? wait(value, first) : decided(value);
    };
    return kind === 'transform' ? transforming(enter) : deciding(enter);
  }
}

/** Enters a plugin's function. Returns its decision, undefined for none, or a promise of either. */
type Enter = (first?: unknown, second?: unknown, third?: unknown) => unknown;

/** A tap of a `transform` hook: it gets what those before it made of the first argument. */
function transforming(enter: Enter): GuardedTap {
  const turn = async (waiting: Promise<unknown>, second: unknown, third: unknown): Promise<unknown> => {
    const value = await waiting;
    return (await enter(value, second, third)) ?? value;
  };
  return (soFar, second, third) => {
    if (soFar instanceof Promise) return turn(soFar, second, third);
    const made = enter(soFar, second, third);
    return made instanceof Promise ? made.then((value) => value ?? soFar) : made;
  };
}

/** A tap of all other hooks: it is entered as long as nobody has decided. */
function deciding(enter: Enter): GuardedTap {
  return (soFar, first, second) => {
    if (soFar === undefined) return enter(first, second);
    if (!(soFar instanceof Promise)) return soFar;
    return soFar.then((decision: unknown) => decision ?? enter(first, second));
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Which request a hook's first argument stands for, for the fault report; names only, no values. */
function requestOf(argument: unknown): string | undefined {
  const { method, name } = (argument ?? {}) as { method?: unknown; name?: unknown };
  if (typeof method === 'string') return method;
  return typeof name === 'string' ? `the call of ${name}` : undefined;
}

function withLimit<Value>(work: PromiseLike<Value>, limit: number, hint: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(hint)), limit);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
