// The life of a task, end to end: from a file or the API to a grant; changed while it runs; the same after a restart; over at once when it is deleted.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '@plugboard/test-kit';
import test from 'ava';
import { connect, eras, manifest, stand, tools } from './stand.ts';

test('a task sees exactly its tools, is told of live changes in both eras, and reads its context', async (t) => {
  const proxy = await stand(t);
  const files = [{ filename: 'task.md', content: 'Fix the shop.', fileType: 'task' }];
  const object = manifest('fix-shop', tools(['github:get_*', 'docs'], ['docs:read']), { markdownFiles: files });
  const { token } = await proxy.task(object);
  const own = ['task_request_tools'];
  const clients = await Promise.all(eras.map((era) => connect(t, era, proxy.url, token)));
  for (const client of clients) {
    t.deepEqual(await client.names(), ['docs_search', 'github_get_issue', ...own]);
    t.deepEqual(await client.resources(), ['task://context', 'task://task']);
    t.deepEqual(await client.prompts(), ['task_task_context']);
    t.regex(await client.read('task://context'), /Fix the shop\./);
    t.regex(await client.prompt('task_task_context'), /Context version 1\.[^]*Fix the shop\./);
    await client.watch(['task://context']);
  }
  const started = performance.now();
  const change = await proxy.ok('POST', '/pm/tasks/7/context', {
    additional_context: 'The cart is broken too.',
    enable_tools: ['github:merge_pr'],
    disable_tools: ['docs:search'],
    reason: 'review is done',
  });
  t.like(change, { contextVersion: 2, enabled: ['github:merge_pr'], disabled: ['docs:search'], warnings: [] });
  for (const client of clients) {
    await until(
      `${client.era} is told`,
      () => client.changed.length > 0 && client.updated.includes('task://context'),
      10_000,
    );
    t.log(`${client.era} era: told ${Math.round((client.changed[0] ?? 0) - started)} ms after the request was sent`);
    t.deepEqual(await client.names(), ['github_get_issue', 'github_merge_pr', ...own]);
    t.like(JSON.parse(await client.call('github_merge_pr')), { tool: 'merge_pr' });
    await t.throwsAsync(client.call('docs_search'), { message: /Unknown tool/ });
    t.regex(
      await client.read('task://context'),
      /Fix the shop\.[^]*Added in version 2 by api:local[^]*The cart is broken too\./,
    );
    t.like(JSON.parse(await client.read('task://task')), { contextVersion: 2, phase: 'Pending' });
  }
  const { items } = await proxy.ok('GET', '/tasks/fix-shop/journal');
  t.like(items, [
    { number: 1, action: 'created', by: 'api:local' },
    { number: 2, action: 'token-created' },
    {
      number: 3,
      action: 'context',
      contextVersion: 2,
      reason: 'review is done',
      enabled: ['github:merge_pr'],
      disabled: ['docs:search'],
    },
  ]);
  // The object is written anew: what was changed live goes on.
  await proxy.ok(
    'PUT',
    '/tasks/fix-shop',
    manifest('fix-shop', tools(['github:create_issue', 'docs:*']), { markdownFiles: files }),
  );
  await until(
    'the new object is in force',
    async () =>
      (await clients[0]?.names())?.join() === ['docs_read', 'github_create_issue', 'github_merge_pr', ...own].join(),
  );
  t.like(await proxy.ok('GET', '/tasks/fix-shop'), {
    contextVersion: 3,
    enabled: ['github:merge_pr'],
    disabled: ['docs:search'],
  });
});

test('deleted: the next request is refused at once, sessions end, and a later task of the name inherits nothing', async (t) => {
  const proxy = await stand(t, { plugins: { memory: {} } });
  const object = manifest('short', tools(['memory:*']));
  const { token } = await proxy.task(object);
  const clients = await Promise.all(eras.map((era) => connect(t, era, proxy.url, token)));
  await clients[0]?.call('memory_create_entities', {
    entities: [{ name: 'secret', entityType: 'x', observations: [] }],
  });
  await clients[1]?.watch([]);
  t.regex((await clients[1]?.call('memory_read_graph')) ?? '', /secret/);
  const grant = proxy.grant('short').id;
  const sessions = () => [...proxy.board.sessions.values()].filter((session) => session.grant.id === grant);
  t.true(sessions().length >= 2);
  await proxy.ok('DELETE', '/tasks/short');
  const started = performance.now();
  for (const client of clients) await t.throwsAsync(client.names());
  t.log(`refused ${Math.round(performance.now() - started)} ms after the answer`);
  t.deepEqual(sessions(), []);
  t.is((await proxy.api('GET', '/tasks/short')).status, 404);
  const again = await proxy.task(object);
  const client = await connect(t, 'old', proxy.url, again.token);
  t.notRegex(await client.call('memory_read_graph'), /secret/);
  t.not(proxy.grant('short').id, grant);
  await t.throwsAsync(connect(t, 'old', proxy.url, token));
});

