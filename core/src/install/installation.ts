// Changing which plugins are installed: everything is prepared beside what runs, takes effect in one step, and is taken back when the
// running proxy refuses it.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { LocalFiles } from '../local-files.ts';
import { changeLockFile, lockFileOf, readLockFile } from '../lock-file.ts';
import type { LockedPlugin, LockFile } from '../lock-file.ts';
import { replaceFile } from '../replace-file.ts';
import { PluginHome } from './plugin-home.ts';
import type { ResolvedPackage } from './plugin-home.ts';
import { checkOrigins, checkScope } from './policy.ts';
import type { InstallPolicy } from './policy.ts';
import { probePlugin } from './probe.ts';
import { checkSignature } from './signatures.ts';
import { checkManifest, checkResolved } from './verify.ts';
import { refusedByProxy, verdictOn } from './verdict.ts';
import type { ExpectedPlugin } from './verify.ts';

export interface InstallationInit {
  /** Absolute. Need not exist yet. */
  readonly configFile: string;
  readonly policy: InstallPolicy;
  /** Called at every step, for people who wait. */
  readonly step: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface InstallationChange {
  /** Plugins to install, or to install in another version. */
  readonly add: readonly ExpectedPlugin[];
  /** Ids of plugins that shall no longer be installed. */
  readonly remove: readonly string[];
  /** The configuration's text after the change; `added` are the ids of what was installed. */
  readonly configure: (text: string, file: string, added: readonly string[]) => string;
}

/** What has been installed. */
export interface InstalledPlugin extends LockedPlugin {
  readonly id: string;
}

export interface InstallationResult {
  readonly installed: readonly InstalledPlugin[];
  /** True when a running proxy has taken the change. */
  readonly live: boolean;
}

/** The installed plugins of one configuration. */
export class Installation {
  readonly home: PluginHome;
  readonly #init: InstallationInit;
  readonly #lockFile: string;
  /** npm's own lock of the plugin home, kept beside ours: which versions of what plugins depend on. */
  readonly #packagesFile: string;

  constructor(init: InstallationInit) {
    this.#init = init;
    const directory = path.dirname(init.configFile);
    this.home = new PluginHome(directory);
    this.#lockFile = lockFileOf(directory);
    this.#packagesFile = path.join(directory, 'plugboard.packages.json');
  }

