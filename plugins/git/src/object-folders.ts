// Folders that show git the objects of a repository and nothing else: no list of other places to take objects from
// (objects/info/alternates), whenever somebody writes one. They are kept, because making one takes 257 links.
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const hexadecimal = [...'0123456789abcdef'];
/** The folders in which git keeps objects. */
const groups = [...hexadecimal.flatMap((first) => hexadecimal.map((second) => first + second)), 'pack'];
const keptFolders = 20;

export class ObjectFolders {
  /** By folder of the objects, the longest unused first. */
  readonly #made = new Map<string, Promise<string>>();
  #closed = false;

  /** The folder for these objects; with `writes`, git can add some. */
  async get(objects: string, writes: boolean): Promise<string> {
    if (writes) {
      // Git would make what is missing in the place of the link, and fail.
      const there = new Set(await readdir(objects));
      const missing = groups.filter((name) => !there.has(name));
      await Promise.all(missing.map((name) => mkdir(join(objects, name), { recursive: true })));
    }
    const made = this.#made.get(objects) ?? make(objects);
    this.#made.delete(objects);
    this.#made.set(objects, made);
    const folder = await made;
    if (this.#closed) await rm(folder, { recursive: true, force: true });
    return folder;
  }

  /** Removes those that have not been used for long. Nothing may be running. */
  async trim(kept = keptFolders): Promise<void> {
    for (const [objects, made] of this.#made) {
      if (this.#made.size <= kept) break;
      this.#made.delete(objects);
      const folder = await made.catch(() => undefined);
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.trim(0);
  }
}

async function make(objects: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'plugboard-git-objects-'));
  await mkdir(join(folder, 'info'));
  await Promise.all(groups.map((name) => symlink(join(objects, name), join(folder, name))));
  return folder;
}
