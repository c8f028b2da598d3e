// What an agent sees and reads: the catalogue as tools and resources, queries, pages, values, plans; on every version that is here.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { until } from '@plugboard/test-kit';
import { startServer, versions } from './server.ts';
import type { PostgresServer } from './server.ts';
import { makeShop, sessionsOf, shopUrl } from './shop.ts';
import { stand } from './stand.ts';
import type { Rows, Task } from './stand.ts';

const servers = new Map<string, PostgresServer>();

test.before(async (t) => {
  t.timeout(180_000);
  for (const version of versions) {
    if (version.folder === undefined) continue;
    const server = await startServer(version);
    servers.set(version.name, server);
    await makeShop(server);
  }
});

test.after.always(async () => {
  for (const server of servers.values()) await server.stop();
});

async function taskOn(
  t: ExecutionContext,
  server: PostgresServer,
  options: JsonObject = {},
  role: 'reader' | 'app' = 'app',
): Promise<Task> {
  t.timeout(120_000);
  const task = await (await stand({ databases: { shop: { url: shopUrl(server, role) } }, ...options })).open('task:1');
  t.teardown(() => task.close());
  return task;
}

function each(title: string, run: (t: ExecutionContext, server: PostgresServer) => Promise<void>): void {
  for (const { name, folder, missing } of versions) {
    if (folder === undefined) test.skip(`${name}: ${title} (${missing})`, () => {});
    else test(`${name}: ${title}`, (t) => run(t, servers.get(name) as PostgresServer));
  }
}

interface Listed {
  readonly [member: string]: JsonObject[];
}

each('schemas, tables, indexes and sizes are listed, in pieces, and only what the role may read', async (t, server) => {
  const task = await taskOn(t, server);
  const { schemas } = await task.ok<Listed>('list_schemas');
  t.deepEqual(
    schemas?.map(({ schema, tables, views }) => [schema, tables, views]),
    [
      ['public', 3, 2],
      ['scratch', 4, 0],
      ['secret', 2, 0],
    ],
  );
  const { tables } = await task.ok<Listed>('list_tables', { schema: 'public' });
  t.deepEqual(
    tables?.map(({ table, kind }) => [table, kind]),
    [
      ['Odd "Name"/%', 'table'],
      ['cheap', 'view'],
      ['items', 'table'],
      ['orders', 'table'],
      ['totals', 'materialized view'],
    ],
  );
  t.like(tables?.[2], { estimatedRows: 500, comment: 'What is sold' });
  const found = await task.ok<Listed>('list_tables', { search: 'SALAR' });
  t.deepEqual(found['tables'], [{ schema: 'secret', table: 'salaries', kind: 'table' }]);
  const names: unknown[] = [];
  for (let offset: number | undefined = 0; offset !== undefined; ) {
    const page: { tables: JsonObject[]; nextOffset?: number } = await task.ok('list_tables', { limit: 2, offset });
    t.true(page.tables.length <= 2);
    names.push(...page.tables.map(({ table }) => table));
    offset = page.nextOffset;
  }
  t.is(names.length, 11);
  const { indexes } = await task.ok<Listed>('list_indexes', { schema: 'public', table: 'items' });
  t.deepEqual(
    indexes?.map(({ index, unique, primary, valid }) => [index, unique, primary, valid]),
    [
      ['items_name_key', true, false, true],
      ['items_pkey', true, true, true],
      ['items_price', false, false, true],
    ],
  );
  t.regex(String(indexes?.[2]?.['definition']), /CREATE INDEX items_price ON public\.items USING btree \(price\)/);
  const sizes = await task.ok<{
    tables: { table: string; totalBytes: number; tableBytes: number; indexBytes: number }[];
  }>('table_sizes', { limit: 1 });
  const largest = sizes.tables[0];
  t.is(largest?.table, 'items');
  t.is(largest?.totalBytes, (largest?.tableBytes ?? 0) + (largest?.indexBytes ?? 0));
  t.true((largest?.indexBytes ?? 0) > 8192);

  const reader = await taskOn(t, server, {}, 'reader');
  const readable = await reader.ok<Listed>('list_tables');
  t.deepEqual(
    readable['tables']?.map(({ table }) => table),
    ['cheap', 'items', 'orders'],
  );
  t.regex(
    await reader.fails('describe_table', { schema: 'secret', table: 'salaries' }),
    /no table or view secret\.salaries/,
  );
  t.deepEqual((await reader.ok<Listed>('list_indexes', { schema: 'secret' }))['indexes'], []);
});

