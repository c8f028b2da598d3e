// Files that are whole or not there, and folders that remember their names after a crash. What is in the files is not known here.
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A folder that only its owner may enter; its parents are made as the system makes folders. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/**
 * Writes a file so that its name leads to the old content or to the whole new one at every moment: a temporary file beside it, synced,
 * renamed, the folder synced. What was there before is kept as `backup`; for the moment between two renames only the backup is there.
 */
export async function replaceFile(path: string, pieces: Iterable<string>, backup: string): Promise<void> {
  const temporary = temporaryOf(path);
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      for (const piece of pieces) await handle.appendFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(path, backup).catch(ignoreMissing);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

export function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

/** Makes names in a folder durable, where the system can. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a folder; they have nothing to lose by it.
    if (!['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

export function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on the disk',
  EDQUOT: 'make room in the quota',
  EFBIG: 'raise the limit of file sizes',
  EROFS: 'mount the file system for writing',
  EACCES: 'give the proxy’s user write permission',
  EPERM: 'give the proxy’s user write permission',
  EIO: 'check the disk',
};

/** An error of the system as a person can use it: which file, why, what now. */
export function writeError(path: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  const now = advice[codeOf(cause) ?? ''];
  return new Error(
    `cannot write ${path}: ${why}; nothing of this write is kept${now === undefined ? '' : `; ${now}`}`,
    {
      cause,
    },
  );
}
