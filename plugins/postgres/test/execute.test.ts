// Changing something: what the bounds allow is done, everything beyond is undone as a whole, however it is reached.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { startServer, versions } from './server.ts';
import type { PostgresServer } from './server.ts';
import { fingerprint, makeShop, shopUrl } from './shop.ts';
import type { passwords } from './shop.ts';
import { stand } from './stand.ts';
import type { Rows, Task } from './stand.ts';

const servers = new Map<string, PostgresServer>();

test.before(async (t) => {
  t.timeout(180_000);
  for (const version of versions) {
    if (version.folder === undefined) continue;
    const server = await startServer(version, { settings: { max_prepared_transactions: '5' } });
    servers.set(version.name, server);
    await makeShop(server);
  }
});

test.after.always(async () => {
  for (const server of servers.values()) await server.stop();
});

interface Executed extends Rows {
  readonly command: string;
}

async function taskOn(
  t: ExecutionContext,
  server: PostgresServer,
  execute: JsonObject,
  roles: { url?: keyof typeof passwords; executeUrl?: keyof typeof passwords } = {},
): Promise<Task> {
  t.timeout(180_000);
  const database: JsonObject = { url: shopUrl(server, roles.url ?? 'app'), execute };
  if (roles.executeUrl !== undefined) database['executeUrl'] = shopUrl(server, roles.executeUrl);
  const task = await (await stand({ databases: { shop: database }, statementTimeout: 5000 })).open('task:1');
  t.teardown(() => task.close());
  return task;
}

function each(title: string, run: (t: ExecutionContext, server: PostgresServer) => Promise<void>): void {
  for (const { name, folder, missing } of versions) {
    if (folder === undefined) test.skip(`${name}: ${title} (${missing})`, () => {});
    else test.serial(`${name}: ${title}`, (t) => run(t, servers.get(name) as PostgresServer));
  }
}

/** Each statement is refused with these words, and the server is as before. */
async function refuses(
  t: ExecutionContext,
  server: PostgresServer,
  task: Task,
  statements: readonly (readonly [string, RegExp])[],
): Promise<void> {
  // Numbers that a sequence has given out are not taken back, so that a refused insert may leave a gap.
  const withoutSequences = async () => (await fingerprint(server)).replace(/"last_value": \d+/g, '');
  const before = await withoutSequences();
  for (const [sql, words] of statements) t.regex(await task.fails('execute', { sql }), words, sql);
  t.is(await withoutSequences(), before);
  t.is((await task.ok<Rows>('query', { sql: 'SELECT 1' })).rowCount, 1);
}

const all = ['insert', 'update', 'delete', 'truncate', 'create', 'alter', 'drop'];

each('without the option there is no such tool; with it, rows are changed and shown', async (t, server) => {
  const without = await (await stand({ databases: { shop: { url: shopUrl(server, 'app') } } })).open('task:1');
  t.teardown(() => without.close());
  t.like((await without.call('execute', { sql: 'DELETE FROM items' })).error, { message: 'Unknown tool: execute' });

  const task = await taskOn(t, server, { schemas: ['scratch'], kinds: ['insert', 'update', 'delete'] });
  // A name without a schema is looked up in the schemas of the option.
  const inserted = await task.ok<Executed>('execute', {
    sql: 'INSERT INTO notes (body) VALUES ($1), ($2) RETURNING id, body',
    params: ["it's", null],
  });
  t.is(inserted.command, 'INSERT 0 2');
  t.deepEqual(
    inserted.rows.map(([, body]) => body),
    ["it's", null],
  );
  t.is((await task.ok<Executed>('execute', { sql: "UPDATE scratch.notes SET body = 'new';" })).command, 'UPDATE 2');
  t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT body FROM scratch.notes' })).rows, [['new'], ['new']]);
  t.is((await task.ok<Executed>('execute', { sql: 'DELETE FROM notes' })).command, 'DELETE 2');
  const many = await task
    .ok<Executed>('execute', {
      sql: 'INSERT INTO watched2 SELECT 1',
    })
    .catch((error: Error) => error.message);
  t.regex(String(many), /watched2.*does not exist/);
  const long = await task.ok<Executed>('execute', {
    sql: "INSERT INTO notes (body) SELECT repeat('x', 20) FROM generate_series(1, 2000) RETURNING id, body",
  });
  t.is(long.rows.length, 500);
  t.regex(String(long.note), /^1500 more rows were returned/);
  t.is((await task.ok<Executed>('execute', { sql: 'DELETE FROM notes' })).command, 'DELETE 2000');
});

