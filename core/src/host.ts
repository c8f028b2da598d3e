// The life of a proxy: load → check → apply → start → stop. A change of configuration builds a new generation and swaps it in.
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Approvals } from './approvals.ts';
import { Board } from './board.ts';
import { ConfiguredGrants } from './configured-grants.ts';
import type { BoardApi } from './board-api.ts';
import type { Config, ConfigOverrides } from './config.ts';
import { Control } from './control.ts';
import type { LogLine, LogQuery } from './host-control.ts';
import type { PluginError } from './errors.ts';
import { createHooks } from './hook.ts';
import { KnownCatalogues } from './known-catalogues.ts';
import { loadPlugin } from './loader.ts';
import type { LoadedPlugin } from './loader.ts';
import { lockFileOf, readLockFile } from './lock-file.ts';
import type { Log } from './plugin.ts';
import { reservedPaths } from './reserved-paths.ts';
import { Scope } from './scope.ts';
import { ServiceTable } from './services.ts';
import { defaultServerLimits } from './server-limits.ts';
import type { Server } from './server.ts';
import { assertDistinct } from './servers.ts';
import type { Registration } from './servers.ts';
import type { Stores } from './store.ts';
import { version } from './version.ts';
import { isProtected, wantedPlugins } from './wanted.ts';
import type { LoadPlugin, Wanted } from './wanted.ts';

/** Gives every plugin a log of its own. */
export interface Logs {
  scope(plugin: string): Log;
  /** The newest lines, where they are kept. */
  recent?(query: LogQuery): readonly LogLine[];
}

export interface HostOptions {
  /** How plugins are found; the default imports packages and files. */
  readonly load?: LoadPlugin;
  /** What the command line said over the configuration file; it also holds for later ones. */
  readonly overrides?: ConfigOverrides;
  /** Called when a server came up, went down, or changed its lists. */
  readonly serversChanged?: () => void;
}

/** One plugin of the running generation. */
interface Applied extends Wanted {
  readonly scope: Scope;
}

