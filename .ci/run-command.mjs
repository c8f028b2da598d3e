// Starting another program from the workspace scripts, and taking it down again when the script is interrupted.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const running = new Set();
let interrupted = false;

/** How long an interrupted program may take to end by itself, in ms. */
const graceOnInterrupt = 5000;

function interrupt(signal) {
  const exit = () => process.exit(128 + constants.signals[signal]);
  if (interrupted || running.size === 0) exit();
  interrupted = true;
  for (const child of running) {
    child.once('close', () => running.size === 0 && exit());
    child.kill(signal);
  }
  setTimeout(() => {
    for (const child of running) child.kill('SIGKILL');
    exit();
  }, graceOnInterrupt).unref();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);

/**
 * Runs a program to its end.
 * @param {{ command: string, args: string[], cwd: string, capture?: boolean }} options
 *   `capture` keeps both output streams as one text instead of passing them through.
 * @returns {Promise<{ code: number, output: string }>} `code` is 1 when a signal ended it.
 */
export function runCommand({ command, args, cwd, capture = false }) {
  return new Promise((resolve, reject) => {
    const output = capture ? 'pipe' : 'inherit';
    const child = spawn(command, args, { cwd, stdio: ['ignore', output, output] });
    const chunks = [];
    child.stdout?.on('data', (chunk) => chunks.push(chunk));
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    running.add(child);
    child.once('error', (error) => {
      running.delete(child);
      reject(new Error(`cannot start ${command}: ${error.message}`));
    });
    child.once('close', (code) => {
      running.delete(child);
      // An interrupted script says nothing more: its reader asked for silence.
      if (!interrupted) resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() });
    });
  });
}

/**
 * The program and arguments that run npm: the npm that runs this script if there is one, so that both are one version.
 */
export function npmCommand(args) {
  const own = process.env.npm_execpath;
  if (own !== undefined && /npm-cli\.[cm]?js$/.test(own)) return [process.execPath, [own, ...args]];
  return ['npm', args];
}
