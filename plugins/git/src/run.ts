// Running the git program: no shell, nothing of this process's environment, bounded time and output.
import { spawn } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { Refusal } from './settings.ts';

export interface RunInit {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Written to its standard input. */
  readonly input?: string | undefined;
  /** Bytes of output that are kept; git is ended when there are more. */
  readonly maxOutput: number;
  /** Aborted when the time is over or the caller gives up. */
  readonly signal: AbortSignal;
}

export interface Ran {
  /** undefined when it was ended from here. */
  readonly code: number | undefined;
  readonly output: Buffer;
  /** True when there was more output than is kept. */
  readonly cut: boolean;
  readonly errors: string;
}

/** ms that git has to put its files in order when it is ended. */
const patience = 3000;
const maxErrors = 16 * 1024;

export function run({ program, args, cwd, env, input, maxOutput, signal }: RunInit): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: 'pipe', shell: false, windowsHide: true });
    const chunks: Buffer[] = [];
    let size = 0;
    let errors = '';
    let killer: NodeJS.Timeout | undefined;
    const end = () => {
      if (killer !== undefined) return;
      // Asked to end, git removes its lock files; killed, it leaves them.
      child.kill('SIGTERM');
      killer = setTimeout(() => child.kill('SIGKILL'), patience);
    };
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
    child.stdout.on('data', (chunk: Buffer) => {
      if (size <= maxOutput) chunks.push(chunk);
      size += chunk.length;
      if (size > maxOutput) end();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (errors.length < maxErrors) errors += chunk.toString('utf8');
    });
    // Git may end without having read all of it.
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    child.on('error', (cause) =>
      reject(new Refusal(`${program} cannot be started: check the option program`, { cause })),
    );
    child.on('close', (code) => {
      clearTimeout(killer);
      signal.removeEventListener('abort', end);
      const output = Buffer.concat(chunks).subarray(0, maxOutput);
      resolve({ code: code ?? undefined, output, cut: size > maxOutput, errors });
    });
  });
}

/** The absolute path of a program. Throws a {@link Refusal} when it is not there. */
export async function findProgram(name: string): Promise<string> {
  const folders = isAbsolute(name) ? [''] : (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  for (const folder of folders) {
    const file = folder === '' ? name : join(folder, name);
    const found = await access(file, constants.X_OK)
      .then(() => stat(file))
      .catch(() => undefined);
    if (found?.isFile() === true) return file;
  }
  throw new Refusal(
    `the program ${name} is not there: install git (Debian: apt-get install git), or set the option program`,
  );
}
