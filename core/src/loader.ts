// From a key of the configuration to a plugin: where its package is, its entry file, and whether it is a plugin of this contract.
// Applying it is the host's business.
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Capabilities } from './capabilities.ts';
import type { Problem } from './config-problems.ts';
import { pluginKeyKind } from './config-schema.ts';
import { PlugboardError } from './errors.ts';
import type { LockedPlugin } from './lock-file.ts';
import { closest } from './nearest.ts';
import { findSyntaxError, importAnew, stampOf } from './own-modules.ts';
import { apiVersion, isPlugin } from './plugin.ts';
import type { Plugin } from './plugin.ts';
import { isObject } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import type { IsolationSettings } from './worker/settings.ts';

/** A plugin and where it came from. */
export interface LoadedPlugin {
  readonly plugin: Plugin;
  /** Absolute path of its entry file. */
  readonly from: string;
  /** Version of its package; undefined for a single file. */
  readonly version: string | undefined;
  /** What its package declares to need; undefined for a single file. */
  readonly capabilities?: Capabilities | undefined;
  /** Checks its options where it runs, when that is not here. Empty: nothing is wrong. */
  readonly check?: ((options: JsonObject) => Promise<readonly Problem[]>) | undefined;
}

/** The entry file of a plugin. */
interface Entry {
  readonly file: string;
  readonly version: string | undefined;
  readonly capabilities?: Capabilities;
}

/** Conditions of `exports` that hold for an import in this process. */
const conditions = ['import', 'node', 'module-sync', 'default'];

interface Import {
  readonly stamp: string;
  failed: boolean;
  readonly module: Promise<JsonObject>;
}

/** Imports by file. One that failed, or whose files changed since, is made anew. */
const imports = new Map<string, Import>();

/** Plugins of the plugin home by the integrity of their package. */
const installed = new Map<string, LoadedPlugin>();

/**
 * Finds, imports and checks a plugin. Packages are looked for in the plugin home, then from the configuration's folder upwards, then from
 * this package's own folder. `locked`: what plugboard.lock says of the key. With `isolation` it is imported and runs in a
 * worker. Throws PLUGIN_NOT_FOUND and PLUGIN_INVALID, saying what was tried.
 */
export async function loadPlugin(
  key: string,
  directory: string,
  locked?: LockedPlugin,
  isolation?: IsolationSettings,
): Promise<LoadedPlugin> {
  const kind = pluginKeyKind(key);
  const known = locked === undefined || isolation !== undefined ? undefined : installed.get(locked.integrity);
  // Every change of the plugin home is a new folder; what has not changed in it goes on running.
  if (known !== undefined) return known;
  const name = locked?.package ?? (kind === 'id' ? `@plugboard/${key}` : key);
  const entry = kind === 'path' ? entryOfPath(key, directory) : entryOfPackage(name, key, directory);
  const { file, version, capabilities } = entry;
  if (isolation === undefined) {
    const loaded = { plugin: await importPlugin(key, file), from: file, version, capabilities };
    if (locked !== undefined && version === locked.version) installed.set(locked.integrity, loaded);
    return loaded;
  }
  const { isolatedPlugin } = await import('./worker/isolated-plugin.ts');
  const isolated = await isolatedPlugin(key, file, stampFor(key, file), isolation);
  return { plugin: isolated.plugin, from: file, version, capabilities, check: (options) => isolated.check(options) };
}

/** Imports an entry file and checks that it is the plugin of the key. Throws PLUGIN_INVALID. */
export async function importPlugin(key: string, file: string): Promise<Plugin> {
  const plugin = checkPlugin(key, file, await importEntry(key, file));
  if (pluginKeyKind(key) === 'id' && plugin.id !== key) {
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `plugin "${key}" (${file}) calls itself "${plugin.id}": its id must be the key it is loaded by`,
    );
  }
  return plugin;
}