test('a folder of files: added, changed, broken, renamed, removed; and what happened while the proxy was down', async (t) => {
  const proxy = await stand(t, { options: { source: 'tasks' } });
  const folder = path.join(proxy.folder, 'tasks');
  const write = async (name: string, text: string) => {
    await writeFile(path.join(folder, `.${name}`), text);
    await rename(path.join(folder, `.${name}`), path.join(folder, name));
  };
  const yaml = (name: string, allow: string) =>
    `apiVersion: orchestrator.io/v1\nkind: TaskRun\nmetadata: { name: ${name} }\nspec:\n  taskId: 1\n  serviceName: s\n  agentName: a\n  toolConfig: { tools: { allow: [${allow}] } }\n`;
  const ids = async () => ((await proxy.ok('GET', '/tasks'))['items'] as { id: string }[]).map(({ id }) => id);
  const allowOf = async (id: string) => {
    const { body } = await proxy.api('GET', `/tasks/${id}`);
    return (body['spec'] as { tools?: { allow?: string[] } } | undefined)?.tools?.allow?.join();
  };
  t.true(proxy.lines.some((line) => /tasks is not there/.test(line)));
  await mkdir(folder);
  await write('a.yaml', `${yaml('one', 'docs')}---\n${yaml('two', 'github')}`);
  await until('both tasks are there', async () => (await ids()).join() === 'one,two');
  const { token } = await proxy.ok('POST', '/tasks/one/token', {});
  await proxy.ok('POST', '/tasks/one/context', { additional_context: 'kept', enable_tools: ['github:get_issue'] });
  await write('a.yaml', `${yaml('one', 'docs:read')}---\n${yaml('two', 'github')}`);
  await until('the change is in force', async () => (await allowOf('one')) === 'docs:read');
  await write('a.yaml', 'kind: TaskRun\napiVersion: [\nkind: TaskRun\n');
  const told =
    /a\.yaml:3:1: Flow sequence .*; .*:3:1: the key kind .* \(correct the file at the place named; YAML and JSON are read\); its tasks stay as they are/;
  await until('the broken file is told', () => proxy.lines.some((line) => told.test(line)));
  await write('a.yaml', `${yaml('one', 'docs')}kind: Again\n`);
  await until('the key is told', () =>
    proxy.lines.some((line) => /a\.yaml:9:1: the key kind stands here a second time/.test(line)),
  );
  t.deepEqual(await ids(), ['one', 'two']);
  // Another file with the same task, and a wrong key.
  await write('b.yaml', yaml('three', 'docs').replace('taskId', 'taskid'));
  await until('the wrong key is told', () => proxy.lines.some((line) => /b\.yaml:1: refused: .*taskid/.test(line)));
  await write('a.yaml', `${yaml('one', 'docs:read')}---\n${yaml('two', 'github')}`);
  await write('c.yaml', yaml('one', '"*"'));
  await until('the second one is told', () =>
    proxy.lines.some((line) => /c\.yaml:1: task one stands in a\.yaml too/.test(line)),
  );
  await rm(path.join(folder, 'c.yaml'));
  await rename(path.join(folder, 'a.yaml'), path.join(folder, 'z.yaml'));
  await until('the new origin', async () => (await proxy.ok('GET', '/tasks/one'))['origin'] === 'z.yaml:1');
  t.like(await proxy.ok('GET', '/tasks/one'), { enabled: ['github:get_issue'], source: 'folder' });
  for (const [method, body] of [
    ['PUT', manifest('one')],
    ['DELETE', undefined],
  ] as const) {
    const refused = await proxy.api(method, '/tasks/one', body);
    t.is(refused.status, 409);
    t.regex(String(refused.body['detail']), /z\.yaml/);
  }
  const client = await connect(t, 'old', proxy.url, String(token));
  t.deepEqual(await client.names(), ['docs_read', 'github_get_issue', 'task_request_tools']);
  await proxy.stop();

  await write('z.yaml', yaml('one', 'docs:read'));
  const second = await stand(t, { options: { source: 'tasks' }, folder: proxy.folder });
  t.deepEqual(
    ((await second.ok('GET', '/tasks'))['items'] as { id: string }[]).map(({ id }) => id),
    ['one'],
  );
  t.deepEqual(await (await connect(t, 'new', second.url, String(token))).names(), [
    'docs_read',
    'github_get_issue',
    'task_request_tools',
  ]);
  t.regex(String((await second.ok('GET', '/tasks/one/context'))['text']), /kept/);
  await rm(path.join(folder, 'z.yaml'));
  await until('the task is gone', async () => (await second.api('GET', '/tasks/one')).status === 404);
  await t.throwsAsync(connect(t, 'old', second.url, String(token)));
});
