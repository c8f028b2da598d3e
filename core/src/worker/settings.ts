// How a plugin is kept apart, as the configuration says it and as its worker's keeper needs it. Types only.

/** An entry of `pluginIsolation`. */
export interface IsolationEntry {
  readonly isolation: 'worker';
  /** MB */
  readonly memory: number;
  /** ms without a sign of life */
  readonly heartbeat: number;
  /** within a minute */
  readonly restarts: number;
}

/** The same with the limits of the proxy that hold for it. */
export interface IsolationSettings extends IsolationEntry {
  /** ms for a plugin to be loaded, and to be applied. */
  readonly applyTimeout: number;
  /** ms for one hook, and for stopping. */
  readonly hookTimeout: number;
}
