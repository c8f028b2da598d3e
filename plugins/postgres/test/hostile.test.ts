// Reading that tries to be more: every trick goes through the tools as a role that owns all tables, and afterwards the server is as it was.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { errorText, until } from '@plugboard/test-kit/stand';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { hasExtension, startServer, versions } from './server.ts';
import type { PostgresServer, Version } from './server.ts';
import { fingerprint, makeShop, sessionsOf, shopUrl } from './shop.ts';
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

async function taskOn(
  t: ExecutionContext,
  server: PostgresServer,
  options: JsonObject = {},
  url = shopUrl(server, 'app'),
): Promise<Task> {
  t.timeout(180_000);
  const task = await (await stand({ databases: { shop: { url } }, ...options })).open('task:1');
  t.teardown(() => task.close());
  return task;
}

function each(
  title: string,
  run: (t: ExecutionContext, server: PostgresServer, version: Version) => Promise<void>,
): void {
  for (const version of versions) {
    const { name, folder, missing } = version;
    // One after the other: they compare the whole server before and after.
    if (folder === undefined) test.skip(`${name}: ${title} (${missing})`, () => {});
    else test.serial(`${name}: ${title}`, (t) => run(t, servers.get(name) as PostgresServer, version));
  }
}

const outside = path.join(tmpdir(), `plugboard-outside-${process.pid}`);

/** What must be refused, whatever it is wrapped into. */
const refused = [
  "INSERT INTO items (name) VALUES ('x')",
  'UPDATE items SET name = name || name',
  'DELETE FROM orders',
  'MERGE INTO items i USING orders o ON i.id = o.item WHEN MATCHED THEN DELETE',
  'TRUNCATE orders',
  'DROP TABLE items CASCADE',
  'CREATE TABLE evil (id int)',
  'CREATE TEMP TABLE evil (id int)',
  'CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'CREATE ROLE evil SUPERUSER',
  'CREATE DATABASE evil',
  'ALTER TABLE items ADD COLUMN evil int',
  'ALTER ROLE app SET default_transaction_read_only = off',
  "ALTER SYSTEM SET work_mem = '1GB'",
  'GRANT ALL ON items TO PUBLIC',
  'REFRESH MATERIALIZED VIEW totals',
  // More than one statement.
  'SELECT 1; DROP TABLE items',
  'COMMIT; DROP TABLE items CASCADE',
  'COMMIT;\nDROP TABLE items CASCADE;\n--',
  'ROLLBACK; BEGIN; DROP TABLE items CASCADE; COMMIT',
  ';DROP TABLE items CASCADE',
  'SELECT 1 /* ; */ ; /* */ DELETE FROM items',
  "SELECT 'a\\'; DELETE FROM items; --'",
  'SELECT $$a$$; DELETE FROM orders',
  // The transaction, the session, the role.
  'COMMIT',
  'COMMIT AND CHAIN',
  'ROLLBACK',
  'END',
  'BEGIN READ WRITE',
  'SAVEPOINT a',
  "PREPARE TRANSACTION 'left behind'",
  'SET TRANSACTION READ WRITE',
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
  'SET transaction_read_only = off',
  'SET ROLE postgres',
  'SET SESSION AUTHORIZATION postgres',
  'RESET ALL',
  'RESET ROLE',
  'DISCARD ALL',
  "SELECT set_config('transaction_read_only', 'off', false)",
  "SELECT set_config('transaction_read_only', 'off', true), add_item()",
  "SELECT set_config('role', 'postgres', false)",
  "SELECT set_config('session_authorization', 'postgres', false)",
  // A statement within another.
  "WITH evil AS (INSERT INTO items (name) VALUES ('x') RETURNING *) SELECT * FROM evil",
  'WITH evil AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM evil',
  'SELECT * INTO evil FROM items',
  'CREATE TABLE evil AS SELECT * FROM items',
  'SELECT * FROM items FOR UPDATE',
  'EXPLAIN ANALYZE DELETE FROM orders',
  "PREPARE evil AS INSERT INTO items (name) VALUES ('x')",
  'EXECUTE evil',
  'DECLARE evil CURSOR WITH HOLD FOR SELECT add_item()',
  'CLOSE plugboard',
  'FETCH ALL FROM plugboard',
  ') TO PROGRAM',
  // Functions with side effects.
  'SELECT add_item()',
  'SELECT unlock_and_add()',
  'SELECT commit_and_add()',
  'SELECT lying_add()',
  'SELECT * FROM items WHERE id = lying_add()',
  'SELECT definer_add()',
  'SELECT definer_unlock()',
  'SELECT grants()',
  'SELECT truncates()',
  'SELECT * FROM items WHERE add_item() > 0',
  'SELECT count(*) FROM items GROUP BY add_item()',
  'VALUES (add_item())',
  "DO $$ BEGIN INSERT INTO items (name) VALUES ('x'); END $$",
  'DO $$ BEGIN COMMIT; DROP TABLE items CASCADE; END $$',
  'CALL commits()',
  "SELECT nextval('items_id_seq')",
  "SELECT setval('items_id_seq', 1)",
  // Files and programs of the server.
  `COPY items TO PROGRAM 'touch ${outside}'`,
  `COPY items TO '${outside}'`,
  "COPY items FROM PROGRAM 'echo 1'",
  'COPY items FROM STDIN',
  'COPY items TO STDOUT',
  "SELECT lo_import('/etc/passwd')",
  `SELECT lo_export(1, '${outside}')`,
  "SELECT pg_read_file('/etc/passwd')",
  "SELECT pg_ls_dir('/')",
  "LOAD 'dblink'",
  'CREATE EXTENSION dblink',
  // Others on the server.
  'LISTEN evil',
  'NOTIFY evil',
  'LOCK TABLE items IN ACCESS SHARE MODE',
  'LOCK TABLE items',
  'VACUUM items',
  'ANALYZE items',
  'REINDEX TABLE items',
  'CLUSTER items USING items_pkey',
  'CHECKPOINT',
  'SELECT pg_reload_conf()',
  "SELECT pg_create_physical_replication_slot('evil', true)",
  'SHOW work_mem',
];

