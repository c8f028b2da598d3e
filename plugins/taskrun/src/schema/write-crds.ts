// A program: writes the custom resource definitions into `crds/`. Run it after a change of the schemas; a test compares the files.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { crdFiles } from './crd-files.ts';

const folder = fileURLToPath(new URL('../../../crds/', import.meta.url));

for (const [name, text] of crdFiles()) {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}
