// Shows runs and comparisons as text. Knows the shapes, runs nothing.
import type { Comparison, Problem, Run } from './ratchet.ts';
import type { ScenarioResult } from './results.ts';

/** The table of one run: a row for each scenario, the problems below it, the totals at the end. */
export function runTable({ target, suite, result }: Run): string {
  const rows = result.scenarios.map((scenario) => [
    `${mark(scenario)} ${scenario.scenario}${scenario.scored ? '' : ' (not scored)'}`,
    ...counts(scenario),
  ]);
  const { totals } = result;
  const table = [['', 'passed', 'failed', 'warnings'], ...rows, ['', '', '', ''], ['  all', ...counts(totals)]];
  const scored = [`  scored`, String(totals.scoredPassed), String(totals.scoredFailed), ''];
  const head = `${target} · ${suite} · ${totals.scenarios} scenarios in ${(result.duration / 1000).toFixed(1)} s`;
  return [head, align(totals.scoredPassed === totals.passed ? table : [...table, scored])].join('\n');
}

/** One row for each run: what passed and failed, and how that compares. */
export function summaryTable(runs: { run: Run; comparison: Comparison }[]): string {
  const rows = runs.map(({ run, comparison }) => [
    `${comparison.unexpected.length + comparison.stale.length === 0 ? '✔' : '✘'} ${run.target}`,
    run.suite,
    ...counts(run.result.totals),
    String(comparison.expected.length),
    String(comparison.unexpected.length),
    String(comparison.stale.length),
  ]);
  return align([['target', 'suite', 'passed', 'failed', 'warnings', 'known', 'unexpected', 'stale'], ...rows], 2);
}

/** The lines that say what has to be looked at; empty if nothing has. */
export function findings(comparison: Comparison): string[] {
  return [
    ...comparison.unexpected.map((problem) => `✘ ${describe(problem)}\n    ${shorten(problem.message)}`),
    ...comparison.stale.map(
      (entry) => `✘ ratchet.json: ${nameOf(entry)} no longer fails: remove the entry (reason was: ${entry.reason})`,
    ),
    ...comparison.fewer.map(
      ({ scenario, here, direct }) => `· ${scenario}: ${here} checks passed, ${direct} when served directly`,
    ),
  ];
}

function describe(problem: Problem): string {
  return `${nameOf(problem)} ${problem.status === 'WARNING' ? 'warns' : 'fails'}`;
}

function nameOf(place: { target: string; suite: string; scenario: string; check?: string }): string {
  const check = place.check === undefined ? '' : ` › ${place.check}`;
  return `${place.target} · ${place.suite} · ${place.scenario}${check}`;
}

function counts({ passed, failed, warnings }: { passed: number; failed: number; warnings: number }): string[] {
  return [passed, failed, warnings].map(String);
}

function mark({ failed, warnings }: ScenarioResult): string {
  if (failed > 0) return '✘';
  return warnings > 0 ? '!' : '✔';
}

// The first columns are words and stand left, the rest are figures and stand right.
function align(rows: string[][], words = 1): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (value: string, column: number) =>
    column < words ? value.padEnd(widths[column] ?? 0) : value.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}

function shorten(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
