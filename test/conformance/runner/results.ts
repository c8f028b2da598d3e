// What a suite found: checks per scenario, read from the result files that the suites write. Runs nothing.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The outcome of one check, in the suites' own words. */
export type CheckStatus = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED';

/** One check of a scenario. Ids repeat within a scenario. */
export interface Check {
  id: string;
  status: CheckStatus;
  description: string;
  message?: string;
}

/** One scenario: its checks, counted. */
export interface ScenarioResult {
  scenario: string;
  /** Whether the requirement set counts it; always true in the suite that has no such sets. */
  scored: boolean;
  passed: number;
  failed: number;
  warnings: number;
  checks: Check[];
}

/** Sums over scenarios. */
export interface Totals {
  scenarios: number;
  passed: number;
  failed: number;
  warnings: number;
  scoredPassed: number;
  scoredFailed: number;
}

/** The result of one run of a suite. */
export interface SuiteResult {
  scenarios: ScenarioResult[];
  totals: Totals;
  /** Milliseconds that the run took. */
  duration: number;
  /** The end of what the suite printed, for when it went wrong. */
  output: string;
}

/** The check that stands for a scenario which left no result: the suite crashed, or was ended by its time limit. */
export const didNotRun = 'did-not-run';

/** The scenarios that a run has to report, each with whether it is scored. */
export type Expected = Map<string, boolean>;

/**
 * Reads all `checks.json` below `folder`. Scenarios keep the order of `expected`; one that is missing gets a failed
 * check `did-not-run`, one that was not expected is added at the end.
 */
export async function readResults(folder: string, expected: Expected): Promise<ScenarioResult[]> {
  const found = new Map<string, Check[]>();
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith('checks.json')) continue;
    const content: unknown = JSON.parse(await readFile(join(folder, file), 'utf8'));
    if (!Array.isArray(content)) throw new Error(`${file}: expected a list of checks`);
    found.set(scenarioOf(dirname(file)), content.map(toCheck));
  }
  const names = [...expected.keys(), ...[...found.keys()].filter((name) => !expected.has(name))];
  return names.map((name) => {
    const missing: Check = { id: didNotRun, status: 'FAILURE', description: 'The scenario left a result' };
    return count(name, expected.get(name) ?? true, found.get(name) ?? [missing]);
  });
}

/** Sums the counts of scenarios. */
export function totalsOf(scenarios: ScenarioResult[]): Totals {
  const sum = (of: (result: ScenarioResult) => number) => scenarios.reduce((total, result) => total + of(result), 0);
  return {
    scenarios: scenarios.length,
    passed: sum((result) => result.passed),
    failed: sum((result) => result.failed),
    warnings: sum((result) => result.warnings),
    scoredPassed: sum((result) => (result.scored ? result.passed : 0)),
    scoredFailed: sum((result) => (result.scored ? result.failed : 0)),
  };
}

function count(scenario: string, scored: boolean, checks: Check[]): ScenarioResult {
  const having = (status: CheckStatus) => checks.filter((check) => check.status === status).length;
  return {
    scenario,
    scored,
    passed: having('SUCCESS'),
    failed: having('FAILURE'),
    warnings: having('WARNING'),
    checks,
  };
}

// Folders are named `server-<scenario>-2026-11-23T04-59-12-373Z`, in client runs without `server-`; a scenario `auth/x`
// makes a folder in a folder.
function scenarioOf(folder: string): string {
  return folder.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, '');
}

function toCheck(value: unknown): Check {
  const { id, status, description, errorMessage } = value as Record<string, string | undefined>;
  return {
    id: id ?? '(no id)',
    status: (status ?? 'FAILURE') as CheckStatus,
    description: description ?? '',
    ...(errorMessage !== undefined && { message: errorMessage }),
  };
}
