// Which version of which plugin is meant: by its id or its package, the newest that fits this core, or the one that is named.
import { compare, rcompare, satisfies, valid } from 'semver';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { apiVersion } from '../plugin.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { version as coreVersion } from '../version.ts';
import type { ExpectedPlugin } from '../install/verify.ts';
import type { From, Indexes } from './indexes.ts';
import type { IndexedPlugin, PluginVersion } from '@plugboard/registry-index';

/** A plugin to install, and what is known of it before. */
export interface ChosenPlugin extends ExpectedPlugin {
  readonly title: string | undefined;
  /** Which index names it. */
  readonly from: string;
  /** Undefined, as what follows: nobody has looked at it yet. */
  readonly signed: boolean | undefined;
  readonly provenance: boolean | undefined;
  readonly capabilities: JsonObject | undefined;
  readonly warnings: readonly string[];
}

/** Finds what a person means by `id`, `@scope/package`, or either with `@version`. Throws USAGE, INSTALL_REFUSED. */
export function choosePlugin(wanted: string, { plugins }: Indexes, scripts: readonly string[]): ChosenPlugin {
  const at = wanted.lastIndexOf('@');
  const [name, version] = at > 0 ? [wanted.slice(0, at), wanted.slice(at + 1)] : [wanted, undefined];
  const entry = plugins.find(({ id, package: own }) => id === name || own === name);
  if (entry === undefined) return unlisted(name, version, plugins);
  if (version !== undefined && valid(version) === null)
    throw new PlugboardError('USAGE', `${wanted}: "${version}" is no exact version; there are: ${versionsOf(entry)}`);
  const chosen = version === undefined ? newest(entry) : entry.versions.find((each) => each.version === version);
  if (chosen === undefined) {
    const known = versionsOf(entry);
    const why =
      entry.versions.length === 0
        ? 'nothing of it is published yet'
        : version === undefined
          ? `none of its versions (${known}) fits Plugboard ${coreVersion}`
          : `there is no version ${version}; there are: ${known}`;
    throw new PlugboardError('INSTALL_REFUSED', `${name}: ${why}`);
  }
  return fromIndex(entry, chosen, scripts);
}

/** The newest version for this core of an installed plugin; undefined when nothing is newer, or no index has it. */
export function newestFor(id: string, installed: string, { plugins }: Indexes): ChosenPlugin | undefined {
  const entry = plugins.find((each) => each.id === id);
  const found = entry === undefined ? undefined : newest(entry);
  if (entry === undefined || found === undefined || compare(found.version, installed) <= 0) return undefined;
  return fromIndex(entry, found, []);
}

/** True when a version says that it works with this core and this Node. */
export function fits({ core, apiVersion: contract, node }: PluginVersion): boolean {
  return (
    contract === apiVersion &&
    (core === undefined || satisfies(coreVersion, core, { includePrerelease: true })) &&
    (node === undefined || satisfies(process.versions.node, node))
  );
}

function newest({ versions }: IndexedPlugin): PluginVersion | undefined {
  return [...versions].sort((a, b) => rcompare(a.version, b.version)).find(fits);
}

function versionsOf({ versions }: IndexedPlugin): string {
  return versions.length === 0 ? 'none' : versions.map(({ version }) => version).join(', ');
}

function fromIndex(entry: From<IndexedPlugin>, chosen: PluginVersion, scripts: readonly string[]): ChosenPlugin {
  const warnings: string[] = [];
  if (entry.status !== 'active')
    warnings.push(`it is ${entry.status}${entry.replacedBy === undefined ? '' : `: use ${entry.replacedBy} instead`}`);
  if (chosen.installScripts.length > 0 && scripts.includes(entry.id))
    warnings.push(`it has install scripts (${chosen.installScripts.join(', ')}), which are not run`);
  return {
    id: entry.id,
    package: entry.package,
    version: chosen.version,
    integrity: [{ by: `the index ${entry.index}`, value: chosen.integrity }],
    title: entry.title,
    from: entry.index,
    signed: chosen.signed,
    provenance: chosen.provenance,
    capabilities: chosen.capabilities,
    warnings,
  };
}

/** A package that no index names: only by its full name and an exact version, so that nobody gets one by a slip. */
function unlisted(name: string, version: string | undefined, plugins: readonly IndexedPlugin[]): ChosenPlugin {
  const known = plugins.flatMap(({ id, package: own }) => [id, own]);
  if (!name.includes('/') || version === undefined || valid(version) === null) {
    const [nearest] = closest(name, known);
    const hint = nearest === undefined ? '' : ` (nearest: ${nearest})`;
    const way = 'a package that no index names is added by its scoped name and exact version, @scope/name@1.2.3';
    throw new PlugboardError('USAGE', `no index has a plugin "${name}"${hint}; ${way}`);
  }
  return {
    id: undefined,
    package: name,
    version,
    integrity: [],
    title: undefined,
    from: 'no index',
    signed: undefined,
    provenance: undefined,
    capabilities: undefined,
    warnings: ['no index names it: nobody has looked at it for you'],
  };
}
