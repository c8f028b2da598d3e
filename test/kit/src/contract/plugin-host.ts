// A proxy in the test's own process: real host, real hooks, the plugins that a test names, clients of both eras. No expectations live here.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { configFrom, Host } from 'plugboard';
import type { BoardApi, Config, JsonObject, Log, Plugin } from 'plugboard';
import { until } from '../until.ts';
import type { FakeServer } from './fake-server.ts';
import { TestClient } from './test-client.ts';
import type { ClientOptions } from './test-client.ts';

/** A plugin, with its options where it takes any. */
export type PluginChoice = Plugin | readonly [Plugin, JsonObject];

export interface PluginHostOptions {
  /** Applied in this order, as far as their needs allow. */
  readonly plugins?: readonly PluginChoice[];
  /** Servers for them to work on; registered before the plugins are applied. */
  readonly servers?: readonly FakeServer[];
  /** The rest of the configuration: `tools`, `grants`, `limits` … */
  readonly config?: JsonObject;
  /** Where relative paths of options start; default: a temporary folder, removed with the host. */
  readonly directory?: string;
}

/** What can be changed while it runs. */
export type PluginHostChange = Pick<PluginHostOptions, 'plugins' | 'servers' | 'config'>;

/** Starts a proxy with the given plugins. Rejects when one of them cannot be applied, as the proxy itself would. */
export async function pluginHost(options: PluginHostOptions = {}): Promise<PluginHost> {
  const directory = options.directory ?? (await mkdtemp(path.join(tmpdir(), 'plugboard-test-')));
  const host = new PluginHost(directory, options);
  try {
    await host.start();
  } catch (error) {
    await host.stop();
    throw error;
  }
  return host;
}

/** A running proxy. Whoever starts one ends it with {@link PluginHost.stop}. */
export class PluginHost {
  /** Where relative paths of options start. */
  readonly directory: string;
  /** Everything that was logged: `warn weather: slow call {"tool":"greet"}`. */
  readonly log: string[] = [];
  readonly #plugins = new Map<string, Plugin>();
  readonly #temporary: boolean;
  #options: PluginHostChange;
  #host: Host | undefined;

  constructor(directory: string, options: PluginHostOptions) {
    this.directory = directory;
    this.#options = options;
    this.#temporary = options.directory === undefined;
  }

  /** Called by {@link pluginHost}. */
  async start(): Promise<void> {
    const load = async (key: string) => {
      const plugin = this.#plugins.get(key);
      if (plugin === undefined) throw new Error(`there is no plugin "${key}" in this test`);
      return { plugin, from: 'the test', version: undefined };
    };
    this.#host = await Host.start(await this.#config(), { scope: (plugin) => this.#logOf(plugin) }, { load });
  }

  get board(): BoardApi {
    return this.#running.board;
  }

  /** A service that some plugin provides. Throws when none does. */
  service<Service>(name: string): Service {
    const service = this.#running.service<Service>(name);
    if (service === undefined) throw new Error(`no plugin of this test provides the service "${name}"`);
    return service;
  }

  /** Connects a client, once all servers are up or have failed. */
  async client(options?: ClientOptions): Promise<TestClient> {
    await this.ready();
    return await TestClient.connect(this.board, options);
  }

  /** Resolves when no server is starting any more. */
  async ready(): Promise<void> {
    await until('a server is still starting', () => this.board.servers().every(({ state }) => state !== 'starting'));
  }

  /** Resolves when something was logged that fits. */
  async logged(pattern: RegExp): Promise<void> {
    await until(
      () => `${pattern} was not logged; this was: ${this.log.join(' | ')}`,
      () => this.log.some((line) => pattern.test(line)),
    );
  }

  /** Changes the configuration while it runs; what is left out stays. Rejects, and goes on as it was, when that is impossible. */
  async configure(change: PluginHostChange): Promise<void> {
    const before = this.#options;
    this.#options = { ...before, ...change };
    try {
      await this.#running.reload(await this.#config());
    } catch (error) {
      this.#options = before;
      throw error;
    }
  }

  /** Stops everything, and waits for it. */
  async stop(): Promise<void> {
    await this.#host?.stop();
    if (this.#temporary) await rm(this.directory, { recursive: true, force: true });
  }

  get #running(): Host {
    if (this.#host === undefined) throw new Error('the host was not started');
    return this.#host;
  }

  async #config(): Promise<Config> {
    const { plugins = [], servers = [], config = {} } = this.#options;
    const options: JsonObject = {};
    for (const choice of [...servers.map(({ plugin }) => plugin), ...plugins]) {
      const [plugin, given] = isPair(choice) ? choice : [choice, {}];
      this.#plugins.set(plugin.id, plugin);
      options[plugin.id] = given;
    }
    return await configFrom({ ...config, plugins: options }, this.directory);
  }

  #logOf(plugin: string): Log {
    const write = (level: string) => (message: string, fields?: object) => {
      this.log.push(`${level} ${plugin}: ${message}${fields === undefined ? '' : ` ${textOf(fields)}`}`);
    };
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

function isPair(choice: PluginChoice): choice is readonly [Plugin, JsonObject] {
  return Array.isArray(choice);
}

function textOf(fields: object): string {
  return JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.message : value));
}
