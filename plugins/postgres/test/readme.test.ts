// The README at its word: options, tools, the SQL of its roles; and the server behind a real proxy, where a narrow toolset stays narrow.
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import plugin from '@plugboard/postgres';
import { startProxy } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { isPlugin, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { newest, startServer } from './server.ts';
import type { PostgresServer } from './server.ts';
import { makeShop, sessionsOf } from './shop.ts';
import { stand } from './stand.ts';
import type { Rows } from './stand.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const here = newest.folder === undefined ? test.skip : test.serial;
let server: PostgresServer;

test.before(async (t) => {
  if (newest.folder === undefined) return;
  t.timeout(120_000);
  server = await startServer(newest);
  await makeShop(server);
});

test.after.always(async () => {
  await server?.stop();
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text ?? '');
}

/** First and third cell of each row of the table under a heading. */
function table(heading: string): Map<string, string> {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| `([^`]+)` \| (.*?) \| (.*?) \|/gm)];
  return new Map(rows.map(([, name = '', , third = '']) => [name, third]));
}

test('the table of options is the schema, key by key, with its defaults', (t) => {
  t.true(isPlugin(plugin));
  const found = new Map<string, unknown>();
  const walk = (schema: JsonObject, prefix: string) => {
    for (const [key, value] of Object.entries((schema['properties'] ?? {}) as Record<string, JsonObject>)) {
      const name = prefix === '' ? key : `${prefix}.${key}`;
      found.set(name, value['default']);
      t.truthy(value['description'] ?? value['items'] ?? value['properties'], name);
      const members = (value['additionalProperties'] || undefined) as JsonObject | undefined;
      const items = value['items'] as JsonObject | undefined;
      if (members !== undefined) walk(members, `${name}.*`);
      else if (items?.['properties'] !== undefined) walk(items, `${name}.*`);
      else walk(value, name);
    }
  };
  walk(z.toJSONSchema(plugin.options as z.ZodType, { io: 'input', unrepresentable: 'any' }), '');
  const rows = table('Options');
  t.deepEqual([...rows.keys()], [...found.keys()]);
  for (const [name, value] of found)
    if (typeof value === 'number' || typeof value === 'string')
      t.true(rows.get(name)?.startsWith(`\`${value}\``), name);
});

