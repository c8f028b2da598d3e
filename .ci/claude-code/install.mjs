// Installs the agent that test/e2e/claude-code.test.ts runs, from its own package.json and lock file into node_modules
// beside this file, which git ignores; does nothing when it is there. `node .ci/claude-code/install.mjs`
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { npmCommand, runCommand } from '../run-command.mjs';

const folder = path.dirname(fileURLToPath(import.meta.url));

const { version } = JSON.parse(readFileSync(path.join(folder, 'package-lock.json'), 'utf8')).packages[
  'node_modules/@anthropic-ai/claude-code'
];

// The package's own script would link the program of this platform, which comes as an optional dependency, to where its
// command looks for it. No script is run here; the program is taken from where it is.
const programPackage = path.join(
  folder,
  'node_modules',
  '@anthropic-ai',
  `claude-code-${process.platform}-${process.arch}`,
);

function isInstalled() {
  const manifest = path.join(programPackage, 'package.json');
  if (!existsSync(manifest) || !existsSync(path.join(programPackage, 'claude'))) return false;
  return JSON.parse(readFileSync(manifest, 'utf8')).version === version;
}

async function install() {
  const [command, args] = npmCommand(['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  const { code } = await runCommand({ command, args, cwd: folder });
  if (code !== 0) throw new Error(`npm ci ended with exit code ${code}`);
  if (!isInstalled()) throw new Error(`there is no program for ${process.platform}-${process.arch} in the package`);
}

if (!isInstalled()) await install();
console.log(`claude-code ${version}: ${path.relative(process.cwd(), path.join(programPackage, 'claude'))}`);
