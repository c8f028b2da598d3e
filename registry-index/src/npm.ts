// npm, run as a program: what it knows about packages, and installing one into a folder. Never runs a script of a package.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package.json as a registry keeps it. */
export interface PublishedManifest extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly version: string;
  readonly dist?: {
    readonly integrity?: string;
    readonly signatures?: readonly unknown[];
    readonly attestations?: unknown;
  };
}

export interface PackedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];

async function npm(args: readonly string[], cwd?: string): Promise<string> {
  const options = { maxBuffer: 64 * 1024 * 1024, ...(cwd === undefined ? {} : { cwd }) };
  return (await run('npm', [...args, ...quiet], options)).stdout;
}

/** What packing folders would make: nothing is written. */
export async function describePacks(folders: readonly string[]): Promise<PackedPackage[]> {
  return JSON.parse(await npm(['pack', '--dry-run', '--json', ...folders])) as PackedPackage[];
}

/** All published versions of a package; none when the registry does not have it. */
export async function viewVersions(name: string, registry: string): Promise<PublishedManifest[]> {
  try {
    const found = JSON.parse(await npm(['view', `${name}@>=0.0.0-0`, '--json', '--registry', registry])) as unknown;
    return [found].flat() as PublishedManifest[];
  } catch (error) {
    if (/\bE404\b/.test(String((error as { stderr?: unknown }).stderr))) return [];
    throw error;
  }
}

/** Installs packages into a folder that has a package.json. Peers are left to the caller: the core that runs is the one to use. */
export async function installPackages(folder: string, specs: readonly string[], registry?: string): Promise<void> {
  const from = registry === undefined ? [] : ['--registry', registry];
  await npm(['install', '--save-exact', '--legacy-peer-deps', ...from, ...specs], folder);
}
