// What a database is made of, read from its catalogue: schemas, tables, columns, indexes, sizes. Only what the role may read is shown.
// The transactions around these queries have `pg_catalog` as their only search path, so that nobody's own objects stand in for those here.
import type { Session } from './session.ts';

/** A list with a limit: what fits, and where the rest begins. */
export interface Listed<Item> {
  readonly items: readonly Item[];
  readonly nextOffset: number | undefined;
}

export interface Slice {
  readonly limit: number;
  readonly offset: number;
}

const notSystem = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')`;

const kindOf = `CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
  WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END`;

const relations = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ${notSystem} AND has_any_column_privilege(c.oid, 'SELECT')`;

// An estimate below zero means that nobody has counted yet.
const estimate = `CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::bigint END`;

const schemasQuery = `SELECT json_strip_nulls(json_build_object('schema', n.nspname, 'owner', pg_get_userbyid(n.nspowner),
    'tables', (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')
      AND has_any_column_privilege(c.oid, 'SELECT')),
    'views', (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('v', 'm')
      AND has_any_column_privilege(c.oid, 'SELECT')),
    'comment', left(obj_description(n.oid, 'pg_namespace'), 500)))
  FROM pg_namespace n WHERE ${notSystem} ORDER BY n.nspname LIMIT $1 OFFSET $2`;

const tablesQuery = `SELECT json_strip_nulls(json_build_object('schema', n.nspname, 'table', c.relname, 'kind', ${kindOf},
    'estimatedRows', ${estimate}, 'comment', left(obj_description(c.oid, 'pg_class'), 500)))
  ${relations} AND ($3::text IS NULL OR n.nspname = $3) AND ($4::text IS NULL OR strpos(lower(c.relname), lower($4)) > 0)
  ORDER BY n.nspname, c.relname LIMIT $1 OFFSET $2`;

const sizesQuery = `SELECT json_strip_nulls(json_build_object('schema', n.nspname, 'table', c.relname,
    'totalBytes', pg_total_relation_size(c.oid), 'tableBytes', pg_table_size(c.oid), 'indexBytes', pg_indexes_size(c.oid),
    'estimatedRows', ${estimate}))
  ${relations} AND c.relkind IN ('r', 'm') AND ($3::text IS NULL OR n.nspname = $3)
  ORDER BY pg_total_relation_size(c.oid) DESC, n.nspname, c.relname LIMIT $1 OFFSET $2`;

const indexObject = `json_strip_nulls(json_build_object('schema', n.nspname, 'table', c.relname, 'index', x.relname,
    'definition', left(pg_get_indexdef(i.indexrelid), 1000), 'unique', i.indisunique, 'primary', i.indisprimary,
    'valid', i.indisvalid, 'bytes', pg_relation_size(i.indexrelid), 'scans', pg_stat_get_numscans(i.indexrelid)))`;

const indexesQuery = `SELECT ${indexObject}
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${notSystem} AND has_any_column_privilege(c.oid, 'SELECT') AND ($3::text IS NULL OR n.nspname = $3)
    AND ($4::text IS NULL OR c.relname = $4)
  ORDER BY n.nspname, c.relname, x.relname LIMIT $1 OFFSET $2`;

const columns = `SELECT json_agg(json_strip_nulls(json_build_object('name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
      'default', CASE WHEN a.attgenerated = '' THEN left(pg_get_expr(d.adbin, d.adrelid), 1000) END,
      'generated', CASE WHEN a.attgenerated <> '' THEN left(pg_get_expr(d.adbin, d.adrelid), 1000) END,
      'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
      'comment', left(col_description(c.oid, a.attnum), 500))) ORDER BY a.attnum)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT')`;

const constraintKind = `CASE o.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key'
  WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' END`;

