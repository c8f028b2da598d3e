// Files that a running proxy leaves for the command line, beside its configuration. Only their owner may read them.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { lockFileOf } from './lock-file.ts';
import type { Tool } from './protocol/messages.ts';
import { replaceFile } from './replace-file.ts';

/** What the credential's file holds, as JSON. */
export interface LocalCredential {
  /** Base URL of the management API, e.g. `http://127.0.0.1:8807/api/v1`. */
  readonly url: string;
  /** Secret. */
  readonly token: string;
  /** The process that serves it. */
  readonly pid: number;
}

/** How a running proxy stands to its configuration. */
export interface RunReport {
  readonly pid: number;
  /** Of the configuration and the lock file that were looked at last; see {@link versionOfConfiguration}. */
  readonly version: string;
  readonly state: 'applied' | 'refused';
  /** Where it listens, e.g. `http://127.0.0.1:8807/mcp`; undefined without HTTP. */
  readonly url?: string | undefined;
  /** Entry files of the plugins that run. */
  readonly uses: readonly string[];
  /** Why it was refused. */
  readonly error?: string | undefined;
}

/** Tool definitions of each common server, as they are now. */
export type ObservedTools = Readonly<Record<string, readonly Tool[]>>;

/** Absolute path of a file for the proxy of a configuration. `directory`: the configuration's folder. */
function localFile(kind: string, directory: string, configFile: string | undefined): string {
  const name = configFile === undefined ? '' : `-${path.basename(configFile, path.extname(configFile))}`;
  return path.join(directory, '.plugboard', `${kind}${name}.json`);
}

/** Where the credential for the proxy of this machine lies: a plugin of the management API writes it, the command line reads it. */
export function localCredentialFile(directory: string, configFile: string | undefined): string {
  return localFile('admin', directory, configFile);
}

/** Changes with the text of a configuration and of the lock file beside it. */
export async function versionOfConfiguration(configFile: string): Promise<string> {
  const texts = await Promise.all(
    [configFile, lockFileOf(path.dirname(configFile))].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  return createHash('sha256').update(texts.join('\0')).digest('hex');
}

/** What a running proxy tells the command line by files; reading them needs no port and no credential. */
export class LocalFiles {
  readonly #run: string;
  readonly #tools: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(configFile: string) {
    const directory = path.dirname(configFile);
    this.#run = localFile('run', directory, configFile);
    this.#tools = localFile('tools', directory, configFile);
  }

  /** Says how a version of the configuration fared. Never rejects: a proxy runs without these files, too. */
  writeRun(report: RunReport): Promise<void> {
    return this.#write(this.#run, report);
  }

  /** Says what the servers offer. Never rejects. */
  writeTools(tools: ObservedTools): Promise<void> {
    return this.#write(this.#tools, tools);
  }

  /** Undefined when no proxy runs. */
  async readRun(): Promise<RunReport | undefined> {
    const report = await readJson<RunReport>(this.#run);
    return report === undefined || !isAlive(report.pid) ? undefined : report;
  }

  /** Undefined when no proxy has run yet. */
  readTools(): Promise<ObservedTools | undefined> {
    return readJson<ObservedTools>(this.#tools);
  }

  /** The proxy has ended. What its servers offered last stays. */
  async end(): Promise<void> {
    await this.#writing;
    await rm(this.#run, { force: true }).catch(() => {});
  }

  #write(file: string, value: unknown): Promise<void> {
    this.#writing = this.#writing
      .then(() => mkdir(path.dirname(file), { recursive: true, mode: 0o700 }))
      .then(() => replaceFile(file, `${JSON.stringify(value)}\n`))
      .catch(() => {});
    return this.#writing;
  }
}

async function readJson<Value>(file: string): Promise<Value | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Value;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
