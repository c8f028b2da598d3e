// Runs child processes so that none outlives this one: each in a process group of its own, ended with escalation.
import { type ChildProcess, spawn } from 'node:child_process';

const grace = 5000;
const running = new Set<ChildProcess>();

/** A child process in a group of its own. */
export interface Child {
  process: ChildProcess;
  /** Resolves with the exit code (`undefined` after a signal) when the child has ended and closed its output. */
  ended: Promise<number | undefined>;
  /** Ends the whole group, by force after five seconds; resolves when the child is gone. */
  end(): Promise<void>;
}

/** What a child is started with. Its standard input is a pipe that stays open unless `stdin` says otherwise. */
export interface ChildOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  stdin?: 'pipe' | 'ignore';
}

/** Starts a program in a process group of its own. */
export function startChild(program: string, args: string[], options: ChildOptions = {}): Child {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: [options.stdin ?? 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? undefined));
  }).finally(() => running.delete(child));
  // Whoever needs the outcome awaits `ended`; a child that nobody awaits any more must not end this process.
  ended.catch(() => undefined);
  const end = async () => {
    const force = setTimeout(() => signalGroup(child, 'SIGKILL'), grace);
    signalGroup(child, 'SIGTERM');
    await ended.catch(() => undefined);
    clearTimeout(force);
    // Grandchildren that ignored the first signal.
    signalGroup(child, 'SIGKILL');
  };
  return { process: child, ended, end };
}

/** Ends every child that still runs. For the end of the program; does not wait. */
export function killChildren(): void {
  for (const child of running) signalGroup(child, 'SIGKILL');
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH: the group is gone already, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