each(
  'a table is described: columns, keys, constraints, who refers to it, indexes; names may be odd',
  async (t, server) => {
    const task = await taskOn(t, server);
    const items = await task.ok<Listed & { comment: string; totalBytes: number }>('describe_table', { table: 'items' });
    t.deepEqual(items['columns'], [
      { name: 'id', type: 'integer', nullable: false, default: "nextval('public.items_id_seq'::regclass)" },
      { name: 'name', type: 'text', nullable: false },
      { name: 'price', type: 'numeric(10,2)', nullable: true, comment: 'In euros' },
      { name: 'tags', type: 'text[]', nullable: true, default: "'{}'::text[]" },
    ]);
    const kinds = items['constraints']?.map(({ kind }) => kind);
    t.deepEqual(kinds?.slice(0, 3), ['primary key', 'check', 'unique']);
    t.like(items['referencedBy']?.[0], { schema: 'public', table: 'orders' });
    t.is(items.comment, 'What is sold');
    t.true(items.totalBytes > 8192);
    const orders = await task.ok<Listed>('describe_table', { table: 'orders' });
    t.like(orders['columns']?.[0], { name: 'id', identity: 'always' });
    t.like(orders['columns']?.[3], { name: 'twice', generated: '(count * 2)' });
    const view = await task.ok<{ definition: string; kind: string }>('describe_table', { table: 'cheap' });
    t.is(view.kind, 'view');
    t.regex(view.definition, /FROM public\.items/);
    const odd = await task.ok<Listed>('describe_table', { schema: 'public', table: 'Odd "Name"/%' });
    t.deepEqual(
      odd['columns']?.map(({ name }) => name),
      ['a b', 'select'],
    );
    t.regex(await task.fails('describe_table', { table: "items'; DROP TABLE items; --" }), /no table or view/);
  },
);

each('tables are resources as well', async (t, server) => {
  const task = await taskOn(t, server);
  const listed = (await task.send('resources/list')).result?.['resources'] as JsonObject[];
  t.deepEqual(
    listed.map(({ uri }) => uri),
    ['postgres://shop/'],
  );
  const templates = (await task.send('resources/templates/list')).result?.['resourceTemplates'] as JsonObject[];
  t.like(templates[0], { uriTemplate: 'postgres://shop/{schema}/{table}', mimeType: 'application/json' });
  const read = async (uri: string) => {
    const { result, error } = await task.send('resources/read', { uri });
    const contents = result?.['contents'] as { uri: string; text: string }[] | undefined;
    return error ?? (JSON.parse(String(contents?.[0]?.text)) as Listed);
  };
  const { tables } = (await read('postgres://shop/')) as Listed;
  t.is(tables?.length, 11);
  for (const { uri, table } of tables ?? []) t.like(await read(String(uri)), { table });
  t.true(tables?.some(({ uri }) => uri === 'postgres://shop/public/Odd%20%22Name%22%2F%25'));
  for (const uri of [
    'postgres://shop/public/none',
    'postgres://shop/public',
    'postgres://other/public/items',
    'postgres://shop/%ff/x',
  ])
    t.like(await read(uri), { code: -32002 }, uri);
});

