// A plugin that runs in a worker, as the host takes it: its module is imported in workers only, never in the proxy's own thread.
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../config-problems.ts';
import { PlugboardError } from '../errors.ts';
import { definePlugin } from '../plugin.ts';
import type { Plugin, PluginApi, Stop } from '../plugin.ts';
import type { JsonObject } from '../protocol/messages.ts';
import * as z from '../z.ts';
import type { Description } from './messages.ts';
import { PluginThread, ThreadEnded } from './plugin-thread.ts';
import type { IsolationSettings } from './settings.ts';
import { Supervisor } from './supervisor.ts';

/** ms that a worker with a plugin that nobody applies is kept. */
const spareFor = 5000;

interface Known {
  readonly stamp: string;
  readonly settings: IsolationSettings;
  readonly made: Promise<IsolatedPlugin>;
}

const known = new Map<string, Known>();

/**
 * The plugin of an entry file; the same one as long as the stamp of its files and the settings are the same. Throws PLUGIN_INVALID as the loader does,
 * and for a plugin that cannot do its work in a worker.
 */
export async function isolatedPlugin(
  key: string,
  file: string,
  stamp: string,
  settings: IsolationSettings,
): Promise<IsolatedPlugin> {
  const found = known.get(file);
  if (found?.stamp === stamp && isDeepStrictEqual(found.settings, settings)) return await found.made;
  const made = IsolatedPlugin.make(key, file, settings);
  const entry = { stamp, settings, made };
  known.set(file, entry);
  try {
    return await made;
  } catch (error) {
    if (known.get(file) === entry) known.delete(file);
    throw error;
  }
}

export class IsolatedPlugin {
  readonly plugin: Plugin;
  readonly #key: string;
  readonly #file: string;
  readonly #settings: IsolationSettings;
  /** A worker that has loaded the plugin and waits to be used. */
  #spare: PluginThread | undefined;
  #spareTimer: NodeJS.Timeout | undefined;
  /** Options that were found good last. */
  #checked: JsonObject | undefined;

  private constructor(key: string, file: string, settings: IsolationSettings, description: Description) {
    this.#key = key;
    this.#file = file;
    this.#settings = settings;
    const { takesOptions, schema, title, description: text, needs: _needs, ...rest } = description;
    this.plugin = definePlugin({
      ...rest,
      ...(title !== undefined && { title }),
      ...(text !== undefined && { description: text }),
      ...(takesOptions && { options: optionsLike(schema) }),
      apply: (api: PluginApi, options: unknown) => this.#apply(api, options as JsonObject),
    } as never);
  }

  static async make(key: string, file: string, settings: IsolationSettings): Promise<IsolatedPlugin> {
    const thread = startThread(settings);
    try {
      const description = await thread.load(key, file);
      checkCrossing(key, description);
      const isolated = new IsolatedPlugin(key, file, settings, description);
      isolated.#keepSpare(thread);
      return isolated;
    } catch (error) {
      await thread.end(new ThreadEnded('it could not be loaded'));
      if (error instanceof PlugboardError) throw error;
      throw new PlugboardError('PLUGIN_INVALID', `plugin "${key}" (${file}): ${messageOf(error)}`, { cause: error });
    }
  }

  /** What is wrong with options; checked by the plugin's own schema, in a worker. */
  async check(options: JsonObject): Promise<readonly Problem[]> {
    if (this.#checked !== undefined && isDeepStrictEqual(this.#checked, options)) return [];
    const thread = await this.#take();
    thread.ref();
    try {
      const checking = thread.channel.ask('check', { options });
      const problems = await thread.within(this.#settings.applyTimeout, 'its options were not checked', checking);
      if (problems.length === 0) this.#checked = options;
      this.#keepSpare(thread);
      return problems;
    } catch (error) {
      await thread.end(new ThreadEnded('its options could not be checked'));
      throw new PlugboardError('PLUGIN_OPTIONS', `plugin "${this.#key}" (${this.#file}): ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #apply(api: PluginApi, options: JsonObject): Promise<Stop> {
    const supervisor = new Supervisor({ api, options, settings: this.#settings, start: () => this.#take() });
    for (const name of this.plugin.provides ?? []) api.services.provide(name, true);
    await supervisor.start();
    return () => supervisor.stop();
  }

  /** A worker that has loaded the plugin: the spare one, or another. */
  async #take(): Promise<PluginThread> {
    clearTimeout(this.#spareTimer);
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined) {
      spare.ref();
      return spare;
    }
    const thread = startThread(this.#settings);
    try {
      await thread.load(this.#key, this.#file);
      return thread;
    } catch (error) {
      await thread.end(new ThreadEnded('it could not be loaded'));
      throw error;
    }
  }

  #keepSpare(thread: PluginThread): void {
    void this.#spare?.end(new ThreadEnded('it is not needed'));
    this.#spare = thread;
    thread.unref();
    clearTimeout(this.#spareTimer);
    const drop = () => {
      if (this.#spare === thread) this.#spare = undefined;
      void thread.end(new ThreadEnded('it is not needed'));
    };
    this.#spareTimer = setTimeout(drop, spareFor);
    this.#spareTimer.unref();
    void thread.ended.then(() => {
      if (this.#spare === thread) this.#spare = undefined;
    });
  }
}

function startThread(settings: IsolationSettings): PluginThread {
  const thread: PluginThread = new PluginThread(settings, (error) => {
    void thread.end(new ThreadEnded(`it said what cannot be understood: ${messageOf(error)}`));
  });
  return thread;
}

/** What a plugin asks for must be there for it in a worker. */
function checkCrossing(key: string, { id, needs, provides }: Description): void {
  const [need] = needs;
  const provided = provides.find((name) => name !== 'authentication');
  if (need === undefined && provided === undefined) return;
  const what = need === undefined ? `provides the service "${provided}"` : `needs the service "${need}"`;
  throw new PlugboardError(
    'PLUGIN_INVALID',
    `plugin "${id}" ${what}, and services do not cross to a worker: take "${key}" out of pluginIsolation`,
  );
}

/** Stands for the plugin's schema where one is shown; what checks options is {@link IsolatedPlugin.check}. */
function optionsLike(schema: JsonObject | undefined): z.ZodType {
  const like = z.looseObject({});
  if (schema !== undefined) like._zod.toJSONSchema = () => structuredClone(schema);
  return like;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
