// Who holds a lock: a process, written down so that others find out whether it lives. What a lock guards, and who waits how long, is not known here.
import { createHash, randomBytes } from 'node:crypto';
import { readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** A process as others can tell it from the next one with its id. */
interface Identity {
  readonly host: string;
  /** Boot and process namespace: within one, process ids can be compared. */
  readonly machine: string;
  readonly pid: number;
  /** When the process started, as the system counts; empty where it does not tell. */
  readonly started: string;
}

/**
 * The holder of a lock. The lock is a symbolic link whose target names its holder: making one is a single step that fails when it
 * exists, so there is no moment at which a lock without a holder can be seen.
 */
export class LockHolder {
  /** The target of the link. */
  readonly text: string;
  readonly host: string;
  readonly pid: number;
  /** Unique to this holding; names what the holder makes, so that others can clear it away. */
  readonly token: string;
  readonly #machine: string;
  readonly #started: string;

  private constructor({ host, machine, pid, started }: Identity, token: string) {
    this.text = [host, machine, pid, started, token].join(':');
    this.host = host;
    this.pid = pid;
    this.token = token;
    this.#machine = machine;
    this.#started = started;
  }

  /** This process, for a lock that it is about to take. */
  static async own(): Promise<LockHolder> {
    return new LockHolder(await self(), randomBytes(9).toString('base64url'));
  }

  /** Who holds the lock at `path`; undefined when nobody does. Throws when something else is there. */
  static async at(path: string): Promise<LockHolder | undefined> {
    const text = await targetOf(path);
    if (text === undefined) return undefined;
    const [, host = '', machine = '', pid, started = '', token = ''] =
      /^([\w.-]*):([\da-f]+):(\d+):(\d*|ended):([\w-]{12})$/.exec(text) ?? [];
    if (pid === undefined) throw notALock(path);
    return new LockHolder({ host, machine, pid: Number(pid), started }, token);
  }

  /** Makes the lock at `path`; false when there is one. */
  async take(path: string): Promise<boolean> {
    try {
      await symlink(this.text, path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  async holds(path: string): Promise<boolean> {
    return (await targetOf(path)) === this.text;
  }

  /** Removes the lock at `path` if it is this holder's. */
  async leave(path: string): Promise<void> {
    if (!(await this.holds(path).catch(() => false))) return;
    await unlink(path).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
    });
  }

  /** Exact for a process of this machine, by its id and start time; `unknown` for one of another machine or container, which cannot be asked. */
  async state(): Promise<'alive' | 'dead' | 'unknown'> {
    if (this.#machine !== (await self()).machine) return 'unknown';
    try {
      process.kill(this.pid, 0);
    } catch (error) {
      // EPERM: it is there, and somebody else's.
      if (codeOf(error) === 'ESRCH') return 'dead';
    }
    if (this.#started === '') return 'alive';
    const now = await startOf(this.pid);
    // Unreadable: it ended just now, or is hidden; the next round tells.
    return now === '' || now === this.#started ? 'alive' : 'dead';
  }
}

let identity: Promise<Identity> | undefined;

/** How this process signs its locks. Read once, at the first lock. */
function self(): Promise<Identity> {
  identity ??= (async () => {
    const host = hostname()
      .replace(/[^\w.-]/g, '_')
      .slice(0, 64);
    // A process id means something only in one boot of one machine, and in one process namespace (containers).
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
    const hash = createHash('sha256').update(JSON.stringify([host, boot, namespace]));
    return { host, machine: hash.digest('hex').slice(0, 16), pid: process.pid, started: await startOf(process.pid) };
  })();
  return identity;
}

/** When a process started, in clock ticks since boot; `ended` when only its entry is left; empty where the system does not tell. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The second field is the program's name in brackets, which may hold anything; the third is the state, the 22nd the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
}

async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'EINVAL') throw notALock(path, error);
    throw error;
  }
}

function notALock(path: string, cause?: unknown): Error {
  return new Error(`${path} is in the way: it is not a lock; move it elsewhere`, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