each('the catalogue lists and runs nothing; every tool says what it is', async (t, server) => {
  const { open } = await stand({
    databases: { shop: { url: shopUrl(server, 'app'), execute: { schemas: ['scratch'], kinds: ['insert'] } } },
  });
  const catalogue = await open();
  t.teardown(() => catalogue.close());
  const tools = (await catalogue.send('tools/list')).result?.['tools'] as JsonObject[];
  t.deepEqual(
    tools.map(({ name }) => name),
    [
      'list_schemas',
      'list_tables',
      'describe_table',
      'list_indexes',
      'table_sizes',
      'query',
      'next_page',
      'explain',
      'execute',
    ],
  );
  for (const tool of tools) {
    t.true(String(tool['description']).length > 40 && String(tool['title']).length > 3, String(tool['name']));
    t.truthy(tool['outputSchema']);
    const annotations = tool['annotations'] as JsonObject;
    t.deepEqual(Object.keys(annotations).sort(), [
      'destructiveHint',
      'idempotentHint',
      'openWorldHint',
      'readOnlyHint',
    ]);
    t.is(annotations['readOnlyHint'], tool['name'] !== 'execute');
  }
  t.truthy((await catalogue.call('list_schemas')).error);
  const templates = (await catalogue.send('resources/templates/list')).result?.['resourceTemplates'] as JsonObject[];
  t.is(templates.length, 1);
});

each('values become JSON that loses nothing', async (t, server) => {
  const task = await taskOn(t, server);
  const cases: [string, unknown, string][] = [
    ['true', true, 'boolean'],
    ['42::int2', 42, 'smallint'],
    ['-2147483648', -2147483648, 'integer'],
    ['9223372036854775807', '9223372036854775807', 'bigint'],
    ['1234567890.12345678901234567890::numeric', '1234567890.12345678901234567890', 'numeric'],
    ['0.1::float8', 0.1, 'double precision'],
    ["'NaN'::float8", 'NaN', 'double precision'],
    ["'infinity'::float4", 'Infinity', 'real'],
    ["'2026-01-02'::date", '2026-01-02', 'date'],
    ["'2026-01-02 03:04:05.678901'::timestamp", '2026-01-02T03:04:05.678901', 'timestamp without time zone'],
    ["'2026-01-02 03:04:05+02'::timestamptz", '2026-01-02T01:04:05Z', 'timestamp with time zone'],
    ["'infinity'::timestamptz", 'infinity', 'timestamp with time zone'],
    ["'1 year 2 days'::interval", 'P1Y2D', 'interval'],
    ["'\\xdeadbeef'::bytea", '3q2+7w==', 'bytea'],
    ['\'{"a": [1, null]}\'::jsonb', { a: [1, null] }, 'jsonb'],
    ['\'{"a": 12345678901234567890}\'::json', '{"a": 12345678901234567890}', 'json'],
    ['null::int', null, 'integer'],
    ['ARRAY[1, NULL, 3]', [1, null, 3], 'integer[]'],
    [
      "ARRAY[['a', 'b,\"c'], ['d', 'NULL']]",
      [
        ['a', 'b,"c'],
        ['d', 'NULL'],
      ],
      'text[]',
    ],
    ['ARRAY[9007199254740993]', ['9007199254740993'], 'bigint[]'],
    ["'[2:3]={1,2}'::int[]", '[2:3]={1,2}', 'integer[]'],
    ["'{(1,1),(0,0);(2,2),(1,1)}'::box[]", '{(1,1),(0,0);(2,2),(1,1)}', 'box[]'],
    ["'[1,3)'::int4range", '[1,3)', 'int4range'],
    ["'grün 🎉'", 'grün 🎉', 'text'],
    ["'00000000-0000-0000-0000-000000000001'::uuid", '00000000-0000-0000-0000-000000000001', 'uuid'],
  ];
  const { columns, rows } = await task.ok<Rows>('query', { sql: `SELECT ${cases.map(([sql]) => sql).join(', ')}` });
  for (const [index, [sql, value, type]] of cases.entries()) {
    t.deepEqual(rows[0]?.[index], value, sql);
    t.is(columns[index]?.type, type, sql);
  }
  // Two columns of one name are both there; parameters are values, never SQL.
  const twice = await task.ok<Rows>('query', {
    sql: 'SELECT $1::text AS a, $2::int AS a, $3::bool, $4::text',
    params: ["'; DROP TABLE items; --", 7, true, null],
  });
  t.deepEqual(
    twice.columns.slice(0, 2).map(({ name }) => name),
    ['a', 'a'],
  );
  t.deepEqual(twice.rows, [["'; DROP TABLE items; --", 7, true, null]]);
});

