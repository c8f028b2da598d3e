// Connections: whose they are, how many, how long, how protected; what is said when they fail; and that nothing is left after many lives.

import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { testCertificate, until } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { newest, startServer } from './server.ts';
import type { PostgresServer } from './server.ts';
import { makeShop, passwords, sessionsOf, shopUrl } from './shop.ts';
import { seenBy, stand } from './stand.ts';
import type { Rows, Stand } from './stand.ts';

// What is left is what is held.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const certificate = testCertificate();
const here = newest.folder === undefined ? test.skip : test.serial;
let server: PostgresServer;

test.before(async (t) => {
  if (newest.folder === undefined) return;
  t.timeout(120_000);
  server = await startServer(newest, { tls: certificate });
  await makeShop(server);
});

test.after.always(async () => {
  await server?.stop();
});

const none = () =>
  until('all sessions are gone', async () => (await sessionsOf(server, ...Object.keys(passwords))) === 0);

async function whoIs(plugin: Stand, grant: string): Promise<unknown> {
  const task = await plugin.open(grant);
  try {
    return (await task.ok<Rows>('query', { sql: 'SELECT current_user' })).rows[0]?.[0];
  } finally {
    await task.close();
  }
}

here(
  'each grant connects as who its entry says, and a grant without credentials does not see the server',
  async (t) => {
    t.timeout(120_000);
    const connections = [
      { grants: 'task:secret-*', url: shopUrl(server, 'other') },
      { grants: 'task:*', url: shopUrl(server, 'reader') },
      { grants: 'grant:alice', url: shopUrl(server, 'writer') },
    ];
    const common = await stand({ databases: { shop: { url: shopUrl(server, 'app'), connections } } });
    for (const [grant, role] of [
      ['task:1', 'reader'],
      ['task:secret-1', 'other'],
      ['grant:alice', 'writer'],
      ['grant:alice2', 'app'],
      ['default', 'app'],
    ] as const)
      t.is(await whoIs(common, grant), role);
    const strict = await stand({ databases: { shop: { connections } } });
    const [database] = strict.servers;
    t.true(database !== undefined && seenBy(database, 'task:7') && seenBy(database, 'grant:alice'));
    t.false(
      database !== undefined &&
        (seenBy(database, 'default') || seenBy(database, 'grant:bob') || seenBy(database, 'xtask:1')),
    );
    await t.throwsAsync(strict.open('default'), { message: /no credentials for default/ });
    await none();
  },
);

here('several databases are several servers', async (t) => {
  t.timeout(120_000);
  const both = await stand({
    databases: {
      shop: { url: shopUrl(server, 'app') },
      main: { url: server.url('app', passwords.app), title: 'The other' },
    },
  });
  t.deepEqual(
    both.servers.map(({ name, title }) => [name, title]),
    [
      ['shop', 'PostgreSQL: shop'],
      ['main', 'The other'],
    ],
  );
  for (const [name, database] of [
    ['shop', 'shop'],
    ['main', 'postgres'],
  ] as const) {
    const task = await both.open('task:1', name);
    t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT current_database()' })).rows, [[database]]);
    await task.close();
  }
  t.regex(String((await stand({})).log[0]?.message), /no database is configured/);
  await none();
});

