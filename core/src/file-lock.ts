// A lock between processes that survives their sudden death: who holds it, waiting for it, taking it from the dead. What it guards is not known here.
import { createHash, randomBytes } from 'node:crypto';
import { readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LockOptions {
  /** ms to wait for a holder. */
  readonly timeout: number;
  /** Clears away what a dead holder left behind, before its lock is removed. It is told the holder's token. */
  readonly cleanUp?: (token: string) => Promise<void>;
}

export interface FileLock {
  /** Unique to this holding; names what the holder makes, so that others can clear it away. */
  readonly token: string;
  /** True while nobody can have taken the lock for abandoned. */
  readonly fresh: boolean;
  release(): Promise<void>;
}

interface Holder {
  readonly text: string;
  readonly host: string;
  readonly machine: string;
  readonly pid: number;
  readonly started: string;
  readonly token: string;
}

/**
 * Takes the lock at `path`. The lock is a symbolic link whose target names its holder: making one is a single step that fails when it
 * exists, so there is no moment at which a lock without a holder can be seen.
 *
 * A holder that has died on this machine is found out at once and exactly (process id and start time). A holder in another container
 * or on another machine cannot be asked: its lock counts as abandoned after `timeout` without a change, and holders give up their own
 * work when they have held it that long (`fresh`). Throws when a living holder does not let go within `timeout`.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<FileLock> {
  const me = await self();
  const token = randomBytes(9).toString('base64url');
  const mine = [me.host, me.machine, me.pid, me.started, token].join(':');
  const begun = performance.now();
  let watched = { text: '', since: begun };
  for (;;) {
    if (await make(path, mine)) return held(path, mine, token, options.timeout);
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    const now = performance.now();
    if (holder.text !== watched.text) watched = { text: holder.text, since: now };
    const state = holder.machine === me.machine ? await stateOf(holder) : 'unknown';
    if (state === 'dead' || (state === 'unknown' && now - watched.since >= options.timeout)) {
      await removeDead(path, holder, options);
    } else if (now - begun >= (state === 'alive' ? 1 : 2) * options.timeout) {
      throw new Error(
        `${path} is held by process ${holder.pid} on ${holder.host}: waited ${Math.round(now - begun)} ms; ` +
          'try again, or delete it if that process has nothing to do with it',
      );
    } else await sleep(2 + Math.random() * 20);
  }
}

async function make(path: string, mine: string): Promise<boolean> {
  try {
    await symlink(mine, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function held(path: string, mine: string, token: string, timeout: number): FileLock {
  const since = performance.now();
  return {
    token,
    get fresh() {
      return performance.now() - since < timeout;
    },
    async release() {
      // Only in the abandoned case can it be somebody else's by now.
      if ((await readlink(path).catch(() => undefined)) === mine) await unlink(path).catch(ignoreMissing);
    },
  };
}

/** The holder, undefined when the lock has just been released. */
async function readHolder(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'EINVAL') throw notALock(path, error);
    throw error;
  }
  const [host, machine, pid, started, token] = text.split(':');
  if (
    host === undefined ||
    machine === undefined ||
    !/^\d+$/.test(pid ?? '') ||
    started === undefined ||
    !/^[\w-]{12}$/.test(token ?? '')
  ) {
    throw notALock(path);
  }
  return { text, host, machine, pid: Number(pid), started, token: token as string };
}

/**
 * Removes the lock of a dead holder, if it is still there. Between reading a lock and removing it another process might do both and a third
 * might take the lock anew, which must not be removed. Hence only who holds the lock named after the dead holder's token may remove
 * it; a death in between leaves that inner lock to be removed by the same rule.
 */
async function removeDead(path: string, dead: Holder, options: LockOptions): Promise<void> {
  const inner = await acquireLock(`${path}.${dead.token}`, { timeout: options.timeout });
  try {
    if ((await readlink(path).catch(() => undefined)) !== dead.text) return;
    await options.cleanUp?.(dead.token);
    await unlink(path);
  } finally {
    await inner.release();
  }
}

async function stateOf(holder: Holder): Promise<'alive' | 'dead'> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return codeOf(error) === 'ESRCH' ? 'dead' : 'alive';
  }
  if (holder.started === '') return 'alive';
  const now = await processStart(holder.pid);
  // Unreadable: it ended just now, or is hidden; the next round tells.
  return now === undefined || now === holder.started ? 'alive' : 'dead';
}

let identity: Promise<{ host: string; machine: string; pid: number; started: string }> | undefined;

/** How this process signs its locks. Read once, at the first lock. */
function self(): NonNullable<typeof identity> {
  identity ??= (async () => {
    const host = hostname()
      .replace(/[^\w.-]/g, '_')
      .slice(0, 64);
    // A process id means something only in one boot of one machine, and in one process namespace (containers).
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
    const machine = createHash('sha256')
      .update(JSON.stringify([host, boot, namespace]))
      .digest('hex')
      .slice(0, 16);
    return { host, machine, pid: process.pid, started: (await processStart(process.pid)) ?? '' };
  })();
  return identity;
}

/** When a process started, in clock ticks since boot; `ended` when only its entry is left. Undefined where the system does not tell. */
async function processStart(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets, which may hold anything; the third is the state, the 22nd the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : fields[19];
}

function notALock(path: string, cause?: unknown): Error {
  return new Error(`${path} is in the way: it is not a lock; move it elsewhere`, { cause });
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
