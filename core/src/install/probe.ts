// Trying a plugin in a process of its own: does it load, is it the plugin it says it is, and what would it do to a proxy that loads it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';

/** ms for a plugin to load. */
const limit = 30_000;
const maxOutput = 64 * 1024;

/** Throws INSTALL_REFUSED when the plugin of a folder cannot be loaded, or is another one. */
export async function probePlugin(folder: string, id: string): Promise<void> {
  const core = path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json'));
  const program = path.join(core, 'bin', 'plugboard.js');
  const answer = await run([program, 'probe', folder]);
  if (answer['id'] === id) return;
  const why = typeof answer['error'] === 'string' ? answer['error'] : `it calls itself "${String(answer['id'])}"`;
  throw new PlugboardError('INSTALL_REFUSED', `plugin "${id}" was downloaded and not installed: ${why}`);
}

function run(args: readonly string[]): Promise<{ [member: string]: unknown }> {
  return new Promise((resolve) => {
    // Nothing of this process's environment: what loads here has not been looked at by anybody.
    const env = { PATH: process.env['PATH'] ?? '' };
    const child = spawn(process.execPath, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limit,
      killSignal: 'SIGKILL',
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-maxOutput)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-maxOutput)));
    child.once('error', (error) => resolve({ error: error.message }));
    child.once('close', (code, signal) => resolve(readAnswer(output) ?? { error: explain(code, signal, errors) }));
  });
}

/** The last line is the answer; a plugin may print whatever it likes before. */
function readAnswer(output: string): { [member: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(output.trim().split('\n').at(-1) ?? '');
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function explain(code: number | null, signal: NodeJS.Signals | null, errors: string): string {
  const ending = signal === null ? `it ended the process with code ${code}` : `it did not load within ${limit} ms`;
  return errors.trim() === '' ? ending : `${ending}: ${errors.trim().split('\n').at(-1) ?? ''}`;
}
