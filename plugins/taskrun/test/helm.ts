// The real helm, for tests of the chart: where it is, and one run of it. Without one those tests are skipped.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { guardChild } from '@plugboard/test-kit';
import type { KubeObject } from '@plugboard/test-kit';

const plugin = fileURLToPath(new URL('../../', import.meta.url));

export const chart = path.join(plugin, 'chart');

/** $HELM, else on PATH, else the one that CI installs. */
export const helmProgram = [
  ...(process.env['HELM'] === undefined ? [] : [process.env['HELM']]),
  ...(process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.join(folder, 'helm')),
  path.join(plugin, '../../.ci/helm/node_modules/.bin/helm'),
].find(isProgram);

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface HelmResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs helm with values for the chart. Nothing of the user's own configuration is read or written. */
export async function helm(args: readonly string[], values: object = {}): Promise<HelmResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-helm-'));
  try {
    const file = path.join(folder, 'values.json');
    await writeFile(file, JSON.stringify(values));
    return await run([...args, '--values', file], { PATH: process.env['PATH'] ?? '', HOME: folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[], env: Record<string, string>): Promise<HelmResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(helmProgram ?? 'helm', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    guardChild(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
  });
}

/** What a release named `rel` in the namespace `tools` consists of. */
export async function render(values: object, ...flags: string[]): Promise<{ text: string; objects: KubeObject[] }> {
  const args = ['template', 'rel', chart, '--namespace', 'tools', '--kube-version', '1.32.0', ...flags];
  const { code, stdout, stderr } = await helm(args, values);
  if (code !== 0) throw new Error(stderr);
  const objects = parseAllDocuments(stdout).map((document) => document.toJS({ maxAliasCount: 0 }) as KubeObject | null);
  return { text: stdout, objects: objects.filter((each) => each !== null) };
}
