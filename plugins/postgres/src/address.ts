// From a connection URL and TLS options to what the driver needs. Nothing is connected here, and no message repeats a URL: it holds a password.
import type { ClientConfig } from 'pg';

/** How the connection is protected; the names are those of libpq's `sslmode`. */
export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface TlsOptions {
  readonly mode?: TlsMode | undefined;
  /** PEM. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Where a database is, and as whom. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  readonly tls: TlsMode | undefined;
}

const modes: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'] satisfies TlsMode[];

/** Reads `postgres://user:password@host:port/database?sslmode=…&host=/folder-of-a-socket`. Throws an Error fit for people that repeats nothing of the URL. */
export function parseAddress(text: string): Address {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('is not a URL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with reserved characters as %XX');
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw new Error('must begin with postgres:// or postgresql://');
  const unknown = [...url.searchParams.keys()].find((key) => key !== 'sslmode' && key !== 'host');
  if (unknown !== undefined) throw new Error('has a parameter that is not known here (known: sslmode, host)');
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map(decode);
  if (!user) throw new Error('names no user: the role decides what can be read, so it must be written');
  if (!database) throw new Error('names no database: add /DATABASE');
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(url.port || 5432), user, database, password: password || undefined, tls: tlsOf(url) };
}

function tlsOf(url: URL): TlsMode | undefined {
  const mode = url.searchParams.get('sslmode');
  if (mode === null) return undefined;
  if (!modes.includes(mode)) throw new Error(`has an sslmode that is not one of ${modes.join(', ')}`);
  return mode as TlsMode;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error('holds a % that begins no %XX: write a percent sign as %25');
  }
}

/** The mode in force: the option, else the URL's, else none on this machine and full verification to any other. */
export function tlsMode({ host, tls }: Address, options: TlsOptions = {}): TlsMode {
  return options.mode ?? tls ?? (isLocal(host) ? 'disable' : 'verify-full');
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The driver's configuration. Everything is named, so that nothing is taken from PG* variables of the proxy's environment. */
export function clientConfig(address: Address, tls: TlsOptions | undefined, connectTimeout: number): ClientConfig {
  const { host, port, user, database, password } = address;
  return {
    host,
    port,
    user,
    database,
    password: password ?? noPassword,
    ssl: sslOf(tlsMode(address, tls), tls),
    application_name: 'plugboard',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: connectTimeout,
    keepAlive: true,
  };
}

/** Only called when the server asks for a password. Without it the driver would look into PGPASSWORD and ~/.pgpass. */
function noPassword(): string {
  throw new Error('the server asks for a password and the configured URL has none');
}

function sslOf(mode: TlsMode, tls: TlsOptions = {}): ClientConfig['ssl'] {
  if (mode === 'disable') return false;
  const { ca, cert, key } = tls;
  return {
    rejectUnauthorized: mode !== 'require',
    ...(mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Texts that no message may hold: the URL and its password, as they are and as they may be written. */
export function secretsOf(url: string): readonly string[] {
  const { password } = parseAddress(url);
  const forms = password === undefined ? [] : [password, encodeURIComponent(password), new URL(url).password];
  return [url, ...forms].filter((each) => each !== '');
}
