// The conformance runner as a program: runs suites against targets, shows tables, compares with the ratchet. As a
// library it hands out the two suite runners. The work is done in runner/.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { killChildren } from './runner/child.ts';
import { type ComparedRun, runMatrix, type Suite, suites } from './runner/matrix.ts';
import { readRatchet } from './runner/ratchet.ts';
import { findings, runTable, summaryTable } from './runner/report.ts';
import { directTargets, type Target, targets } from './runner/targets.ts';

export { type ClientSuiteOptions, runClientSuite, runServerSuite, type ServerSuiteOptions } from './runner/suites.ts';

const targetNames = targets.map((target) => target.name);

const usage = `usage: run [--direct] [--target NAME]… [--suite NAME]… [--keep] [--json]

  --direct  only the fixture and the client without a proxy
  --target  only these targets: ${targetNames.join(', ')}
  --suite   only these suites: ${suites.join(', ')}
  --keep    keep the suites' result files and say where they are
  --json    print everything as JSON

Exit code 0: nothing unexpected; 1: a difference to look at; 2: wrong usage or a broken run.
`;

interface Options {
  direct: boolean;
  target?: string[];
  suite?: string[];
  keep: boolean;
  json: boolean;
}

async function main(options: Options): Promise<number> {
  check('target', options.target, targetNames);
  check('suite', options.suite, suites);
  const ratchet = await readRatchet({ targets: targetNames, suites });
  const compared = await runMatrix({
    wanted: (target, suite) => wanted(options, target, suite),
    ratchet,
    folder: scratchFolder(options.keep),
    onBegin: begin,
    onProgress: progress,
    onEnd: (one) => {
      rewrite('');
      if (!options.json) print([`\n${runTable(one.run)}`, ...findings(one.comparison)].join('\n'));
    },
  });
  if (options.json) print(JSON.stringify(compared, undefined, 2));
  else print(`\n${summaryTable(compared)}\n\n${closingLine(compared)}`);
  return compared.some(({ comparison: { unexpected, stale } }) => unexpected.length + stale.length > 0) ? 1 : 0;
}

function wanted(options: Options, target: Target, suite: Suite): boolean {
  if (options.suite !== undefined && !options.suite.includes(suite)) return false;
  if (options.target !== undefined) return options.target.includes(target.name);
  return !options.direct || directTargets.includes(target);
}

function check(option: string, given: string[] | undefined, known: readonly string[]): void {
  const wrong = given?.find((name) => !known.includes(name));
  if (wrong === undefined) return;
  throw new Error(`--${option} ${wrong}: there is none of that name (known: ${known.join(', ')})`);
}

// Removed when the program ends, however it ends.
function scratchFolder(keep: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), 'plugboard-conformance-'));
  process.once('exit', () => {
    if (keep) process.stderr.write(`The suites' result files are in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

// Checks that passed, differences nobody expected, and known differences, in the form that a continuous build counts.
function closingLine(compared: ComparedRun[]): string {
  const sum = (of: (one: ComparedRun) => number) => compared.reduce((total, one) => total + of(one), 0);
  const passed = sum(({ run }) => run.result.totals.passed);
  const failed = sum(({ comparison }) => comparison.unexpected.length + comparison.stale.length);
  const known = sum(({ comparison }) => comparison.expected.length);
  return `${passed} passed, ${failed} failed${known > 0 ? `, ${known} skipped` : ''}`;
}

// Progress goes to standard error: what has begun as a line, the steps of it only where a line can be rewritten.
let current = '';
let steps = 0;

function begin(target: Target, suite: Suite): void {
  current = `${target.name} · ${suite}`;
  steps = 0;
  if (process.stderr.isTTY) rewrite(current);
  else process.stderr.write(`${current}…\n`);
}

function progress(scenario: string): void {
  rewrite(`${current} · ${++steps} ${scenario}`);
}

function rewrite(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function program(): Promise<void> {
  const { values } = parseArgs({
    options: {
      direct: { type: 'boolean', default: false },
      target: { type: 'string', multiple: true },
      suite: { type: 'string', multiple: true },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(usage);
  else process.exitCode = await main(values);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.once('exit', killChildren);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2));
  await program().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  });
}
