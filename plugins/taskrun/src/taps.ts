// What the plugin does in the proxy's hooks: it says whose token it is, counts calls, and makes rules again when servers change.
import type { PluginApi } from 'plugboard';
import { tokenPrefix } from './engine/tokens.ts';
import type { Parts } from './parts.ts';

/** ms in which changes of servers are collected. */
const collect = 20;

/** Taps the hooks; returns the way to forget what waits. */
export function taps({ hooks }: PluginApi, { tasks, authenticate, refused }: Parts): () => void {
  hooks.on(
    'onAuthenticate',
    (credential) => {
      if (credential.kind !== 'bearer') return undefined;
      // Tokens that others make are left to those who know them.
      if (!credential.token.startsWith(tokenPrefix) && !tasks.tokens.has(credential.token)) return undefined;
      return authenticate(credential.token).grant;
    },
    'guard',
  );
  hooks.on('onCallSettled', ({ grant, outcome, call, reason }) => {
    const entry = tasks.ofGrant(grant);
    if (entry === undefined) return;
    entry.calls += 1;
    if (outcome === 'refused') refused(entry, call.name, reason ?? 'refused');
    else tasks.status.touched(entry);
  });
  let timer: NodeJS.Timeout | undefined;
  const owners = new Set<string | undefined>();
  hooks.on('onCatalogChanged', ({ owner }) => {
    owners.add(owner);
    timer ??= setTimeout(() => {
      timer = undefined;
      const changed = owners.has(undefined) ? [undefined] : [...owners];
      owners.clear();
      for (const each of changed) tasks.catalogueChanged(each);
    }, collect);
  });
  return () => clearTimeout(timer);
}
