// Whole trees below a folder: shown, and searched. Links to folders are listed and never entered.
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { LimitError, tooLarge } from './errors.ts';
import { readEntries, tooMany } from './list.ts';
import { Patterns, treeExclusions } from './patterns.ts';
import type { Space } from './space.ts';

interface TreeNode {
  readonly name: string;
  readonly type: 'directory' | 'file';
  readonly children?: TreeNode[];
}

/** One folder on the way: where it is, and what it is called from the folder where the walk began (empty there). */
interface Step {
  readonly real: string;
  readonly relative: string;
  readonly depth: number;
}

/** Everything below a folder, as JSON. A folder that cannot be read fails the whole call. */
export async function showTree(
  space: Space,
  path: string,
  excluded: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const walk = new Walk(space, await space.root.resolve(path), signal, treeExclusions(excluded));
  const build = async (step: Step): Promise<TreeNode[]> => {
    const nodes: TreeNode[] = [];
    for (const entry of await walk.entries(step)) {
      if (entry.isDirectory())
        nodes.push({ name: entry.name, type: 'directory', children: await build(walk.into(step, entry)) });
      else nodes.push({ name: entry.name, type: 'file' });
    }
    return nodes;
  };
  const text = JSON.stringify(await build(walk.start), null, 2);
  return checkSize(space, text);
}

/** The real paths below a folder that match a pattern. A folder further down that cannot be read is passed over. */
export async function search(
  space: Space,
  path: string,
  pattern: string,
  excluded: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const walk = new Walk(space, await space.root.resolve(path), signal, new Patterns(excluded));
  const wanted = new Patterns([pattern]);
  const found: string[] = [];
  const look = async (step: Step): Promise<void> => {
    const entries = await walk.entries(step);
    const matching = await wanted.matching(entries.map((entry) => relativePath(step, entry)));
    for (const entry of entries) {
      if (entry.isSymbolicLink() && !(await leadsInside(space, step, entry))) continue;
      if (matching.has(relativePath(step, entry))) found.push(join(step.real, entry.name));
      if (entry.isDirectory()) await look(walk.into(step, entry)).catch(passOver);
    }
  };
  await look(walk.start);
  return checkSize(space, found.length === 0 ? 'No matches found' : found.join('\n'));
}

/** Bounds of one walk: entries in all, levels, and the caller's patience. */
class Walk {
  readonly start: Step;
  readonly #space: Space;
  readonly #signal: AbortSignal;
  readonly #excluded: Patterns;
  #seen = 0;

  constructor(space: Space, real: string, signal: AbortSignal, excluded: Patterns) {
    this.start = { real, relative: '', depth: 1 };
    this.#space = space;
    this.#signal = signal;
    this.#excluded = excluded;
  }

  /** The entries of a folder that are not excluded. */
  async entries(step: Step): Promise<Dirent[]> {
    const { maxEntries, maxDepth } = this.#space.limits;
    if (this.#signal.aborted) throw new LimitError('the call was cancelled');
    if (step.depth > maxDepth)
      throw new LimitError(`${step.real} is more than ${maxDepth} levels down (option maxDepth): name a deeper folder`);
    const entries = await readEntries(this.#space, step.real);
    this.#seen += entries.length;
    if (this.#seen > maxEntries) throw tooMany(this.start.real, maxEntries);
    const excluded = await this.#excluded.matching(entries.map((entry) => relativePath(step, entry)));
    return entries.filter((entry) => !excluded.has(relativePath(step, entry)));
  }

  into(step: Step, entry: Dirent): Step {
    return { real: join(step.real, entry.name), relative: relativePath(step, entry), depth: step.depth + 1 };
  }
}

function passOver(error: unknown): void {
  if (error instanceof LimitError) throw error;
}

function relativePath(step: Step, entry: Dirent): string {
  return step.relative === '' ? entry.name : join(step.relative, entry.name);
}

async function leadsInside(space: Space, step: Step, entry: Dirent): Promise<boolean> {
  const real = join(step.real, entry.name);
  try {
    await space.root.resolve(real);
    return true;
  } catch {
    return false;
  }
}

function checkSize(space: Space, text: string): string {
  const { maxFileSize } = space.limits;
  if (text.length > maxFileSize)
    throw tooLarge('the answer', text.length, maxFileSize, 'name a deeper folder, or exclude more');
  return text;
}
