// What the process that tries a plugin is asked, and what it answers. Types only.
import type { JsonObject } from 'plugboard';
import type { SeenUse } from './capability-check.ts';
import type { Finding } from './findings.ts';

export interface LifeQuestion {
  /** File that an import of the package loads. */
  readonly entry: string;
  /** Options to start it with, one after the other; the first twice. */
  readonly trials: readonly JsonObject[];
  /** Entry files of the plugins to start before it, with their options. */
  readonly beside: readonly (readonly [string, JsonObject])[];
}

export interface LifeReport {
  readonly findings: readonly Finding[];
  readonly seen: SeenUse;
  /** False when it never started: what it uses is not known then. */
  readonly started: boolean;
  /** Hooks that were entered, each with its frozen arguments. */
  readonly entered: readonly string[];
}

export type LifeReply = { readonly report: LifeReport } | { readonly problem: string };