each(
  'what writes, ends the transaction or leaves the database is refused, and nothing is left of it',
  async (t, server) => {
    const task = await taskOn(t, server, { statementTimeout: 5000 });
    const before = await fingerprint(server);
    const listener = await server.client({ user: 'postgres', password: server.password, database: 'shop' });
    t.teardown(() => listener.end());
    const heard: unknown[] = [];
    listener.on('notification', (message) => heard.push(message));
    await listener.query('LISTEN evil');
    for (const sql of refused) {
      t.regex(await task.fails('query', { sql }), /\S/, sql);
      await task.call('explain', { sql });
      await task.call('explain', { sql, analyze: true });
    }
    t.is(await fingerprint(server), before);
    t.false(existsSync(outside));
    await listener.query('SELECT 1');
    t.deepEqual(heard, []);
  },
);

each('what does no harm may run, and leaves nothing either', async (t, server) => {
  const task = await taskOn(t, server);
  const before = await fingerprint(server);
  const harmless = [
    "SELECT pg_notify('evil', 'x')",
    // It stays open, on a connection of its own.
    'SELECT pg_advisory_xact_lock(43), generate_series(1, 1000)',
    'SELECT pg_advisory_lock(42)',
    "SELECT set_config('search_path', 'secret', false), set_config('statement_timeout', '0', false)",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    'SELECT pg_export_snapshot()',
  ];
  const listener = await server.client({ user: 'postgres', password: server.password, database: 'shop' });
  t.teardown(() => listener.end());
  const heard: unknown[] = [];
  listener.on('notification', (message) => heard.push(message));
  await listener.query('LISTEN evil');
  for (const sql of harmless) t.is(typeof (await task.ok<Rows>('query', { sql, limit: 1 })).rowCount, 'number', sql);
  // Version 15 lets a large object be made in a read-only transaction; it goes with the transaction.
  await task.call('query', { sql: "SELECT lo_from_bytea(0, 'x')" });
  // The next statement is not in the session of the one before.
  const { rows } = await task.ok<Rows>('query', {
    sql: `SELECT current_setting('search_path'), current_setting('statement_timeout'), current_setting('transaction_read_only'),
      (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())`,
  });
  t.deepEqual(rows, [['"$user", public', '30s', 'on', 0]]);
  await task.close();
  await until('advisory locks are gone', async () => {
    const { rows: locks } = await server.sql("SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'");
    return locks[0]?.['n'] === 0;
  });
  await listener.query('SELECT 1');
  t.deepEqual(heard, []);
  t.is(await fingerprint(server), before);
});

each('a statement that will not end is ended, whatever it does about it', async (t, server) => {
  const task = await taskOn(t, server, { statementTimeout: 300, idleTimeout: 100 });
  const endless = [
    'SELECT pg_sleep(600)',
    "SELECT set_config('statement_timeout', '0', false), pg_sleep(600)",
    // The first row is there before the setting counts for the second.
    "SELECT set_config('statement_timeout', '0', false), CASE WHEN n > 1 THEN pg_sleep(600) END FROM generate_series(1, 3) n",
    'SELECT stubborn()',
    "SELECT set_config('client_connection_check_interval', '0', false), set_config('application_name', '', false), stubborn()",
    'SELECT count(*) FROM generate_series(1, 10000000000)',
    'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT count(*) FROM r',
  ];
  for (const sql of endless)
    t.regex(await task.fails('query', { sql }), /statement timeout|took more than 300 ms/, sql);
  t.regex(await task.fails('explain', { sql: 'SELECT stubborn()', analyze: true }), /took more than/);
  await until('no session of it is left', async () => (await sessionsOf(server, 'app')) === 0);
});

