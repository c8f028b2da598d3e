// The plugins that a configuration wants: loaded, their options checked, in the order in which they start. Nothing of them runs here.
import { checkOptions, optionsError } from './config.ts';
import type { Config, PluginEntry } from './config.ts';
import { PlugboardError } from './errors.ts';
import type { LoadedPlugin } from './loader.ts';
import { lockFileOf, readLockFile } from './lock-file.ts';
import type { LockedPlugin } from './lock-file.ts';
import type { Plugin } from './plugin.ts';
import { inStartOrder } from './start-order.ts';
import { isolationOf } from './worker/settings.ts';
import type { IsolationSettings } from './worker/settings.ts';

/** Finds and loads the plugin of a key under `plugins`. */
export type LoadPlugin = (
  key: string,
  directory: string,
  locked?: LockedPlugin,
  isolation?: IsolationSettings,
) => Promise<LoadedPlugin>;

/** A plugin that shall run in the next generation. */
export interface Wanted {
  readonly key: string;
  readonly loaded: LoadedPlugin;
  readonly options: unknown;
}

/** Loads all plugins of a configuration. Rejects when one is missing, configured twice, given wrong options, or lacks what it needs. */
export async function wantedPlugins(config: Config, load: LoadPlugin): Promise<Wanted[]> {
  const locked = (await readLockFile(lockFileOf(config.directory))).plugins;
  const wanted = await Promise.all(
    config.plugins.map(async (entry): Promise<Wanted> => {
      const loaded = await load(entry.key, config.directory, locked[entry.key], isolationOf(config, entry.key));
      return { key: entry.key, loaded, options: await optionsOf(config, entry, loaded) };
    }),
  );
  const ids = new Set<string>();
  for (const { key, loaded } of wanted) {
    if (ids.has(loaded.plugin.id))
      throw new PlugboardError('PLUGIN_INVALID', `plugins.${key}: plugin "${loaded.plugin.id}" is configured twice`);
    ids.add(loaded.plugin.id);
  }
  return inStartOrder(wanted);
}

/** True when callers get nothing without a credential: then a transport may listen where others reach it. */
export function isProtected({ grants, tools }: Config, plugins: readonly Plugin[]): boolean {
  const locked =
    grants.length > 0 ||
    tools.allow?.length === 0 ||
    plugins.some(({ provides }) => provides?.includes('authentication'));
  return locked && (tools.allow ?? []).length === 0;
}

/** The options of an entry with their defaults; of a plugin in a worker as they are written. Throws PLUGIN_OPTIONS. */
export async function optionsOf(config: Config, entry: PluginEntry, { plugin, check }: LoadedPlugin): Promise<unknown> {
  if (plugin.options !== undefined && check !== undefined) {
    const problems = await check(entry.options);
    if (problems.length > 0) throw optionsError(config, entry, problems);
    return entry.options;
  }
  if (plugin.options !== undefined) return checkOptions(config, entry, plugin.options);
  const [unexpected] = Object.keys(entry.options);
  if (unexpected === undefined) return {};
  throw new PlugboardError(
    'PLUGIN_OPTIONS',
    `${config.locate(['plugins', entry.key])}: plugins.${entry.key}: unknown key "${unexpected}" (the plugin takes no options)`,
  );
}
