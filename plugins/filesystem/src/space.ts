// What one lease keeps: its root, its limits, and its way of holding files fast.
import { openAnchor } from './anchor.ts';
import type { Anchor, OpenAnchor } from './anchor.ts';
import type { Root } from './root.ts';

export interface Limits {
  /** Bytes that one call reads or writes at most. */
  readonly maxFileSize: number;
  /** Files and folders that one call lists or searches at most. */
  readonly maxEntries: number;
  /** Levels of folders that one call goes down at most. */
  readonly maxDepth: number;
}

export interface Space {
  readonly root: Root;
  readonly limits: Limits;
  readonly openAnchor: OpenAnchor;
}

/** Opens the space of a lease. */
export function openSpace(root: Root, limits: Limits, open: OpenAnchor = openAnchor()): Space {
  return { root, limits, openAnchor: open };
}

/**
 * Holds a file or folder fast, runs `work` on it, and lets go. `real` is a result of {@link Root.resolve}, or the
 * folder of one. Errors of the system name paths that are not for agents: put them through `named`.
 */
export async function withAnchor<Result>(
  space: Space,
  real: string,
  work: (anchor: Anchor) => Promise<Result>,
): Promise<Result> {
  const anchor = await space.openAnchor(space.root, real, real);
  try {
    return await work(anchor);
  } finally {
    await anchor.close();
  }
}
