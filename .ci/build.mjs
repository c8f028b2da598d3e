// `npm run build`: remove what has no source any more, compile every package, bundle the core. Each part skips what is
// current.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleAll } from './bundle.mjs';
import { removeLeftovers } from './outputs.mjs';
import { runCommand } from './run-command.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

for (const file of removeLeftovers(root)) console.log(`removed ${file}: its source is gone`);
const { code } = await runCommand({ command: path.join(root, 'node_modules', '.bin', 'tsc'), args: ['-b'], cwd: root });
if (code === 0) await bundleAll(root);
process.exitCode = code === 0 ? await buildIndex() : code;

/** The index of entries, for `plugboard search` in this repository; what is published has the versions, too. */
async function buildIndex() {
  const folder = path.join(root, 'registry-index');
  const index = path.join(folder, 'dist', 'index.json');
  const sources = ['plugins', 'servers', 'dist/src'].flatMap((name) => filesIn(path.join(folder, name)));
  const built = statSync(index, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.every((file) => statSync(file).mtimeMs <= built)) return 0;
  const args = [path.join(folder, 'dist', 'src', 'build.js'), '--entries'];
  return (await runCommand({ command: process.execPath, args, cwd: root, capture: true })).code;
}

function filesIn(folder) {
  return readdirSync(folder)
    .filter((name) => /\.js(?:on)?$/.test(name))
    .map((name) => path.join(folder, name));
}