function entryOfPath(key: string, directory: string): Entry {
  const target = path.resolve(directory, key);
  const stat = statSync(target, { throwIfNoEntry: false });
  if (stat === undefined) throw new PlugboardError('PLUGIN_NOT_FOUND', `plugin "${key}": there is no file ${target}`);
  return stat.isDirectory() ? entryOfFolder(key, target) : { file: realpathSync(target), version: undefined };
}

function entryOfPackage(name: string, key: string, directory: string): Entry {
  const folders = pluginFolders(directory);
  const holder = folderWith(name, folders);
  if (holder !== undefined) return entryOfFolder(key, path.join(holder, name));
  const [nearest] = closest(name, folders.flatMap(ownPackages));
  const meant = nearest === undefined ? '' : `; nearest: ${nearest}`;
  const looked = folders.filter((folder) => statSync(folder, { throwIfNoEntry: false }) !== undefined);
  const tried = looked.length === 0 ? `no node_modules above ${directory}` : `looked in ${looked.join(', ')}`;
  throw new PlugboardError(
    'PLUGIN_NOT_FOUND',
    `plugin "${key}": package ${name} is not installed (${tried}${meant}); try: \`plugboard add ${key}\``,
  );
}

function folderWith(name: string, folders: readonly string[]): string | undefined {
  const manifest = (folder: string) => path.join(folder, name, 'package.json');
  return folders.find((folder) => statSync(manifest(folder), { throwIfNoEntry: false }) !== undefined);
}

/** Where a plugin is: a file or folder named by its path, the plugin home, beside this core, or another folder of packages. */
export interface PluginPlace {
  readonly kind: 'path' | 'home' | 'core' | 'packages';
  readonly package: string | undefined;
  readonly version: string | undefined;
}

/** Finds the plugin of a key where {@link loadPlugin} would, and runs nothing of it. Undefined when it is not there. */
export function locatePlugin(key: string, directory: string, locked?: LockedPlugin): PluginPlace | undefined {
  const kind = pluginKeyKind(key);
  try {
    if (kind === 'path') return { kind, package: undefined, version: entryOfPath(key, directory).version };
    const name = locked?.package ?? (kind === 'id' ? `@plugboard/${key}` : key);
    const [home, ...others] = pluginFolders(directory);
    const holder = folderWith(name, [home, ...others]);
    if (holder === undefined) return undefined;
    const { version } = entryOfFolder(key, path.join(holder, name));
    const ofCore = packageFolders(coreFolder).includes(holder);
    return { kind: holder === home ? 'home' : ofCore ? 'core' : 'packages', package: name, version };
  } catch {
    return undefined;
  }
}

/** `node_modules` of a folder and of those above it. */
function packageFolders(start: string): string[] {
  const folders: string[] = [];
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== 'node_modules') folders.push(path.join(folder, 'node_modules'));
    if (folder === path.dirname(folder)) return folders;
  }
}

/** A plugin's package that is there, loaded or not. */
export interface PresentPlugin {
  readonly id: string;
  readonly description: string;
}

