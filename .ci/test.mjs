// `npm test`: runs ava over the compiled tests, passes its report through and ends with the line CI reads: `N passed, N
// failed`. Compiling is the bootstrap's part. Arguments are ava's own; a test's TypeScript file is taken for its
// compiled one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTally } from './ava-tally.mjs';
import { compiledTests, packageFolders } from './outputs.mjs';
import { endTree, listTree, survivors } from './process-tree.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** How long an interrupted ava and its children may take to end by themselves, in ms. */
const graceOnInterrupt = 5000;

/** `core/test/peer.test.ts` → `core/dist/test/peer.test.js`; anything else as it is. */
function toCompiled(argument) {
  if (!argument.endsWith('.test.ts')) return argument;
  const file = path.relative(root, path.resolve(argument));
  const owners = packageFolders(root).filter((folder) => file.startsWith(`${folder}${path.sep}`));
  const owner = owners.sort((a, b) => b.length - a.length)[0];
  return owner === undefined ? argument : path.join(owner, 'dist', path.relative(owner, file).replace(/\.ts$/, '.js'));
}

function namesTests(argument) {
  if (argument.startsWith('-')) return false;
  return /[*?{]|\.test\.js/.test(argument) || existsSync(path.join(root, argument));
}

function avaArguments(given) {
  const args = given.map(toCompiled);
  const files = args.some(namesTests) ? [] : compiledTests(root);
  const colour = process.stdout.isTTY ? ['--color'] : [];
  return [path.join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), ...colour, ...args, ...files];
}

/** Takes ava down with everything below it, also what runs in a process group of its own, then ends this script. */
function endOnInterrupt(ava) {
  let interrupted = false;
  const end = async (signal) => {
    if (interrupted) return;
    interrupted = true;
    const tree = listTree(ava.pid);
    endTree(tree, 'SIGTERM');
    if (tree.length === 0) ava.kill('SIGTERM');
    const deadline = Date.now() + graceOnInterrupt;
    while (survivors(tree).length > 0 && Date.now() < deadline) await wait(50);
    endTree(survivors(tree), 'SIGKILL');
    console.error(`\nplugboard: tests interrupted by ${signal}`);
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(signal));
}

// A group of its own, so that Ctrl-C reaches ava once and through us. Its output is piped to put the last line behind
// it.
const options = { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] };
const ava = spawn(process.execPath, avaArguments(process.argv.slice(2)), options);
endOnInterrupt(ava);

const tally = createTally();
ava.stdout.on('data', (chunk) => {
  process.stdout.write(chunk);
  tally.read(chunk);
});
ava.stderr.on('data', (chunk) => process.stderr.write(chunk));
ava.once('close', (code) => {
  const { passed, failed, skipped } = tally.close(code);
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
});
