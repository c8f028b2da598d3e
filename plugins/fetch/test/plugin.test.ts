// The plugin as the host and its clients see it: options, lists, robots.txt, the prompt, leases, README, a real proxy.
import test from 'ava';
import { readFileSync } from 'node:fs';
import { startProxy } from '@plugboard/test-kit';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isPlugin, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import plugin from '../src/index.ts';
import { version } from '../src/server.ts';
import { allowing, connect, open, redirect, register, send, site } from './stand.ts';

const textOf = (url: string) => readFileSync(new URL(url, import.meta.url), 'utf8');

test('the plugin keeps the contract, and refuses options that it does not know', (t) => {
  t.true(isPlugin(plugin));
  t.is((JSON.parse(textOf('../../package.json')) as { version: string }).version, version);
  t.deepEqual(plugin.options?.parse({}), {
    name: 'fetch',
    robots: true,
    allow: [],
    deny: [],
    allowPrivate: [],
    ports: [80, 443],
    maxBytes: 5_242_880,
    timeout: 30_000,
    conversionTimeout: 10_000,
    maxRedirects: 5,
  });
  for (const wrong of [
    { robot: true },
    { name: 'a b' },
    { ports: [] },
    { ports: [0] },
    { maxBytes: 1 },
    { userAgent: 'a\r\nb' },
    { allowPrivate: ['10.0.0.0/33'] },
    { allowPrivate: ['fc00::/129'] },
    { allowPrivate: ['10.0.0.0/8/8'] },
    { allowPrivate: ['example.com/8'] },
    { allow: ['https://example.com'] },
    { allow: ['*'] },
    { deny: ['*.*.com'] },
    { deny: [''] },
  ])
    t.false(plugin.options?.safeParse(wrong).success, JSON.stringify(wrong));
  for (const right of ['10.0.0.0/8', 'fc00::/7', '::1', '1.2.3.4', 'example.com', '*.example.com', 'bücher.example'])
    t.true(plugin.options?.safeParse({ allow: [right] }).success, right);
});