each(
  'pages go on where the last one ended, as of the first, each cursor once, and only in its own task',
  async (t, server) => {
    const { open } = await stand({ databases: { shop: { url: shopUrl(server, 'app') } } });
    const [task, other] = [await open('task:1'), await open('task:2')];
    t.teardown(() => Promise.all([task.close(), other.close()]));
    const ids: unknown[] = [];
    let page = await task.ok<Rows>('query', { sql: 'SELECT id, name FROM items ORDER BY id;', limit: 150 });
    const first = page.cursor;
    await server.sql("INSERT INTO items (name, price) VALUES ('late', 1)", undefined, 'shop');
    t.teardown(() => server.sql("DELETE FROM items WHERE name = 'late'", undefined, 'shop'));
    t.regex(await other.fails('next_page', { cursor: String(first) }), /no such cursor/);
    for (;;) {
      t.true(page.rowCount <= 150);
      ids.push(...page.rows.map(([id]) => id));
      if (page.cursor === undefined) break;
      page = await task.ok<Rows>('next_page', { cursor: page.cursor, limit: 150 });
    }
    t.deepEqual(
      ids,
      Array.from({ length: 500 }, (_, index) => index + 1),
    );
    t.regex(await task.fails('next_page', { cursor: String(first) }), /used before, has expired/);
    // Exactly as many as asked for: no cursor that leads to nothing.
    t.is((await task.ok<Rows>('query', { sql: 'SELECT generate_series(1, 10)', limit: 10 })).cursor, undefined);
    t.is(typeof (await task.ok<Rows>('query', { sql: 'SELECT generate_series(1, 11)', limit: 10 })).cursor, 'string');
    t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT id FROM items WHERE false' })).columns, [
      { name: 'id', type: 'integer' },
    ]);
  },
);

