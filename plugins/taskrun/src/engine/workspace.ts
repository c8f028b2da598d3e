// The folder of a task: one of its own, or the one its object names below an allowed root.
import { mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Reserved } from 'plugboard';
import type { TaskRecord } from './record.ts';

export interface WorkspaceSettings {
  /** Absolute: below it each task has a folder. */
  readonly folder: string;
  /** Absolute: below these a task may name one. */
  readonly roots: readonly string[];
  /** Absolute: what is the proxy's own. No task may name a folder among these. */
  readonly reserved: readonly string[];
}

/** Longest name of a folder that is written out; file systems allow 255 bytes. */
const longestName = 150;

/** The task's own folder, absolute. Two tasks never share one: the uid is part of the name. */
export function ownFolder({ folder }: WorkspaceSettings, { id, uid }: Pick<TaskRecord, 'id' | 'uid'>): string {
  const name = id
    .replaceAll('/', '.')
    .replace(/[^a-z0-9._-]/g, '_')
    .replace(/^\.+/, '_')
    .slice(0, longestName);
  return path.join(folder, `${name}-${uid.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 36)}`);
}

/** The folder to work in, made when it is the task's own. Throws an Error that says why a named one is not allowed. */
export async function workspaceOf(
  settings: WorkspaceSettings,
  record: Pick<TaskRecord, 'id' | 'uid'>,
  named: string | undefined,
): Promise<string> {
  if (named === undefined) {
    const own = ownFolder(settings, record);
    await mkdir(own, { recursive: true, mode: 0o700 });
    return own;
  }
  // Links are followed first: what counts is where the folder really is.
  const real = await realpath(named).catch((error: Error) => {
    throw new Error(`workspace ${named}: ${error.message}`);
  });
  if (!(await stat(real)).isDirectory()) throw new Error(`workspace ${named}: it is not a folder`);
  for (const root of settings.roots) {
    const realRoot = await realpath(root).catch(() => undefined);
    if (realRoot === undefined || !real.startsWith(`${realRoot}${path.sep}`)) continue;
    const own = new Reserved(settings.reserved, realRoot);
    await own.locate();
    if (own.covers(real)) throw new Error(`workspace ${named}: it holds files of the proxy itself`);
    return real;
  }
  throw new Error(`workspace ${named}: it is not below any folder of the option workspaceRoots of plugin taskrun`);
}
