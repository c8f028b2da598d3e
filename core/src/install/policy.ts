// What may be installed: packages and registries that the configuration allows. What is checked of a package itself: `verify.ts`.
import { PlugboardError } from '../errors.ts';
import type { ResolvedPackage } from './plugin-home.ts';

/** The section `registry` of the configuration, as far as it restricts. */
export interface InstallPolicy {
  /** Scopes of packages that may be installed as plugins; undefined: any. */
  readonly scopes: readonly string[] | undefined;
  /** Origins that packages may be downloaded from; undefined: any. */
  readonly registries: readonly string[] | undefined;
  /** Only plugins whose registry has signed them. */
  readonly signedOnly: boolean;
  /** Ids of plugins that may be installed although they have install scripts, which are not run. */
  readonly scripts: readonly string[];
}

/** Throws INSTALL_REFUSED for a package whose scope is not allowed. */
export function checkScope(name: string, { scopes }: InstallPolicy): void {
  if (scopes === undefined || scopes.some((scope) => name.startsWith(`${scope}/`))) return;
  throw new PlugboardError(
    'INSTALL_REFUSED',
    `${name}: its scope is not one of those allowed (registry.scopes: ${scopes.join(', ')})`,
  );
}

/** Throws INSTALL_REFUSED for a package, the plugin's own or one it depends on, that comes from elsewhere than allowed. */
export function checkOrigins(packages: readonly ResolvedPackage[], { registries }: InstallPolicy): void {
  if (registries === undefined) return;
  const origins = new Set(registries.map((registry) => new URL(registry).origin));
  for (const { name, version, resolved } of packages) {
    const origin =
      resolved !== undefined && URL.canParse(resolved) ? new URL(resolved).origin : 'a place that is not known';
    if (origins.has(origin)) continue;
    const allowed = [...origins].join(', ');
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `${name}@${version} comes from ${origin}, which is not allowed (registry.registries: ${allowed})`,
    );
  }
}
