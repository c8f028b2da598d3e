// One connection in use: transactions and single statements, each within its limits of time and size. Where connections come from: `pool.ts`.
import { Query } from 'pg';
import type { FieldDef, PoolClient } from 'pg';
import { Refusal } from './errors.ts';

export interface SessionLimits {
  /** ms that the server gives one statement. */
  readonly statementTimeout: number;
  /** ms that the server keeps a transaction in which nothing happens. */
  readonly idleInTransaction: number;
  /** Bytes that one statement may send. */
  readonly maxReceived: number;
}

/** How much longer than the server this side waits: ms. */
const grace = 2000;

export interface StatementResult {
  readonly fields: readonly FieldDef[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command tag as the server says it, e.g. `INSERT 0 1`, `CREATE TABLE`. */
  readonly tag: string;
  /** Bytes received. */
  readonly received: number;
}

export type Row = readonly (string | null)[];

/** How a transaction is begun. */
export interface TransactionOptions {
  readonly readOnly: boolean;
  /** Schemas that names without one are looked up in; undefined: the role's own setting. */
  readonly searchPath?: readonly string[] | undefined;
}

/** Everything arrives as text; `values.ts` knows what it means. */
const asText = { getTypeParser: () => (text: string) => text };

/** A connection that was taken from the pool. */
export class Session {
  readonly #client: PoolClient;
  readonly #limits: SessionLimits;
  readonly #terminate: (pid: number, since: string) => void;
  /** Set while the server side of this connection is known. */
  #backend: { readonly pid: number; readonly since: string } | undefined;
  #released = false;
  #broken = false;
  readonly #onError = () => void (this.#broken = true);