each('an answer keeps within rows, bytes and bytes of a value, and says how to get the rest', async (t, server) => {
  const limits = { maxRows: 50, maxBytes: 4096, maxCellBytes: 1000 };
  const task = await taskOn(t, server, limits);
  t.regex(await task.fails('query', { sql: 'SELECT 1', limit: 51 }), /limit/);
  let rows = 0;
  let page = await task.ok<Rows>('query', {
    sql: "SELECT n, repeat('ü', 100) FROM generate_series(1, 100) n",
    limit: 50,
  });
  t.true(page.rowCount < 50);
  for (let pages = 0; ; pages += 1) {
    t.true(Buffer.byteLength(JSON.stringify(page.rows)) <= 4096 + 100 && pages < 20);
    rows += page.rowCount;
    if (page.cursor === undefined) break;
    page = await task.ok<Rows>('next_page', { cursor: page.cursor, limit: 50 });
  }
  t.is(rows, 100);
  const cut = await task.ok<Rows>('query', {
    sql: "SELECT repeat('ü', 5000000), decode(repeat('ab', 2000), 'hex'), repeat('x', 1000)",
  });
  t.regex(String(cut.rows[0]?.[0]), /^ü{500}… \[cut: 1000 of 10000000 bytes\]$/);
  t.regex(String(cut.rows[0]?.[1]), /^[A-Za-z0-9+/]{1000}… \[cut: 750 of 2000 bytes\]$/);
  t.is(cut.rows[0]?.[2], 'x'.repeat(1000));
  t.regex(String(cut.note), /2 values were cut.*substr/);
  const wide = Array.from({ length: 10 }, () => "repeat('x', 900)").join(', ');
  t.regex(await task.fails('query', { sql: `SELECT ${wide}` }), /one row takes \d+ bytes.*select fewer columns/);
  // Much more than anybody wants to have in memory: the connection goes, the process stays.
  t.regex(
    await task.fails('query', { sql: "SELECT repeat('x', 60000000)" }),
    /pieces of more than 16777216 bytes.*left\(/,
  );
  t.is((await task.ok<Rows>('query', { sql: 'SELECT 1' })).rowCount, 1);
});

each('open results are few, expire, and hold no connection after that', async (t, server) => {
  const task = await taskOn(t, server, { maxCursors: 1, cursorTimeout: 1000, idleTimeout: 100 });
  const sql = 'SELECT generate_series(1, 1000)';
  const first = await task.ok<Rows>('query', { sql, limit: 1 });
  const second = await task.ok<Rows>('query', { sql, limit: 1 });
  t.regex(await task.fails('next_page', { cursor: String(first.cursor) }), /gave way to newer ones/);
  t.is((await task.ok<Rows>('next_page', { cursor: String(second.cursor), limit: 1 })).rows[0]?.[0], 2);
  await until('the connection is closed', async () => (await sessionsOf(server, 'app')) === 0);
  const none = await taskOn(t, server, { maxCursors: 0 });
  const page = await none.ok<Rows>('query', { sql, limit: 1 });
  t.is(page.cursor, undefined);
  t.regex(String(page.note), /more rows.*OFFSET/);
});

each('plans are shown; with analyze they are measured, and nothing is changed', async (t, server) => {
  const task = await taskOn(t, server);
  const plan = async (args: JsonObject) => (await task.ok<{ plan: string }>('explain', args)).plan;
  t.regex(
    await plan({ sql: 'SELECT * FROM items WHERE id = $1', params: [5] }),
    /Index Scan using items_pkey on public\.items/,
  );
  t.regex(await plan({ sql: 'SELECT count(*) FROM items', analyze: true }), /actual .*rows=50[01]/);
  t.regex(await plan({ sql: "INSERT INTO items (name) VALUES ('x')" }), /Insert on public\.items/);
  t.regex(
    await task.fails('explain', { sql: "INSERT INTO items (name) VALUES ('x')", analyze: true }),
    /cannot execute INSERT in a read-only/,
  );
});

each('errors say what to do next, and where in the SQL', async (t, server) => {
  const task = await taskOn(t, server, { statementTimeout: 1000 });
  t.regex(
    await task.fails('query', { sql: 'SELECT * FROM itmes' }),
    /"itmes" does not exist.*at character 15\)\nlist_tables/s,
  );
  t.regex(await task.fails('query', { sql: 'SELECT nmae FROM items' }), /at character 8\).*describe_table/s);
  t.regex(await task.fails('query', { sql: 'SELEC 1' }), /syntax error at or near "SELEC".*at character 1\)/);
  t.regex(await task.fails('query', { sql: 'SELECT 1 / 0' }), /division by zero/);
  t.regex(await task.fails('query', { sql: 'SELECT pg_sleep(30)' }), /statement timeout.*Ask for less/s);
  t.regex(await task.fails('query', { sql: 'SELECT $1::int', params: ['x'] }), /invalid input syntax for type integer/);
  const reader = await taskOn(t, server, {}, 'reader');
  t.regex(await reader.fails('query', { sql: 'SELECT * FROM secret.salaries' }), /permission denied.*no right/s);
  for (const [name, args] of [
    ['query', { sql: '' }],
    ['query', { sql: 'SELECT 1', more: 1 }],
    ['query', { sql: 'SELECT 1\0; DROP TABLE items' }],
    ['query', { sql: 'SELECT $1', params: ['a\0b'] }],
    ['list_tables', { limit: 100_000 }],
    ['describe_table', { table: 'a\0b' }],
  ] as const)
    t.regex(await task.fails(name, args), /^Invalid arguments for tool/, JSON.stringify(args));
});
