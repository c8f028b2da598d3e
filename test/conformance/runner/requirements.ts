// Which scenarios a suite has to report, asked of the suites themselves: the frozen requirement sets of the newer one,
// the list of the older one.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { startChild } from './child.ts';
import type { Expected } from './results.ts';
import { suiteFolder, suiteNode, suitePrograms } from './tools.ts';

interface RequirementSet {
  server: string[];
  client: string[];
  not_scored: { scenario: string; leg: 'server' | 'client' }[];
}

/** A revision that has a frozen requirement set. */
export type Revision = '2025-11-25' | '2026-07-28';

/** The scenarios of a revision's requirement set for one side. */
export async function requiredScenarios(revision: Revision, leg: 'server' | 'client'): Promise<Expected> {
  const file = `${suiteFolder}node_modules/conformance-0-2/requirements/${revision}.yaml`;
  // The suite's own YAML reader: installed with it, so no dependency of the project.
  const { parse } = createRequire(suiteFolder)('yaml') as { parse(text: string): unknown };
  const set = parse(await readFile(file, 'utf8')) as RequirementSet;
  const extra = set.not_scored.filter((entry) => entry.leg === leg);
  return new Map([...set[leg].map((name) => [name, true] as const), ...extra.map((e) => [e.scenario, false] as const)]);
}

/** All server scenarios of the older suite. */
export async function oldServerScenarios(): Promise<Expected> {
  const child = startChild(suiteNode, [suitePrograms['0.1'], 'list', '--server'], { stdin: 'ignore' });
  let output = '';
  child.process.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await child.ended;
  const names = [...output.matchAll(/^ {2}- (\S+)/gm)].map((match) => match[1] ?? '');
  if (names.length === 0) throw new Error(`the older suite lists no scenarios:\n${output}`);
  return new Map(names.map((name) => [name, true]));
}
