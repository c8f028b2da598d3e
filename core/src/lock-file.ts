// `plugboard.lock`, kept beside the configuration and in its repository: the plugins that were installed, and the tools that were approved.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PlugboardError } from './errors.ts';
import { acquireLock } from './file-lock.ts';
import { replaceFile } from './replace-file.ts';
import * as z from './z.ts';

const integrity = z.string().regex(/^sha(?:256|384|512)-[A-Za-z0-9+/]+=*$/, 'must look like sha512-…');

const capabilities = z.looseObject({});

const lockedPlugin = z.strictObject({
  package: z.string(),
  version: z.string(),
  integrity,
  /** What its manifest said it needs, as it was shown before it was installed. */
  capabilities: capabilities.default({}),
});

const lockedServer = z.strictObject({
  /** SHA-256 of each tool definition that was approved, by the tool's own name. */
  tools: z.record(z.string(), integrity),
});

const lockSchema = z.strictObject({
  lockVersion: z.literal(1),
  plugins: z.record(z.string(), lockedPlugin).default({}),
  servers: z.record(z.string(), lockedServer).default({}),
});

export type LockedPlugin = z.output<typeof lockedPlugin>;
export type LockedServer = z.output<typeof lockedServer>;
/** The whole file. Keys are written in order, so that two people’s changes merge. */
export type LockFile = z.output<typeof lockSchema>;

export const emptyLock: LockFile = { lockVersion: 1, plugins: {}, servers: {} };

/** ms to wait for another process that changes the file. */
const patience = 30_000;

/** Where the lock of a configuration's folder is. */
export function lockFileOf(directory: string): string {
  return path.join(directory, 'plugboard.lock');
}

/** Reads the file; an empty lock when there is none. Throws LOCK_INVALID, and never guesses: what it says decides what may run. */
export async function readLockFile(file: string): Promise<LockFile> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new PlugboardError('LOCK_INVALID', `${file}: ${error.message}`, { cause: error });
  });
  if (text === undefined) return emptyLock;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PlugboardError('LOCK_INVALID', `${file}: ${(error as Error).message}`, { cause: error });
  }
  const checked = lockSchema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const where = issue === undefined ? '' : `${issue.path.map(String).join('.')}: ${issue.message}`;
  throw new PlugboardError('LOCK_INVALID', `${file}: ${where}`);
}

/** Changes the file in one step. Two processes that do so at once come one after the other. */
export async function changeLockFile(file: string, change: (lock: LockFile) => LockFile): Promise<LockFile> {
  const held = await acquireLock(`${file}.lock`, { timeout: patience });
  try {
    const next = change(await readLockFile(file));
    await replaceFile(file, `${JSON.stringify(inOrder(next), undefined, 2)}\n`, 0o644);
    return next;
  } finally {
    await held.release();
  }
}

function inOrder({ lockVersion, plugins, servers }: LockFile): LockFile {
  const sortedServers = Object.entries(sorted(servers)).map(([name, { tools }]) => [name, { tools: sorted(tools) }]);
  return { lockVersion, plugins: sorted(plugins), servers: Object.fromEntries(sortedServers) as LockFile['servers'] };
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