  lock(): Promise<LockFile> {
    return readLockFile(this.#lockFile);
  }

  /** Installs, updates and removes. Throws INSTALL_REFUSED and INSTALL_FAILED; then everything is as it was. */
  change(change: InstallationChange): Promise<InstallationResult> {
    for (const { package: name } of change.add) checkScope(name, this.#init.policy);
    return this.home.alone(async () => {
      const lock = await this.lock();
      const { set, installed } = await this.#prepare(lock, change);
      try {
        const live = await this.#activate(set, lock, change, installed);
        const running = await new LocalFiles(this.#init.configFile).readRun();
        await this.home.tidy(running?.uses ?? []);
        return { installed, live };
      } catch (error) {
        await this.home.discard(set);
        throw error;
      }
    });
  }

  /** Installs what plugboard.lock says: for a fresh copy of a repository. */
  restore(): Promise<InstallationResult> {
    return this.change({ add: [], remove: [], configure: (text) => text });
  }

  /** Downloads the new set and checks everything that can be checked without running it, then lets each new plugin load in a process of its own. */
  async #prepare(
    lock: LockFile,
    { add, remove }: InstallationChange,
  ): Promise<{ set: string; installed: InstalledPlugin[] }> {
    const { step, signal, policy } = this.#init;
    const kept = Object.entries(lock.plugins).filter(
      ([id, { package: name }]) => !remove.includes(id) && !add.some((each) => each.id === id || each.package === name),
    );
    const unresolved = Object.fromEntries(add.map((each) => [each.id ?? each.package, { ...each, integrity: '' }]));
    step('asking the registry which packages are needed');
    const wanted = { ...Object.fromEntries(kept), ...unresolved };
    const { set, packages } = await this.home.resolve(wanted, await textOf(this.#packagesFile), signal);
    try {
      const integrity = this.#checkPackages(kept, add, packages);
      for (const { package: name, version } of policy.signedOnly ? add : []) {
        step(`checking the signature of ${name}`);
        await checkSignature(name, version, integrity.get(name) ?? '', set);
      }
      step('downloading');
      const finished = await this.home.download(set, signal);
      try {
        return { set: finished, installed: await this.#checkInstalled(finished, add, integrity) };
      } catch (error) {
        await this.home.discard(finished);
        throw error;
      }
    } catch (error) {
      await this.home.discard(set);
      throw error;
    }
  }

  #checkPackages(
    kept: readonly (readonly [string, LockedPlugin])[],
    add: readonly ExpectedPlugin[],
    packages: readonly ResolvedPackage[],
  ): Map<string, string> {
    const { policy } = this.#init;
    checkOrigins(packages, policy);
    const before = kept.map(([id, { package: name, version, integrity }]) => ({
      id,
      package: name,
      version,
      integrity: [{ by: 'plugboard.lock', value: integrity }],
    }));
    // What stands in the lock was allowed when it was installed; its bytes must still be the same.
    const lenient = { ...policy, scripts: kept.map(([id]) => id) };
    for (const each of before) checkResolved(each, packages, lenient);
    return new Map(add.map((each) => [each.package, checkResolved(each, packages, policy)]));
  }

  async #checkInstalled(
    set: string,
    add: readonly ExpectedPlugin[],
    integrity: ReadonlyMap<string, string>,
  ): Promise<InstalledPlugin[]> {
    const installed: InstalledPlugin[] = [];
    for (const expected of add) {
      const folder = this.home.packageFolder(set, expected.package);
      const { id, capabilities } = await checkManifest(folder, expected);
      this.#init.step(`trying ${id}`);
      await probePlugin(folder, id);
      const { package: name, version } = expected;
      installed.push({ id, package: name, version, integrity: integrity.get(name) ?? '', capabilities });
    }
    return installed;
  }

  /** Turns link, lock and configuration over; back again when a running proxy refuses them. */
  async #activate(
    set: string,
    lock: LockFile,
    { remove, configure }: InstallationChange,
    installed: readonly InstalledPlugin[],
  ): Promise<boolean> {
    const { configFile } = this.#init;
    const before = {
      set: await this.home.current(),
      config: await textOf(configFile),
      lock: await textOf(this.#lockFile),
      packages: await textOf(this.#packagesFile),
    };
    const running = await new LocalFiles(configFile).readRun();
    const plugins = Object.fromEntries([
      ...Object.entries(lock.plugins).filter(([id]) => !remove.includes(id)),
      ...installed.map(({ id, ...locked }) => [id, locked] as const),
    ]);
    try {
      await this.home.use(set);
      const config = before.config ?? '';
      const next = configure(
        config,
        configFile,
        installed.map(({ id }) => id),
      );
      if (next !== before.config) await replaceFile(configFile, next, 0o644);
      await replaceFile(this.#packagesFile, await readFile(path.join(set, 'package-lock.json'), 'utf8'), 0o644);
      // The lock last: a running proxy looks at it and finds all the rest in place.
      await changeLockFile(this.#lockFile, (current) => ({ ...current, plugins }));
      if (running !== undefined) await this.#confirm();
    } catch (error) {
      await this.#takeBack(before);
      throw error;
    }
    return running !== undefined;
  }

  /** Waits for the running proxy to apply what stands there now. Throws with its reason when it refuses. */
  async #confirm(): Promise<void> {
    this.#init.step('waiting for the running proxy');
    const verdict = await verdictOn(this.#init.configFile);
    if (verdict.result === 'refused') throw refusedByProxy(verdict.why);
  }

  async #takeBack(before: {
    set: string | undefined;
    config: string | undefined;
    lock: string | undefined;
    packages: string | undefined;
  }): Promise<void> {
    await this.home.use(before.set);
    for (const [file, text] of [
      [this.#init.configFile, before.config],
      [this.#packagesFile, before.packages],
      [this.#lockFile, before.lock],
    ] as const) {
      if (text === undefined) await rm(file, { force: true });
      else if ((await textOf(file)) !== text) await replaceFile(file, text, 0o644);
    }
  }
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
