// `plugboard probe-plugins`: loads the plugins of a configuration, checks their options, and lets each check itself. Run in a process of
// its own, which tells its parent what it does: a plugin may end it, or hold it, at any moment. The parent: `plugin-checks.ts`.
import { loadConfig } from '../config.ts';
import type { Config, PluginEntry } from '../config.ts';
import { loadPlugin } from '../loader.ts';
import type { LoadedPlugin } from '../loader.ts';
import { emptyLock, lockFileOf, readLockFile } from '../lock-file.ts';
import type { LockFile } from '../lock-file.ts';
import { reservedPaths } from '../reserved-paths.ts';
import { isProtected, optionsOf, wantedPlugins } from '../wanted.ts';
import { isolationOf } from '../worker/settings.ts';
import { failureOf } from './checks.ts';
import type { Finding } from './checks.ts';
import { exitCodes } from './exit-codes.ts';

export interface ProbeOptions {
  readonly config?: string;
  readonly port?: number;
  /** Keys of plugins that are left out. */
  readonly skip?: readonly string[];
}

/** What the parent is told: whose turn it is, what was found, and that everything has been looked at. */
export type ProbeMessage =
  | { readonly at: string; readonly doing: 'loaded' | 'checked' }
  | { readonly findings: readonly Finding[] }
  | { readonly done: true };

interface Usable {
  readonly entry: PluginEntry;
  readonly loaded: LoadedPlugin;
}

/** Tells the parent, and ends the process: what a plugin opened while it was loaded must not keep it. */
export async function probePlugins({ config: file, port, skip = [] }: ProbeOptions): Promise<number> {
  const config = await loadConfig(file, { port, tolerant: true });
  // A broken lock file is a finding of its own.
  const lock = await readLockFile(lockFileOf(config.directory)).catch(() => emptyLock);
  const entries = config.plugins.filter(({ key }) => !skip.includes(key));
  const usable: Usable[] = [];
  for (const entry of entries) {
    const subject = subjectOf(entry);
    await tell({ at: entry.key, doing: 'loaded' });
    try {
      const loaded = await load(config, entry, lock);
      await optionsOf(config, entry, loaded);
      usable.push({ entry, loaded });
    } catch (error) {
      await tell({ findings: [failureOf(subject, error)] });
    }
  }
  const locked = isProtected(
    config,
    usable.map(({ loaded }) => loaded.plugin),
  );
  for (const each of usable) {
    await tell({ at: each.entry.key, doing: 'checked' });
    await tell({ findings: await check(config, each, lock, locked) });
  }
  if (usable.length === config.plugins.length) await tell({ findings: await together(config) });
  await tell({ done: true });
  process.exit(exitCodes.ok);
}

function load(config: Config, { key }: PluginEntry, { plugins }: LockFile): Promise<LoadedPlugin> {
  return loadPlugin(key, config.directory, plugins[key], isolationOf(config, key));
}

/** What the plugin says of itself. One that runs in a worker is loaded here once more: this process is not the proxy. */
async function check(
  config: Config,
  { entry, loaded }: Usable,
  lock: LockFile,
  locked: boolean,
): Promise<readonly Finding[]> {
  const subject = subjectOf(entry);
  try {
    const own =
      loaded.check === undefined ? loaded : await loadPlugin(entry.key, config.directory, lock.plugins[entry.key]);
    const options = await optionsOf(config, entry, own);
    const context = { directory: config.directory, reserved: reservedPaths(config), protected: locked };
    const problems = [(await own.plugin.check?.(options, context)) ?? []].flat();
    if (problems.length > 0) return problems.map(({ result, text, advice }) => ({ subject, result, text, advice }));
    return [{ subject, result: 'ok', text: `${loaded.version ?? 'file'}, ${loaded.from}` }];
  } catch (error) {
    return [failureOf(subject, error)];
  }
}

/** What is wrong between plugins: services that nobody provides, one plugin twice. */
async function together(config: Config): Promise<readonly Finding[]> {
  try {
    await wantedPlugins(config, loadPlugin);
    return [];
  } catch (error) {
    return [failureOf('plugins', error)];
  }
}

function subjectOf({ key }: PluginEntry): string {
  return `plugin ${key}`;
}

/** Resolves when the message has left: the next plugin may end the process. */
function tell(message: ProbeMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) process.stdout.write(`${JSON.stringify(message)}\n`, () => resolve());
    else process.send(message, undefined, {}, () => resolve());
  });
}
