// Running npm: arguments that hold for every run, and its errors as sentences with a way out. What is installed is decided elsewhere.
import { spawn } from 'node:child_process';
import { PlugboardError } from '../errors.ts';
import { linkAbort } from '../linked-abort.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';

/** ms that one run may take. */
const limit = 10 * 60_000;
/** Bytes of output that are kept. */
const maxOutput = 64 * 1024 * 1024;

/** Install scripts never run; nothing is asked of hosts that have nothing to do with the packages. */
const always = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--json'];

export interface NpmRun {
  readonly cwd: string;
  /** What is done, for messages: `install @plugboard/http`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
}

/** Runs npm and resolves with what it printed: a value where it was JSON, else the text. Throws INSTALL_FAILED with the reason and what to do. */
export async function npm(args: readonly string[], run: NpmRun): Promise<unknown> {
  const { code, stdout, stderr } = await execute([...args, ...always], run);
  const answer = parse(stdout);
  if (code === 0) return answer ?? stdout.trim();
  const error = isObject(answer) && isObject(answer['error']) ? answer['error'] : undefined;
  throw explain(error, stderr || stdout, run.doing);
}

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function execute(args: readonly string[], { cwd, doing, signal }: NpmRun): Promise<Output> {
  const abort = linkAbort(signal === undefined ? [] : [signal], limit);
  return new Promise<Output>((resolve, reject) => {
    // npm is a script on Windows, which needs a shell; elsewhere none is in between.
    const windows = process.platform === 'win32';
    const child = spawn(windows ? 'npm.cmd' : 'npm', args, {
      cwd,
      shell: windows,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: abort.signal,
    });
    const kept = { stdout: '', stderr: '' };
    let aborted = false;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (kept[name].length < maxOutput) kept[name] += text;
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') reject(new PlugboardError('NPM_MISSING', `${doing}: npm is not on PATH`));
      // What it has begun to write may be removed only when it has ended.
      else if (error.name === 'AbortError') aborted = true;
      else reject(error);
    });
    child.once('close', (code) => {
      if (aborted) reject(new PlugboardError('INSTALL_FAILED', `${doing}: given up`));
      else resolve({ code, ...kept });
    });
  }).finally(abort.release);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** npm's error codes, as what they mean here and what to do. */
const meanings: Readonly<Record<string, string>> = {
  ERESOLVE: 'it needs another version of Plugboard than this one: choose another version of it, or update Plugboard',
  ETARGET: 'there is no such version: `plugboard info` lists those that there are',
  E404: 'the registry has no such package: correct its name, or the registry in .npmrc',
  E401: 'the registry wants a login: npm login, or a token in .npmrc',
  E403: 'the registry refuses it: your login may not read it',
  EINTEGRITY: 'what was downloaded is not what was published: do not use it, and tell its author',
  ENOTFOUND: 'the registry cannot be reached: see your network and the registry in .npmrc',
  EAI_AGAIN: 'the registry cannot be reached: see your network and the registry in .npmrc',
  ECONNREFUSED: 'the registry cannot be reached: see your network and the registry in .npmrc',
  ETIMEDOUT: 'the registry does not answer: try again, or see your network',
  EBADENGINE: 'it needs another version of Node',
  ENOSPC: 'the disk is full',
  EACCES: 'a folder may not be written: see its owner',
  EUSAGE: 'the lock of the plugin home does not fit its packages: run the command again',
};

function explain(error: JsonObject | undefined, output: string, doing: string): PlugboardError {
  const code = typeof error?.['code'] === 'string' ? error['code'] : (/\bcode (E\w+)/.exec(output)?.[1] ?? 'unknown');
  const summary = typeof error?.['summary'] === 'string' ? error['summary'] : output;
  const detail = summary.trim().split('\n').slice(0, 6).join(' ').slice(0, 600);
  const meaning = meanings[code];
  return new PlugboardError('INSTALL_FAILED', `${doing}: ${meaning ?? 'npm failed'} (npm: ${code}: ${detail})`);
}
