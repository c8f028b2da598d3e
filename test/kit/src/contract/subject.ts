// The plugin under the contract: its package as it lies on the disk, and what a test says about starting it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { isObject, isPlugin } from 'plugboard';
import type { JsonObject, Plugin } from 'plugboard';

/** A plugin to be checked. */
export interface PluginSubject {
  /** Folder of its package. */
  readonly folder: string;
  /** What `definePlugin` returned, to be compared with what the package exports. Default: what the package exports. */
  readonly plugin?: Plugin;
  /** Options that it starts with. Default: none. */
  readonly options?: JsonObject;
  /** Further options to start it with, where it takes several to use all that it declares. */
  readonly variants?: readonly JsonObject[];
  /** Plugins to start before it, by the folder of their package. `store` is there in any case, in memory. */
  readonly beside?: Readonly<Record<string, JsonObject>>;
  /** Files that its options name, by their path; relative paths of options start in the same folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Variables that it is started with, beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files that npm would pack, where somebody else has asked npm for many packages at once (`packedFiles`). */
  readonly packed?: () => Promise<readonly string[]>;
}

/** A package of a plugin. */
export interface PluginPackage {
  readonly folder: string;
  readonly manifest: JsonObject;
  /** Absolute path of the file that an import of the package loads. */
  readonly entry: string;
  readonly readme: string | undefined;
}

/** Reads a package. Throws with what is wrong when it cannot be one. */
export async function readPackage(folder: string): Promise<PluginPackage> {
  const file = path.join(folder, 'package.json');
  const manifest: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!isObject(manifest)) throw new Error(`${file} holds no object`);
  const target = entryOf(manifest);
  if (target === undefined) throw new Error(`${file} exports nothing that can be imported`);
  const readme = await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => undefined);
  return { folder, manifest, entry: path.join(folder, target), readme };
}

/** Imports the plugin of a package. Throws when its default export is none. */
export async function importPlugin(entry: string): Promise<Plugin> {
  const module = (await import(pathToFileURL(entry).href)) as { default?: unknown };
  if (isPlugin(module.default)) return module.default;
  throw new Error(`${entry}: its default export was not made by definePlugin`);
}

/** Targets of `exports` under a condition, wherever they stand. */
export function exportTargets(manifest: JsonObject, condition: string): string[] {
  const found: string[] = [];
  const look = (value: unknown, key: string): void => {
    if (typeof value === 'string' && key === condition) found.push(value);
    else if (isObject(value)) for (const [name, next] of Object.entries(value)) look(next, name);
  };
  look(manifest['exports'], '');
  return found;
}

function entryOf(manifest: JsonObject): string | undefined {
  const exported = manifest['exports'];
  if (exported === undefined) return typeof manifest['main'] === 'string' ? manifest['main'] : 'index.js';
  return resolve(isObject(exported) && '.' in exported ? exported['.'] : exported);
}

/** Node's rule: the first condition that holds, in the order written. */
function resolve(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (!isObject(target)) return undefined;
  for (const [condition, next] of Object.entries(target)) {
    const found = ['import', 'node', 'module-sync', 'default'].includes(condition) ? resolve(next) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
