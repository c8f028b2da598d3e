// What the index says of each version of a plugin, from the workspace and from a registry. The entries are in `entry-files.ts`.
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { askPlugin } from './ask-plugin.ts';
import type { PluginAnswer } from './ask-plugin.ts';
import type { PluginVersion } from './index-document.ts';
import { describePacks, installPackages, viewVersions } from './npm.ts';
import type { PublishedManifest } from './npm.ts';
import type { PluginEntry } from './plugin-entry.ts';
import { newestFirst } from './versions.ts';

/** Scripts that npm runs when it installs a package. */
const installScripts = ['preinstall', 'install', 'postinstall'];

type Manifest = Readonly<Record<string, unknown>>;

/** Facts that package.json states. */
function factsOf(
  manifest: Manifest,
): Omit<PluginVersion, 'integrity' | 'signed' | 'provenance' | 'tools' | 'apiVersion'> {
  const peers = (manifest['peerDependencies'] ?? {}) as Record<string, string>;
  const engines = (manifest['engines'] ?? {}) as Record<string, string>;
  const scripts = (manifest['scripts'] ?? {}) as Record<string, string>;
  const own = (manifest['plugboard'] ?? {}) as { capabilities?: Record<string, unknown> };
  return {
    version: String(manifest['version']),
    ...(peers['plugboard'] === undefined ? {} : { core: peers['plugboard'] }),
    ...(engines['node'] === undefined ? {} : { node: engines['node'] }),
    installScripts: installScripts.filter((name) => scripts[name] !== undefined),
    capabilities: own.capabilities ?? {},
  };
}

/** Starts a plugin as its example says, each other id of it found by `find`, and asks for its tools. */
export async function askEntry(
  entry: PluginEntry,
  folder: string,
  find: (id: string) => string | undefined,
): Promise<PluginAnswer> {
  const example = Object.entries(entry.example ?? { [entry.id]: {} });
  const plugins = example.map(([id, options]) => {
    const found = id === entry.id ? folder : find(id);
    if (found === undefined) throw new Error(`plugins/${entry.id}.json: example: there is no plugin "${id}" to start`);
    return [found, options] as const;
  });
  return await askPlugin({ folder, plugins: Object.fromEntries(plugins) });
}

/** Versions as they are in the workspace, by plugin id. `folderOf`: where the package of an id is, or undefined. */
export async function localVersions(
  entries: readonly PluginEntry[],
  folderOf: (id: string) => string | undefined,
): Promise<Map<string, PluginVersion>> {
  const present = entries.flatMap((entry) => {
    const folder = folderOf(entry.id);
    return folder === undefined ? [] : [{ entry, folder }];
  });
  if (present.length === 0) return new Map();
  const packs = await describePacks(present.map(({ folder }) => folder));
  const versions = new Map<string, PluginVersion>();
  for (const { entry, folder } of present) {
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
    const { apiVersion, tools } = await askEntry(entry, folder, folderOf);
    const integrity = packs.find((pack) => pack.name === entry.package)?.integrity ?? '';
    versions.set(entry.id, {
      ...factsOf(manifest),
      apiVersion,
      integrity,
      signed: false,
      provenance: false,
      tools: [...tools],
    });
  }
  return versions;
}

/** A registry, and what an example may start beside the plugin that is asked. */
export interface PublishedSource {
  readonly registry: string;
  readonly entries: readonly PluginEntry[];
  /** Where the package of an id is on this machine; undefined: it is installed, too. */
  folderOf(id: string): string | undefined;
}

/** All versions that a registry has of a plugin, newest first. Each is installed, started and asked. */
export async function publishedVersions(entry: PluginEntry, source: PublishedSource): Promise<PluginVersion[]> {
  const manifests = await viewVersions(entry.package, source.registry);
  const versions: PluginVersion[] = [];
  for (const manifest of manifests) versions.push(await publishedVersion(entry, manifest, source));
  return versions.sort((a, b) => newestFirst(a.version, b.version));
}

async function publishedVersion(
  entry: PluginEntry,
  manifest: PublishedManifest,
  { registry, entries, folderOf }: PublishedSource,
): Promise<PluginVersion> {
  const integrity = manifest.dist?.integrity;
  if (integrity?.startsWith('sha512-') !== true)
    throw new Error(`${entry.package}@${manifest.version}: ${registry} gives no sha512 integrity for it`);
  const home = await mkdtemp(path.join(tmpdir(), 'plugboard-build-'));
  try {
    await writeFile(path.join(home, 'package.json'), '{ "private": true }\n');
    const beside = Object.keys(entry.example ?? {}).filter((id) => id !== entry.id && folderOf(id) === undefined);
    const packages = new Map(entries.filter(({ id }) => beside.includes(id)).map((each) => [each.id, each.package]));
    await installPackages(home, [`${entry.package}@${manifest.version}`, ...packages.values()], registry);
    await linkCore(home);
    const installed = (name: string | undefined) => name && path.join(home, 'node_modules', name);
    const folder = path.join(home, 'node_modules', entry.package);
    const { apiVersion, tools } = await askEntry(entry, folder, (id) => folderOf(id) ?? installed(packages.get(id)));
    const { signatures = [], attestations } = manifest.dist ?? {};
    return {
      ...factsOf(manifest),
      apiVersion,
      integrity,
      signed: signatures.length > 0,
      provenance: attestations !== undefined,
      tools: [...tools],
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** A plugin shares the core with whoever starts it. */
async function linkCore(home: string): Promise<void> {
  const core = path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json'));
  const target = path.join(home, 'node_modules', 'plugboard');
  await mkdir(path.dirname(target), { recursive: true });
  await symlink(await realpath(core), target, 'dir');
}
