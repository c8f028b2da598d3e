// Compares a run with the run of the fixture served directly and with the list of known differences. Runs nothing.
import { readFile } from 'node:fs/promises';
import type { ScenarioResult, SuiteResult } from './results.ts';
import { suiteFolder } from './tools.ts';

/** A known difference. Without `check` it covers every failing check of the scenario. */
export interface RatchetEntry {
  target: string;
  suite: string;
  scenario: string;
  check?: string;
  /** True when it depends on how fast the machine is: it may pass. */
  timing?: boolean;
  reason: string;
}

/** A check that failed or warned. */
export interface Problem {
  target: string;
  suite: string;
  scenario: string;
  check: string;
  status: 'FAILURE' | 'WARNING';
  message: string;
}

/** What a comparison found. */
export interface Comparison {
  /** Problems that neither the direct run has nor the ratchet knows: these fail the run. */
  unexpected: Problem[];
  /** Problems that the ratchet knows. */
  expected: Problem[];
  /** Ratchet entries whose problem is gone: these fail the run too, so that the list only ever shrinks. */
  stale: RatchetEntry[];
  /** Scenarios with nothing wrong, but fewer passed checks than when served directly: worth a look, no failure. */
  fewer: { scenario: string; here: number; direct: number }[];
}

/** A run of a suite against a target. */
export interface Run {
  target: string;
  suite: string;
  result: SuiteResult;
}

const keys = new Set(['target', 'suite', 'scenario', 'check', 'timing', 'reason']);

/**
 * Reads the list of known differences.
 * @throws if an entry has an unknown key, lacks one, or names a target or suite that there is not.
 */
export async function readRatchet(names: { targets: string[]; suites: readonly string[] }): Promise<RatchetEntry[]> {
  const content: unknown = JSON.parse(await readFile(`${suiteFolder}ratchet.json`, 'utf8'));
  if (!Array.isArray(content)) throw new Error('ratchet.json: expected a list');
  return content.map((entry, index) => checkEntry(entry as RatchetEntry, `ratchet.json[${index}]`, names));
}

/**
 * Compares a run with the direct run of the same suite.
 * @param direct the direct run; `undefined` when this run is it, in which case every problem has to be known.
 */
export function compare(run: Run, direct: SuiteResult | undefined, ratchet: RatchetEntry[]): Comparison {
  const entries = ratchet.filter((entry) => entry.target === run.target && entry.suite === run.suite);
  const known = new Set(direct?.scenarios.flatMap((scenario) => problemsOf(run, scenario)).map(keyOf));
  const problems = run.result.scenarios
    .flatMap((scenario) => problemsOf(run, scenario))
    .filter((problem) => !known.has(keyOf(problem)));
  const covers = (entry: RatchetEntry, problem: Problem) =>
    entry.scenario === problem.scenario && (entry.check ?? problem.check) === problem.check;
  const expected = problems.filter((problem) => entries.some((entry) => covers(entry, problem)));
  return {
    unexpected: problems.filter((problem) => !expected.includes(problem)),
    expected,
    stale: entries.filter((entry) => entry.timing !== true && !problems.some((problem) => covers(entry, problem))),
    fewer: fewerThan(run.result, direct),
  };
}

function fewerThan(result: SuiteResult, direct: SuiteResult | undefined): Comparison['fewer'] {
  const before = new Map(direct?.scenarios.map(({ scenario, passed }) => [scenario, passed]));
  return result.scenarios
    .filter(({ scenario, passed, failed, warnings }) => failed + warnings === 0 && passed < (before.get(scenario) ?? 0))
    .map(({ scenario, passed }) => ({ scenario, here: passed, direct: before.get(scenario) ?? 0 }));
}

function problemsOf(run: Run, { scenario, checks }: ScenarioResult): Problem[] {
  return checks.flatMap(({ id, status, message, description }) =>
    status === 'FAILURE' || status === 'WARNING'
      ? [{ target: run.target, suite: run.suite, scenario, check: id, status, message: message ?? description }]
      : [],
  );
}

function keyOf(problem: Problem): string {
  return JSON.stringify([problem.scenario, problem.check, problem.status]);
}

function checkEntry(
  entry: RatchetEntry,
  where: string,
  names: { targets: string[]; suites: readonly string[] },
): RatchetEntry {
  for (const key of Object.keys(entry)) {
    if (!keys.has(key)) throw new Error(`${where}: unknown key "${key}" (known: ${[...keys].join(', ')})`);
  }
  for (const key of ['target', 'suite', 'scenario', 'reason'] as const) {
    if (typeof entry[key] !== 'string' || entry[key] === '') throw new Error(`${where}: "${key}" is missing`);
  }
  if (!names.targets.includes(entry.target)) {
    throw new Error(`${where}: there is no target "${entry.target}" (known: ${names.targets.join(', ')})`);
  }
  if (!names.suites.includes(entry.suite)) {
    throw new Error(`${where}: there is no suite "${entry.suite}" (known: ${names.suites.join(', ')})`);
  }
  return entry;
}
