// Which folder a lease works in. What happens inside that folder is none of its business.
import { createHash } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { LeaseKey } from 'plugboard';
import { unusable } from './errors.ts';

/** Finds the root of a lease: an absolute path. */
export type ResolveRoot = (key: LeaseKey) => string | Promise<string>;

/** The grant's own folder where it has one; made on first use. Otherwise what `fallback` finds. */
export function workspaceOr(fallback: ResolveRoot): ResolveRoot {
  return async (key) => {
    if (key.workspace === undefined) return await fallback(key);
    await mkdir(key.workspace, { recursive: true, mode: 0o700 });
    return key.workspace;
  };
}

/** Every lease works in the same folder. */
export function sharedRoot(root: string): ResolveRoot {
  return () => root;
}

/**
 * Each grant works in a folder of its own below `root`, made on first use. `root` itself must be there: a misspelt one
 * is not made.
 */
export function rootPerGrant(root: string): ResolveRoot {
  return async ({ grant }) => {
    const real = await realpath(root).catch((error: unknown) => {
      throw unusable(root, error);
    });
    const folder = join(real, folderName(grant ?? 'default'));
    await mkdir(folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    // A link here would hand one task the files of another.
    if ((await realpath(folder)) !== folder) throw new Error(`${folder} is a link: replace it by a folder of its own`);
    return folder;
  };
}

/** Longest name that is written out; file systems allow 255 bytes. */
const longestName = 120;

/**
 * The folder of a grant: its id with `:` written as `.` and everything but lower-case letters, digits, `_` and `-`
 * written as `%xx` or `%uxxxx`. Two ids never share a folder, not even where upper and lower case are the same name.
 */
export function folderName(grant: string): string {
  const name = grant.replace(/[^a-z0-9_-]/g, (character, index: number) => {
    if (character === ':' && index > 0) return '.';
    const code = character.charCodeAt(0);
    return code < 256 ? `%${code.toString(16).padStart(2, '0')}` : `%u${code.toString(16).padStart(4, '0')}`;
  });
  if (name !== '' && name.length <= longestName) return name;
  return `${name.slice(0, 64)}%${createHash('sha256').update(grant, 'utf16le').digest('hex')}`;
}