test('the README lists every option with its default and meaning', (t) => {
  const schema = z.toJSONSchema(plugin.options ?? z.object({}), { io: 'input' }) as {
    properties: Record<string, { default?: unknown; description: string }>;
  };
  const rows = Object.entries(schema.properties).map(([name, { default: initial, description }]) => {
    const shown =
      initial === undefined ? '—' : `\`${typeof initial === 'string' ? initial : JSON.stringify(initial)}\``;
    return `| \`${name}\` | ${shown} | ${description} |`;
  });
  t.deepEqual(
    textOf('../../README.md')
      .split(/^## /m)
      .find((section) => section.startsWith('Options'))
      ?.split('\n')
      .filter((line) => /^\| `[a-z][A-Za-z]+` \| (?:`|—)/.test(line)),
    rows,
  );
});

test('the tool and the prompt have the names and arguments of the reference server', async (t) => {
  const catalogue = await connect(await register({}), undefined);
  const { tools } = (await catalogue.request('tools/list', {})) as unknown as { tools: JsonObject[] };
  t.is(tools.length, 1);
  const [tool] = tools;
  t.like(tool, {
    name: 'fetch',
    title: 'Fetch a URL',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  });
  const input = tool?.['inputSchema'] as { properties: Record<string, JsonObject>; required: string[] };
  t.deepEqual(input.required, ['url']);
  t.deepEqual(Object.keys(input.properties), ['url', 'max_length', 'start_index', 'raw']);
  t.like(input.properties['max_length'], { type: 'integer', default: 5000, maximum: 999_999, minimum: 1 });
  t.like(input.properties['start_index'], { type: 'integer', default: 0, minimum: 0 });
  t.like(input.properties['raw'], { type: 'boolean', default: false });
  t.truthy(tool?.['outputSchema']);
  const { prompts } = (await catalogue.request('prompts/list', {})) as unknown as { prompts: JsonObject[] };
  t.like(prompts[0], { name: 'fetch', arguments: [{ name: 'url', required: true }] });
  await catalogue.close();
});

test('robots.txt is kept to, asked once per site, and by the name of the program', async (t) => {
  const robots =
    'User-agent: *\nDisallow: /private\nAllow: /private/open\n\nUser-agent: mybot\nDisallow: /only-mine\n\n' +
    'User-agent: plugboard-fetch\nDisallow: /private\nAllow: /private/open\nDisallow: /*.secret$\n';
  const page = send('text/plain', 'page');
  const local = await site(t, {
    '/robots.txt': send('text/plain', robots),
    '/page': page,
    '/private/a': page,
    '/private/open': page,
    '/a.secret': page,
    '/only-mine': page,
    '/hop': redirect('/private/a'),
  });
  const client = await open(t, allowing(local));
  const isError = async (path: string) => (await client.fetch(local.origin + path)).isError;
  t.false(await isError('/page'));
  t.false(await isError('/private/open'));
  t.false(await isError('/only-mine'));
  t.true(await isError('/a.secret'));
  t.true(await isError('/hop'));
  t.regex(
    (await client.fetch(`${local.origin}/private/a`)).text,
    /robots\.txt asks programs .*\/private\/a\. Tell the user/,
  );
  t.is(local.asked.filter((path) => path === '/robots.txt').length, 1);
  t.false(local.asked.includes('/private/a'));
  const other = await open(t, { ...allowing(local), userAgent: 'MyBot/2.0 (test)' });
  t.true((await other.fetch(`${local.origin}/only-mine`)).isError);
  t.false((await other.fetch(`${local.origin}/private/a`)).isError);
  const off = await open(t, { ...allowing(local), robots: false });
  t.false((await off.fetch(`${local.origin}/private/a`)).isError);
  // A person asks: the page itself, without robots.txt.
  const prompt = await client.request('prompts/get', {
    name: 'fetch',
    arguments: { url: `${local.origin}/private/a` },
  });
  t.deepEqual(prompt['messages'], [{ role: 'user', content: { type: 'text', text: 'page' } }]);
  const failed = await client.request('prompts/get', { name: 'fetch', arguments: { url: `${local.origin}/nothing` } });
  t.regex(JSON.stringify(failed['messages']), /status code 404/);
  await t.throwsAsync(client.request('prompts/get', { name: 'fetch', arguments: {} }), { message: /"url"/ });
});

test('robots.txt that is missing, forbidden, broken or hostile', async (t) => {
  t.timeout(120_000);
  const page = send('text/plain', 'page');
  // Each rule alone is harmless; all together compute for minutes.
  const endless = `User-agent: *\n${`Disallow: /${'*a'.repeat(1000)}$\n`.repeat(250)}`;
  const cases: Record<string, [string, RegExp | undefined]> = {
    missing: ['404', undefined],
    forbidden: ['403', /robots\.txt answers 403, so programs are not wanted there/],
    down: ['500', /robots\.txt answers 500: try again later/],
    large: [`User-agent: *\nDisallow: /page\n${'#'.repeat(3_000_000)}`, /asks programs/],
    binary: ['\0\xff\0User-agent: *', undefined],
    endless: [endless, /takes too long to understand/],
  };
  for (const [name, [answer, words]] of Object.entries(cases)) {
    const path = `/page${'a'.repeat(name === 'endless' ? 7000 : 0)}`;
    const local = await site(t, {
      [path]: page,
      '/robots.txt': /^\d+$/.test(answer)
        ? (_, response) => void response.writeHead(Number(answer)).end()
        : send('text/plain', answer),
    });
    const client = await open(t, allowing(local));
    const { text, isError } = await client.fetch(local.origin + path);
    t.is(isError, words !== undefined, `${name}: ${text}`);
    if (words !== undefined) t.regex(text, words, name);
  }
});

test('a call that is given up or outlives its server ends at once; leases keep nothing of each other', async (t) => {
  const secret = send('text/plain', 'a'.repeat(6000));
  const local = await site(t, { '/hang': () => {}, '/page': secret });
  const server = await register({ ...allowing(local), robots: false });
  const client = await connect(server, 'task:1');
  const hanging = client.fetch(`${local.origin}/hang`);
  const call = client.start(`${local.origin}/hang`);
  while (local.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  call.cancel({ kind: 'client', message: 'given up' });
  await call.answer.catch(() => {});
  await client.fetch(`${local.origin}/page`);
  await client.close();
  await t.throwsAsync(hanging, { message: /is stopped/ });
  // The next task has to ask for the page itself.
  const next = await connect(server, 'task:2');
  const before = local.asked.length;
  await next.fetch(`${local.origin}/page`, { start_index: 5000 });
  t.is(local.asked.length, before + 1);
  await next.close();
});

test('through a proxy: the tool is offered, works, and is kept from what is private', async (t) => {
  t.timeout(120_000);
  const local = await site(t, { '/': send('text/html', '<p>Hello <b>proxy</b></p>') });
  const proxy = await startProxy({ plugins: { http: { port: 0 }, fetch: allowing(local) } });
  t.teardown(() => proxy.close());
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(proxy.url)));
  t.teardown(() => client.close());
  const call = (url: string) => client.callTool({ name: 'fetch_fetch', arguments: { url } });
  const result = await call(local.origin);
  t.like(result['structuredContent'], { content: 'Hello **proxy**', status: 200 });
  const refused = await call(`http://127.0.0.2:${local.port}/`);
  t.true(refused['isError']);
  const { prompts } = await client.listPrompts();
  t.deepEqual(
    prompts.map(({ name }) => name),
    ['fetch_fetch'],
  );
});