each('a kind that is not allowed is undone, also inside a WITH, an ON CONFLICT, a MERGE', async (t, server) => {
  const task = await taskOn(t, server, { schemas: ['scratch'], kinds: ['insert'] });
  await server.sql("INSERT INTO scratch.notes (id, body) VALUES (1, 'kept')", undefined, 'shop');
  t.teardown(() => server.sql('DELETE FROM scratch.notes', undefined, 'shop'));
  const conflict = "INSERT INTO notes (id, body) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET body = 'x'";
  await server.sql('ALTER TABLE scratch.notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id)', undefined, 'shop');
  await refuses(t, server, task, [
    ["UPDATE notes SET body = 'x'", /UPDATE is not among what `execute` may do here \(insert\)/],
    ['DELETE FROM notes', /DELETE is not among/],
    [
      'WITH d AS (DELETE FROM notes RETURNING body) INSERT INTO notes (body) SELECT body FROM d',
      /would also delete rows of scratch\.notes/,
    ],
    [
      "WITH u AS (UPDATE notes SET body = 'x' RETURNING 1) SELECT * FROM u",
      /SELECT is not among.*belongs into `query`/,
    ],
    [conflict, /would also update rows of scratch\.notes/],
    ['MERGE INTO notes n USING (SELECT 1 AS id) s ON n.id = s.id WHEN MATCHED THEN DELETE', /would also delete rows/],
    ['SELECT 1', /SELECT is not among/],
    // Where only rows may be changed, the parser of the server refuses the rest before it runs.
    ['TRUNCATE notes', /syntax error at or near "TRUNCATE".*at character 1\)/],
    ['DROP TABLE notes', /syntax error/],
    ['COMMIT', /syntax error/],
    ["PREPARE TRANSACTION 'left'", /syntax error/],
    ['DO $$ BEGIN DELETE FROM scratch.notes; END $$', /syntax error/],
    ["COPY notes TO PROGRAM 'true'", /syntax error/],
    ['COPY notes FROM STDIN', /syntax error/],
    ['SET search_path = secret', /syntax error/],
    ["INSERT INTO notes (body) VALUES ('x'); DELETE FROM notes", /multiple commands/],
    ["INSERT INTO notes (body) VALUES ('x'); COMMIT; DROP TABLE notes", /multiple commands/],
    ['CREATE TABLE scratch.evil AS SELECT 1', /SELECT is not among.*CREATE TABLE AS/],
    ['INSERT INTO notes (body) SELECT public.truncates()::text', /changed the system table pg_class/],
    ['INSERT INTO notes (body) SELECT public.grants()::text', /changed the system table/],
    ["INSERT INTO notes (body) SELECT lo_from_bytea(0, 'x')::text", /changed the system table pg_largeobject/],
    ['INSERT INTO notes (body) SELECT pg_sleep(600)::text', /statement timeout|took more than/],
  ]);
  const merged =
    "MERGE INTO notes n USING (SELECT 2 AS id) s ON n.id = s.id WHEN NOT MATCHED THEN INSERT (id, body) VALUES (2, 'm')";
  t.is((await task.ok<Executed>('execute', { sql: merged })).command, 'MERGE 1');
});

each(
  'another schema is out of reach: by name, function, trigger, deferred trigger, foreign key, search path',
  async (t, server) => {
    const task = await taskOn(t, server, { schemas: ['scratch'], kinds: ['insert', 'update', 'delete'] });
    const elsewhere = /would change (?:secret|public)\.\w+.*may change only: scratch/;
    await refuses(t, server, task, [
      ["INSERT INTO secret.salaries VALUES ('x', 1)", elsewhere],
      ['UPDATE public.items SET price = 1', elsewhere],
      ['DELETE FROM public.orders', elsewhere],
      ['DELETE FROM cheap', /does not exist/],
      ["UPDATE public.cheap SET name = name || '!'", elsewhere],
      ['INSERT INTO notes (id) SELECT public.writes_secret()', elsewhere],
      ['INSERT INTO notes (id) SELECT public.definer_add()', elsewhere],
      ['INSERT INTO watched VALUES (1)', elsewhere],
      ['INSERT INTO deferred VALUES (1)', elsewhere],
      ['DELETE FROM parent', elsewhere],
      [
        "WITH s AS (INSERT INTO secret.salaries VALUES ('x', 1) RETURNING 1) INSERT INTO notes (id) SELECT * FROM s",
        elsewhere,
      ],
      [
        "WITH s AS (SELECT set_config('search_path', 'secret', true)) INSERT INTO scratch.notes (body) SELECT public.writes_secret()::text FROM s",
        elsewhere,
      ],
      ["INSERT INTO notes (id) SELECT nextval('public.items_id_seq')", elsewhere],
      ['CREATE TEMP TABLE x AS SELECT 1', /./],
    ]);
    // A view over something else is read, not changed: that is in order.
    const sql = 'INSERT INTO notes (body, item) SELECT name, id FROM public.cheap WHERE id = 1';
    t.is((await task.ok<Executed>('execute', { sql })).command, 'INSERT 0 1');
    t.is((await task.ok<Executed>('execute', { sql: 'DELETE FROM notes' })).command, 'DELETE 1');
  },
);