each('a call that is cancelled ends on the server', async (t, server) => {
  const task = await taskOn(t, server, { idleTimeout: 100 });
  const { call, answer } = task.start('query', { sql: 'SELECT stubborn()' });
  await until('it runs', async () => {
    const { rows } = await server.sql(
      "SELECT 1 FROM pg_stat_activity WHERE usename = 'app' AND query LIKE 'FETCH%' AND state = 'active'",
    );
    return rows.length === 1;
  });
  call.cancel({ kind: 'client', message: 'not needed any more' });
  await t.throwsAsync(answer);
  await until('no session of it is left', async () => (await sessionsOf(server, 'app')) === 0);
});

each('a flood of slow statements takes no more connections than one task may have', async (t, server) => {
  const task = await taskOn(t, server, {
    ...{ statementTimeout: 500, maxConnections: 3, maxCursors: 1, connectTimeout: 2000, idleTimeout: 100 },
  });
  const before = await sessionsOf(server, 'app');
  t.is(before, 0);
  let most = 0;
  const done = new AbortController();
  const watch = (async () => {
    while (!done.signal.aborted) most = Math.max(most, await sessionsOf(server, 'app'));
  })();
  const calls = Array.from({ length: 30 }, () => task.call('query', { sql: 'SELECT pg_sleep(600)' }));
  for (const response of await Promise.all(calls))
    t.regex(errorText(response), /statement timeout|took more than|all connections of this task .* are busy/);
  done.abort();
  await watch;
  t.true(most >= 1 && most <= 3, String(most));
  await until('no session of it is left', async () => (await sessionsOf(server, 'app')) === 0);
});

each('a role that acts outside the database is not used for SQL of an agent', async (t, server, version) => {
  const roles: [string, RegExp][] = [
    ['CREATE ROLE danger LOGIN SUPERUSER', /is, or is a member of: danger/],
    ['CREATE ROLE danger LOGIN REPLICATION', /is, or is a member of: danger/],
    ['CREATE ROLE danger LOGIN IN ROLE pg_execute_server_program', /pg_execute_server_program/],
    [
      'CREATE ROLE danger LOGIN NOINHERIT IN ROLE pg_read_server_files, pg_write_server_files',
      /pg_read_server_files, pg_write_server_files/,
    ],
    ['CREATE ROLE boss SUPERUSER; CREATE ROLE danger LOGIN NOINHERIT IN ROLE boss', /boss/],
  ];
  for (const [sql, words] of roles) {
    await server.sql(`${sql}; ALTER ROLE danger PASSWORD 'danger'`);
    const task = await taskOn(t, server, {}, server.url('danger', 'danger', 'shop'));
    for (const name of ['query', 'explain']) {
      const text = await task.fails(name, { sql: `COPY (SELECT 1) TO PROGRAM 'touch ${outside}'` });
      t.regex(text, /^this connection is refused/, sql);
      t.regex(text, words);
      t.regex(text, /README/);
    }
    await task.close();
    await server.sql('DROP ROLE danger; DROP ROLE IF EXISTS boss');
  }
  t.false(existsSync(outside));
  if (!hasExtension(version, 'dblink')) {
    t.log('without dblink: this server does not have it');
    return;
  }
  await server.sql('CREATE EXTENSION dblink SCHEMA public', undefined, 'shop');
  t.teardown(() => server.sql('DROP EXTENSION IF EXISTS dblink', undefined, 'shop'));
  const sql = `SELECT * FROM dblink('${shopUrl(server, 'app')}', 'INSERT INTO items (name) VALUES (''x'') RETURNING id') AS (id int)`;
  const task = await taskOn(t, server);
  t.regex(await task.fails('query', { sql }), /reach outside the database: public\.dblink.*REVOKE EXECUTE/s);
  t.regex(await task.fails('query', { sql: 'SELECT 1' }), /reach outside/);
  await task.close();
  const accepted = await stand({ databases: { shop: { url: shopUrl(server, 'app'), outsideFunctions: 'allow' } } });
  const trusting = await accepted.open('task:1');
  t.is((await trusting.ok<Rows>('query', { sql: 'SELECT 1' })).rowCount, 1);
  await trusting.close();
  const { rows } = await server.sql(
    "SELECT string_agg('REVOKE EXECUTE ON FUNCTION ' || oid::regprocedure || ' FROM PUBLIC', ';') AS sql FROM pg_proc WHERE proname LIKE 'dblink%'",
    undefined,
    'shop',
  );
  await server.sql(String(rows[0]?.['sql']), undefined, 'shop');
  const again = await taskOn(t, server);
  t.is((await again.ok<Rows>('query', { sql: 'SELECT 1' })).rowCount, 1);
  t.regex(await again.fails('query', { sql }), /permission denied/);
});