here(
  'nothing is connected before the first call; connections close when idle, and all of them with the task',
  async (t) => {
    t.timeout(120_000);
    const plugin = await stand({ databases: { shop: { url: shopUrl(server, 'app') } }, idleTimeout: 300 });
    const [one, two] = [await plugin.open('task:1'), await plugin.open('task:2')];
    t.is(await sessionsOf(server, 'app'), 0);
    await one.ok('list_tables');
    await two.ok('list_tables');
    await none();
    await one.ok('list_tables');
    // Open results and statements under way end with their task, and with no other.
    const kept = await two.ok<Rows>('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
    await one.ok('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
    const running = one.call('query', { sql: 'SELECT stubborn()' });
    await until('it runs', async () => (await sessionsOf(server, 'app')) >= 3);
    await Promise.all([one.close(), running.catch(() => {})]);
    await until('one task is gone', async () => (await sessionsOf(server, 'app')) === 1);
    t.is((await two.ok<Rows>('next_page', { cursor: String(kept.cursor), limit: 1 })).rows[0]?.[0], 2);
    await two.close();
    await none();
    await t.throwsAsync(one.call('list_tables'), { message: /stopped/ });
  },
);

here('all tasks together have no more connections than allowed, and are told so', async (t) => {
  t.timeout(120_000);
  const plugin = await stand({
    databases: { shop: { url: shopUrl(server, 'app') } },
    ...{ maxTotalConnections: 4, maxConnections: 4, idleTimeout: 100 },
  });
  const tasks = await Promise.all(['1', '2', '3'].map((id) => plugin.open(`task:${id}`)));
  const [one, two, three] = tasks;
  for (const task of [one, two]) {
    await task?.ok('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
    await task?.ok('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
  }
  await until('idle ones are gone', async () => (await sessionsOf(server, 'app')) === 4);
  t.regex(String(await three?.fails('list_tables')), /all connections to this database are busy.*maxTotalConnections/);
  await one?.close();
  t.truthy(await three?.ok('list_tables'));
  await Promise.all(tasks.slice(1).map((task) => task.close()));
  await none();
});

/** A port that takes connections and says nothing. */
async function silentPort(t: ExecutionContext): Promise<number> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return (listener.address() as AddressInfo).port;
}

here('no error, log line or result holds a secret', async (t) => {
  t.timeout(120_000);
  const password = 'S3cr3t/of:the@sh%op';
  const silent = await silentPort(t);
  const encoded = encodeURIComponent(password);
  const urls: [string, RegExp][] = [
    [
      server.url('reader', password, 'shop'),
      /password authentication failed for user "reader".*correct the credentials/s,
    ],
    [server.url(password, password, 'shop'), /password authentication failed for user "\*\*\*"/],
    [`postgres://reader:${encoded}@127.0.0.1:1/shop`, /cannot be reached: nothing listens there/],
    [`postgres://reader:${encoded}@host.invalid/shop`, /cannot be reached: its host name/],
    [`postgres://reader:${encoded}@127.0.0.1:${silent}/shop`, /did not answer in time/],
    [`postgres://reader:${encoded}@localhost/shop?host=/nowhere`, /cannot be reached: its socket is not there/],
    [`postgres://reader@127.0.0.1:${server.port}/shop`, /asks for a password and the configured URL has none/],
  ];
  const env = { ...process.env };
  process.env['PGPASSWORD'] = passwords.reader;
  process.env['PGUSER'] = 'app';
  t.teardown(() => {
    process.env = env;
  });
  for (const [url, words] of urls) {
    const plugin = await stand({ databases: { shop: { url } }, connectTimeout: 2000 });
    const task = await plugin.open('task:1');
    for (const text of [await task.fails('query', { sql: 'SELECT 1' }), await task.fails('list_tables')]) {
      t.regex(text, words);
      for (const secret of [password, encoded, url, passwords.reader]) t.false(text.includes(secret), text);
    }
    const resource = JSON.stringify(await task.send('resources/read', { uri: 'postgres://shop/public/items' }));
    const all = resource + JSON.stringify(plugin.log) + JSON.stringify(plugin.servers);
    for (const secret of [password, encoded, passwords.reader]) t.false(all.includes(secret), all);
    await task.close();
  }
});

here('an option that is wrong is refused without its URL; what is right is taken', async (t) => {
  const { default: plugin } = await import('@plugboard/postgres');
  const problems = (options: JsonObject) => {
    const { error } = plugin.options?.safeParse(options) ?? {};
    return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
  };
  const url = 'postgres://user:hidden-word@host/db';
  const database = (more: JsonObject) => ({ databases: { shop: { url, ...more } } });
  const wrong: [JsonObject, RegExp][] = [
    [database({ url: 'hidden-word' }), /databases\.shop\.url: is not a URL/],
    [database({ url: 'mysql://user:hidden-word@host/db' }), /must begin with postgres/],
    [database({ url: 'postgres://:hidden-word@host/db' }), /names no user/],
    [database({ url: 'postgres://user:hidden-word@host' }), /names no database/],
    [database({ url: 'postgres://user:hidden-word@/db' }), /is not a URL/],
    [database({ url: 'postgres://user:hidden-word%zz@host/db' }), /%25/],
    [database({ url: `${url}?sslmode=prefer` }), /sslmode that is not one of disable, require/],
    [database({ url: `${url}?options=-c%20x` }), /parameter that is not known/],
    [{ databases: { shop: {} } }, /needs `url`, or `connections`/],
    [{ databases: { 'two words': { url } } }, /letters, digits/],
    [database({ executeUrl: url }), /needs `execute`/],
    [database({ execute: { schemas: [], kinds: ['insert'] } }), /schemas/],
    [database({ execute: { schemas: ['a'], kinds: ['grant'] } }), /kinds/],
    [database({ readOnly: false }), /Unrecognized key: "readOnly"/],
    [{ ...database({}), maxConnections: 3, maxCursors: 2 }, /at least maxCursors \+ 2/],
    [{ ...database({}), maxTotalConnections: 3 }, /must not be smaller/],
    [{ ...database({}), password: 'hidden-word' }, /Unrecognized key: "password"/],
  ];
  for (const [options, words] of wrong) {
    t.regex(problems(options), words, JSON.stringify(options));
    t.notRegex(problems(options), /hidden-word/);
  }
  t.is(problems(database({ url: 'postgresql://us%20er:p%2F%40@[::1]:5433/d%20b?sslmode=verify-ca' })), '');
  t.is(problems(database({ url: 'postgres://user@localhost/db?host=/var/run/postgresql' })), '');
});

here(
  'TLS is verified, or required, or off, as the options say; to other machines it is verified by default',
  async (t) => {
    t.timeout(120_000);
    const { tlsMode, parseAddress } = await import('../src/address.ts');
    t.is(tlsMode(parseAddress('postgres://u@db.example/x')), 'verify-full');
    t.is(tlsMode(parseAddress('postgres://u@127.0.0.1/x')), 'disable');
    t.is(tlsMode(parseAddress('postgres://u@localhost/x?sslmode=require')), 'require');
    const attempt = async (tls: JsonObject | undefined, query = '', host = '127.0.0.1') => {
      const url = `${shopUrl(server, 'app').replace('127.0.0.1', host)}${query}`;
      const task = await (await stand({ databases: { shop: tls === undefined ? { url } : { url, tls } } })).open(
        'task:1',
      );
      const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
      const answer = await task.ok<Rows>('query', { sql }).then(
        ({ rows }) => rows[0]?.[0],
        (error: Error) => error.message,
      );
      await task.close();
      return answer;
    };
    t.is(await attempt(undefined), false);
    t.is(await attempt({ mode: 'require' }), true);
    t.is(await attempt(undefined, '?sslmode=require'), true);
    t.is(await attempt({ mode: 'verify-full', ca: certificate.cert }), true);
    t.is(await attempt({ mode: 'verify-ca', ca: certificate.cert }), true);
    t.regex(String(await attempt({ mode: 'verify-full' })), /self-signed|self signed/);
    t.regex(String(await attempt({ mode: 'verify-full', ca: testCertificate().cert })), /certificate|signature/);
    // The certificate is for localhost and 127.0.0.1 only.
    const other = 'ip6-localhost-that-is-not';
    t.regex(String(await attempt({ mode: 'verify-full', ca: certificate.cert }, '', other)), /cannot be reached/);
    const plain = await startServer(newest);
    t.teardown(() => plain.stop());
    const url = plain.url('postgres', plain.password);
    const refusing = await (await stand({ databases: { shop: { url, tls: { mode: 'require' } } } })).open('task:1');
    t.regex(await refusing.fails('list_tables'), /does not support SSL/);
    await refusing.close();
  },
);

here('a server that restarts is found again', async (t) => {
  t.timeout(120_000);
  const plugin = await stand({ databases: { shop: { url: shopUrl(server, 'app') } }, idleTimeout: 60_000 });
  const task = await plugin.open('task:1');
  t.teardown(() => task.close());
  await task.ok('list_tables');
  const page = await task.ok<Rows>('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
  await server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
  await none();
  t.regex(
    await task.fails('next_page', { cursor: String(page.cursor) }),
    /ended the connection|terminating connection/,
  );
  await until('it is found again', async () => (await task.call('list_tables')).result?.['isError'] !== true);
  t.is((await task.ok<Rows>('query', { sql: 'SELECT 1' })).rowCount, 1);
});

here('after 1,000 lives of tasks nothing is left: no session, no socket, no memory', async (t) => {
  t.timeout(600_000);
  const plugin = await stand({ databases: { shop: { url: shopUrl(server, 'app') } } });
  const live = async (id: number) => {
    const task = await plugin.open(`task:${id}`);
    await task.ok('list_tables', { limit: 1 });
    // Some leave a result open, or a statement that runs.
    if (id % 10 === 0) await task.ok('query', { sql: 'SELECT generate_series(1, 1000)', limit: 1 });
    const running = id % 50 === 0 ? task.call('query', { sql: 'SELECT pg_sleep(600)' }).catch(() => {}) : undefined;
    await task.close();
    await running;
  };
  const sockets = () => process.getActiveResourcesInfo().filter((each) => /TCP|Socket|TLS/i.test(each)).length;
  const lives = async (from: number, to: number) => {
    for (let id = from; id < to; id += 5) await Promise.all(Array.from({ length: 5 }, (_, index) => live(id + index)));
    await none();
  };
  await lives(0, 200);
  const before = { sockets: sockets(), timers: timers() };
  const memory = used();
  await lives(200, 1200);
  t.deepEqual({ sockets: sockets(), timers: timers() }, before);
  const grown = used() - memory;
  t.true(grown < 16 * 1024 * 1024, `${grown} bytes more`);
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
}

function used(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