each('a search path of one’s own does not deceive the check', async (t, server) => {
  await server.sql(
    `CREATE SCHEMA trap AUTHORIZATION app; SET ROLE app;
    CREATE VIEW trap.pg_locks AS SELECT 0 AS relation, '' AS mode, 0 AS pid, '' AS locktype, true AS granted WHERE false;
    CREATE VIEW trap.pg_class AS SELECT 0::oid AS oid, ''::name AS relname, 0::oid AS relnamespace WHERE false;
    CREATE FUNCTION trap.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.never);`,
    undefined,
    'shop',
  );
  t.teardown(() => server.sql('DROP SCHEMA trap CASCADE', undefined, 'shop'));
  const task = await taskOn(t, server, { schemas: ['scratch'], kinds: ['insert'] });
  const path = "set_config('search_path', 'trap, pg_catalog', false)";
  await refuses(t, server, task, [
    [`INSERT INTO scratch.notes (body) SELECT ${path} || public.writes_secret()`, /would change secret\.salaries/],
    [`INSERT INTO secret.salaries (person) SELECT ${path}`, /would change secret\.salaries/],
  ]);
});

each('tables are made, changed and dropped where that is allowed, and nowhere else', async (t, server) => {
  const task = await taskOn(t, server, { schemas: ['scratch', 'odd "schema"'], kinds: all });
  await server.sql('CREATE SCHEMA "odd ""schema""" AUTHORIZATION app', undefined, 'shop');
  t.teardown(() => server.sql('DROP SCHEMA "odd ""schema""" CASCADE', undefined, 'shop'));
  const run = async (sql: string) => (await task.ok<Executed>('execute', { sql })).command;
  t.is(await run('CREATE TABLE made (id serial PRIMARY KEY, note int REFERENCES notes, name text)'), 'CREATE TABLE');
  t.is(await run('CREATE INDEX ON made (name)'), 'CREATE INDEX');
  t.is(await run('CREATE VIEW seen AS SELECT id FROM made'), 'CREATE VIEW');
  t.is(await run("INSERT INTO made (name) VALUES ('a'), ('b')"), 'INSERT 0 2');
  t.is(await run('ALTER TABLE made ADD COLUMN at timestamptz DEFAULT clock_timestamp()'), 'ALTER TABLE');
  t.is(await run('ALTER TABLE made ALTER COLUMN name TYPE varchar(20)'), 'ALTER TABLE');
  t.is(await run('TRUNCATE made'), 'TRUNCATE TABLE');
  t.is(await run("INSERT INTO made (name) VALUES ('c')"), 'INSERT 0 1');
  t.is(await run('CREATE TABLE "odd ""schema""".other (LIKE made INCLUDING ALL)'), 'CREATE TABLE');
  const elsewhere = /would change (?:secret|public|pg_temp)\w*\.\w+.*may change only/;
  await refuses(t, server, task, [
    ['CREATE TABLE public.evil (id int)', elsewhere],
    ['CREATE TEMP TABLE evil (id int)', /system table pg_namespace|may change only/],
    ['DROP TABLE secret.salaries', elsewhere],
    ['DROP TABLE public.items CASCADE', elsewhere],
    ['ALTER TABLE secret.salaries SET SCHEMA scratch', elsewhere],
    ['ALTER TABLE made SET SCHEMA public', elsewhere],
    ['ALTER TABLE public.items ADD COLUMN evil int', elsewhere],
    ['CREATE INDEX ON public.items (tags)', elsewhere],
    ['TRUNCATE watched, secret.salaries', elsewhere],
    ['TRUNCATE parent CASCADE', elsewhere],
    ['DROP TABLE parent CASCADE', elsewhere],
    ['CREATE TABLE evil () INHERITS (secret.salaries)', elsewhere],
    ['ALTER TABLE made ALTER COLUMN name TYPE int USING public.writes_secret()', elsewhere],
    ['CREATE FUNCTION scratch.evil() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', /CREATE FUNCTION is not among/],
    ['CREATE TRIGGER evil AFTER INSERT ON made EXECUTE FUNCTION public.audit()', /CREATE TRIGGER is not among/],
    ['CREATE RULE evil AS ON INSERT TO made DO ALSO DELETE FROM secret.salaries', /CREATE RULE is not among/],
    ['CREATE SCHEMA evil', /CREATE SCHEMA is not among/],
    ['CREATE SCHEMA evil CREATE TABLE t (id int)', /CREATE SCHEMA is not among/],
    ['CREATE TYPE scratch.evil AS (a int)', /CREATE TYPE is not among/],
    ['GRANT ALL ON made TO PUBLIC', /GRANT is not among/],
    ['COMMENT ON TABLE made IS $$x$$', /COMMENT is not among/],
    ['ALTER ROLE app SET work_mem = 64', /ALTER ROLE is not among/],
    ['CREATE ROLE evil', /permission denied/],
    ['ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC', /ALTER DEFAULT PRIVILEGES is not among/],
    ['DO $$ BEGIN DELETE FROM scratch.notes; END $$', /DO is not among/],
    ['CALL public.commits()', /invalid transaction termination/],
    ['COMMIT', /ended its own transaction/],
    ['COMMIT AND CHAIN', /COMMIT is not among/],
    ['ROLLBACK', /ended its own transaction/],
    ['BEGIN', /BEGIN is not among/],
    ["PREPARE TRANSACTION 'left behind'", /cannot PREPARE a transaction/],
    ['LISTEN evil', /LISTEN is not among/],
    ['NOTIFY evil', /NOTIFY is not among/],
    ['SET ROLE app', /SET is not among/],
    ['LOCK TABLE made', /LOCK TABLE is not among/],
    ['VACUUM made', /cannot run inside a transaction block/],
    ['REINDEX TABLE made', /REINDEX is not among/],
    ['ANALYZE made', /ANALYZE is not among/],
    ["COPY made TO PROGRAM 'true'", /permission denied|must be superuser/],
    ['COPY made FROM STDIN', /No source stream/],
    ['COPY made TO STDOUT', /COPY is not among/],
    ['DISCARD ALL', /cannot run inside a transaction block/],
    ['SELECT 1', /SELECT is not among/],
    ['EXPLAIN SELECT 1', /EXPLAIN is not among/],
    ['CREATE TABLE a (id int); CREATE TABLE b (id int)', /multiple commands/],
    ['', /Invalid arguments/],
    [' ', /not among/],
    ['DROP MATERIALIZED VIEW public.totals', elsewhere],
  ]);
  const { rows } = await server.sql('SELECT count(*)::int AS n FROM pg_prepared_xacts');
  t.is(rows[0]?.['n'], 0);
  t.is(await run('DROP VIEW seen'), 'DROP VIEW');
  t.is(await run('DROP TABLE made CASCADE'), 'DROP TABLE');
});

