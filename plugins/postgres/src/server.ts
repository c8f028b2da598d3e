// The server of one database: what a lease of it keeps, and which tools and resources it offers. The driver is loaded at the first call.
import { createRequire } from 'node:module';
import { localServer } from 'plugboard';
import type { LeaseKey, Log, ServerDefinition } from 'plugboard';
import { ConnectionCount } from './connection-count.ts';
import { credentialsOf } from './credentials.ts';
import type { Database } from './database.ts';
import type { DatabaseOptions, Limits } from './options.ts';
import { overview, withTables } from './resources.ts';
import { executeTool } from './execute-tool.ts';
import { catalogTools } from './catalog-tools.ts';
import { queryTools } from './query-tools.ts';

export interface DatabaseSettings {
  readonly name: string;
  readonly title: string;
  readonly database: DatabaseOptions;
  readonly limits: Limits;
}

/** What one lease keeps: its own use of the database, made at the first call. */
export class Lease {
  readonly #open: () => Promise<Database>;
  #database: Promise<Database> | undefined;
  #closed: Promise<void> | undefined;

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  /** Rejects after {@link Lease.close}. */
  database(): Promise<Database> {
    if (this.#closed !== undefined) return Promise.reject(new Error('this server is stopped'));
    this.#database ??= this.#open();
    return this.#database;
  }

  close(): Promise<void> {
    this.#closed ??= Promise.resolve(this.#database).then((database) => database?.close());
    return this.#closed;
  }
}

/** Makes the server of one database. Opening a lease connects to nothing. */
export function databaseServer({ name, title, database, limits }: DatabaseSettings, log: Log): ServerDefinition {
  const count = new ConnectionCount(limits.maxTotalConnections);
  const leases = new WeakMap<LeaseKey, Lease>();
  const open = (key: LeaseKey): Lease => {
    const credentials = credentialsOf(key.grant, database.connections, database);
    if (credentials === undefined) throw new Error(`database "${name}": no credentials for ${key.grant ?? 'nobody'}`);
    const lease = new Lease(async () => {
      const { Database } = await import('./database.ts');
      return new Database({ name, options: database, limits, credentials, count, log });
    });
    leases.set(key, lease);
    return lease;
  };
  const server = localServer<Lease>({
    name,
    title,
    version: ownVersion(),
    isolation: 'task',
    instructions: instructions(name, database),
    tools: [
      ...catalogTools,
      ...queryTools(limits),
      ...(database.execute === undefined ? [] : [executeTool(database.execute, limits)]),
    ],
    resources: [overview(name)],
    open,
    close: (lease) => lease.close(),
  });
  return withTables(server, name, (key) => leases.get(key));
}

function instructions(name: string, { execute }: DatabaseOptions): string {
  const change =
    execute === undefined
      ? 'Nothing can be changed.'
      : `\`execute\` may ${execute.kinds.join(', ')} in: ${execute.schemas.join(', ')}.`;
  return `The PostgreSQL database "${name}". Look at list_tables and describe_table before you write SQL. ${change}`;
}

function ownVersion(): string {
  const manifest = createRequire(import.meta.url)('@plugboard/postgres/package.json') as { version: string };
  return manifest.version;
}
