// A lock between processes that survives their sudden death: waiting for it, taking it from the dead. Who holds it: `lock-holder.ts`; what it guards is not known here.
import { unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockHolder } from './lock-holder.ts';

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

/**
 * Takes the lock at `path`. A holder that has died on this machine is found out at once and exactly (process id and start time). A holder
 * in another container or on another machine cannot be asked: its lock counts as abandoned after `timeout` without a change, and holders
 * give up their own work when they have held it that long (`fresh`). Throws when a living holder does not let go within `timeout`.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<FileLock> {
  const me = await LockHolder.own();
  const begun = performance.now();
  let watched = { text: '', since: begun };
  while (!(await me.take(path))) {
    const holder = await LockHolder.at(path);
    if (holder === undefined) continue;
    const now = performance.now();
    if (holder.text !== watched.text) watched = { text: holder.text, since: now };
    const state = await holder.state();
    if (state === 'dead' || (state === 'unknown' && now - watched.since >= options.timeout)) {
      await removeDead(path, holder, options);
    } else if (now - begun >= (state === 'alive' ? 1 : 2) * options.timeout) {
      throw new Error(
        `${path} is held by process ${holder.pid} on ${holder.host}: waited ${Math.round(now - begun)} ms; ` +
          'try again, or delete it if that process has nothing to do with it',
      );
    } else await sleep(2 + Math.random() * 20);
  }
  return held(path, me, options.timeout);
}

function held(path: string, me: LockHolder, timeout: number): FileLock {
  const since = performance.now();
  return {
    token: me.token,
    get fresh() {
      return performance.now() - since < timeout;
    },
    // Only in the abandoned case can it be somebody else's by now, who keeps it.
    release: () => me.leave(path),
  };
}

/**
 * Removes the lock of a dead holder, if it is still there. Between reading a lock and removing it another process might do both and a third
 * might take the lock anew, which must not be removed. Hence only who holds the lock named after the dead holder's token may remove
 * it; a death in between leaves that inner lock to be removed by the same rule.
 */
async function removeDead(path: string, dead: LockHolder, options: LockOptions): Promise<void> {
  const inner = await acquireLock(`${path}.${dead.token}`, { timeout: options.timeout });
  try {
    if (!(await dead.holds(path))) return;
    await options.cleanUp?.(dead.token);
    await unlink(path);
  } finally {
    await inner.release();
  }
}
