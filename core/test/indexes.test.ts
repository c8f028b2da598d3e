// Reading plugin indexes: precedence, the kept copy and its ETag, a server that is away, and indexes that must not be used.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { IndexCache } from '../src/registry/index-cache.ts';
import { readIndexes } from '../src/registry/indexes.ts';

const integrity = (fill: number) => `sha512-${Buffer.alloc(64, fill).toString('base64')}`;

function plugin(id: string, title: string, versions: readonly { version: string; fill: number }[]): object {
  const about = {
    core: '^0.1.0',
    apiVersion: 1,
    signed: false,
    provenance: false,
    installScripts: [],
    capabilities: {},
    tools: [],
  };
  return {
    id,
    package: `@acme/plugboard-${id}`,
    kind: 'server',
    title,
    description: title,
    repository: 'https://example.invalid/x',
    status: 'active',
    versions: versions.map(({ version, fill }) => ({ ...about, version, integrity: integrity(fill) })),
  };
}

const index = (plugins: readonly object[], more: object = {}) =>
  JSON.stringify({ indexVersion: 1, plugins, servers: [], ...more });

/** An index server whose text can be changed, and what it was asked. */
async function serverFor(t: ExecutionContext, first: string) {
  const asked: { etag: string | undefined; status: number }[] = [];
  const state = { text: first, away: false };
  const server = createServer((request, response) => {
    const etag = `"${Buffer.from(state.text).toString('base64').slice(-20)}"`;
    const same = request.headers['if-none-match'] === etag;
    const status = state.away ? 503 : same ? 304 : 200;
    asked.push({ etag: request.headers['if-none-match'], status });
    response.writeHead(status, { etag }).end(status === 200 ? state.text : undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-indexes-'));
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/index.json`;
  return { state, asked, url, cache: new IndexCache(folder) };
}

test('an id is taken from the first index that has it; the bundled one stands last', async (t) => {
  const one = await serverFor(t, index([plugin('http', 'ours', [{ version: '9.0.0', fill: 1 }])]));
  const two = await serverFor(t, index([plugin('http', 'theirs', []), plugin('extra', 'theirs', [])]));
  const { plugins, servers } = await readIndexes({ urls: [one.url, two.url], cache: one.cache });
  const titles = Object.fromEntries(plugins.map(({ id, title, index: from }) => [id, [title, from]]));
  t.deepEqual(titles['http'], ['ours', one.url]);
  t.deepEqual(titles['extra'], ['theirs', two.url]);
  t.is(titles['memory']?.[1], 'bundled');
  t.true(servers.length >= 25);
});

test('a fresh copy asks nobody; a stale one asks with its ETag; without its server it is used with a warning', async (t) => {
  const { state, asked, url, cache } = await serverFor(
    t,
    index([plugin('acme', 'Acme', [{ version: '1.0.0', fill: 1 }])]),
  );
  const read = (refresh: boolean) => readIndexes({ urls: [url], refresh, cache });
  await read(false);
  await read(false);
  t.deepEqual(
    asked.map(({ status }) => status),
    [200],
  );
  const again = await read(true);
  t.deepEqual(
    asked.map(({ status }) => status),
    [200, 304],
  );
  t.truthy(again.plugins.find(({ id }) => id === 'acme'));
  state.away = true;
  const { plugins, warnings } = await read(true);
  t.truthy(plugins.find(({ id }) => id === 'acme'));
  t.regex(warnings.join(), /HTTP 503; the copy of .* is used/);
  await t.throwsAsync(readIndexes({ urls: [`${url}?other`], cache }), {
    message: /HTTP 503, and no copy of it is kept here/,
  });
});

test('a newer format, a lost version and a changed integrity are refused, and the copy is kept; unknown members are ignored', async (t) => {
  const two = [
    { version: '1.1.0', fill: 2 },
    { version: '1.0.0', fill: 1 },
  ];
  const { state, url, cache } = await serverFor(t, index([plugin('acme', 'Acme', two)], { news: 'ignored' }));
  const read = () => readIndexes({ urls: [url], refresh: true, cache });
  await read();
  state.text = JSON.stringify({ indexVersion: 2, plugins: [], servers: [] });
  await t.throwsAsync(read(), { message: /index version 2.*update Plugboard/ });
  state.text = index([plugin('acme', 'Acme', [{ version: '1.0.0', fill: 1 }])]);
  await t.throwsAsync(read(), { message: /no longer has version 1\.1\.0 of plugin "acme".*the copy is kept/ });
  state.text = index([
    plugin('acme', 'Acme', [
      { version: '1.1.0', fill: 3 },
      { version: '1.0.0', fill: 1 },
    ]),
  ]);
  await t.throwsAsync(read(), { message: /another integrity for version 1\.1\.0/ });
  state.text = index([plugin('acme', 'Acme', [{ version: '1.2.0', fill: 4 }, ...two])]);
  t.is((await read()).plugins.find(({ id }) => id === 'acme')?.versions.length, 3);
});
