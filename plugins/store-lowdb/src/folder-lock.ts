// One process at a time in a folder: a lock that survives no death of its holder. What is kept in the folder is not known here.
import { createHash, randomBytes } from 'node:crypto';
import { lstat, lutimes, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ignoreMissing } from './durable-file.ts';

/** ms between two signs of life. */
const beat = 1000;
/** ms without a sign after which a holder that cannot be asked counts as dead. */
const abandonedAfter = 5000;
/** ms after which a holder makes sure, before it writes, that nobody took it for dead. */
const doubtAfter = 2500;

interface Holder {
  readonly text: string;
  readonly host: string;
  /** Boot and process namespace: within one, process ids can be compared. */
  readonly machine: string;
  readonly pid: number;
  /** When the process started, as the system counts; empty where it does not tell. */
  readonly started: string;
  readonly token: string;
}

/**
 * The lock of a folder: a symbolic link whose target names its holder, because making one is a single step that fails when it exists. A
 * holder that died on this machine is found out at once by process id and start time. One in another container or on another machine
 * cannot be asked; it touches its lock every second, and counts as dead after five without.
 */
export class FolderLock {
  readonly #path: string;
  readonly #mine: string;
  readonly #timer: NodeJS.Timeout;
  #lastBeat = performance.now();
  #lost = false;

  private constructor(path: string, mine: string) {
    this.#path = path;
    this.#mine = mine;
    this.#timer = setInterval(() => void this.#beat().catch(() => {}), beat).unref();
  }

  /** Takes the lock. Waits `patience` ms for a living holder to let go, then rejects and names it. */
  static async take(path: string, patience: number): Promise<FolderLock> {
    const self = await identity();
    const mine = [self.host, self.machine, self.pid, self.started, randomBytes(9).toString('base64url')].join(':');
    await acquire(path, mine, self.machine, patience);
    return new FolderLock(path, mine);
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
    if ((await targetOf(this.#path)) === this.#mine) await unlink(this.#path).catch(ignoreMissing);
  }

  async #beat(): Promise<void> {
    if ((await targetOf(this.#path)) !== this.#mine) this.#lost = true;
    if (this.#lost) return;
    const now = new Date();
    await lutimes(this.#path, now, now);
    this.#lastBeat = performance.now();
  }
}

async function acquire(path: string, mine: string, machine: string, patience: number): Promise<void> {
  const begun = performance.now();
  let seen = { sign: '', since: begun };
  while (!(await make(path, mine))) {
    const holder = await holderOf(path);
    if (holder === undefined) continue;
    const now = performance.now();
    const sign = `${holder.text} ${await lstat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => '',
    )}`;
    if (sign !== seen.sign) seen = { sign, since: now };
    const state = holder.machine === machine ? await stateOf(holder) : 'unknown';
    if (state === 'dead' || (state === 'unknown' && now - seen.since >= abandonedAfter)) {
      await bury(path, holder, mine, machine);
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
async function bury(path: string, dead: Holder, mine: string, machine: string): Promise<void> {
  const grave = `${path}.${dead.token}`;
  await acquire(grave, mine, machine, abandonedAfter);
  try {
    if ((await targetOf(path)) === dead.text) await unlink(path);
  } finally {
    await unlink(grave).catch(ignoreMissing);
  }
}

async function make(path: string, target: string): Promise<boolean> {
  try {
    await symlink(target, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'EINVAL') throw notALock(path);
    throw error;
  }
}

async function holderOf(path: string): Promise<Holder | undefined> {
  const text = await targetOf(path);
  if (text === undefined) return undefined;
  const [, host = '', machine = '', pid, started = '', token = ''] =
    /^([\w.-]*):([\da-f]+):(\d+):(\d*|ended):([\w-]{12})$/.exec(text) ?? [];
  if (pid === undefined) throw notALock(path);
  return { text, host, machine, pid: Number(pid), started, token };
}

async function stateOf({ pid, started }: Holder): Promise<'alive' | 'dead'> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (codeOf(error) === 'ESRCH') return 'dead';
  }
  if (started === '') return 'alive';
  const now = await startOf(pid);
  return now === '' || now === started ? 'alive' : 'dead';
}

let self: Promise<Omit<Holder, 'text' | 'token'>> | undefined;

function identity(): NonNullable<typeof self> {
  self ??= (async () => {
    const host = hostname()
      .replace(/[^\w.-]/g, '_')
      .slice(0, 64);
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
    const hash = createHash('sha256').update(JSON.stringify([host, boot, namespace]));
    return { host, machine: hash.digest('hex').slice(0, 16), pid: process.pid, started: await startOf(process.pid) };
  })();
  return self;
}

/** When a process started, in clock ticks since boot; `ended` when only its entry is left; empty where the system does not tell. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The second field is the program's name in brackets, which may hold anything; the third is the state, the 22nd the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
}

function notALock(path: string): Error {
  return new Error(`${path} is in the way: it is not a lock of this store; move it elsewhere`);
}
