// Who tries to get more than is theirs: wrong, old and foreign tokens, stolen sessions, forged headers and names, and objects made to hurt.
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '@plugboard/test-kit';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { connect, eras, manifest, stand, tools } from './stand.ts';

interface Sent {
  readonly status: number;
  readonly text: string;
  readonly session: string | null;
}

/** One message of the old era, as it is. */
async function post(url: string, method: string, params: JsonObject, headers: Record<string, string>): Promise<Sent> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return { status: response.status, text: await response.text(), session: response.headers.get('mcp-session-id') };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };

test('tokens: wrong, rotated, revoked, expired, deleted and none are refused with the same words; no token is kept or logged', async (t) => {
  const proxy = await stand(t, { options: { token: { grace: 3000, ttl: 600_000 } } });
  const open = (token: string) => post(proxy.url, 'initialize', initialize, bearer(token));
  const wrong = await open(`pbt_${'A'.repeat(43)}`);
  t.is(wrong.status, 401);
  const tokens: string[] = [];
  const refused = async (token: string, why: string) => {
    tokens.push(token);
    const { status, text } = await open(token);
    t.is(status, 401, why);
    t.is(text, wrong.text, why);
  };
  await refused('pbt_', 'empty');
  await refused('something-else', 'no token of a task');
  const { token: first } = await proxy.task(manifest('a', tools(['github'])));
  const session = await open(first);
  t.is(session.status, 200);
  const { token: second } = await proxy.ok('POST', '/tasks/a/token', {});
  await refused(first, 'rotated');
  t.is(
    (await post(proxy.url, 'tools/list', {}, { ...bearer(String(second)), 'mcp-session-id': session.session ?? '' }))
      .status,
    404,
    'sessions of the old token end',
  );
  const { token: next } = await proxy.ok('POST', '/tasks/a/token', { overlap: 600_000 });
  t.is((await open(String(second))).status, 200, 'both are good for a while');
  t.is((await open(String(next))).status, 200);
  const { token: third } = await proxy.ok('POST', '/tasks/a/token', { overlap: 1 });
  await until('the overlap is over', async () => (await open(String(next))).status === 401);
  await refused(String(second), 'rotated twice');
  await refused(String(next), 'overlap over');
  const client = await connect(t, 'new', proxy.url, String(third));
  await client.watch([]);
  await proxy.ok('PUT', '/tasks/a/phase', { phase: 'Running' });
  t.is((await open(String(third))).status, 200);
  await proxy.ok('PUT', '/tasks/a/phase', { phase: 'Succeeded', message: 'merged' });
  t.is((await open(String(third))).status, 200, 'grace');
  await until('it expires', async () => (await open(String(third))).status === 401);
  await refused(String(third), 'expired');
  await until('its sessions end', () =>
    [...proxy.board.sessions.values()].every(({ grant }) => !grant.id.startsWith('task:a:')),
  );
  await proxy.ok('PUT', '/tasks/a/phase', { phase: 'Running' });
  t.is((await open(String(third))).status, 200, 'the run goes on, and with it its token');
  await proxy.ok('DELETE', '/tasks/a/token');
  await refused(String(third), 'revoked');
  const { token: fourth } = await proxy.ok('POST', '/tasks/a/token', {});
  await proxy.ok('DELETE', '/tasks/a');
  await refused(String(fourth), 'deleted');
  const nobody = await post(proxy.url, 'initialize', initialize, {});
  const listed =
    nobody.status === 200
      ? await post(proxy.url, 'tools/list', {}, { 'mcp-session-id': nobody.session ?? '' })
      : nobody;
  t.notRegex(listed.text, /github|request_tools/);
  const { readdir, readFile } = await import('node:fs/promises');
  const kept = await readdir(proxy.folder, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    kept.filter((each) => each.isFile()).map((each) => readFile(path.join(each.parentPath, each.name), 'utf8')),
  );
  for (const token of tokens.filter((each) => each.length > 20)) {
    t.false(
      texts.some((text) => text.includes(token)),
      'only its hash is kept',
    );
    t.false(proxy.lines.some((line) => line.includes(token)));
  }
});

