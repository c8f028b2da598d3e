// The tools that show what a database is made of. Their queries live in `catalog.ts`.
import { localTool, z } from 'plugboard';
import type { LocalTool } from 'plugboard';
import { describeTable, listIndexes, listSchemas, listTables, tableSizes } from './catalog.ts';
import type { Listed, Slice } from './catalog.ts';
import { Refusal } from './errors.ts';
import type { Lease } from './server.ts';
import type { Session } from './session.ts';
import { answer, identifier, reads } from './tool-parts.ts';
import type { Context } from './tool-parts.ts';

const slice = {
  limit: z.int().min(1).max(500).default(100).describe('Most entries in the answer'),
  offset: z.int().min(0).max(1_000_000).default(0).describe('Entries to skip: `nextOffset` of the answer before'),
};
const inSchema = { schema: identifier('Only this schema, exactly as it is written').optional() };
const nextOffset = z.int().optional().describe('There are more: call again with this as `offset`');

const text = z.string().optional();
const whole = z.int().optional();
const tableName = { schema: z.string(), table: z.string() };
const indexEntry = z.strictObject({
  ...tableName,
  index: z.string(),
  definition: z.string(),
  unique: z.boolean(),
  primary: z.boolean(),
  valid: z.boolean(),
  bytes: whole,
  scans: whole.describe('How often it has been used'),
});
const estimatedRows = whole.describe('As the server estimates; missing when it does not');

const lists = [
  localTool({
    name: 'list_schemas',
    title: 'List schemas',
    description:
      'Lists the schemas that can be used, with how many tables and views of each can be read. Start here in a database that you do not know.',
    input: z.strictObject(slice),
    output: z.strictObject({
      schemas: z.array(
        z.strictObject({ schema: z.string(), owner: z.string(), tables: z.int(), views: z.int(), comment: text }),
      ),
      nextOffset,
    }),
    annotations: reads,
    run: (args, { state, signal }: Context) => listed(state, 'schemas', args, listSchemas, signal),
  }),
  localTool({
    name: 'list_tables',
    title: 'List tables',
    description:
      'Lists tables and views that can be read, with their kind and an estimate of their rows; of one schema, or those whose name contains a text.',
    input: z.strictObject({
      ...inSchema,
      search: identifier('Part of the name, whatever its case').optional(),
      ...slice,
    }),
    output: z.strictObject({
      tables: z.array(z.strictObject({ ...tableName, kind: z.string(), estimatedRows, comment: text })),
      nextOffset,
    }),
    annotations: reads,
    run: (args, { state, signal }: Context) => listed(state, 'tables', args, listTables, signal),
  }),
  localTool({
    name: 'list_indexes',
    title: 'List indexes',
    description:
      'Lists indexes with their definition, size and how often they have been used; of one schema or one table. Useful with `explain`.',
    input: z.strictObject({ ...inSchema, table: identifier('Only this table').optional(), ...slice }),
    output: z.strictObject({ indexes: z.array(indexEntry), nextOffset }),
    annotations: reads,
    run: (args, { state, signal }: Context) => listed(state, 'indexes', args, listIndexes, signal),
  }),
  localTool({
    name: 'table_sizes',
    title: 'Table sizes',
    description:
      'Lists tables by the space that they take on the disk, the largest first: in all, without indexes, and their indexes, in bytes.',
    input: z.strictObject({ ...inSchema, ...slice }),
    output: z.strictObject({
      tables: z.array(
        z.strictObject({ ...tableName, totalBytes: z.int(), tableBytes: z.int(), indexBytes: z.int(), estimatedRows }),
      ),
      nextOffset,
    }),
    annotations: reads,
    run: (args, { state, signal }: Context) => listed(state, 'tables', args, tableSizes, signal),
  }),
];

const describe = localTool({
  name: 'describe_table',
  title: 'Describe a table',
  description:
    'Shows one table or view: columns with types and defaults, keys, constraints, tables that refer to it, indexes, size, and the SQL of a view. Look here before you write a query.',
  input: z.strictObject({
    schema: identifier('Its schema, exactly as list_tables shows it').default('public'),
    table: identifier('Its name, exactly as list_tables shows it'),
  }),
  output: z.strictObject({
    ...tableName,
    kind: z.string(),
    comment: text,
    estimatedRows,
    totalBytes: whole,
    columns: z.array(
      z.strictObject({
        name: z.string(),
        type: z.string(),
        nullable: z.boolean(),
        default: text,
        generated: text,
        identity: text,
        comment: text,
      }),
    ),
    constraints: z.array(z.strictObject({ name: z.string(), kind: z.string(), definition: z.string() })),
    referencedBy: z.array(z.strictObject({ ...tableName, definition: z.string() })),
    indexes: z.array(indexEntry),
    definition: text,
  }),
  annotations: reads,
  run: async ({ schema, table }, { state, signal }: Context) => {
    const database = await state.database();
    const found = await database.look((session) => describeTable(session, schema, table, signal), signal);
    if (found === undefined)
      throw new Refusal(
        `there is no table or view ${schema}.${table} that can be read here; list_tables shows those that are there`,
      );
    return answer(found);
  },
});

/** In the order in which an agent needs them. */
export const catalogTools: readonly LocalTool<Lease>[] = [...lists.slice(0, 2), describe, ...lists.slice(2)];

async function listed<Args extends Slice>(
  lease: Lease,
  member: string,
  args: Args,
  list: (session: Session, args: Args, signal: AbortSignal) => Promise<Listed<unknown>>,
  signal: AbortSignal,
) {
  const database = await lease.database();
  const { items, nextOffset } = await database.look((session) => list(session, args, signal), signal);
  return answer({ [member]: items, ...(nextOffset === undefined ? {} : { nextOffset }) });
}
