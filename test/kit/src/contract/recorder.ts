// A plugin with a recorder around it: what it uses of its API, which of its hooks are called and when, whether it changes their arguments.
import { definePlugin } from 'plugboard';
import type { Applied, HookFunction, HookName, Plugin, PluginApi, ServerDefinition, Stop } from 'plugboard';
import { deepFreeze, isFrozenError } from './deep-freeze.ts';

type AnyHook = (...args: unknown[]) => unknown;

/** What one plugin does, over all the times that it is applied. */
export class Recorder {
  readonly plugin: Plugin;
  readonly hooks = new Set<HookName>();
  readonly services = new Set<string>();
  usesBoard = false;
  /** Servers of the last application. */
  servers: ServerDefinition[] = [];
  /** How often each hook was called. */
  readonly calls = new Map<HookName, number>();
  /** Hooks that change their arguments, each with a sentence that says so. */
  readonly changes = new Map<HookName, string>();
  readonly #taps = new Map<HookName, AnyHook[]>();
  /** What happened after a stop had resolved, as sentences. */
  readonly late = new Set<string>();

  constructor(plugin: Plugin) {
    this.plugin = definePlugin({ ...plugin, apply: (api, options) => this.#apply(plugin, api, options) });
  }

  /** What it has tapped a hook with, in the last application. */
  taps(name: HookName): readonly AnyHook[] {
    return this.#taps.get(name) ?? [];
  }

  async #apply(plugin: Plugin, api: PluginApi, options: unknown): Promise<Stop> {
    const life = { stopped: false };
    this.servers = [];
    this.#taps.clear();
    const applied: Applied = await plugin.apply(this.#around(api, life), options);
    return async () => {
      await applied?.();
      life.stopped = true;
    };
  }

  #around(api: PluginApi, life: { stopped: boolean }): PluginApi {
    const use = (what: string) => {
      if (life.stopped) this.late.add(`it used ${what} after it was stopped`);
    };
    const useBoard = () => {
      use('api.board');
      this.usesBoard = true;
    };
    return {
      log: api.log,
      directory: api.directory,
      get reserved() {
        return api.reserved;
      },
      signal: api.signal,
      get board() {
        useBoard();
        return api.board;
      },
      hooks: {
        on: (hook, run, step) => {
          use(`hooks.on("${hook}")`);
          this.hooks.add(hook);
          api.hooks.on(hook, this.#hook(hook, run, life), step);
        },
      },
      servers: {
        register: (server) => {
          use('servers.register');
          this.servers.push(server);
          return api.servers.register(server);
        },
      },
      services: {
        provide: (name, service) => {
          use(`services.provide("${name}")`);
          api.services.provide(name, service);
        },
        get: <Service>(name: string): Service => {
          use(`services.get("${name}")`);
          this.services.add(name);
          return api.services.get<Service>(name);
        },
        find: <Service>(name: string): Service | undefined => {
          use(`services.find("${name}")`);
          this.services.add(name);
          return api.services.find<Service>(name);
        },
      },
    };
  }

  #hook<Name extends HookName>(name: Name, run: HookFunction<Name>, life: { stopped: boolean }): HookFunction<Name> {
    const note = (error: unknown): never => {
      if (isFrozenError(error))
        this.changes.set(name, `${name} changes its arguments (${error.message}); return a changed copy`);
      throw error;
    };
    const guarded: AnyHook = (...args) => {
      this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
      if (life.stopped) this.late.add(`its hook ${name} was called after it was stopped`);
      for (const each of args) deepFreeze(each);
      try {
        const result = (run as AnyHook)(...args);
        return result instanceof Promise ? result.catch(note) : result;
      } catch (error) {
        return note(error);
      }
    };
    this.#taps.set(name, [...this.taps(name), guarded]);
    return guarded as HookFunction<Name>;
  }
}
