// kubectl as a process of its own, in a folder of its own. Where it comes from is the machine's business.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { guardChild } from '../child-guard.ts';

export interface KubectlResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlOptions {
  /** Text for standard input, for `-f -`. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Runs `kubectl ARGS` with a kubeconfig (its text). Resolves when it has ended, whatever its code. Rejects when there is no kubectl. */
export async function kubectl(
  kubeconfig: string,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<KubectlResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-kubectl-'));
  try {
    const file = path.join(folder, 'kubeconfig');
    await writeFile(file, kubeconfig, { mode: 0o600 });
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: file, ...options.env };
    return await run(args, env, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The minor version of the kubectl that is there: 32 for v1.32. Debian 12 has 20, which does not send `fieldValidation` (it warns of
 * unknown fields where newer ones are refused), knows no `--subresource`, and cannot explain custom resources here.
 */
export async function kubectlMinor(): Promise<number> {
  const { stdout } = await kubectl('', ['version', '--client', '-o', 'json']);
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string } };
  return Number.parseInt(clientVersion.minor, 10);
}

function run(
  args: readonly string[],
  env: Record<string, string>,
  { input = '', signal }: KubectlOptions,
): Promise<KubectlResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', args, { env, ...(signal === undefined ? {} : { signal }) });
    guardChild(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', (error) => {
      if (error.name !== 'AbortError') reject(new Error(`kubectl does not run: ${error.message}`));
    });
    child.on('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