test('sessions, headers and names of others: nothing of another task is reached', async (t) => {
  const proxy = await stand(t);
  const a = await proxy.task(manifest('a', tools(['github'])));
  const b = await proxy.task(manifest('b', tools(['docs'])));
  const { session } = await post(proxy.url, 'initialize', initialize, bearer(a.token));
  const stolen = { ...bearer(b.token), 'mcp-session-id': session ?? '' };
  const never = { ...bearer(b.token), 'mcp-session-id': 'never-was' };
  const first = await post(proxy.url, 'tools/list', {}, stolen);
  t.like(first, { status: 404, text: (await post(proxy.url, 'tools/list', {}, never)).text });
  for (const method of ['GET', 'DELETE'])
    t.is((await fetch(proxy.url, { method, headers: { ...stolen, accept: 'text/event-stream' } })).status, 404);
  const claims = {
    'x-task-id': 'a',
    'x-task': 'a',
    'x-agent-name': 'a',
    'x-plugboard-task': 'a',
    'mcp-task': 'a',
    'x-forwarded-user': 'a',
    cookie: `task=a; token=${a.token}`,
  };
  for (const era of eras) {
    const client = await connect(t, era, proxy.url, b.token);
    t.deepEqual(await client.names(), ['docs_read', 'docs_search', 'task_request_tools']);
    for (const name of [
      'github_get_issue',
      'github:get_issue',
      'mcp__plugboard__github_get_issue',
      'docs_../github_get_issue',
      'get_issue',
      'task_task_context',
    ])
      await t.throwsAsync(client.call(name), { message: new RegExp('Unknown tool') }, name);
    t.deepEqual(await client.resources(), ['task://context', 'task://task']);
    t.regex(await client.read('task://task'), /"id": "b"/);
  }
  const own = await post(proxy.url, 'initialize', initialize, { ...bearer(b.token), ...claims });
  const { text } = await post(
    proxy.url,
    'tools/list',
    {},
    { ...bearer(b.token), ...claims, 'mcp-session-id': own.session ?? '' },
  );
  t.notRegex(text, /github_/);
  t.is(
    (
      await fetch(`${proxy.url}/github`, {
        method: 'POST',
        headers: {
          ...bearer(b.token),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: '{}',
      })
    ).status,
    404,
  );
  t.is((await connect(t, 'old', `${proxy.url}/github`, a.token).then((client) => client.names())).length, 3);
  // Those who are no task do not see the server of tasks.
  t.false(proxy.board.servers(proxy.board.defaultGrant).some(({ name }) => name === 'task'));
});

test('objects made to hurt are refused with words, at once, and hurt nobody', async (t) => {
  const proxy = await stand(t, { options: { source: 'tasks', limits: { tasks: 3 } } });
  const { token } = await proxy.task(manifest('good', tools(['github'])));
  const client = await connect(t, 'old', proxy.url, token);
  const many = Array.from({ length: 9000 }, (_, index) => `github:tool_${index}`);
  const refusals: [string, JsonObject | string, number, RegExp][] = [
    ['10 MB', manifest('big', {}, { promptModification: 'x'.repeat(10 * 1024 * 1024) }), 413, /./],
    [
      'a file of 1.5 MB',
      manifest('big', {}, { markdownFiles: [{ filename: 'a', content: 'x'.repeat(1_500_000) }] }),
      422,
      /larger than|too big|1000000/i,
    ],
    [
      '10,000 selectors',
      manifest('many', tools([...many, ...many.slice(0, 1000).map((each) => `${each}_`)])),
      422,
      /at most 9000/,
    ],
    ['20,000 selectors', manifest('many', tools([...many, ...many.map((each) => `${each}_`)])), 422, /10000|10,000/],
    [
      'a million alternatives',
      manifest('brace', tools(['github:{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}'])),
      422,
      /alternatives/,
    ],
    ['an empty part', manifest('empty', tools(['github:'])), 422, /github:/],
    ['an unknown key', manifest('key', { tool: {} }), 422, /tool/],
    ['another folder', manifest('etc', { workspace: '/etc' }), 422, /workspaceRoots/],
    ['a wrong uid', manifest('uid', {}, {}, { uid: '../../x' }), 422, /uid/],
    ['no object', '[]', 422, /./],
  ];
  for (const [what, object, status, words] of refusals) {
    const name = typeof object === 'string' ? 'x' : (object['metadata'] as { name: string }).name;
    const answer = await proxy.api('PUT', `/tasks/${name}`, object);
    t.is(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
    t.regex(JSON.stringify(answer.body), words, what);
  }
  const deep = `{"apiVersion":"orchestrator.io/v1","kind":"TaskRun","metadata":{"name":"deep"},"spec":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`;
  t.true((await proxy.api('PUT', '/tasks/deep', deep)).status >= 400);
  t.is((await proxy.api('PUT', '/tasks/many', manifest('many', tools(many)))).status, 201, '9,000 are taken');
  const big = await proxy.ok('POST', '/tasks/many/token', {});
  t.deepEqual(await (await connect(t, 'new', proxy.url, String(big['token']))).names(), ['task_request_tools']);

  const folder = path.join(proxy.folder, 'tasks');
  await mkdir(folder);
  await proxy.stop();
  const again = await stand(t, { folder: proxy.folder, options: { source: 'tasks' } });
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'.split('').map(
      (name, index) =>
        `${name}: &${name} [${Array<string>(9)
          .fill(`*${'abcdefgh'[index] ?? ''}`)
          .join(',')}]`,
    ),
  ].join('\n');
  const files = {
    'bomb.yaml': bomb,
    'big.yaml': `#${'x'.repeat(10 * 1024 * 1024)}`,
    'binary.yaml': Buffer.from([0, 1, 2, 255, 254]),
    'twice.json': JSON.stringify(manifest('twice', tools(['github:*']))).replace(
      '"name":"twice"',
      '"name":"twice","name":"two"',
    ),
    'proto.json': JSON.stringify(manifest('proto', tools(['github:*']))).replace(
      '{',
      '{"__proto__":{"polluted":true},',
    ),
    'proto.yaml':
      'apiVersion: orchestrator.io/v1\nkind: TaskRun\n__proto__: { polluted: true }\nmetadata: { name: p }\n',
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(folder, `.${name}`), text);
    await rename(path.join(folder, `.${name}`), path.join(folder, name));
  }
  await symlink('/dev/zero', path.join(folder, 'zero.yaml'));
  for (const name of Object.keys(files))
    await until(`${name} is told`, () => again.lines.some((line) => line.includes(name)));
  t.is(({} as { polluted?: boolean }).polluted, undefined);
  t.deepEqual(
    ((await again.ok('GET', '/tasks'))['items'] as { id: string }[]).map(({ id }) => id),
    ['good', 'many'],
  );
  await client.close();
  t.deepEqual(await (await connect(t, 'old', again.url, token)).names(), [
    'github_create_issue',
    'github_get_issue',
    'github_merge_pr',
    'task_request_tools',
  ]);
  t.log(`log: ${again.lines.filter((line) => line.startsWith('warn taskrun')).length} warnings`);
});

