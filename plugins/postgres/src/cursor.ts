// The rows of one SELECT, page by page, from a cursor of the server. The transaction around it is begun and ended here.
import { Refusal } from './errors.ts';
import type { Row, Session } from './session.ts';
import { toJson } from './values.ts';
import type { Cuts, Json, TypeInfo } from './values.ts';

export interface PageLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxCellBytes: number;
}

export interface Column {
  readonly name: string;
  readonly type: string;
}

export interface Page {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Json[])[];
  readonly cutValues: number;
  /** True when there are more rows. */
  readonly more: boolean;
}

/** Type numbers that are known already; one of them serves all statements of a task. */
export type KnownTypes = Map<number, TypeInfo>;

// DECLARE takes a query and nothing else: the grammar of the server refuses COMMIT, SET, COPY, DO and the rest, and a WITH that writes.
const declare = 'DECLARE plugboard NO SCROLL CURSOR FOR ';

/** What stands before the agent's SQL: places in errors are counted from there. */
export const declareLength = declare.length;

const maxBatch = 1000;

interface Waiting {
  readonly cells: readonly Json[];
  readonly bytes: number;
  readonly cuts: number;
}

/** An open cursor. Its session is its own until {@link RowCursor.close}. */
export class RowCursor {
  readonly #session: Session;
  readonly #limits: PageLimits;
  readonly #types: KnownTypes;
  readonly #waiting: Waiting[] = [];
  #columns: readonly Column[] = [];
  #typeNumbers: readonly number[] = [];
  #fetched = 0;
  #received = 0;
  #done = false;

  private constructor(session: Session, limits: PageLimits, types: KnownTypes) {
    this.#session = session;
    this.#limits = limits;
    this.#types = types;
  }

  /** Begins a read-only transaction and declares the cursor; the session is released when that fails. */
  static async open(
    session: Session,
    sql: string,
    values: readonly (string | null)[],
    limits: PageLimits,
    types: KnownTypes,
    signal?: AbortSignal,
  ): Promise<RowCursor> {
    const cursor = new RowCursor(session, limits, types);
    try {
      await session.begin({ readOnly: true }, signal);
      await session.run(declare + sql, values, signal);
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** The next rows, as many as fit the limits. */
  async page(maxRows: number, signal?: AbortSignal): Promise<Page> {
    const rows: (readonly Json[])[] = [];
    let bytes = 0;
    let cutValues = 0;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined) {
        if (this.#done) break;
        await this.#fetch(maxRows - rows.length + 1, this.#limits.maxBytes - bytes, signal);
        continue;
      }
      if (rows.length >= maxRows || (rows.length > 0 && bytes + next.bytes > this.#limits.maxBytes)) break;
      if (next.bytes > this.#limits.maxBytes)
        throw new Refusal(
          `one row takes ${next.bytes} bytes, more than an answer may (option maxBytes): select fewer columns`,
        );
      this.#waiting.shift();
      rows.push(next.cells);
      bytes += next.bytes;
      cutValues += next.cuts;
    }
    return { columns: this.#columns, rows, cutValues, more: this.#waiting.length > 0 };
  }

  /** Ends the transaction and throws the connection away: what the SQL may have left in it must not reach the next one. */
  async close(): Promise<void> {
    await this.#session.rollback();
    this.#session.release(true);
  }

  /** Fetches some rows: one at first, then as many as will fit by the size of those so far. */
  async #fetch(wanted: number, room: number, signal: AbortSignal | undefined): Promise<void> {
    const average = this.#fetched === 0 ? Infinity : this.#received / this.#fetched;
    const batch = Math.max(1, Math.min(wanted, maxBatch, Math.floor(room / average) + 1));
    const { fields, rows, received } = await this.#session.run(`FETCH ${batch} FROM plugboard`, [], signal);
    this.#received += received;
    this.#fetched += rows.length;
    if (rows.length < batch) this.#done = true;
    if (this.#columns.length === 0 && fields.length > 0) {
      this.#typeNumbers = fields.map(({ dataTypeID }) => dataTypeID);
      await learnTypes(this.#session, this.#typeNumbers, this.#types, signal);
      this.#columns = fields.map(({ name, dataTypeID }) => ({
        name,
        type: this.#types.get(dataTypeID)?.name ?? 'unknown',
      }));
    }
    for (const row of rows) this.#waiting.push(convert(row, this.#typeNumbers, this.#types, this.#limits.maxCellBytes));
  }
}

/** One row as JSON, with its size. */
export function convert(row: Row, typeNumbers: readonly number[], known: KnownTypes, maxCellBytes: number): Waiting {
  const cuts: Cuts = { count: 0 };
  const cells = row.map((text, index) => {
    const type = typeNumbers[index] ?? 0;
    return toJson(text, type, known.get(type), maxCellBytes, cuts);
  });
  return { cells, bytes: Buffer.byteLength(JSON.stringify(cells)), cuts: cuts.count };
}

const typesQuery = `SELECT t.oid, pg_catalog.format_type(t.oid, NULL),
    CASE WHEN t.typcategory OPERATOR(pg_catalog.=) 'A' AND t.typlen OPERATOR(pg_catalog.=) (-1)::pg_catalog.int2
      AND t.typdelim OPERATOR(pg_catalog.=) ',' THEN t.typelem END
  FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])`;

/** Looks up the types that are not known yet. */
export async function learnTypes(
  session: Session,
  typeNumbers: readonly number[],
  known: KnownTypes,
  signal?: AbortSignal,
): Promise<void> {
  const missing = [...new Set(typeNumbers)].filter((number) => !known.has(number));
  if (missing.length === 0) return;
  const { rows } = await session.run(typesQuery, [missing], signal);
  for (const [number, name, element] of rows)
    known.set(Number(number), { name: String(name), element: element === null ? undefined : Number(element) });
}
