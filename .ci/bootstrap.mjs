// What npm runs before start, test, check, conformance and bench: a fresh clone becomes a built one, a current one
// costs nothing. Only Node's own modules are imported here, because node_modules may not exist yet. The build itself
// lives in build.mjs.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled, rememberInstall } from './installed.mjs';
import { withLock } from './lock.mjs';
import { npmCommand } from './run-command.mjs';
import { showStep } from './show-step.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The oldest Node that the dependencies run on, as in "engines" of package.json. */
const oldestNode = [20, 19];

function checkNodeVersion() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  console.error(`plugboard: this is Node ${process.versions.node}, from ${process.execPath}`);
  console.error(`Plugboard needs Node ${oldestNode.join('.')} or newer (22 or 24 are recommended).`);
  console.error('Install one from https://nodejs.org, see that "node --version" shows it, and run the command again.');
  process.exit(1);
}

// No dependency has to run a script of its own to work here, so none may.
async function install() {
  if (isInstalled(root)) return;
  const [command, args] = npmCommand(['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  await showStep('installing dependencies (npm ci, about a minute)', { command, args, cwd: root });
  rememberInstall(root);
}

async function build() {
  const args = [path.join(root, '.ci', 'build.mjs')];
  await showStep('building', { command: process.execPath, args, cwd: root, quietBelow: 2000 });
}

async function main() {
  const installOnly = process.argv.includes('--install-only');
  await withLock(path.join(root, '.cache', 'bootstrap.lock'), async () => {
    await install();
    if (!installOnly) await build();
  });
}

checkNodeVersion();
main().catch((error) => {
  console.error(`plugboard: ${error.message}`);
  process.exitCode = 1;
});
