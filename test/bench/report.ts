// What the bench prints and writes: a line for each finding, the table at the end, the raw data. Measures nothing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Finding, keeps } from './bench.ts';
import { root } from './process.ts';

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(value === Math.round(value) ? 0 : 2);
}

function limitOf({ limit, unit }: Finding): string {
  if (limit === undefined) return '';
  return 'most' in limit ? `≤ ${limit.most} ${unit}` : `≥ ${limit.least} ${unit}`;
}

/** ✔ kept, ✘ not kept, · nothing to keep. */
export function markOf(finding: Finding): string {
  const kept = keeps(finding);
  return kept === undefined ? '·' : kept ? '✔' : '✘';
}

/** A warning when other programs keep the cores busy, else undefined. */
export function warningOf(): string | undefined {
  const [load = 0] = loadavg();
  if (load < cpus().length * 0.75) return undefined;
  return `! ${load.toFixed(1)} programs want ${cpus().length} cores: ratios will be noisy and absolute figures too high`;
}

/** One finding as a line. */
export function lineOf(finding: Finding): string {
  const limit = finding.limit === undefined ? '' : ` (${limitOf(finding).trim()})`;
  const detail = finding.detail === undefined ? '' : `  ${finding.detail}`;
  return `${markOf(finding)} ${finding.entry}  ${finding.name}  ${rounded(finding.value)} ${finding.unit}${limit}${detail}`;
}

/** All findings as a table. */
export function tableOf(findings: Finding[]): string {
  const rows = findings.map((finding) => [
    markOf(finding),
    finding.entry,
    finding.name,
    `${rounded(finding.value)} ${finding.unit}`.trim(),
    limitOf(finding).trim(),
    finding.detail ?? '',
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Writes everything that was measured to a file under .cache/bench and returns its path. */
export function writeRaw(what: object): string {
  const folder = join(root, '.cache/bench');
  mkdirSync(folder, { recursive: true });
  const time = new Date().toISOString();
  const file = join(folder, `${time.replaceAll(/[:.]/g, '-')}.json`);
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memory: totalmem(),
    load: loadavg(),
  };
  writeFileSync(file, JSON.stringify({ time, machine, ...what }, undefined, 1));
  return file;
}
