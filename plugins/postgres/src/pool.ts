// The connections of one task to one database: how many, how long they are kept, and how a statement that does not end is ended.
// What is done with a connection lives in `session.ts`.
import { Client, Pool } from 'pg';
import type { ClientConfig, PoolClient } from 'pg';
import type { Log } from 'plugboard';
import type { ConnectionCount } from './connection-count.ts';
import { Refusal } from './errors.ts';
import { Session } from './session.ts';
import type { SessionLimits } from './session.ts';

export interface PoolOptions extends SessionLimits {
  readonly config: ClientConfig;
  readonly count: ConnectionCount;
  readonly maxConnections: number;
  readonly idleTimeout: number;
}

/** The connections of one lease with one role. */
export class ConnectionPool {
  readonly #pool: Pool;
  readonly #options: PoolOptions;
  /** Sockets that are not gone yet, and back ends that are being ended. */
  readonly #ending = new Set<Promise<unknown>>();

  constructor(options: PoolOptions, log: Log) {
    this.#options = options;
    this.#pool = new Pool({
      ...options.config,
      max: options.maxConnections,
      idleTimeoutMillis: options.idleTimeout,
      Client: this.#countedClient() as unknown as new () => PoolClient,
    });
    // A server that restarts ends idle connections: the next call opens another.
    this.#pool.on('error', () => log.debug('an idle connection was ended by the server'));
  }

  /** A connection for one use; hand it back with `release`. */
  async acquire(signal: AbortSignal | undefined): Promise<Session> {
    signal?.throwIfAborted();
    const client = await this.#pool.connect();
    const session = new Session(client, this.#options, (pid, since) => this.#track(this.#terminate(pid, since)));
    if (signal?.aborted === true) {
      session.release(true);
      signal.throwIfAborted();
    }
    return session;
  }

  /** Ends all connections; resolves when their sockets are gone. Sessions in use must be released before, or end with their statements. */
  async close(): Promise<void> {
    await this.#pool.end();
    while (this.#ending.size > 0) await Promise.allSettled(this.#ending);
  }

  #track(ending: Promise<unknown>): void {
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending)).catch(() => {});
  }

  /** Ends a back end that may go on without its client: a function can catch what cancels it, but not this. */
  async #terminate(pid: number, since: string): Promise<void> {
    const client = new Client(this.#options.config);
    client.on('error', () => {});
    try {
      await client.connect();
      // Both, so that a later connection with the same number is left alone.
      await client.query(
        'SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
        [pid, since],
      );
    } catch {
      // Then the server's own limits end it: statement_timeout, and its check that the client is still there.
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** A client class that opens nothing when all places are taken. */
  #countedClient(): typeof Client {
    const { count } = this.#options;
    const track = (ending: Promise<unknown>) => this.#track(ending);
    const connect = Client.prototype.connect as (this: Client, callback: (error?: Error) => void) => void;
    return class extends Client {
      // The pool calls it with a callback.
      override connect(callback?: unknown): never {
        const give = count.take();
        if (give === undefined) {
          const full =
            'all connections to this database are busy: try again in a few seconds (option maxTotalConnections)';
          (callback as (error: Error) => void)(new Refusal(full));
        } else {
          track(
            new Promise<void>((resolve) => {
              this.once('end', () => {
                give();
                resolve();
              });
            }),
          );
          connect.call(this, (error) => {
            // The pool forgets it, but the driver leaves the socket open when it was this side that failed.
            if (error) this.connection.stream.destroy();
            (callback as (error?: Error) => void)(error);
          });
        }
        return undefined as never;
      }
    };
  }
}