/** A running proxy. */
export class Host {
  readonly board: BoardApi;
  readonly #board: Board;
  /** The running configuration. */
  #config: Config;
  readonly #logs: Logs;
  readonly #log: Log;
  readonly #load: LoadPlugin;
  readonly #services = new ServiceTable();
  readonly #grants = new ConfiguredGrants((grant) => this.#board.grantChanged(grant));
  #applied: readonly Applied[] = [];
  #stores: Stores | undefined;
  #catalogues: KnownCatalogues | undefined;
  #changing: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(config: Config, logs: Logs, options: HostOptions) {
    this.#config = config;
    this.#logs = logs;
    this.#log = logs.scope('core');
    this.#load = options.load ?? loadPlugin;
    this.#board = new Board({
      serverInfo: { name: config.name, version },
      limits: { ...defaultServerLimits, ...config.limits },
      log: this.#log,
      serversChanged: options.serversChanged,
    });
    this.board = this.#board;
    const control = new Control({
      config: () => this.#config,
      running: () => this.#applied,
      check: async (next) => void (await wantedPlugins(next, this.#load)),
      change: (run) => this.#change(run),
      log: (query) => logs.recent?.(query) ?? [],
      overrides: options.overrides ?? {},
    });
    this.#services.provide('core', 'host', control);
  }

  /** Starts a proxy. Rejects, with nothing left running, when a plugin is missing, is given wrong options, or fails to apply. */
  static async start(config: Config, logs: Logs, options: HostOptions = {}): Promise<Host> {
    const host = new Host(config, logs, options);
    try {
      await host.#become(config);
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  /**
   * Changes to another configuration. Rejects and goes on as it was when the new one cannot be applied. One that is loaded when its turn
   * has come cannot be older than what was applied before it.
   */
  reload(config: Config | (() => Promise<Config>)): Promise<void> {
    return this.#change(async (become) => become(typeof config === 'function' ? await config() : config));
  }

  /** Runs a change of the configuration when all earlier ones are over. */
  #change<Result>(change: (become: (config: Config) => Promise<void>) => Promise<Result>): Promise<Result> {
    const running = this.#changing.then(() => change((config) => this.#become(config)));
    this.#changing = running.then(
      () => {},
      () => {},
    );
    return running;
  }

  /** Entry files of the plugins that run: folders that must stay. */
  pluginFiles(): string[] {
    return this.#applied.map(({ loaded }) => loaded.from);
  }

  /** The plugin whose code a stack trace names, if it names any. */
  pluginIn(stack: string): string | undefined {
    return this.#applied.find(({ loaded }) => stack.includes(path.dirname(loaded.from)))?.loaded.plugin.id;
  }

  /** A service that some plugin provides. */
  service<Service>(name: string): Service | undefined {
    return this.#services.get(name) as Service | undefined;
  }

  /**
   * Stops everything that was started: first what lets clients in, so that calls in flight can end, then sessions and servers, then the
   * other plugins in reverse order. Never rejects.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#changing;
    await this.#board.hooks.onStop.run().catch((error: unknown) => this.#board.report(error));
    const last = this.#applied.toReversed();
    for (const { scope } of last) if (scope.plugin.exclusive === true) await scope.stop();
    await this.#board.stop();
    for (const { scope } of last) await scope.stop();
  }

  async #become(config: Config): Promise<void> {
    const wanted = await wantedPlugins(config, this.#load);
    const approvals = await approvalsFor(config);
    const locked = isProtected(
      config,
      wanted.map(({ loaded }) => loaded.plugin),
    );
    const callers = () => this.#grants.callersOf(config, locked);
    const before = this.#applied;
    const first = before.length === 0;
    if (first) this.#board.setCallers(callers());
    const next = await this.#apply(config, wanted, before, this.#board.protected !== locked);
    // From here on nothing can fail: a refused change has changed nothing.
    this.#board.remember(this.#catalogues);
    this.#board.setApprovals(approvals);
    const hooks = createHooks();
    for (const { scope } of next) scope.tapInto(hooks);
    this.#board.setCallers(callers());
    this.#config = config;
    this.#applied = next;
    const gone = this.#board.swap(hooks, registrationsOf(next));
    await this.#endGrants();
    await this.#retire(
      before.filter((old) => !next.includes(old)),
      gone,
    );
    this.#services.going = new Set();
    if (first) await hooks.onStart.run();
    for (const warning of this.#board.warnings()) this.#log.warn(warning);
  }

  /** With a store, servers are remembered over restarts. */
  async #openStore(): Promise<void> {
    const stores = this.service<Stores>('store');
    if (stores === this.#stores) return;
    const report = (error: unknown) => this.#board.report(error);
    this.#catalogues = stores === undefined ? undefined : await KnownCatalogues.open(stores, report);
    this.#stores = stores;
  }

  /** What had a token and has none any more is gone, with its streams and connections. */
  async #endGrants(): Promise<void> {
    const gone = this.#grants.takeGone();
    await Promise.all(gone.map((grant) => this.#board.endGrant(grant, 'the configuration does not name it any more')));
  }

  /** Applies what is new or changed. When one fails, everything that was applied here is stopped again and the error is thrown. */
  async #apply(
    config: Config,
    wanted: readonly Wanted[],
    before: readonly Applied[],
    exposureChanged: boolean,
  ): Promise<Applied[]> {
    const next: Applied[] = [];
    const undo: (() => Promise<void>)[] = [];
    // Services whose provider is another one than before: whoever uses them is applied again.
    const going = new Set(
      before.flatMap(({ scope: { plugin } }) =>
        wanted.some(({ loaded }) => loaded.plugin.id === plugin.id) ? [] : (plugin.provides ?? []),
      ),
    );
    for (const { loaded } of wanted) for (const name of loaded.plugin.provides ?? []) going.delete(name);
    this.#services.going = going;
    const renewed = new Set(going);
    const reserved = reservedPaths(config);
    try {
      for (const want of wanted) {
        const old = before.find(({ loaded }) => loaded.plugin.id === want.loaded.plugin.id);
        const { plugin } = want.loaded;
        const stale = [...(plugin.needs ?? []), ...(plugin.wants ?? [])].some((name) => renewed.has(name));
        const same =
          !stale &&
          old?.loaded.plugin === plugin &&
          isDeepStrictEqual(old.options, want.options) &&
          !old.scope.isStale(reserved);
        if (same && !(plugin.exclusive === true && exposureChanged)) {
          next.push(old);
          continue;
        }
        for (const name of plugin.provides ?? []) renewed.add(name);
        if (old !== undefined && plugin.exclusive === true) {
          await old.scope.stop();
          undo.push(() => this.#revive(config, old));
        }
        const scope = this.#scopeFor(config, want.loaded);
        await scope.apply(want.options);
        undo.push(() => scope.stop());
        next.push({ ...want, scope });
      }
      await this.#openStore();
      assertDistinct(registrationsOf(next));
    } catch (error) {
      for (const each of undo.toReversed()) await each();
      this.#services.going = new Set();
      throw error;
    }
    return next;
  }

  /** Applies an exclusive plugin again that had been stopped for a successor which failed. */
  async #revive(config: Config, old: Applied): Promise<void> {
    const scope = this.#scopeFor(config, old.loaded);
    try {
      await scope.apply(old.options);
    } catch (error) {
      this.#board.report(error);
      return;
    }
    this.#applied = this.#applied.map((each) => (each === old ? { ...old, scope } : each));
    const hooks = createHooks();
    for (const each of this.#applied) each.scope.tapInto(hooks);
    this.#board.hooks = hooks;
  }

  #scopeFor(config: Config, { plugin, capabilities }: LoadedPlugin): Scope {
    return new Scope({
      plugin,
      log: this.#logs.scope(plugin.id),
      board: this.#board,
      services: this.#services,
      directory: config.directory,
      reserved: reservedPaths(config),
      limits: {
        apply: config.limits.applyTimeout,
        hook: config.limits.hookTimeout,
        faults: config.limits.faultBudget,
      },
      capabilities,
      switchedOff: (reason) => this.#switchedOff(plugin.id, reason),
      report: (fault: PluginError) => this.#board.report(fault),
      servers: {
        // What is registered between `apply` and the swap comes with the swap.
        added: (scope, definition) => {
          if (this.#isRunning(scope)) this.#board.addServer({ plugin: plugin.id, definition });
        },
        removed: (scope, definition) => {
          if (this.#isRunning(scope)) this.#board.removeServer(definition);
        },
      },
    });
  }

  #switchedOff(plugin: string, reason: string): void {
    this.#log.error(`plugin "${plugin}" is switched off, it has failed too often; the last time: ${reason}`, {
      plugin,
    });
    const { onPluginSwitchedOff } = this.#board.hooks;
    if (onPluginSwitchedOff.used)
      onPluginSwitchedOff.run({ plugin, reason }).catch((error: unknown) => this.#board.report(error));
  }

  #isRunning(scope: Scope): boolean {
    return this.#applied.some((each) => each.scope === scope);
  }

  /** Stops what the new generation no longer has, in reverse order. Calls in flight end with their servers' leases. */
  async #retire(scopes: readonly Applied[], servers: readonly Server[]): Promise<void> {
    await Promise.all(servers.map((server) => server.retire()));
    for (const { scope } of scopes.toReversed()) await scope.stop();
  }
}

function registrationsOf(applied: readonly Applied[]): Registration[] {
  return applied.flatMap(({ scope }) => scope.servers.map((definition) => ({ plugin: scope.plugin.id, definition })));
}

async function approvalsFor({ approval, directory }: Config): Promise<Approvals | undefined> {
  if (approval === 'off') return undefined;
  const { servers } = await readLockFile(lockFileOf(directory));
  return new Approvals(servers, approval === 'required');
}