/** The plugins of this project's scope that are installed where {@link loadPlugin} looks. Nothing of them is run. */
export function presentPlugins(directory: string): PresentPlugin[] {
  const found = new Map<string, PresentPlugin>();
  for (const folder of pluginFolders(directory)) {
    for (const name of ownPackages(folder)) {
      try {
        const manifest: unknown = JSON.parse(readFileSync(path.join(folder, name, 'package.json'), 'utf8'));
        const own = isObject(manifest) && isObject(manifest['plugboard']) ? manifest['plugboard'] : {};
        const { id } = own;
        if (!isObject(manifest) || typeof id !== 'string' || found.has(id)) continue;
        const { description } = manifest;
        found.set(id, { id, description: typeof description === 'string' ? description : '' });
      } catch {
        // Not a package, or not a plugin.
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Folders of packages, in the order in which they are looked through. */
function pluginFolders(directory: string): [home: string, ...others: string[]] {
  const home = path.join(directory, '.plugboard', 'plugins', 'current', 'node_modules');
  return [home, ...new Set([directory, coreFolder].flatMap(packageFolders))];
}

const coreFolder = path.dirname(fileURLToPath(import.meta.url));

function ownPackages(folder: string): string[] {
  try {
    return readdirSync(path.join(folder, '@plugboard')).map((name) => `@plugboard/${name}`);
  } catch {
    return [];
  }
}

function entryOfFolder(key: string, folder: string): Entry {
  const manifest = readManifest(key, folder);
  const version = typeof manifest['version'] === 'string' ? manifest['version'] : undefined;
  const exported = manifest['exports'];
  const root =
    isObject(exported) && Object.keys(exported).some((each) => each.startsWith('.')) ? exported['.'] : exported;
  const target = exported === undefined ? (manifest['main'] ?? 'index.js') : resolveConditions(root);
  if (typeof target !== 'string')
    throw new PlugboardError('PLUGIN_INVALID', `plugin "${key}": ${folder}/package.json exports nothing to import`);
  const file = path.join(folder, target);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `plugin "${key}": ${file}, which its package.json names, does not exist (is the package built?)`,
    );
  }
  return { file: realpathSync(file), version, capabilities: Capabilities.of(key, manifest) };
}

function readManifest(key: string, folder: string): JsonObject {
  const file = path.join(folder, 'package.json');
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (isObject(manifest)) return manifest;
  } catch (error) {
    throw new PlugboardError('PLUGIN_INVALID', `plugin "${key}": ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new PlugboardError('PLUGIN_INVALID', `plugin "${key}": ${file} holds no object`);
}

/** The target of an `exports` entry (Node's rules: the first condition that holds, in the order written). */
function resolveConditions(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (Array.isArray(target)) return target.map(resolveConditions).find((each) => each !== undefined);
  if (!isObject(target)) return undefined;
  for (const [condition, next] of Object.entries(target)) {
    const resolved = conditions.includes(condition) ? resolveConditions(next) : undefined;
    if (resolved !== undefined) return resolved;
  }
  return undefined;
}

/** Changes with the files of a plugin. Those of a package are replaced together, so its entry file stands for them. */
function stampFor(key: string, file: string): string {
  return pluginKeyKind(key) === 'path' ? stampOf(file) : String(statSync(file).mtimeMs);
}

async function importEntry(key: string, file: string): Promise<JsonObject> {
  const stamp = stampFor(key, file);
  const known = imports.get(file);
  const entry = known !== undefined && !known.failed && known.stamp === stamp ? known : startImport(file, stamp, known);
  imports.set(file, entry);
  try {
    return await entry.module;
  } catch (error) {
    entry.failed = true;
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ERR_UNKNOWN_FILE_EXTENSION' ? 'this Node cannot import it as it is: compile it to JavaScript' : message;
    const where = error instanceof SyntaxError ? await findSyntaxError(file) : undefined;
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `plugin "${key}" cannot be imported from ${file}: ${where === undefined ? '' : `${where}: `}${why}`,
      { cause: error },
    );
  }
}

function startImport(file: string, stamp: string, before: Import | undefined): Import {
  const module = before === undefined ? import(pathToFileURL(file).href) : importAnew(file);
  return { stamp, failed: false, module: module as Promise<JsonObject> };
}

function checkPlugin(key: string, file: string, module: JsonObject): Plugin {
  const exported = module['default'];
  // A CommonJS module that was compiled from `export default` has its default one level deeper.
  const plugin = isObject(exported) && !isPlugin(exported) ? exported['default'] : exported;
  const where = `plugin "${key}" (${file})`;
  if (!isPlugin(plugin)) {
    const names = Object.keys(module);
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `${where} has no plugin as its default export (it exports ${names.length === 0 ? 'nothing' : names.join(', ')})`,
    );
  }
  if (plugin.apiVersion !== apiVersion) {
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `${where} was written for contract version ${plugin.apiVersion}, this is version ${apiVersion}: install a release of it that fits`,
    );
  }
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(plugin.id)) {
    throw new PlugboardError(
      'PLUGIN_INVALID',
      `${where} has the id ${JSON.stringify(plugin.id)}: it must be kebab-case`,
    );
  }
  return plugin;
}
