// The file with the credential for this machine: written at start, removed at stop. Where it lies is the core's rule, for the command line reads it.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LocalCredential } from 'plugboard';

/**
 * Writes the file in one step, so that nobody reads half of it, and readable by its owner only. Rejects with the system's error, or
 * when the folder belongs to somebody else.
 */
export async function writeCredential(file: string, credential: LocalCredential): Promise<void> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  const own = process.getuid?.() ?? uid;
  if (uid !== own) throw new Error(`the folder ${folder} belongs to another user (${uid})`);
  if ((mode & 0o077) !== 0) await chmod(folder, 0o700);
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    // Not forced to the disk: what a crash of the machine leaves is replaced at the next start.
    await writeFile(temporary, `${JSON.stringify(credential)}\n`, { flag: 'wx', mode: 0o600 });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes the file, if it still holds this token: another process may have put its own there. */
export async function removeCredential(file: string, token: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text.includes(JSON.stringify(token))) await rm(file, { force: true });
}