test('50 changes at once: none is lost, versions are in order, and a version that was demanded wins only once', async (t) => {
  const proxy = await stand(t, { options: { limits: { contextBytes: 10_000, liveSelectors: 60 } } });
  const { token } = await proxy.task(manifest('race', tools(['docs'])));
  const client = await connect(t, 'new', proxy.url, token);
  const before = (await proxy.ok('GET', '/tasks/race'))['contextVersion'];
  t.is(before, 1);
  const changes = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      proxy.ok('POST', '/tasks/race/context', {
        additional_context: `part ${index}.`,
        enable_tools: [`github:tool_${index}`],
        reason: `r${index}`,
      }),
    ),
  );
  t.deepEqual(
    changes.map(({ contextVersion }) => Number(contextVersion)).sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, index) => index + 2),
  );
  const task = await proxy.ok('GET', '/tasks/race');
  t.is((task['enabled'] as string[]).length, 50);
  const { parts, text } = (await proxy.ok('GET', '/tasks/race/context')) as {
    parts?: { version: number; text: string }[];
    text?: string;
  };
  t.deepEqual(
    parts?.map(({ version }) => version),
    Array.from({ length: 50 }, (_, index) => index + 2),
  );
  t.is(new Set(parts?.map((part) => part.text)).size, 50);
  t.is(await client.read('task://context'), text ?? '');
  const journal = (await proxy.ok('GET', '/tasks/race/journal'))['items'] as {
    number: number;
    contextVersion: number;
    reason: string;
  }[];
  t.deepEqual(
    journal.map(({ number }) => number),
    Array.from({ length: 52 }, (_, index) => index + 1),
  );
  t.deepEqual(
    journal.slice(2).map(({ contextVersion }) => contextVersion),
    Array.from({ length: 50 }, (_, index) => index + 2),
  );

  const etag = (await proxy.api('GET', '/tasks/race')).headers.get('etag') ?? '';
  const statuses = await Promise.all(
    Array.from({ length: 5 }, () =>
      proxy
        .api('POST', '/tasks/race/context', { additional_context: 'one of five' }, { 'if-match': etag })
        .then(({ status }) => status),
    ),
  );
  t.deepEqual(
    statuses.sort((a, b) => a - b),
    [200, 412, 412, 412, 412],
  );
  t.is((await proxy.api('DELETE', '/tasks/race', undefined, { 'if-match': etag })).status, 412);
  const large = await proxy.api('POST', '/tasks/race/context', { additional_context: 'x'.repeat(10_000) });
  t.is(large.status, 413);
  t.is(
    (
      await proxy.api('POST', '/tasks/race/context', {
        enable_tools: Array.from({ length: 11 }, (_, n) => `docs:x${n}`),
      })
    ).status,
    422,
  );
  t.is((await proxy.ok('GET', '/tasks/race'))['contextVersion'], 52);
});
