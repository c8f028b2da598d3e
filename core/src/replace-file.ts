// Replacing a file in one step: whoever reads it sees the old text or the new one, also after a crash.
import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/** Replaces the text of a file; its permissions stay, a new file gets `mode`. Rejects with the system's error, and nothing has changed. */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  const before = await stat(file).catch(() => undefined);
  try {
    const handle = await open(temporary, 'wx', before === undefined ? mode : before.mode & 0o777);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    // The temporary file is nothing that anybody knows.
    throw error instanceof Error ? Object.assign(error, { syscall: 'write', path: file }) : error;
  }
}
