// Which proxy a command speaks to, and as whom: from the configuration, never from a token on the command line, which others can read.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isEntryOf, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { LocalFiles } from '../local-files.ts';
import type { Console } from './console.ts';

/** Options of the commands that speak to a running proxy. */
export interface ClientOptions {
  readonly config?: string;
  readonly port?: number;
  readonly grant?: string;
  readonly tokenFile?: string;
}

/** A running proxy as a client sees it. */
export interface Target {
  /** URL of the endpoint for all servers. */
  readonly url: string;
  readonly token: string | undefined;
  /** Where the token came from, or how to send one; for people. */
  readonly credential: string;
  readonly config: Config;
  /** True for the proxy that runs with this configuration on this machine. */
  readonly operated: boolean;
  /** What to say when a proxy answers: that it may be another configuration's. */
  readonly doubt: string | undefined;
}

const defaults = { host: '127.0.0.1', port: 8807, path: '/mcp' };

/** Finds the proxy of a configuration. Throws what loading does, NOT_RUNNING when it has no HTTP transport, USAGE for contradicting options. */
export async function findTarget(options: ClientOptions, output: Console): Promise<Target> {
  const config = await loadConfig(options.config, { port: options.port, tolerant: true });
  output.hide(config.secrets);
  const { token, credential } = await findToken(options, config);
  if (token !== undefined) output.hide([token]);
  const running = config.file === undefined ? undefined : await new LocalFiles(config.file).readRun();
  const told = options.port === undefined ? running?.url : undefined;
  const url = told ?? urlOf(config);
  if (url === undefined)
    throw new PlugboardError(
      'NOT_RUNNING',
      `${config.file}: the plugin http is not configured, so there is nothing to connect to`,
    );
  if (new URL(url).port === '0')
    throw new PlugboardError('NOT_RUNNING', `no proxy of ${config.file} has said at which port it listens`);
  const known = told !== undefined || options.port !== undefined;
  const doubt = `warning: no proxy of ${config.file} is known to run; what answers at ${url} may have another configuration`;
  return { url, token, credential, config, operated: told !== undefined, doubt: known ? undefined : doubt };
}

/** URL of the endpoint that a configuration serves over HTTP, as this machine reaches it; undefined without the plugin `http`. */
export function urlOf(config: Config): string | undefined {
  const entry = config.plugins.find((each) => isEntryOf(each, 'http'));
  if (entry === undefined) return undefined;
  const { host, port, path: endpoint } = entry.options;
  const name = reachable(typeof host === 'string' ? host : defaults.host);
  return `http://${name}:${typeof port === 'number' ? port : defaults.port}${typeof endpoint === 'string' ? endpoint : defaults.path}`;
}

/** An address that can be connected to: `0.0.0.0` and `::` only say where to listen. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

async function findToken(
  { grant, tokenFile }: ClientOptions,
  config: Config,
): Promise<Pick<Target, 'token' | 'credential'>> {
  if (grant !== undefined && tokenFile !== undefined)
    throw new PlugboardError('USAGE', '--grant and --token-file exclude each other');
  const from = (source: string) => `the token sent was that of ${source}`;
  if (tokenFile !== undefined) return { token: await readToken(tokenFile), credential: from(tokenFile) };
  if (grant !== undefined) return { token: tokenOf(grant, config), credential: from(`the grant "${grant}"`) };
  const token = process.env['PLUGBOARD_TOKEN'];
  if (token !== undefined && token !== '')
    return { token, credential: from('the environment variable PLUGBOARD_TOKEN') };
  const ways = [...(config.grants.length > 0 ? ['--grant NAME'] : []), '--token-file FILE', 'PLUGBOARD_TOKEN'];
  return { token: undefined, credential: `no token was sent (${ways.join(', ')})` };
}

/** The token in a file. Throws USAGE. */
export async function readToken(given: string): Promise<string> {
  const file = path.resolve(given);
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new PlugboardError('USAGE', `--token-file: ${error.message}`);
  });
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new PlugboardError('USAGE', `--token-file: ${file} holds no token on a single line`);
  return token;
}

function tokenOf(grant: string, config: Config): string {
  const found = config.grants.find(({ name }) => name === grant);
  if (found === undefined) {
    const known = config.grants.map(({ name }) => name).join(', ');
    throw new PlugboardError(
      'USAGE',
      `--grant: there is no grant "${grant}" (${known === '' ? 'the file has none' : `known: ${known}`})`,
    );
  }
  const unresolved = config.unresolved.get(found.token);
  if (unresolved !== undefined) throw new PlugboardError('CONFIG_REFERENCE', unresolved);
  return found.token;
}
