// `npm run clean`: removes all that a build makes, and nothing that was installed.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFolders, removeBuildState } from './outputs.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
for (const folder of packageFolders(root)) {
  removeBuildState(root, folder);
  rmSync(path.join(root, folder, 'dist'), { recursive: true, force: true });
}
for (const folder of ['core/lib', 'coverage']) rmSync(path.join(root, folder), { recursive: true, force: true });