  constructor(client: PoolClient, limits: SessionLimits, terminate: (pid: number, since: string) => void) {
    this.#client = client;
    this.#limits = limits;
    this.#terminate = terminate;
    client.on('error', this.#onError);
  }

  /** Process id of the server's side; known inside a transaction. */
  get pid(): number | undefined {
    return this.#backend?.pid;
  }

  /** What the server last said of the transaction: none, open, or failed. */
  get transaction(): 'none' | 'open' | 'failed' {
    const status = this.#client.getTransactionStatus();
    return status === 'T' ? 'open' : status === 'E' ? 'failed' : 'none';
  }

  /**
   * Begins a transaction with the limits of this session. It runs a query at once: after the first one, a transaction that is read-only
   * cannot be made anything else.
   */
  async begin({ readOnly, searchPath }: TransactionOptions, signal?: AbortSignal): Promise<void> {
    await this.run(`BEGIN ${readOnly ? 'ISOLATION LEVEL REPEATABLE READ READ ONLY' : 'READ WRITE'}`, [], signal);
    const { statementTimeout, idleInTransaction } = this.#limits;
    const settings: Record<string, string> = {
      statement_timeout: String(statementTimeout),
      lock_timeout: String(statementTimeout),
      idle_in_transaction_session_timeout: String(idleInTransaction),
      client_connection_check_interval: '5000',
      DateStyle: 'ISO, YMD',
      IntervalStyle: 'iso_8601',
      TimeZone: 'UTC',
      bytea_output: 'hex',
      extra_float_digits: '1',
      ...(searchPath === undefined ? {} : { search_path: searchPath.map(quoteIdentifier).join(', ') }),
    };
    const { rows } = await this.run(
      beginQuery,
      [Object.keys(settings), Object.values(settings), 'client_connection_check_interval'],
      signal,
    );
    const [pid, since] = rows[0] ?? [];
    this.#backend = { pid: Number(pid), since: String(since) };
  }

  /** Ends the transaction without effect; a connection that cannot do that is thrown away by `release`. */
  async rollback(): Promise<void> {
    if (this.#released || this.#broken) return;
    try {
      await this.run('ROLLBACK');
    } catch {
      this.#broken = true;
    }
  }

  /**
   * Runs one statement by the extended protocol, which takes no more than one. Rejects with an error of the server or a {@link Refusal};
   * in both cases after a time limit or too many bytes the connection is gone.
   */
  async run(text: string, values: readonly unknown[] = [], signal?: AbortSignal): Promise<StatementResult> {
    const rows: Row[] = [];
    const { fields, tag, received } = await this.stream(text, values, (row) => rows.push(row), signal);
    return { fields, rows, tag, received };
  }

  /** Like {@link run}, but hands rows over as they come. */
  async stream(
    text: string,
    values: readonly unknown[],
    onRow: (row: Row) => void,
    signal?: AbortSignal,
  ): Promise<Omit<StatementResult, 'rows'>> {
    const { stream } = this.#client.connection;
    let received = 0;
    let tag = '';
    let reason: Error | undefined;
    const abandon = (error: Error) => {
      reason ??= error;
      this.#abandon(reason);
    };
    const { statementTimeout, maxReceived } = this.#limits;
    const onData = (chunk: Buffer) => {
      received += chunk.length;
      if (received > maxReceived) abandon(tooLarge(maxReceived));
    };
    const onTag = (message: { text: string }) => void (tag = message.text);
    const onAbort = () => abandon(new Refusal('the call was cancelled'));
    const timer = setTimeout(() => abandon(tooSlow(statementTimeout)), statementTimeout + grace);
    stream.on('data', onData);
    this.#client.connection.on('commandComplete', onTag);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted === true) throw new Refusal('the call was cancelled');
      const fields = await this.#submit(text, values, onRow);
      return { fields, tag, received };
    } catch (error) {
      throw reason ?? error;
    } finally {
      clearTimeout(timer);
      stream.off('data', onData);
      this.#client.connection.off('commandComplete', onTag);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #submit(text: string, values: readonly unknown[], onRow: (row: Row) => void): Promise<readonly FieldDef[]> {
    // `queryMode` is not among the driver's types, but it is what makes sure of the extended protocol.
    const config = { text, values: [...values], rowMode: 'array', queryMode: 'extended', types: asText };
    const query = new Query(config);
    return new Promise((resolve, reject) => {
      query.on('row', onRow);
      query.on('error', reject);
      query.on('end', (result) => resolve(result.fields));
      this.#client.query(query);
    });
  }

  /** Gives up a statement under way: the socket goes at once, and the server's side is told to. */
  #abandon(reason: Error): void {
    this.#broken = true;
    this.#client.connection.stream.destroy(reason);
    if (this.#backend !== undefined) this.#terminate(this.#backend.pid, this.#backend.since);
  }

  /** Hands the connection back: `true` throws it away, with all that a statement may have left in it. Only the first call counts. */
  release(throwAway: boolean): void {
    if (this.#released) return;
    this.#released = true;
    const spoilt = throwAway || this.#broken || this.transaction !== 'none';
    this.#client.release(spoilt);
    // The pool has put its own listener in place of this one.
    if (!spoilt) this.#client.off('error', this.#onError);
  }
}

// A setting that the server does not know is left out; one of them needs a system that can tell it of a closed socket.
const beginQuery = `SELECT pg_catalog.pg_backend_pid(),
  (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),
  (SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.setting, true))
     FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS s (name, setting)
     WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL AND (s.name OPERATOR(pg_catalog.<>) $3::pg_catalog.text
       OR pg_catalog.strpos(pg_catalog.version(), 'linux') OPERATOR(pg_catalog.>) 0))`;

/** An identifier as SQL writes it. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function tooLarge(bytes: number): Refusal {
  return new Refusal(
    `the statement was ended: its rows came in pieces of more than ${bytes} bytes. Select fewer columns, or parts of long values (left(…), substr(…)).`,
  );
}

function tooSlow(ms: number): Refusal {
  return new Refusal(
    `the statement was ended: it took more than ${ms} ms (option statementTimeout). Ask for less, or look at \`explain\`.`,
  );
}
