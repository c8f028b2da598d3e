// What the compiler left in each package's dist folder: which files belong to a source, which are left over, which are
// tests.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

const compiled = /\.(?:js|d\.ts)(?:\.map)?$/;

/** The folders of all TypeScript packages, relative to `root`: the references of the root tsconfig.json. */
export function packageFolders(root) {
  const config = JSON.parse(readFileSync(path.join(root, 'tsconfig.json'), 'utf8'));
  return config.references.map((reference) => path.normalize(reference.path));
}

function listCompiled(root, folder) {
  const dist = path.join(root, folder, 'dist');
  if (!existsSync(dist)) return [];
  const files = readdirSync(dist, { recursive: true }).filter((file) => compiled.test(file));
  const sourceOf = (file) => path.join(folder, file.replace(compiled, '.ts'));
  return files.map((file) => ({ file: path.join(folder, 'dist', file), source: sourceOf(file) }));
}

/** Compiled tests whose source exists, as paths relative to `root`, in a stable order. */
export function compiledTests(root) {
  const files = packageFolders(root).flatMap((folder) => listCompiled(root, folder));
  const tests = files.filter(({ file, source }) => file.endsWith('.test.js') && existsSync(path.join(root, source)));
  return tests.map(({ file }) => file).sort();
}

/**
 * Removes compiled files whose source was renamed or deleted, which tsc leaves in place, and the incremental state of a
 * package
 * without a dist folder, because tsc would trust that state and write nothing.
 * @returns {string[]} the removed files, relative to `root`
 */
export function removeLeftovers(root) {
  const folders = packageFolders(root);
  const files = folders.flatMap((folder) => listCompiled(root, folder));
  const stale = files.filter(({ source }) => !existsSync(path.join(root, source)));
  for (const { file } of stale) rmSync(path.join(root, file), { force: true });
  for (const folder of folders) {
    if (!existsSync(path.join(root, folder, 'dist'))) removeBuildState(root, folder);
  }
  return stale.map(({ file }) => file);
}

/** Makes the next tsc compile the whole package. */
export function removeBuildState(root, folder) {
  rmSync(path.join(root, folder, 'node_modules', '.cache', 'tsc.tsbuildinfo'), { force: true });
}
