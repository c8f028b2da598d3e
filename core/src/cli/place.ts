// Where the commands about plugins work: a configuration with its lock, the indexes it names, and its installed plugins.
import path from 'node:path';
import { configFileNames, findConfigFile, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { Installation } from '../install/installation.ts';
import type { InstallPolicy } from '../install/policy.ts';
import { lockFileOf, readLockFile } from '../lock-file.ts';
import type { LockFile } from '../lock-file.ts';
import { readIndexes } from '../registry/indexes.ts';
import type { Indexes } from '../registry/indexes.ts';
import type { Console } from './console.ts';
import type { Steps } from './steps.ts';

export interface PluginOptions {
  readonly config?: string;
  readonly refresh?: boolean;
}

/** Where a command works: the configuration, which `add` may have to make. */
export interface Place {
  readonly file: string;
  readonly config: Config | undefined;
}

/** The configuration of a command; without one, the file that `add` will make. */
export async function findPlace(given: string | undefined): Promise<Place> {
  const file = given === undefined ? findConfigFile(process.cwd()) : path.resolve(given);
  if (file === undefined) return { file: path.resolve(configFileNames[0]), config: undefined };
  const config = await loadConfig(file, { tolerant: true }).catch((error: unknown) => {
    if (error instanceof PlugboardError && error.code === 'CONFIG_NOT_FOUND') return undefined;
    throw error;
  });
  return { file, config };
}

/** The configuration of a command that needs one, and its lock. Throws CONFIG_NOT_FOUND. */
export async function findPresent(
  given: string | undefined,
): Promise<{ readonly file: string; readonly config: Config; readonly lock: LockFile }> {
  const config = await loadConfig(given, { tolerant: true });
  const file = config.file ?? path.resolve(given ?? configFileNames[0]);
  return { file, config, lock: await readLockFile(lockFileOf(config.directory)) };
}

export async function indexesOf(
  { config }: Pick<Place, 'config'>,
  { refresh }: PluginOptions,
  output: Console,
): Promise<Indexes> {
  const indexes = await readIndexes({ urls: config?.registry.indexes ?? [], refresh: refresh === true });
  for (const warning of indexes.warnings) output.note(`warning: ${warning}`);
  return indexes;
}

export function installationAt({ file, config }: Place, steps: Steps): Installation {
  const { scopes, registries, signedOnly = false, scripts = [] } = config?.registry ?? {};
  const policy: InstallPolicy = { scopes, registries, signedOnly, scripts };
  return new Installation({ configFile: file, policy, step: (text) => steps.show(text), signal: steps.signal });
}

export function isConfigured(config: Config | undefined, id: string): boolean {
  return config?.plugins.some(({ key }) => key === id) === true;
}
