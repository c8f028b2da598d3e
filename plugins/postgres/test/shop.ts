// The database that the tests work on: a shop with roles of several rights, and things that attackers like. No expectations live here.
import type { PostgresServer } from './server.ts';

/** Passwords with characters that URLs and messages write in other ways. */
export const passwords = { reader: 'r3ad/er pass%word', app: 'app:p@ss', writer: 'wr1t#er&pass', other: 'other-pass' };

/** Makes the database `shop`. `app` owns all in it: what holds it is the transaction. `reader` may only read. */
export async function makeShop(server: PostgresServer): Promise<void> {
  await server.sql('CREATE DATABASE shop');
  for (const [role, password] of Object.entries(passwords))
    await server.sql(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
  await server.sql(shop, undefined, 'shop');
}

export function shopUrl(server: PostgresServer, role: keyof typeof passwords): string {
  return server.url(role, passwords[role], 'shop');
}

const shop = `
CREATE SCHEMA secret AUTHORIZATION app;
CREATE SCHEMA scratch AUTHORIZATION app;
GRANT CREATE, USAGE ON SCHEMA public TO app;
GRANT CREATE ON DATABASE shop TO app;
SET ROLE app;
CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL UNIQUE, price numeric(10,2) CHECK (price >= 0), tags text[] DEFAULT '{}');
COMMENT ON TABLE items IS 'What is sold';
COMMENT ON COLUMN items.price IS 'In euros';
CREATE INDEX items_price ON items (price);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item int REFERENCES items ON DELETE CASCADE,
  count int NOT NULL DEFAULT 1, twice int GENERATED ALWAYS AS (count * 2) STORED);
CREATE VIEW cheap AS SELECT id, name FROM items WHERE price < 10;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM items;
CREATE TABLE "Odd ""Name""/%" ("a b" int, "select" text);
CREATE TABLE secret.salaries (person text, amount int);
CREATE TABLE scratch.notes (id serial PRIMARY KEY, body text, item int REFERENCES public.items);
CREATE TABLE scratch.parent (id int PRIMARY KEY);
CREATE TABLE secret.child (id int REFERENCES scratch.parent ON DELETE CASCADE);
CREATE TABLE scratch.watched (id int);
CREATE TABLE scratch.deferred (id int);
INSERT INTO items (name, price) SELECT 'item ' || n, n FROM generate_series(1, 500) n;
INSERT INTO orders (item) SELECT n FROM generate_series(1, 50) n;
INSERT INTO secret.salaries VALUES ('Ada', 1);
INSERT INTO scratch.parent VALUES (1);
INSERT INTO secret.child VALUES (1);
CREATE FUNCTION add_item() RETURNS int LANGUAGE sql AS $$ INSERT INTO public.items (name) VALUES ('by function') RETURNING id $$;
CREATE FUNCTION unlock_and_add() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN PERFORM set_config('transaction_read_only', 'off', false); RETURN public.add_item(); END $$;
CREATE FUNCTION commit_and_add() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN EXECUTE 'COMMIT'; RETURN public.add_item(); END $$;
CREATE FUNCTION lying_add() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN EXECUTE 'INSERT INTO public.items (name) VALUES (''by a lie'')'; RETURN 1; END $$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; INSERT INTO public.items (name) VALUES ('by procedure'); COMMIT; END $$;
CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION grants() RETURNS int LANGUAGE plpgsql AS $$ BEGIN GRANT SELECT ON secret.salaries TO PUBLIC; RETURN 1; END $$;
CREATE FUNCTION truncates() RETURNS int LANGUAGE plpgsql AS $$ BEGIN TRUNCATE scratch.deferred; RETURN 1; END $$;
CREATE FUNCTION writes_secret() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO secret.salaries VALUES ('x', 2); RETURN 1; END $$;
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO secret.salaries VALUES (TG_TABLE_NAME, 0); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT ON scratch.watched FOR EACH ROW EXECUTE FUNCTION audit();
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON scratch.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit();
CREATE FUNCTION pg_total_relation_size(oid) RETURNS bigint LANGUAGE sql AS $$ SELECT 1::bigint $$;
RESET ROLE;
CREATE FUNCTION definer_add() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO public.items (name) VALUES ('by definer') RETURNING id $$;
CREATE FUNCTION definer_unlock() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN SET LOCAL transaction_read_only = off; INSERT INTO public.items (name) VALUES ('by definer'); RETURN 1; END $$;
GRANT EXECUTE ON FUNCTION definer_add(), definer_unlock() TO PUBLIC;
GRANT USAGE ON SCHEMA public, scratch TO reader, writer;
GRANT SELECT ON items, orders, cheap TO reader, writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA scratch TO writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA scratch TO writer;
ANALYZE items;
`;

/** Everything that a statement could leave behind on the server, as one text. */
export async function fingerprint(server: PostgresServer): Promise<string> {
  const { rows } = await server.sql(
    `SELECT
      (SELECT json_agg(i ORDER BY i.id) FROM items i) AS items,
      (SELECT json_agg(o ORDER BY o.id) FROM orders o) AS orders,
      (SELECT json_agg(s) FROM secret.salaries s) AS salaries,
      (SELECT json_agg(s) FROM secret.child s) AS child,
      (SELECT json_agg(s) FROM scratch.notes s) AS notes,
      (SELECT json_agg(s) FROM scratch.parent s) AS parent,
      (SELECT json_agg(s) FROM scratch.watched s) AS watched,
      (SELECT json_agg(s) FROM scratch.deferred s) AS deferred,
      (SELECT json_agg(r ORDER BY r.oid) FROM (SELECT oid, rolname, rolsuper, rolconnlimit, rolconfig FROM pg_roles) r) AS roles,
      (SELECT json_agg(c ORDER BY c.oid) FROM (SELECT oid, relname, relnamespace, relkind, relacl::text, relowner, relfilenode FROM pg_class
        WHERE oid >= 16384 AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%')) c) AS classes,
      (SELECT json_agg(c ORDER BY c.oid) FROM (SELECT oid, proname FROM pg_proc WHERE oid >= 16384) c) AS functions,
      (SELECT json_agg(n ORDER BY n.oid) FROM (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp') n) AS schemas,
      (SELECT json_agg(s ORDER BY s.sequencename) FROM (SELECT sequencename, last_value FROM pg_sequences) s) AS sequences,
      (SELECT count(*) FROM pg_largeobject_metadata) AS large_objects,
      (SELECT json_agg(p) FROM pg_prepared_xacts p) AS prepared,
      (SELECT json_agg(d) FROM pg_db_role_setting d) AS settings,
      (SELECT json_agg(d ORDER BY d.datname) FROM (SELECT datname FROM pg_database) d) AS databases`,
    undefined,
    'shop',
  );
  return JSON.stringify(rows[0], undefined, 1);
}

/** Sessions of these roles that are there now. */
export async function sessionsOf(server: PostgresServer, ...roles: string[]): Promise<number> {
  const { rows } = await server.sql('SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = ANY ($1)', [
    roles,
  ]);
  return Number(rows[0]?.['n']);
}
