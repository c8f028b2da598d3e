// What a plugin's package must prove before any of its code runs: integrity, scripts, identity, the core it fits.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { satisfies } from 'semver';
import { PlugboardError } from '../errors.ts';
import { apiVersion } from '../plugin.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { version as coreVersion } from '../version.ts';
import type { InstallPolicy } from './policy.ts';
import type { ResolvedPackage } from './plugin-home.ts';

/** What is expected of a plugin. */
export interface ExpectedPlugin {
  /** Undefined for a package that no index names: its manifest says it. */
  readonly id: string | undefined;
  readonly package: string;
  readonly version: string;
  /** Integrity by who says so: the index, plugboard.lock. */
  readonly integrity: readonly { readonly by: string; readonly value: string }[];
}

/** What the manifest of an installed plugin says. */
export interface PluginManifest {
  readonly id: string;
  readonly capabilities: JsonObject;
}

function refuse(text: string): never {
  throw new PlugboardError('INSTALL_REFUSED', text);
}

/** Compares what npm has resolved with what was expected, before anything is downloaded. Returns the integrity that will hold. */
export function checkResolved(
  expected: ExpectedPlugin,
  packages: readonly ResolvedPackage[],
  policy: InstallPolicy,
): string {
  const label = `${expected.package}@${expected.version}`;
  const found = packages.find(({ name, version }) => name === expected.package && version === expected.version);
  if (found?.integrity === undefined) refuse(`${label}: the registry gives no integrity for it`);
  for (const { by, value } of expected.integrity) {
    if (value !== found.integrity)
      refuse(
        `${label}: ${by} has the integrity ${short(value)}, the registry ${short(found.integrity)}: it is not the package that was published; do not use it, and tell its author`,
      );
  }
  if (found.hasInstallScript && !(expected.id !== undefined && policy.scripts.includes(expected.id)))
    refuse(
      `${label} has install scripts, which are never run: if it works without them, allow it by its id under registry.scripts`,
    );
  return found.integrity;
}

/** Reads and checks the manifest of a downloaded plugin. Throws INSTALL_REFUSED. */
export async function checkManifest(folder: string, expected: ExpectedPlugin): Promise<PluginManifest> {
  const label = `${expected.package}@${expected.version}`;
  const manifest: unknown = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  if (!isObject(manifest)) refuse(`${label}: its package.json holds no object`);
  const { plugboard, keywords, peerDependencies, engines, name, version } = manifest;
  if (name !== expected.package || version !== expected.version)
    refuse(`${label}: its package.json says ${String(name)}@${String(version)}`);
  if (!isObject(plugboard) || typeof plugboard['id'] !== 'string')
    refuse(`${label} is no plugin: its package.json has no key "plugboard" with an id`);
  if (!Array.isArray(keywords) || !keywords.includes('plugboard-plugin'))
    refuse(`${label}: its package.json lacks the keyword "plugboard-plugin"`);
  const { id } = plugboard;
  if (expected.id !== undefined && id !== expected.id)
    refuse(
      `${label} says that it is plugin "${id}", and it was asked for as "${expected.id}": no plugin may take another's id`,
    );
  if (plugboard['apiVersion'] !== apiVersion)
    refuse(
      `${label} was written for contract version ${String(plugboard['apiVersion'])}, this is ${apiVersion}: choose another version of it`,
    );
  const range = isObject(peerDependencies) ? peerDependencies['plugboard'] : undefined;
  if (typeof range !== 'string')
    refuse(`${label}: it does not say which Plugboard it needs (peerDependencies.plugboard)`);
  if (!satisfies(coreVersion, range, { includePrerelease: true }))
    refuse(
      `${label} needs Plugboard ${range}, this is ${coreVersion}: choose another version of it, or update Plugboard`,
    );
  const node = isObject(engines) ? engines['node'] : undefined;
  if (typeof node === 'string' && !satisfies(process.versions.node, node))
    refuse(`${label} needs Node ${node}, this is ${process.versions.node}`);
  return { id, capabilities: isObject(plugboard['capabilities']) ? plugboard['capabilities'] : {} };
}

const short = (integrity: string) => `${integrity.slice(0, 19)}…`;