const constraints = `SELECT json_agg(k.entry) FROM (SELECT json_build_object('name', o.conname, 'kind', ${constraintKind},
      'definition', left(pg_get_constraintdef(o.oid), 1000)) AS entry
    FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype IN ('p', 'u', 'f', 'c', 'x')
    ORDER BY o.contype = 'p' DESC, o.contype, o.conname LIMIT 100) k`;

const referencedBy = `SELECT json_agg(k.entry) FROM (SELECT json_build_object('schema', rn.nspname, 'table', r.relname,
      'definition', left(pg_get_constraintdef(o.oid), 1000)) AS entry
    FROM pg_constraint o JOIN pg_class r ON r.oid = o.conrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE o.confrelid = c.oid AND o.contype = 'f' AND has_any_column_privilege(r.oid, 'SELECT')
    ORDER BY rn.nspname, r.relname, o.conname LIMIT 50) k`;

const indexes = `SELECT json_agg(k.entry) FROM (SELECT ${indexObject} AS entry
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid ORDER BY x.relname LIMIT 100) k`;

const describeQuery = `SELECT json_strip_nulls(json_build_object('schema', n.nspname, 'table', c.relname, 'kind', ${kindOf},
    'comment', left(obj_description(c.oid, 'pg_class'), 2000), 'estimatedRows', ${estimate},
    'totalBytes', CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) END,
    'columns', coalesce((${columns}), '[]'), 'constraints', coalesce((${constraints}), '[]'),
    'referencedBy', coalesce((${referencedBy}), '[]'), 'indexes', coalesce((${indexes}), '[]'),
    'definition', CASE WHEN c.relkind IN ('v', 'm') THEN left(pg_get_viewdef(c.oid), 8000) END))
  ${relations} AND n.nspname = $1 AND c.relname = $2`;

export interface SchemaEntry {
  readonly schema: string;
}
export interface TableEntry {
  readonly schema: string;
  readonly table: string;
}

export function listSchemas(session: Session, slice: Slice, signal?: AbortSignal): Promise<Listed<SchemaEntry>> {
  return list(session, schemasQuery, slice, [], signal);
}

/** Tables and views, of one schema or all, whose names contain a text. */
export function listTables(
  session: Session,
  slice: Slice & { readonly schema?: string | undefined; readonly search?: string | undefined },
  signal?: AbortSignal,
): Promise<Listed<TableEntry>> {
  return list(session, tablesQuery, slice, [slice.schema ?? null, slice.search ?? null], signal);
}

/** The largest first. */
export function tableSizes(
  session: Session,
  slice: Slice & { readonly schema?: string | undefined },
  signal?: AbortSignal,
): Promise<Listed<TableEntry>> {
  return list(session, sizesQuery, slice, [slice.schema ?? null], signal);
}

export function listIndexes(
  session: Session,
  slice: Slice & { readonly schema?: string | undefined; readonly table?: string | undefined },
  signal?: AbortSignal,
): Promise<Listed<TableEntry>> {
  return list(session, indexesQuery, slice, [slice.schema ?? null, slice.table ?? null], signal);
}

/** Everything about one table or view; undefined when there is none that the role may read. */
export async function describeTable(
  session: Session,
  schema: string,
  table: string,
  signal?: AbortSignal,
): Promise<Record<string, unknown> | undefined> {
  const { rows } = await session.run(describeQuery, [schema, table], signal);
  const text = rows[0]?.[0];
  return typeof text === 'string' ? (JSON.parse(text) as Record<string, unknown>) : undefined;
}

async function list<Item>(
  session: Session,
  query: string,
  { limit, offset }: Slice,
  values: readonly (string | null)[],
  signal: AbortSignal | undefined,
): Promise<Listed<Item>> {
  // One more than is shown tells whether there is more.
  const { rows } = await session.run(query, [limit + 1, offset, ...values], signal);
  const items = rows.slice(0, limit).map(([text]) => JSON.parse(String(text)) as Item);
  return { items, nextOffset: rows.length > limit ? offset + limit : undefined };
}
