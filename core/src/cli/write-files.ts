// Files that a command makes, written into a folder: only its owner may read them, for some will hold secrets one day.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { PlugboardError } from '../errors.ts';
import { replaceFile } from '../replace-file.ts';

/** Writes files by their names below a folder, which is made. Throws USAGE for a name that leads out of it. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const root = path.resolve(folder);
  for (const [name, content] of Object.entries(files)) {
    const file = path.resolve(root, name);
    if (!file.startsWith(root + path.sep)) throw new PlugboardError('USAGE', `${name}: it leads out of ${root}`);
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, content);
  }
}
