// The checks behind `plugboard doctor`: Node, the configuration, its references, the lock file, commands, the port. Nothing is started.
// Plugins are checked elsewhere: `plugin-checks.ts`.
import { accessSync, constants, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { isEntryOf, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { LocalFiles } from '../local-files.ts';
import { lockFileOf, readLockFile } from '../lock-file.ts';
import { isObject } from '../protocol/messages.ts';
import { getJson } from './client.ts';
import type { Console } from './console.ts';
import { checkPlugins } from './plugin-checks.ts';
import { urlOf } from './target.ts';

/** What one check found. */
export interface Finding {
  readonly subject: string;
  readonly result: 'ok' | 'warning' | 'failure';
  readonly text: string;
  /** What to do now. */
  readonly advice?: string | undefined;
}

const leastNode = [20, 19] as const;

/** Runs all checks, as far as the configuration can be read. */
export async function examine(
  options: { readonly config?: string; readonly port?: number },
  output: Console,
): Promise<Finding[]> {
  const findings = [checkNode()];
  let config: Config;
  try {
    config = await loadConfig(options.config, { port: options.port, tolerant: true });
  } catch (error) {
    return [...findings, failureOf('configuration', error)];
  }
  output.hide(config.secrets);
  findings.push({ subject: 'configuration', result: 'ok', text: config.file ?? '' });
  for (const text of config.warnings) findings.push({ subject: 'configuration', result: 'warning', text });
  for (const problem of config.unresolved.values())
    findings.push(failureOf('reference', new PlugboardError('CONFIG_REFERENCE', problem)));
  const lock = await checkLock(config);
  findings.push(...lock, ...(await checkPlugins(config, options.port)), ...checkCommands(config));
  // Where `http` has wrong options it says so itself, and there is no port to ask about.
  const url = urlOf(config);
  if (url !== undefined && URL.canParse(url)) findings.push(await checkPort(url, config));
  return findings;
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  const text = `${process.version} (${process.platform} ${process.arch})`;
  return good
    ? { subject: 'node', result: 'ok', text }
    : { subject: 'node', result: 'failure', text, advice: `install Node ${leastNode.join('.')} or newer` };
}

async function checkLock({ directory }: Config): Promise<Finding[]> {
  try {
    await readLockFile(lockFileOf(directory));
    return [];
  } catch (error) {
    return [failureOf('plugboard.lock', error)];
  }
}

/** Programs of stdio servers: found where the server would be started. */
function checkCommands(config: Config): Finding[] {
  const servers = config.plugins.find((entry) => isEntryOf(entry, 'upstream'))?.options['servers'];
  return Object.entries(isObject(servers) ? servers : {}).flatMap(([name, entry]): Finding[] => {
    if (!isObject(entry) || typeof entry['command'] !== 'string' || entry['disabled'] === true) return [];
    const { command, cwd, env } = entry;
    const folder = path.resolve(config.directory, typeof cwd === 'string' ? cwd : '');
    const search = isObject(env) && typeof env['PATH'] === 'string' ? env['PATH'] : (process.env['PATH'] ?? '');
    const found = findProgram(command, folder, search);
    const subject = `server ${name}`;
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      return [
        {
          subject,
          result: 'failure',
          text: `its folder ${folder} does not exist`,
          advice: 'create it, or correct `cwd`',
        },
      ];
    }
    if (found !== undefined) return [{ subject, result: 'ok', text: found }];
    return [
      {
        subject,
        result: 'failure',
        text: `the command "${command}" is not found`,
        advice: 'install it, or write its full path',
      },
    ];
  });
}

function findProgram(command: string, folder: string, search: string): string | undefined {
  const candidates = command.includes('/')
    ? [path.resolve(folder, command)]
    : search.split(path.delimiter).map((each) => path.resolve(folder, each, command));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

async function checkPort(url: string, { file }: Config): Promise<Finding> {
  const { hostname, port, origin } = new URL(url);
  if (port === '0') return { subject: 'port', result: 'ok', text: 'a free one is taken at each start' };
  const subject = `port ${port}`;
  const taken = await portProblem(hostname.replace(/^\[|\]$/g, ''), Number(port));
  if (taken === undefined) return { subject, result: 'ok', text: 'free: no proxy runs here' };
  const health = await getJson(`${origin}/healthz`).catch(() => undefined);
  const alike = isObject(health?.body) && health.body['status'] === 'ok';
  const run = file === undefined ? undefined : await new LocalFiles(file).readRun();
  const own = run?.url !== undefined && new URL(run.url).port === port;
  if (alike && own)
    return { subject, result: 'ok', text: `the proxy of this configuration runs at ${url} (process ${run.pid})` };
  return {
    subject,
    result: 'failure',
    text: alike ? `${taken}, perhaps the proxy of another configuration` : taken,
    advice: 'choose another port by `plugins.http.port` or --port, or end what listens there',
  };
}

/** Why the port cannot be listened on, or undefined. */
function portProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'another program listens on it' : error.message),
    );
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** An error as a finding; its hint is the advice. */
export function failureOf(subject: string, error: unknown): Finding {
  const text = error instanceof Error ? error.message : String(error);
  return { subject, result: 'failure', text, advice: error instanceof PlugboardError ? error.hint : undefined };
}
