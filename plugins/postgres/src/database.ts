// What one task does with one database: its connections, checked once, its open results, and everything its tools need. Loaded at the first call.
import { clientConfig, parseAddress, secretsOf } from './address.ts';
import type { Bounds } from './bounds.ts';
import type { ConnectionCount } from './connection-count.ts';
import type { Credentials } from './credentials.ts';
import { declareLength, RowCursor } from './cursor.ts';
import type { KnownTypes, Page } from './cursor.ts';
import { Cursors } from './cursors.ts';
import { explain } from './errors.ts';
import { execute, OffsetError } from './execute.ts';
import type { Executed } from './execute.ts';
import type { DatabaseOptions, Limits } from './options.ts';
import { ConnectionPool } from './pool.ts';
import { checkRole } from './role.ts';
import type { ServerFacts } from './role.ts';
import type { Log } from 'plugboard';
import type { Session } from './session.ts';

/** The least that one statement may send before it is ended, in bytes. */
const minReceived = 16 * 1024 * 1024;

export interface DatabaseInit {
  readonly name: string;
  readonly options: DatabaseOptions;
  readonly limits: Limits;
  readonly credentials: Credentials;
  readonly count: ConnectionCount;
  readonly log: Log;
}

export interface QueryPage extends Page {
  /** For the next page; undefined when there is none, or when it cannot be kept open. */
  readonly cursor: string | undefined;
}

/** A role and its connections. */
class Access {
  readonly pool: ConnectionPool;
  readonly #outside: DatabaseOptions['outsideFunctions'];
  #facts: ServerFacts | undefined;

  constructor({ limits, options, count, log }: DatabaseInit, url: string) {
    this.#outside = options.outsideFunctions;
    this.pool = new ConnectionPool(
      {
        config: clientConfig(parseAddress(url), options.tls, limits.connectTimeout),
        count,
        maxConnections: limits.maxConnections,
        idleTimeout: limits.idleTimeout,
        statementTimeout: limits.statementTimeout,
        idleInTransaction: limits.cursorTimeout + limits.statementTimeout,
        maxReceived: Math.max(minReceived, 4 * limits.maxBytes),
      },
      log,
    );
  }

  /** A connection for SQL of an agent, once it is known that the role can be held. Throw it away after use. */
  async acquire(signal?: AbortSignal): Promise<{ session: Session; facts: ServerFacts }> {
    const facts = (this.#facts ??= await this.look((session) => checkRole(session, this.#outside, signal), signal));
    return { session: await this.pool.acquire(signal), facts };
  }

  /** Runs this plugin's own queries in a read-only transaction that sees `pg_catalog` only; the connection is used again. */
  async look<Result>(work: (session: Session) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const session = await this.pool.acquire(signal);
    try {
      await session.begin({ readOnly: true, searchPath: ['pg_catalog', 'pg_temp'] }, signal);
      return await work(session);
    } finally {
      await session.rollback();
      session.release(false);
    }
  }
}

/** One task's use of one database. */
export class Database {
  readonly #init: DatabaseInit;
  readonly #secrets: readonly string[];
  readonly #reader: Access;
  readonly #writer: Access;
  readonly #cursors: Cursors;
  readonly #types: KnownTypes = new Map();
  /** The change under way: one after the other, so that two cannot wait for each other's second connection. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(init: DatabaseInit) {
    const { credentials, limits } = init;
    this.#init = init;
    this.#secrets = [...new Set([...secretsOf(credentials.url), ...secretsOf(credentials.executeUrl)])];
    this.#reader = new Access(init, credentials.url);
    this.#writer = credentials.executeUrl === credentials.url ? this.#reader : new Access(init, credentials.executeUrl);
    this.#cursors = new Cursors(limits.maxCursors, limits.cursorTimeout);
  }

  /** Reads the catalogue; see `catalog.ts`. */
  look<Result>(work: (session: Session) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    return this.#guard(() => this.#reader.look(work, signal));
  }

  /** The first rows of a SELECT. */
  query(sql: string, values: readonly (string | null)[], maxRows: number, signal?: AbortSignal): Promise<QueryPage> {
    return this.#guard(async () => {
      const { session } = await this.#reader.acquire(signal);
      const cursor = await RowCursor.open(session, sql, values, this.#init.limits, this.#types, signal);
      return this.#page(cursor, maxRows, signal);
    }, declareLength);
  }

  /** The next rows of an earlier query. */
  nextPage(token: string, maxRows: number, signal?: AbortSignal): Promise<QueryPage> {
    return this.#guard(() => this.#page(this.#cursors.take(token), maxRows, signal));
  }

  /** The plan of a statement as text. With `analyze` it is run, in a read-only transaction. */
  explain(sql: string, values: readonly (string | null)[], analyze: boolean, signal?: AbortSignal): Promise<string> {
    const prefix = `EXPLAIN (${analyze ? 'ANALYZE, BUFFERS, ' : ''}VERBOSE, FORMAT TEXT) `;
    return this.#guard(async () => {
      const { session } = await this.#reader.acquire(signal);
      try {
        await session.begin({ readOnly: true }, signal);
        const { rows } = await session.run(prefix + sql, values, signal);
        return rows.map(([line]) => line).join('\n');
      } finally {
        await session.rollback();
        session.release(true);
      }
    }, prefix.length);
  }

  /** Runs one statement that changes something, within bounds. */
  execute(sql: string, values: readonly (string | null)[], bounds: Bounds, signal?: AbortSignal): Promise<Executed> {
    const run = () => this.#guard(() => this.#change(sql, values, bounds, signal));
    const result = this.#changing.then(run);
    this.#changing = result.catch(() => {});
    return result;
  }

  /** Ends everything; resolves when no connection is left. */
  async close(): Promise<void> {
    await this.#cursors.close();
    await Promise.all([...new Set([this.#reader, this.#writer])].map((access) => access.pool.close()));
  }

  #change(sql: string, values: readonly (string | null)[], bounds: Bounds, signal?: AbortSignal): Promise<Executed> {
    return this.#writer.look(async (witness) => {
      const { session, facts } = await this.#writer.acquire(signal);
      const { limits } = this.#init;
      try {
        return await execute(sql, values, { session, witness, facts, bounds, limits, types: this.#types, signal });
      } finally {
        await session.rollback();
        session.release(true);
      }
    }, signal);
  }

  async #page(cursor: RowCursor, maxRows: number, signal: AbortSignal | undefined): Promise<QueryPage> {
    try {
      const page = await cursor.page(maxRows, signal);
      if (page.more) return { ...page, cursor: this.#cursors.keep(cursor) };
      await cursor.close();
      return { ...page, cursor: undefined };
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** What goes wrong becomes words for the agent, without secrets. `offset`: how much stood before its SQL. */
  async #guard<Result>(work: () => Promise<Result>, offset = 0): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      const { name } = this.#init;
      if (error instanceof OffsetError) throw explain(error.cause, name, this.#secrets, error.offset);
      throw explain(error, name, this.#secrets, offset);
    }
  }
}
