// The plugin home: sets of installed plugins beside a configuration. A set never changes; a change builds another one and turns a link over.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { PlugboardError } from '../errors.ts';
import { acquireLock } from '../file-lock.ts';
import type { LockedPlugin } from '../lock-file.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { version } from '../version.ts';
import { npm } from './npm.ts';

/** What a set holds: packages at exact versions, by plugin id. */
export type WantedPlugins = Readonly<Record<string, Pick<LockedPlugin, 'package' | 'version' | 'integrity'>>>;

/** A package of a set before it is downloaded, as npm has resolved it. */
export interface ResolvedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string | undefined;
  /** Where it is downloaded from. */
  readonly resolved: string | undefined;
  readonly hasInstallScript: boolean;
}

/** Sets that are kept: a running proxy may still read files of one before the last. */
const keptSets = 3;
/** ms to wait for another command that changes the home. */
const patience = 5 * 60_000;
/** A build that was interrupted so long ago (ms) is cleared away. */
const abandoned = 60 * 60_000;

/** The plugin home of a configuration's folder. */
export class PluginHome {
  readonly folder: string;
  readonly #current: string;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.folder = path.join(directory, '.plugboard', 'plugins');
    this.#current = path.join(this.folder, 'current');
  }

  /** Runs a change while no other process changes the home. */
  async alone<Result>(change: () => Promise<Result>): Promise<Result> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const held = await acquireLock(path.join(this.folder, 'lock'), { timeout: patience }).catch((error: Error) => {
      throw new PlugboardError('INSTALL_FAILED', `another command changes the plugins: ${error.message}`);
    });
    try {
      return await change();
    } finally {
      await held.release();
    }
  }

  /** Folder of the set in use; undefined when nothing was installed yet. */
  async current(): Promise<string | undefined> {
    const target = await readlink(this.#current).catch(() => undefined);
    return target === undefined ? undefined : path.join(this.folder, target);
  }

  /** Turns the link over to a set; undefined: to none. In one step, so that a reader sees the old set or the new one. */
  async use(set: string | undefined): Promise<void> {
    if (set === undefined) {
      await rm(this.#current, { force: true });
      return;
    }
    const temporary = `${this.#current}.${randomBytes(6).toString('hex')}`;
    await symlink(path.relative(this.folder, set), temporary);
    await rename(temporary, this.#current);
  }

  /**
   * Makes a folder for a new set and lets npm resolve it, without downloading anything. `kept`: npm's own lock of the set before, so that
   * nothing changes that was not asked for. The caller looks at the packages and then calls {@link PluginHome.download}, or
   * {@link PluginHome.discard}. When npm fails, the folder is gone.
   */
  async resolve(
    wanted: WantedPlugins,
    kept: string | undefined,
    signal?: AbortSignal,
  ): Promise<{ set: string; packages: ResolvedPackage[] }> {
    const set = path.join(this.folder, `building-${process.pid}-${randomBytes(6).toString('hex')}`);
    await mkdir(set, { mode: 0o700 });
    try {
      return { set, packages: await this.#resolveIn(set, wanted, kept, signal) };
    } catch (error) {
      await this.discard(set);
      throw error;
    }
  }

  async #resolveIn(
    set: string,
    wanted: WantedPlugins,
    kept: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ResolvedPackage[]> {
    const dependencies = Object.fromEntries(
      Object.values(wanted).map(({ package: name, version }): [string, string] => [name, version]),
    );
    const manifest = {
      name: 'plugboard-plugins',
      private: true,
      // The plugins share the running core; npm refuses one that needs another.
      dependencies: { ...dependencies, plugboard: 'file:./core' },
    };
    await writeCoreStandIn(path.join(set, 'core'));
    await writeFile(path.join(set, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
    await this.#linkSettings(set);
    if (kept !== undefined) await writeFile(path.join(set, 'package-lock.json'), kept);
    const doing = `resolve ${Object.keys(dependencies).join(', ') || 'no plugins'}`;
    await npm(['install', '--package-lock-only', '--install-links=false'], { cwd: set, doing, signal });
    const lock: unknown = JSON.parse(await readFile(path.join(set, 'package-lock.json'), 'utf8'));
    return packagesOf(lock);
  }

  /** Downloads a resolved set; npm compares every package with its integrity. Returns the folder of the finished set. */
  async download(set: string, signal?: AbortSignal): Promise<string> {
    await npm(['ci', '--install-links=false'], { cwd: set, doing: 'download the plugins', signal });
    const finished = path.join(this.folder, `set-${Date.now()}-${randomBytes(4).toString('hex')}`);
    await rename(set, finished);
    return finished;
  }

  /** Removes a set that will not be used. */
  async discard(set: string): Promise<void> {
    await rm(set, { recursive: true, force: true });
  }

  /** Removes sets that nobody uses any more, and what interrupted commands have left. `uses`: files that a running proxy still reads. */
  async tidy(uses: readonly string[]): Promise<void> {
    const current = await this.current();
    const names = await readdir(this.folder);
    const sets = names.filter((name) => name.startsWith('set-')).sort();
    const isUsed = (name: string) =>
      path.join(this.folder, name) === current || uses.some((file) => file.includes(`${path.sep}${name}${path.sep}`));
    const old = sets.slice(0, -keptSets).filter((name) => !isUsed(name));
    const builds: string[] = [];
    for (const name of names.filter((each) => each.startsWith('building-') || each.startsWith('current.'))) {
      const { mtimeMs } = await lstat(path.join(this.folder, name));
      if (Date.now() - mtimeMs > abandoned) builds.push(name);
    }
    for (const name of [...old, ...builds]) await this.discard(path.join(this.folder, name));
  }

  /** The folder of an installed package in a set. */
  packageFolder(set: string, name: string): string {
    return path.join(set, 'node_modules', name);
  }

  /** npm reads settings of the folder it works in: those of the user's project hold here, too. */
  async #linkSettings(set: string): Promise<void> {
    const settings = path.join(this.#directory, '.npmrc');
    const link = path.join(set, '.npmrc');
    const there = await lstat(settings).catch(() => undefined);
    if (there === undefined) return;
    await symlink(settings, link);
  }
}

/**
 * A package `plugboard` of the running version that hands on the running core. A link to the core itself would make npm install the
 * core's dependencies once more, into a folder that is not ours.
 */
async function writeCoreStandIn(folder: string): Promise<void> {
  await mkdir(folder);
  const manifest = {
    name: 'plugboard',
    version,
    type: 'module',
    exports: { '.': './index.js', './package.json': './package.json' },
  };
  await writeFile(path.join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await writeFile(path.join(folder, 'index.js'), `export * from ${JSON.stringify(coreUrl())};\n`);
}

/** URL of the running core's library. */
function coreUrl(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('plugboard')).href;
}

function packagesOf(lock: unknown): ResolvedPackage[] {
  const packages = isObject(lock) && isObject(lock['packages']) ? lock['packages'] : {};
  return Object.entries(packages).flatMap(([place, entry]) => {
    if (!isObject(entry) || !place.includes('node_modules/') || entry['link'] === true) return [];
    const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return [
      {
        name,
        version: text(entry, 'version') ?? '',
        integrity: text(entry, 'integrity'),
        resolved: text(entry, 'resolved'),
        hasInstallScript: entry['hasInstallScript'] === true,
      },
    ];
  });
}

function text(entry: JsonObject, member: string): string | undefined {
  const value = entry[member];
  return typeof value === 'string' ? value : undefined;
}
