// Times and numbers that hold for servers, and their defaults.

/** Limits for servers; ms where they are times. */
export interface ServerLimits {
  readonly callTimeout: number;
  readonly maxCallTimeout: number;
  /** Time for a server to start and to list. */
  readonly startTimeout: number;
  readonly startConcurrency: number;
  /** A lease that no session uses is closed after this time. */
  readonly leaseIdle: number;
  readonly maxLeases: number;
}

export const defaultServerLimits: ServerLimits = {
  callTimeout: 60_000,
  maxCallTimeout: 600_000,
  startTimeout: 30_000,
  startConcurrency: 4,
  leaseIdle: 300_000,
  maxLeases: 1000,
};
