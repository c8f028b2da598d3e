// What a transaction has changed, as the server itself knows it, and whether that is within the bounds of `execute`. No SQL of an agent is read here.
import { Refusal } from './errors.ts';
import type { Kind } from './options.ts';
import type { Session } from './session.ts';

export interface Bounds {
  readonly schemas: readonly string[];
  readonly kinds: readonly Kind[];
}

/** Kinds that change rows; the others change tables. */
export const rowKinds: readonly Kind[] = ['insert', 'update', 'delete'];

const tableObjects = ['TABLE', 'INDEX', 'VIEW', 'SEQUENCE'];

/** Command tags (without counts) by the kind that allows them. */
const tags: Readonly<Record<Kind, readonly string[]>> = {
  insert: ['INSERT', 'MERGE'],
  update: ['UPDATE', 'MERGE'],
  delete: ['DELETE', 'MERGE'],
  truncate: ['TRUNCATE TABLE'],
  create: tableObjects.map((each) => `CREATE ${each}`),
  alter: [...tableObjects, 'MATERIALIZED VIEW'].map((each) => `ALTER ${each}`),
  drop: [...tableObjects, 'MATERIALIZED VIEW'].map((each) => `DROP ${each}`),
};

/** Throws a {@link Refusal} when a statement with this tag is not allowed. */
export function checkTag(tag: string, { kinds }: Bounds): void {
  const command = tag.replace(/(?: \d+)+$/, '');
  if (kinds.some((kind) => tags[kind].includes(command))) return;
  const hint =
    command === 'SELECT'
      ? ' A SELECT belongs into `query`; CREATE TABLE AS and SELECT INTO count as SELECT: create the table, then insert into it.'
      : '';
  throw new Refusal(
    `the statement was undone: ${command || 'nothing'} is not among what \`execute\` may do here (${kinds.join(', ')}).${hint}`,
  );
}

/** System tables that change with tables, indexes, views and sequences. */
const tableCatalogues = new Set([
  ...['pg_class', 'pg_attribute', 'pg_attrdef', 'pg_type', 'pg_depend', 'pg_shdepend', 'pg_constraint', 'pg_index'],
  ...[
    'pg_inherits',
    'pg_partitioned_table',
    'pg_sequence',
    'pg_rewrite',
    'pg_trigger',
    'pg_description',
    'pg_statistic',
  ],
  ...[
    'pg_statistic_ext',
    'pg_statistic_ext_data',
    'pg_init_privs',
    'pg_policy',
    'pg_foreign_table',
    'pg_publication_rel',
  ],
]);

interface Change {
  readonly schema: string;
  readonly table: string;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

// Every name is spelt out: the statement before may have set another search path.
const changesQuery = `SELECT pg_catalog.json_build_object('schema', s.nspname, 'table', s.relname,
    'inserted', s.inserted, 'updated', s.updated, 'deleted', s.deleted)
  FROM (SELECT n.nspname, c.relname, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
      pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace) s
  WHERE s.inserted OPERATOR(pg_catalog.>) 0 OR s.updated OPERATOR(pg_catalog.>) 0 OR s.deleted OPERATOR(pg_catalog.>) 0`;

// Reading takes the two weakest locks; whatever changes a table or its rows takes another, and keeps it to the end of the transaction.
const locksQuery = `SELECT DISTINCT l.relation FROM pg_locks l WHERE l.pid = $1 AND l.locktype = 'relation' AND l.granted
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')`;

const namesQuery = `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])`;

/**
 * Throws a {@link Refusal} unless everything that the open transaction of `session` has changed is within bounds. `witness` is another
 * connection, in a transaction of its own: it sees the locks from outside, and the names as they were before.
 */
export async function checkChanges(
  session: Session,
  witness: Session,
  tag: string,
  bounds: Bounds,
  signal?: AbortSignal,
): Promise<void> {
  const rowsOnly = /^(?:INSERT|UPDATE|DELETE|MERGE)\b/.test(tag);
  const changes = (await session.run(changesQuery, [], signal)).rows.map(
    ([text]) => JSON.parse(String(text)) as Change,
  );
  for (const change of changes) checkChange(change, bounds, rowsOnly);
  for (const { schema, table } of await lockedBy(session, witness, signal)) {
    if (schema === 'pg_toast' || (schema === 'pg_catalog' && !rowsOnly)) continue;
    if (!bounds.schemas.includes(schema)) throw outside(`${schema}.${table}`, bounds);
  }
}

function checkChange({ schema, table, inserted, updated, deleted }: Change, bounds: Bounds, rowsOnly: boolean): void {
  if (schema === 'pg_toast') return;
  if (schema === 'pg_catalog') {
    if (!rowsOnly && tableCatalogues.has(table)) return;
    throw new Refusal(
      `the statement was undone: it changed the system table ${table}, which \`execute\` may not do here`,
    );
  }
  if (!bounds.schemas.includes(schema)) throw outside(`${schema}.${table}`, bounds);
  const counts = { insert: inserted, update: updated, delete: deleted };
  const done = rowKinds.filter((kind) => counts[kind as keyof typeof counts] > 0);
  const refused = done.find((kind) => !bounds.kinds.includes(kind));
  if (refused === undefined) return;
  throw new Refusal(
    `the statement was undone: it would also ${refused} rows of ${schema}.${table}, itself or by a trigger or foreign key, and \`execute\` may only ${bounds.kinds.join(', ')} here`,
  );
}

/** Tables that a transaction holds locks on to change something, under all the names that they have or had. */
async function lockedBy(session: Session, witness: Session, signal: AbortSignal | undefined) {
  const { rows: locks } = await witness.run(locksQuery, [session.pid], signal);
  const numbers = locks.map(([number]) => number);
  const names = [await session.run(namesQuery, [numbers], signal), await witness.run(namesQuery, [numbers], signal)];
  return names.flatMap(({ rows }) => rows.map(([schema, table]) => ({ schema: String(schema), table: String(table) })));
}

function outside(name: string, { schemas }: Bounds): Refusal {
  return new Refusal(
    `the statement was undone: it would change ${name}, itself or by a trigger or foreign key, and \`execute\` may change only: ${schemas.join(', ')}`,
  );
}