each('what changes has a role of its own: reading cannot write, and its own rights still hold', async (t, server) => {
  const task = await taskOn(
    t,
    server,
    { schemas: ['scratch', 'public'], kinds: all },
    { url: 'reader', executeUrl: 'writer' },
  );
  t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT current_user' })).rows, [['reader']]);
  const done = await task.ok<Executed>('execute', {
    sql: "INSERT INTO notes (body) VALUES ('x') RETURNING current_user",
  });
  t.deepEqual(done.rows, [['writer']]);
  await refuses(
    t,
    server,
    task,
    [
      ['DELETE FROM public.items', /permission denied.*no right/s],
      ['CREATE TABLE scratch.evil (id int)', /permission denied/],
      ['INSERT INTO notes (id) SELECT public.add_item()', /permission denied/],
      ['INSERT INTO notes (id) SELECT public.definer_add()', /duplicate key|would/],
    ].filter(([sql]) => !String(sql).includes('definer')) as [string, RegExp][],
  );
  await task.ok('execute', { sql: 'DELETE FROM notes' });
});

each('ten changes at once are done one after the other, and one that is cancelled is undone', async (t, server) => {
  const task = await taskOn(t, server, { schemas: ['scratch'], kinds: ['insert', 'delete'] });
  const calls = Array.from({ length: 10 }, (_, n) =>
    task.ok('execute', { sql: 'INSERT INTO notes (body) VALUES ($1)', params: [n] }),
  );
  await Promise.all(calls);
  t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT count(*) FROM scratch.notes' })).rows, [['10']]);
  const { call, answer } = task.start('execute', { sql: 'INSERT INTO notes (body) SELECT public.stubborn()::text' });
  setTimeout(() => call.cancel({ kind: 'client', message: 'no' }), 300);
  await t.throwsAsync(answer);
  t.is((await task.ok<Executed>('execute', { sql: 'DELETE FROM notes' })).command, 'DELETE 10');
});
