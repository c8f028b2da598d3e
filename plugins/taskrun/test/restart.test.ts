// A proxy that is killed in the middle of work and started again: the same tools, tokens, memory, context and journal; nothing acknowledged is lost.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { startProxy, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { connect, eras, manifest, tools } from './stand.ts';

/** The management API of a proxy that runs as a process of its own. */
async function apiOf(
  proxy: ProxyProcess,
): Promise<(method: string, route: string, body?: unknown) => Promise<JsonObject>> {
  const file = path.join(proxy.folder, '.plugboard', 'admin-plugboard.json');
  const { url, token } = JSON.parse(await readFile(file, 'utf8')) as { url: string; token: string };
  return async (method, route, body) => {
    const response = await fetch(url + route, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as JsonObject);
  };
}

test('killed while changes are made: what was acknowledged is there again, in order, and agents go on with their token', async (t) => {
  t.timeout(180_000);
  const config = {
    plugins: {
      http: { port: 0 },
      filesystem: { root: '.' },
      memory: {},
      'store-lowdb': {},
      taskrun: { source: 'tasks' },
      admin: {},
    },
  };
  const file = JSON.stringify(manifest('from-file', tools(['memory']), { taskId: 2 }));
  const proxy = await startProxy(config, { files: { 'tasks/one.json': file } });
  t.teardown(() => proxy.close());
  await proxy.ready();
  let api = await apiOf(proxy);
  const object = manifest('work', tools(['memory:*', 'filesystem:read_*'], ['memory:delete_*']));
  await api('PUT', '/tasks/work', object);
  const { token } = await api('POST', '/tasks/work/token', {});
  const client = await connect(t, 'old', proxy.url, String(token));
  await client.call('memory_create_entities', {
    entities: [{ name: 'kept', entityType: 'note', observations: ['before the kill'] }],
  });
  await api('POST', '/tasks/work/context', {
    enable_tools: ['memory:delete_entities'],
    disable_tools: ['filesystem:read_media_file'],
    additional_context: 'first',
  });
  const { token: other } = await api('POST', '/tasks/from-file/token', {});

  const acknowledged: number[] = [];
  const work = { over: false };
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let number = 0; !work.over; number++) {
      await api('POST', '/tasks/work/context', {
        additional_context: `w${writer}-${number}`,
        enable_tools: [`memory:extra_${(writer * 7 + number) % 50}`],
        reason: `w${writer}-${number}`,
      }).then(
        ({ contextVersion }) => acknowledged.push(Number(contextVersion)),
        () => undefined,
      );
    }
  });
  await until('changes are made', () => acknowledged.length > 40);
  await proxy.kill();
  work.over = true;
  await Promise.all(writers);
  await proxy.start();
  await proxy.ready();
  api = await apiOf(proxy);

  const task = await api('GET', '/tasks/work');
  const highest = Math.max(...acknowledged);
  t.true(
    Number(task['contextVersion']) >= highest,
    `version ${String(task['contextVersion'])}, acknowledged ${highest}`,
  );
  t.true((task['enabled'] as string[]).includes('memory:delete_entities'));
  const { parts } = (await api('GET', '/tasks/work/context')) as { parts?: { version: number; text: string }[] };
  const versions = new Set((parts ?? []).map(({ version }) => version));
  t.deepEqual(
    acknowledged.filter((version) => !versions.has(version)),
    [],
    'each acknowledged change is there',
  );
  t.is(versions.size, parts?.length ?? 0, 'no version twice');
  const entries: { number: number; contextVersion: number; action: string }[] = [];
  for (let after = 0, more = true; more; ) {
    const { items, next } = await api('GET', `/tasks/work/journal?limit=1000&after=${after}`);
    entries.push(...(items as typeof entries));
    more = next !== undefined;
    after = Number(next);
  }
  t.deepEqual(
    entries.map(({ number }) => number),
    entries.map((_, index) => index + 1),
    'the journal has no hole',
  );
  const journaled = new Set(
    entries.filter(({ action }) => action === 'context').map(({ contextVersion }) => contextVersion),
  );
  t.deepEqual(
    acknowledged.filter((version) => !journaled.has(version)),
    [],
  );
  t.log(`${acknowledged.length} changes acknowledged before the kill, ${entries.length} journal entries after it`);

  for (const era of eras) {
    const again = await connect(t, era, proxy.url, String(token));
    const names = await again.names();
    t.true(names.includes('memory_delete_entities') && names.includes('filesystem_read_text_file'));
    t.false(names.includes('memory_delete_observations') || names.includes('filesystem_read_media_file'));
    t.regex(await again.call('memory_read_graph'), /before the kill/);
    t.regex(await again.read('task://context'), /first/);
    t.deepEqual(
      (await (await connect(t, era, proxy.url, String(other))).names()).filter((name) => !name.startsWith('memory_')),
      ['task_request_tools'],
    );
  }
  await until(
    'counters go on',
    async () => (((await api('GET', '/tasks/work'))['status'] as JsonObject)['calls'] as number) >= 2,
  );
  const log = proxy.log;
  t.false(log.includes(String(token)));
});
