// How a plugin is kept apart, as the configuration says it and as its worker's keeper needs it.
import type { Config } from '../config.ts';

/** An entry of `pluginIsolation` with the limits of the proxy that hold for the plugin. */
export interface IsolationSettings {
  readonly isolation: 'worker';
  /** MB */
  readonly memory: number;
  /** ms without a sign of life */
  readonly heartbeat: number;
  /** Restarts within a minute. */
  readonly restarts: number;
  /** ms for a plugin to be loaded, and to be applied. */
  readonly applyTimeout: number;
  /** ms for one hook, and for stopping. */
  readonly hookTimeout: number;
}

/** How the plugin of a key is kept apart; undefined: not at all. */
export function isolationOf({ pluginIsolation, limits }: Config, key: string): IsolationSettings | undefined {
  const entry = Object.hasOwn(pluginIsolation, key) ? pluginIsolation[key] : undefined;
  const { applyTimeout, hookTimeout } = limits;
  return entry === undefined ? undefined : { ...entry, applyTimeout, hookTimeout };
}
