// The order in which plugins start: providers of services before those who use them.
import { PlugboardError } from './errors.ts';
import type { LoadedPlugin } from './loader.ts';

/** Services that the proxy itself provides. */
const builtIn = ['host'];

/** Providers before those who need them; otherwise configuration order. Throws when a service is missing or the needs form a circle. */
export function inStartOrder<Wanted extends { readonly loaded: LoadedPlugin }>(wanted: readonly Wanted[]): Wanted[] {
  const left = [...wanted];
  const order: Wanted[] = [];
  const provided = new Set(builtIn);
  const offered = new Set([...builtIn, ...wanted.flatMap(({ loaded }) => loaded.plugin.provides ?? [])]);
  for (const { loaded } of wanted) {
    const missing = loaded.plugin.needs?.find((name) => !offered.has(name));
    if (missing !== undefined)
      throw new PlugboardError(
        'PLUGIN_NEEDS',
        `plugin "${loaded.plugin.id}" needs the service "${missing}", which no configured plugin provides`,
      );
  }
  const has = (name: string) => provided.has(name);
  while (left.length > 0) {
    const willing = left.findIndex(({ loaded: { plugin } }) =>
      [...(plugin.needs ?? []), ...(plugin.wants ?? []).filter((name) => offered.has(name))].every(has),
    );
    // Plugins that want each other's services start in configuration order; those that need them cannot start.
    const index = willing >= 0 ? willing : left.findIndex(({ loaded }) => (loaded.plugin.needs ?? []).every(has));
    const [ready] = left.splice(index, index < 0 ? 0 : 1);
    if (ready === undefined) {
      const ids = left.map(({ loaded }) => `"${loaded.plugin.id}"`).join(', ');
      throw new PlugboardError('PLUGIN_NEEDS', `the plugins ${ids} need each other's services`);
    }
    for (const name of ready.loaded.plugin.provides ?? []) provided.add(name);
    order.push(ready);
  }
  return order;
}
