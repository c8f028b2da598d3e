// Runs a conformance suite against a server, or over a client, and hands back what it found. Knows no target and no
// expectation.
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { startChild } from './child.ts';
import { oldServerScenarios, requiredScenarios, type Revision } from './requirements.ts';
import { type Expected, readResults, type SuiteResult, totalsOf } from './results.ts';
import { installSuites, suiteNode, suitePrograms } from './tools.ts';

/** A server suite: all scenarios of the older version, or what a revision requires by the newer one. */
export type ServerSuite = '0.1.16-all' | Revision;

/** All server suites, in the order in which they are run and shown. */
export const serverSuites: readonly ServerSuite[] = ['0.1.16-all', '2025-11-25', '2026-07-28'];

/** A client suite, named apart from the server suite of the same revision. */
export type ClientSuite = `client-${Revision}`;

/** All client suites, in the order in which they are run and shown. */
export const clientSuites: readonly ClientSuite[] = ['client-2025-11-25', 'client-2026-07-28'];

/** Called with each scenario that begins. */
export type Progress = (scenario: string) => void;

/** What a server suite is run with. */
export interface ServerSuiteOptions {
  suite: ServerSuite;
  /** The endpoint under test; its host has to be a loopback name, or the suites refuse. */
  url: string;
  /** An empty folder for the suite's own result files; made when missing. */
  outDir: string;
  /** Milliseconds after which the suite is ended; what did not run by then counts as failed. Five minutes if absent. */
  timeLimit?: number;
  onProgress?: Progress;
}

/** What a client suite is run with. */
export interface ClientSuiteOptions {
  requirements: Revision;
  /** The client under test; split at spaces, run by a shell, with the URL of the scenario's server added. */
  command: string;
  outDir: string;
  /** Milliseconds for the client in each scenario. One minute if absent. */
  timeLimit?: number;
  onProgress?: Progress;
}

/** Runs a server suite against `url`. */
export async function runServerSuite(options: ServerSuiteOptions): Promise<SuiteResult> {
  await installSuites();
  const { suite, url, outDir } = options;
  const old = suite === '0.1.16-all';
  const selection = old ? ['--suite', 'all'] : ['--requirements', suite];
  const expected = await (old ? oldServerScenarios() : requiredScenarios(suite, 'server'));
  const program = suitePrograms[old ? '0.1' : '0.2'];
  const begin = performance.now();
  await mkdir(outDir, { recursive: true });
  const args = [program, 'server', '--url', url, ...selection, '-o', outDir];
  const output = await runProgram(args, outDir, options.timeLimit ?? 300_000, options.onProgress);
  return resultOf(outDir, expected, begin, output);
}

/**
 * Runs a client suite over `command`. The suite itself would start the clients of all scenarios at once, which a small
 * machine does not survive: here it is run scenario by scenario, as many at a time as there are processors.
 */
export async function runClientSuite(options: ClientSuiteOptions): Promise<SuiteResult> {
  await installSuites();
  const { requirements, command, outDir, timeLimit = 60_000, onProgress } = options;
  const expected = await requiredScenarios(requirements, 'client');
  const waiting = [...expected.keys()];
  const worker = async (): Promise<string> => {
    let output = '';
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      onProgress?.(scenario);
      const selection = ['--scenario', scenario, '--spec-version', requirements, '--force'];
      const args = ['client', '--command', command, ...selection, '--timeout', String(timeLimit), '-o', outDir];
      output += await runProgram([suitePrograms['0.2'], ...args], outDir, timeLimit + 30_000);
    }
    return output;
  };
  const begin = performance.now();
  await mkdir(outDir, { recursive: true });
  const outputs = await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return resultOf(outDir, expected, begin, outputs.join(''));
}

async function runProgram(args: string[], cwd: string, timeLimit: number, onProgress?: Progress): Promise<string> {
  const child = startChild(suiteNode, args, { cwd, stdin: 'ignore' });
  let output = '';
  const take = (chunk: Buffer) => {
    const text = chunk.toString();
    output += text;
    for (const [, name] of text.matchAll(/=== Running scenario: (\S+)/g)) onProgress?.(name ?? '');
  };
  child.process.stdout?.on('data', take);
  child.process.stderr?.on('data', take);
  const timer = setTimeout(() => void child.end(), timeLimit);
  try {
    await child.ended;
  } finally {
    clearTimeout(timer);
    // The suite may leave clients of its own behind.
    await child.end();
  }
  return output;
}

async function resultOf(outDir: string, expected: Expected, begin: number, output: string): Promise<SuiteResult> {
  const scenarios = await readResults(outDir, expected);
  const duration = Math.round(performance.now() - begin);
  return { scenarios, totals: totalsOf(scenarios), duration, output: output.slice(-4000) };
}
