// Progress of one long step: a spinner with the elapsed time on a terminal, plain lines elsewhere, the whole output
// when it fails.
import { runCommand } from './run-command.mjs';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Seconds between two signs of life where there is no terminal: shorter than what CI systems take for a hang. */
const heartbeatSeconds = 20;

const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);

function showProgress(label, started) {
  if (!process.stderr.isTTY) {
    const beat = () => console.error(`plugboard: … ${label}, ${Math.round((performance.now() - started) / 1000)} s`);
    const timer = setInterval(beat, heartbeatSeconds * 1000);
    return () => clearInterval(timer);
  }
  let turn = 0;
  const draw = () => process.stderr.write(`\r\x1b[2K${frames[turn++ % frames.length]} ${label} ${seconds(started)} s`);
  draw();
  const timer = setInterval(draw, 100);
  return () => {
    clearInterval(timer);
    process.stderr.write('\r\x1b[2K');
  };
}

/**
 * Runs one step and says so on stderr.
 * @param {string} label what is being done, as in "building"
 * @param {{ command: string, args: string[], cwd: string, quietBelow?: number }} options
 *   a step shorter than `quietBelow` ms that succeeds without output leaves no line
 * @throws when the program fails, after its output was printed
 */
export async function showStep(label, { quietBelow = 0, ...options }) {
  const started = performance.now();
  if (!process.stderr.isTTY && quietBelow === 0) console.error(`plugboard: ${label}`);
  const hide = showProgress(label, started);
  const { code, output } = await runCommand({ ...options, capture: true }).finally(hide);
  if (code !== 0) {
    process.stderr.write(output.endsWith('\n') ? output : `${output}\n`);
    throw new Error(`${label}: failed after ${seconds(started)} s (exit code ${code}); what it said stands above`);
  }
  if (performance.now() - started >= quietBelow) console.error(`plugboard: ${label}: done in ${seconds(started)} s`);
}
