// `npm run build`: remove what has no source any more, compile every package, bundle the core. Each part skips what is
// current.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleAll } from './bundle.mjs';
import { removeLeftovers } from './outputs.mjs';
import { runCommand } from './run-command.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

for (const file of removeLeftovers(root)) console.log(`removed ${file}: its source is gone`);
const { code } = await runCommand({ command: path.join(root, 'node_modules', '.bin', 'tsc'), args: ['-b'], cwd: root });
if (code === 0) await bundleAll(root);
process.exitCode = code;