test('the table of tools is the list of tools, with their arguments', async (t) => {
  const url = 'postgres://nobody@127.0.0.1:1/none';
  const execute = { schemas: ['a'], kinds: ['insert'] };
  const catalogue = await (await stand({ databases: { shop: { url, execute } } })).open();
  const tools = (await catalogue.send('tools/list')).result?.['tools'] as { name: string; inputSchema: JsonObject }[];
  await catalogue.close();
  const rows = [...readme.matchAll(/^\| `(\w+)` \| (`.*?`) \| .* \|$/gm)].filter(([, name]) =>
    tools.some((each) => each.name === name),
  );
  t.deepEqual(
    rows.map(([, name, args]) => [
      name,
      args
        ?.replace(/[`[\]]/g, '')
        .split(', ')
        .sort(),
    ]),
    tools.map(({ name, inputSchema }) => [name, Object.keys(inputSchema['properties'] as JsonObject).sort()]),
  );
});

here(
  'the roles of the README are made as it says: the one reads, the other changes its own schema, neither more',
  async (t) => {
    t.timeout(120_000);
    const sql = blocks('sql');
    t.is(sql.length, 2);
    await server.sql('DROP SCHEMA scratch CASCADE', undefined, 'shop');
    for (const block of sql) await server.sql(block, undefined, 'shop');
    await server.sql('CREATE TABLE public.later AS SELECT 7 AS n', undefined, 'shop');
    t.teardown(() => server.sql('DROP TABLE public.later', undefined, 'shop'));
    const url = server.url('plugboard_reader', 'change-me', 'shop');
    const executeUrl = server.url('plugboard_writer', 'change-me-too', 'shop');
    const kinds = ['insert', 'update', 'delete', 'create', 'drop'];
    const plugin = await stand({ databases: { shop: { url, executeUrl, execute: { schemas: ['scratch'], kinds } } } });
    const task = await plugin.open('task:1');
    t.teardown(() => task.close());
    t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT count(*)::int FROM items, later' })).rows, [[500]]);
    t.regex(await task.fails('query', { sql: 'SELECT * FROM secret.salaries' }), /permission denied/);
    await task.ok('execute', { sql: 'CREATE TABLE results (id int, note text)' });
    await task.ok('execute', { sql: 'INSERT INTO results VALUES (1, $1)', params: ['x'] });
    t.deepEqual((await task.ok<Rows>('query', { sql: 'SELECT note FROM scratch.results' })).rows, [['x']]);
    t.regex(await task.fails('execute', { sql: 'DELETE FROM public.items' }), /permission denied/);
    await task.ok('execute', { sql: 'DROP TABLE results' });
    // The role alone, without this plugin: it cannot write either.
    const direct = await server.client({ user: 'plugboard_reader', password: 'change-me', database: 'shop' });
    t.teardown(() => direct.end());
    const writes = [
      "INSERT INTO items (name) VALUES ('x')",
      'BEGIN READ WRITE; DELETE FROM items',
      'BEGIN READ WRITE; CREATE TABLE x (id int)',
      'BEGIN READ WRITE; CREATE TEMP TABLE x (id int)',
    ];
    for (const statement of writes) {
      await t.throwsAsync(direct.query(statement), { message: /read-only transaction|permission denied/ }, statement);
      await direct.query('ROLLBACK');
    }
  },
);

async function clientOf(t: ExecutionContext, url: string, token: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  t.teardown(() => client.close());
  return client;
}

here('behind a proxy, a narrow toolset reaches nothing else', async (t) => {
  t.timeout(180_000);
  const [example = ''] = blocks('yaml');
  t.true(example.includes('postgres://plugboard_reader:${env:SHOP_PASSWORD}@db.example.com/shop'));
  const plugins = example
    .replace('plugins:\n', 'plugins:\n  http: { port: 0 }\n')
    .replace('plugboard_reader:', 'app:')
    .replace('db.example.com', `127.0.0.1:${server.port}`);
  const grants = `grants:
  whole: { token: whole-token-0123456789, tools: { allow: ["*"] } }
  narrow: { token: narrow-token-0123456789, tools: { allow: ["shop:list_tables"] } }
`;
  const proxy = await startProxy(plugins + grants, { env: { SHOP_PASSWORD: 'app%3Ap%40ss' }, args: [] });
  t.teardown(() => proxy.close());
  t.deepEqual(
    (await proxy.ready()).map(({ name, state, tools }) => [name, state, tools]),
    [['shop', 'ready', 8]],
  );
  t.is(await sessionsOf(server, 'app'), 0);
  const whole = await clientOf(t, proxy.url, 'whole-token-0123456789');
  const salaries = { sql: 'SELECT count(*)::int FROM secret.salaries' };
  const answer = await whole.callTool({ name: 'shop_query', arguments: salaries });
  t.deepEqual((answer.structuredContent as { rows: unknown }).rows, [[1]]);
  const resource = await whole.readResource({ uri: 'postgres://shop/public/items' });
  t.regex(JSON.stringify(resource), /in euros/i);
  t.is((await whole.listResourceTemplates()).resourceTemplates.length, 1);

  const narrow = await clientOf(t, proxy.url, 'narrow-token-0123456789');
  t.deepEqual(
    (await narrow.listTools()).tools.map(({ name }) => name),
    ['shop_list_tables'],
  );
  t.not((await narrow.callTool({ name: 'shop_list_tables', arguments: { schema: 'public' } })).isError, true);
  for (const name of ['shop_query', 'shop_next_page', 'shop_explain', 'shop_execute', 'query', 'shop_describe_table'])
    await t.throwsAsync(narrow.callTool({ name, arguments: salaries }), { message: /Unknown tool/ }, name);
  // What is listed takes no SQL.
  const trick = { schema: "x'; DROP TABLE items; --", search: '%' };
  const tricked = await narrow.callTool({ name: 'shop_list_tables', arguments: trick });
  t.deepEqual(tricked.structuredContent, { tables: [] });
  t.deepEqual((await narrow.listResources()).resources, []);
  for (const uri of ['postgres://shop/', 'postgres://shop/secret/salaries'])
    await t.throwsAsync(narrow.readResource({ uri }), undefined, uri);
  const only = await clientOf(t, proxy.url.replace(/\/mcp$/, '/mcp/shop'), 'narrow-token-0123456789');
  t.deepEqual(
    (await only.listTools()).tools.map(({ name }) => name),
    ['list_tables'],
  );
  await t.throwsAsync(only.readResource({ uri: 'postgres://shop/secret/salaries' }));
  t.notRegex(proxy.log, /app%3Ap|app:p@ss/);
});
