// Reading and replacing one file so that a reader sees a whole version and a crash leaves a whole version. What the bytes mean is not known here.
import { open, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BigIntStats } from 'node:fs';

/** One version of a file that was read or written. */
export interface FileVersion {
  /** Equal exactly for the same version, as long as it is not closed. */
  readonly identity: string;
  /** Lets go of the version. */
  close(): Promise<void>;
}

const noFile: FileVersion = { identity: 'none', close: async () => {} };

/** The identity of the version that is there now; a missing file has one too. */
export async function currentIdentity(path: string): Promise<string> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return noFile.identity;
    throw error;
  }
}

/** Reads the file; a missing one is empty. Throws when it is larger than `maxBytes`, before reading it. */
export async function readVersion(path: string, maxBytes: number): Promise<{ version: FileVersion; bytes: Buffer }> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return { version: noFile, bytes: Buffer.alloc(0) };
    throw error;
  }
  try {
    for (;;) {
      const before = await handle.stat({ bigint: true });
      if (before.size > BigInt(maxBytes))
        throw new Error(
          `${path} has ${before.size} bytes, more than the ${maxBytes} allowed; raise the option maxBytes or shorten the file`,
        );
      const bytes = await readWhole(handle, Number(before.size));
      const identity = identityOf(await handle.stat({ bigint: true }));
      // Somebody who writes in place may have written meanwhile.
      if (identity === identityOf(before)) return { version: keep(handle, identity), bytes };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Replaces the file: writes `temporary` beside it, brings it to the disk, renames it, brings the rename to the disk. When it resolves
 * the new version is there for good; when it rejects the file is whole all the same, nearly always in its old version. `mayReplace` is asked right before the rename.
 *
 * Own code, because a library that writes with a single `write` takes a short write (full disk) for success and then replaces
 * the good file with a cut-off one.
 */
export async function replaceFile(
  path: string,
  temporary: string,
  bytes: Buffer,
  mayReplace: () => boolean,
): Promise<FileVersion> {
  const handle = await open(temporary, 'wx+', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    if (!mayReplace())
      throw new Error(`${path}: writing took so long that others may have taken over; nothing was stored, try again`);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return keep(handle, identityOf(await handle.stat({ bigint: true })));
  } catch (error) {
    await handle.close();
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** True for a system error of that code. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

// As long as a version's file is open, its number cannot be given to a later version; times alone are too coarse to tell two versions apart.
function keep(handle: FileHandle, identity: string): FileVersion {
  return { identity, close: () => handle.close() };
}

function identityOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs].join(':');
}

async function readWhole(handle: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await handle.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

async function syncFolder(path: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    await handle.sync();
  } catch (error) {
    // Not every system lets a folder be opened or synced; the rename itself has happened.
    if (!isCode(error, 'EINVAL', 'EPERM', 'EACCES', 'EISDIR', 'ENOTSUP', 'EBADF')) throw error;
  } finally {
    await handle?.close();
  }
}
