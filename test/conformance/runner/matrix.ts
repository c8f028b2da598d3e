// Runs suites against targets, one after the other, and compares each run with the direct one. Shows nothing.
import { join } from 'node:path';
import { type Comparison, compare, type RatchetEntry, type Run } from './ratchet.ts';
import type { Revision } from './requirements.ts';
import type { SuiteResult } from './results.ts';
import {
  type ClientSuite,
  clientSuites,
  type Progress,
  runClientSuite,
  runServerSuite,
  type ServerSuite,
  serverSuites,
} from './suites.ts';
import { directTargets, type Target, targets } from './targets.ts';

export type Suite = ServerSuite | ClientSuite;

/** All suites, in the order in which they are run and shown. */
export const suites: readonly Suite[] = [...serverSuites, ...clientSuites];

/** A run and what became of it. */
export interface ComparedRun {
  run: Run;
  comparison: Comparison;
}

/** What to run, and what to do on the way. */
export interface MatrixOptions {
  wanted(target: Target, suite: Suite): boolean;
  ratchet: RatchetEntry[];
  /** An empty folder for the suites' result files. */
  folder: string;
  onBegin(target: Target, suite: Suite): void;
  onProgress: Progress;
  onEnd(compared: ComparedRun): void;
}

/**
 * Runs every wanted pair of target and suite. The direct run of a suite comes first, also when it was not wanted:
 * the others are compared with it.
 */
export async function runMatrix(options: MatrixOptions): Promise<ComparedRun[]> {
  const compared: ComparedRun[] = [];
  for (const suite of suites) {
    const chosen = targets.filter((target) => offers(target, suite) && options.wanted(target, suite));
    const reference = directTargets.find((target) => offers(target, suite));
    if (chosen.length === 0 || reference === undefined) continue;
    let direct: SuiteResult | undefined;
    for (const target of new Set([reference, ...chosen])) {
      options.onBegin(target, suite);
      const result = await runOne(target, suite, join(options.folder, `${target.name}-${suite}`), options.onProgress);
      const run: Run = { target: target.name, suite, result };
      const comparison = compare(run, direct, options.ratchet);
      direct ??= result;
      if (!chosen.includes(target)) continue;
      compared.push({ run, comparison });
      options.onEnd({ run, comparison });
    }
  }
  return compared;
}

function offers(target: Target, suite: Suite): boolean {
  return (target.suites as readonly Suite[]).includes(suite);
}

async function runOne(target: Target, suite: Suite, outDir: string, onProgress: Progress): Promise<SuiteResult> {
  if ('command' in target) {
    const requirements = suite.replace('client-', '') as Revision;
    return runClientSuite({ requirements, command: target.command, outDir, onProgress });
  }
  const running = await target.start();
  try {
    return await runServerSuite({ suite: suite as ServerSuite, url: running.url, outDir, onProgress });
  } finally {
    await running.close();
  }
}
