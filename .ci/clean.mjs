// `npm run clean`: removes all that a build makes, and nothing that was installed.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFolders, removeBuildState } from './outputs.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
for (const folder of packageFolders(root)) {
  removeBuildState(root, folder);
  for (const made of ['dist', 'lib']) rmSync(path.join(root, folder, made), { recursive: true, force: true });
}
rmSync(path.join(root, 'coverage'), { recursive: true, force: true });
