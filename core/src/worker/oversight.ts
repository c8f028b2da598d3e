// What a plugin's scope lets the keeper of its worker do: report what went wrong outside of hooks, and give the plugin up.
import type { PluginApi } from '../plugin.ts';
import type { Where } from './messages.ts';

export interface Oversight {
  /** Reports a fault that nobody waits for; it counts like the fault of a hook. */
  fault(where: Where, error: unknown): void;
  /** Switches the plugin off, whatever is left of its budget. */
  switchOff(reason: string): void;
  /** True when the plugin is switched off. */
  readonly spent: boolean;
}

// Not a part of the API: plugins are not to see it.
const oversights = new WeakMap<PluginApi, Oversight>();

/** Called by the scope for the API that it hands out. */
export function oversee(api: PluginApi, oversight: Oversight): PluginApi {
  oversights.set(api, oversight);
  return api;
}

/** The oversight of an API that a scope handed out. */
export function oversightOf(api: PluginApi): Oversight {
  const oversight = oversights.get(api);
  if (oversight === undefined) throw new Error('this API was handed out by no scope');
  return oversight;
}
