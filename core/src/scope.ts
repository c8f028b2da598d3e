// What one plugin is handed, and its start and stop within their limits. Life cycle is the host's, guarding its taps `guard.ts`'.
import { isDeepStrictEqual } from 'node:util';
import type { BoardApi } from './board-api.ts';
import type { ServerDefinition } from './connection.ts';
import type { Capabilities } from './capabilities.ts';
import { FaultBudget } from './fault-budget.ts';
import { PluginError } from './errors.ts';
import { guardTap } from './guard.ts';
import type { Guarded } from './guard.ts';
import type { GuardedTap, Hooks } from './hook.ts';
import type { HookName, Step } from './hooks.ts';
import type { Log, Plugin, PluginApi, Stop } from './plugin.ts';
import type { ServiceTable } from './services.ts';
import { withLimit } from './time-limit.ts';
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
  readonly #guarded: Guarded;
  #stop: Stop | undefined;
  #applied = false;
  #knowsReserved = false;

  constructor(init: ScopeInit) {
    this.#init = init;
    this.plugin = init.plugin;
    this.#budget = new FaultBudget(init.limits.faults);
    const { plugin, limits, switchedOff, report } = init;
    this.#guarded = { plugin, budget: this.#budget, limit: limits.hook, switchedOff, report };
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
          this.#taps.push({ hook, step, run: guardTap(hook, run, this.#guarded) });
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
}
