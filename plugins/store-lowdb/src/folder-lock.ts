// One process at a time in a folder: a lock that survives no death of its holder. What is kept in the folder is not known here.
import { lstat, lutimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockHolder } from 'plugboard';

/** ms between two signs of life. */
const beat = 1000;
/** ms without a sign after which a holder that cannot be asked counts as dead. */
const abandonedAfter = 5000;
/** ms after which a holder makes sure, before it writes, that nobody took it for dead. */
const doubtAfter = 2500;

/**
 * The lock of a folder. A holder that died on this machine is found out at once by process id and start time. One in another container or
 * on another machine cannot be asked; it touches its lock every second, and counts as dead after five without.
 */
export class FolderLock {
  readonly #path: string;
  readonly #me: LockHolder;
  readonly #timer: NodeJS.Timeout;
  #lastBeat = performance.now();
  #lost = false;

  private constructor(path: string, me: LockHolder) {
    this.#path = path;
    this.#me = me;
    this.#timer = setInterval(() => void this.#beat().catch(() => {}), beat).unref();
  }

  /** Takes the lock. Waits `patience` ms for a living holder to let go, then rejects and names it. */
  static async take(path: string, patience: number): Promise<FolderLock> {
    const me = await LockHolder.own();
    await acquire(path, me, patience);
    return new FolderLock(path, me);
  }

  /** Rejects when somebody else may have the folder by now, which happens to a process that was stopped for long. */
  async guard(): Promise<void> {
    if (performance.now() - this.#lastBeat > doubtAfter) await this.#beat();
    if (this.#lost) {
      throw new Error(
        `${this.#path} is no longer this process's: it was deleted, or another process took the folder because this one gave no sign of ` +
          `life for ${abandonedAfter} ms; end the other, then restart this one`,
      );
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#me.leave(this.#path);
  }

  async #beat(): Promise<void> {
    if (!(await this.#me.holds(this.#path))) this.#lost = true;
    if (this.#lost) return;
    const now = new Date();
    await lutimes(this.#path, now, now);
    this.#lastBeat = performance.now();
  }
}

async function acquire(path: string, me: LockHolder, patience: number): Promise<void> {
  const begun = performance.now();
  let seen = { sign: '', since: begun };
  while (!(await me.take(path))) {
    const holder = await LockHolder.at(path);
    if (holder === undefined) continue;
    const now = performance.now();
    const sign = `${holder.text} ${await lstat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => '',
    )}`;
    if (sign !== seen.sign) seen = { sign, since: now };
    const state = await holder.state();
    if (state === 'dead' || (state === 'unknown' && now - seen.since >= abandonedAfter)) {
      await bury(path, holder, me);
    } else if (now - begun >= (state === 'alive' ? patience : Math.max(patience, abandonedAfter + 2 * beat))) {
      throw new Error(
        `${path}: process ${holder.pid} on ${holder.host} uses this folder${holder.pid === process.pid && state === 'alive' ? ' (this very process)' : ''}; ` +
          'end it, or give this proxy another folder (option path of plugin store-lowdb)',
      );
    } else await sleep(10 + Math.random() * 20);
  }
}

/**
 * Removes the lock of a dead holder. Two processes may find it dead at once, and a third may have taken the folder anew by the time the slower
 * one removes "it"; so only who holds the lock that is named after the dead holder's token may do it.
 */
async function bury(path: string, dead: LockHolder, me: LockHolder): Promise<void> {
  const grave = `${path}.${dead.token}`;
  await acquire(grave, me, abandonedAfter);
  try {
    await dead.leave(path);
  } finally {
    await me.leave(grave);
  }
}
