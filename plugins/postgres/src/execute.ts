// One statement that changes something, within bounds or not at all. What the bounds are and how they are judged lives in `bounds.ts`.
import { checkChanges, checkTag, rowKinds } from './bounds.ts';
import type { Bounds } from './bounds.ts';
import { convert, learnTypes } from './cursor.ts';
import type { Column, KnownTypes, PageLimits } from './cursor.ts';
import { Refusal } from './errors.ts';
import type { ServerFacts } from './role.ts';
import type { Row, Session } from './session.ts';
import type { Json } from './values.ts';

export interface Executed {
  /** As the server says it, e.g. `INSERT 0 1`. */
  readonly command: string;
  readonly columns: readonly Column[];
  /** What RETURNING gave, as much as fits. */
  readonly rows: readonly (readonly Json[])[];
  readonly returnedRows: number;
  readonly cutValues: number;
}

export interface ExecuteInit {
  readonly session: Session;
  /** A connection in a read-only transaction of its own. */
  readonly witness: Session;
  readonly facts: ServerFacts;
  readonly bounds: Bounds;
  readonly limits: PageLimits;
  readonly types: KnownTypes;
  readonly signal: AbortSignal | undefined;
}

const explain = 'EXPLAIN (FORMAT JSON) ';

/** What stands before the agent's SQL when places in errors are counted: see {@link OffsetError}. */
export class OffsetError extends Error {
  readonly offset: number;
  constructor(cause: unknown, offset: number) {
    super('', { cause });
    this.offset = offset;
  }
}

/** Runs the statement and commits, or rolls back and throws. The caller throws the session away in any case. */
export async function execute(sql: string, values: readonly (string | null)[], init: ExecuteInit): Promise<Executed> {
  const { session, witness, facts, bounds, signal } = init;
  if (!facts.counts)
    throw new Refusal(
      '`execute` needs track_counts on the server: without it nobody can see what a statement has changed',
    );
  await session.begin({ readOnly: false, searchPath: bounds.schemas }, signal);
  // A transaction that has listened cannot be prepared, and so not be left behind on the server.
  if (facts.canPrepareTransactions) await session.run('LISTEN plugboard', [], signal);
  if (bounds.kinds.every((kind) => rowKinds.includes(kind))) await checkGrammar(sql, values, init);
  const { kept, tag, fields, count, cutValues } = await runStatement(sql, values, init);
  if (session.transaction !== 'open') throw new Refusal('the statement ended its own transaction; nothing was changed');
  checkTag(tag, bounds);
  // What waits for the end of the transaction happens now, while it can still be judged.
  await session.run('SET CONSTRAINTS ALL IMMEDIATE', [], signal);
  await checkChanges(session, witness, tag, bounds, signal);
  const columns = fields.map(({ name, dataTypeID }) => ({ name, type: init.types.get(dataTypeID)?.name ?? 'unknown' }));
  await commit(session);
  return { command: tag, columns, rows: kept, returnedRows: count, cutValues };
}

/** Where only rows may be changed: EXPLAIN takes nothing else, so the server's parser refuses the rest before any of it runs. */
async function checkGrammar(sql: string, values: readonly (string | null)[], init: ExecuteInit): Promise<void> {
  try {
    await init.session.run(explain + sql, values, init.signal);
  } catch (error) {
    throw error instanceof Refusal ? error : new OffsetError(error, explain.length);
  }
}

async function runStatement(sql: string, values: readonly (string | null)[], init: ExecuteInit) {
  const { session, limits, types, signal } = init;
  const raw: Row[] = [];
  let count = 0;
  let size = 0;
  const { fields, tag } = await session.stream(
    sql,
    values,
    (row) => {
      count += 1;
      size += row.reduce((sum, cell) => sum + (cell?.length ?? 0), 0);
      if (raw.length < limits.maxRows && (size <= limits.maxBytes || raw.length === 0)) raw.push(row);
    },
    signal,
  );
  if (session.transaction !== 'open') return { kept: [], tag, fields: [], count, cutValues: 0 };
  const numbers = fields.map(({ dataTypeID }) => dataTypeID);
  await learnTypes(session, numbers, types, signal);
  const kept: (readonly Json[])[] = [];
  let bytes = 0;
  let cutValues = 0;
  for (const row of raw) {
    const { cells, bytes: own, cuts } = convert(row, numbers, types, limits.maxCellBytes);
    bytes += own;
    if (bytes > limits.maxBytes) break;
    cutValues += cuts;
    kept.push(cells);
  }
  return { kept, tag, fields, count, cutValues };
}

async function commit(session: Session): Promise<void> {
  let tag: string;
  try {
    // Not cancelled any more: whether it took effect would not be known.
    ({ tag } = await session.run('COMMIT'));
  } catch (error) {
    if (isServerError(error)) throw error;
    throw new Refusal(
      'the connection was lost while the change was being committed: look whether it took effect before trying again',
    );
  }
  if (tag !== 'COMMIT') throw new Refusal('the server did not commit; nothing was changed');
}

function isServerError(error: unknown): boolean {
  return error instanceof Error && 'severity' in error;
}
