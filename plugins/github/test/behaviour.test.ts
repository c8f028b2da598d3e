// What agents get: lists in pages, things whole or cut, commits as they were meant. Answers are GitHub's own, recorded or as described.
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { recording } from './github/recordings.ts';
import type { Answer } from './github/local-github.ts';
import { checkGitHub, fileAnswer, openFor, register, stand } from './stand.ts';

const repo = { owner: 'octocat', repo: 'Hello-World' };

test('recorded pages lead to the next one and end', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  github.answer('issues/list-for-repo', ...recording('paginate-issues', github.url));
  const args = { owner: 'octokit-fixture-org', repo: 'paginate-issues', per_page: 3 };
  const titles: unknown[] = [];
  let page: number | undefined = 1;
  for (let rounds = 0; page !== undefined && rounds < 9; rounds += 1) {
    const { structured, text, note } = await client.call('list_issues', { ...args, page });
    const items = structured['items'] as JsonObject[];
    t.deepEqual(JSON.parse(text), items);
    t.true(items.length <= 3);
    titles.push(...items.map(({ title }) => title));
    page = structured['next_page'] as number | undefined;
    t.is(note, page === undefined ? undefined : `There is more: go on with page ${page}.`);
  }
  t.is(titles.length, 13);
  t.is(new Set(titles).size, 13);
  t.deepEqual(
    github.requests.map(({ query }) => query['page']),
    ['1', '2', '3', '4', '5'],
  );
  checkGitHub(t, github);
});

test('a page that is too large is cut so that the rest can be had, and nothing is lost or doubled', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 8192 });
  const client = await open();
  const total = 40;
  const answer: Answer = {
    handle: (request, response) => {
      const query = new URL(request.url ?? '', 'http://x').searchParams;
      const [page, size] = [Number(query.get('page')), Number(query.get('per_page'))];
      const comments = Array.from({ length: total }, (_each, index) => ({
        id: index,
        // A later page has to be cut, and its size is no multiple of what fits.
        body: `${index} ${'long '.repeat(index < 10 ? 20 : 500)}`,
        user: { login: 'octocat' },
      }));
      const link = page * size < total ? { link: `<${github.url}/x?page=${page + 1}>; rel="next"` } : {};
      response.writeHead(200, { 'content-type': 'application/json', ...link });
      response.end(JSON.stringify(comments.slice((page - 1) * size, page * size)));
    },
  };
  const seen: unknown[] = [];
  let next: { page?: number; per_page?: number } | undefined = { page: 1, per_page: 15 };
  for (let rounds = 0; next !== undefined && rounds < 60; rounds += 1) {
    github.answer('issues/list-comments', answer);
    const { structured, note } = await client.call('get_issue_comments', { ...repo, issue_number: 1, ...next });
    t.true(JSON.stringify(structured).length < 8500);
    seen.push(...(structured['items'] as JsonObject[]).map(({ id }) => id));
    const page = structured['next_page'] as number | undefined;
    const perPage: number | undefined = (structured['next_per_page'] as number | undefined) ?? next.per_page;
    t.is(page !== undefined, note?.includes('go on with page') ?? false);
    next = page === undefined ? undefined : { page, ...(perPage !== undefined && { per_page: perPage }) };
  }
  t.deepEqual(
    seen,
    Array.from({ length: total }, (_each, index) => index),
  );
  t.true(github.requests.length > 1);
  // More than GitHub gives is asked as what it gives, as the reference server's callers may do.
  github.answer('issues/list-comments', answer);
  await client.call('get_issue_comments', { ...repo, issue_number: 1, per_page: 1000 });
  t.is(github.requests.at(-1)?.query['per_page'], '100');
  checkGitHub(t, github);
});

test('one thing that is too large is cut with a note', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 8192 });
  const client = await open();
  github.answer('issues/get', { from: (issue: JsonObject) => ({ ...issue, body: 'long '.repeat(5000) }) });
  const { structured, note, text } = await client.call('get_issue', { ...repo, issue_number: 1347 });
  t.true(text.length <= 8192 && (structured['body'] as string).endsWith('…'));
  t.regex(note ?? '', /longer than \d+ characters were cut.*maxResultBytes/);
  t.is(structured['note'], note);
  checkGitHub(t, github);
});

test('create_or_update_file takes the sha that is there, that which is given, or none for a new file', async (t) => {
  const tokens = Object.fromEntries([1, 2, 3, 4].map((index) => [`g:${index}`, `token-${index}`]));
  const { github, open } = await stand(t, { tokens });
  const args = { ...repo, path: 'a.txt', content: 'héllo', message: 'm', branch: 'main' };
  const bodies = () => github.of('repos/create-or-update-file-contents').map(({ body }) => body as JsonObject);
  github.answer('repos/get-content', fileAnswer(Buffer.from('old'), 3));
  await (await open('g:1')).call('create_or_update_file', args);
  t.like(bodies()[0], { content: Buffer.from('héllo').toString('base64'), branch: 'main', message: 'm' });
  t.is(typeof bodies()[0]?.['sha'], 'string');
  await (await open('g:2')).call('create_or_update_file', { ...args, sha: 'abc' });
  t.is(bodies()[1]?.['sha'], 'abc');
  github.answer('repos/get-content', {
    status: 404,
    json: { message: 'Not Found', documentation_url: 'https://x', status: '404' },
  });
  github.answer('repos/create-or-update-file-contents', recording('create-file')[0] ?? {});
  const created = await (await open('g:3')).call('create_or_update_file', args);
  t.false('sha' in (bodies()[2] ?? {}));
  t.like(created.structured, { content: { path: 'test.txt' }, commit: { message: 'create test.txt' } });
  // Whatever else is wrong, nothing is written over a file that could not be looked at.
  github.answer('repos/get-content', { status: 403, json: { message: 'Resource not accessible' } });
  t.true((await (await open('g:4')).call('create_or_update_file', args)).failed);
  t.is(bodies().length, 3);
  checkGitHub(t, github);
});

test('push_files makes one commit on top of the branch and does not force it', async (t) => {
  const { github, open } = await stand(t);
  const files = [
    { path: 'a.txt', content: 'a' },
    { path: 'b/c.txt', content: 'ü' },
  ];
  const sha = (letter: string) => letter.repeat(40);
  github.answer('git/get-ref', {
    from: (ref: JsonObject) => ({ ...ref, object: { type: 'commit', sha: sha('a'), url: 'https://x' } }),
  });
  github.answer('git/create-tree', { status: 201, from: (tree: JsonObject) => ({ ...tree, sha: sha('b') }) });
  github.answer('git/create-commit', { status: 201, from: (commit: JsonObject) => ({ ...commit, sha: sha('c') }) });
  const pushed = await (await open()).call('push_files', { ...repo, branch: 'topic/x', files, message: 'add' });
  t.false(pushed.failed, pushed.text);
  const [ref, tree, commit, update] = github.requests;
  t.is(ref?.parameters['ref'], 'heads/topic/x');
  t.deepEqual(tree?.body, {
    base_tree: sha('a'),
    tree: files.map((file) => ({ ...file, mode: '100644', type: 'blob' })),
  });
  t.deepEqual(commit?.body, { message: 'add', tree: sha('b'), parents: [sha('a')] });
  t.is(update?.parameters['ref'], 'heads/topic/x');
  t.deepEqual(update?.body, { sha: sha('c'), force: false });
  t.is((pushed.structured['commit'] as JsonObject)['sha'], sha('c'));
  checkGitHub(t, github);
});

test('recorded answers of labels, releases, issues and statuses are told whole', async (t) => {
  const { github, open } = await stand(t, { tokens: { 'g:1': 'one', 'g:2': 'two', 'g:3': 'three' } });
  const client = await open();
  const [labels, created] = recording('labels');
  github.answer('issues/list-labels-for-repo', labels ?? {});
  const listed = await client.call('list_labels', repo);
  t.is((listed.structured['items'] as JsonObject[]).length, 9);
  t.like((listed.structured['items'] as JsonObject[])[0], { name: 'bug', color: 'd73a4a' });
  github.answer('issues/create-label', created ?? {});
  t.is(
    (await (await open('g:1')).call('create_label', { ...repo, name: 'test-label', color: '663399' })).structured[
      'name'
    ],
    'test-label',
  );
  github.answer('repos/get-release-by-tag', recording('release-assets')[0] ?? {});
  t.like((await client.call('get_release', { ...repo, tag: 'v1.0.0' })).structured, {
    tag_name: 'v1.0.0',
    name: 'Version 1.0.0',
  });
  github.answer('repos/get-combined-status-for-ref', recording('create-status')[3] ?? {});
  const status = await client.call('get_pull_request_status', { ...repo, pull_number: 1 });
  t.like(status.structured, { state: 'failure', total_count: 2 });
  const [issue, labelled] = recording('add-labels-to-issue');
  github.answer('issues/create', issue ?? {});
  t.is(
    (await (await open('g:2')).call('create_issue', { ...repo, title: 'Issue without a label' })).structured['number'],
    1,
  );
  github.answer('issues/add-labels', labelled ?? {});
  const added = await (await open('g:3')).call('add_issue_labels', {
    ...repo,
    issue_number: 1,
    labels: ['Foo', 'bAr'],
  });
  t.is((added.structured['items'] as JsonObject[]).length, 3);
  checkGitHub(t, github);
});

test('search queries arrive letter by letter', async (t) => {
  const { github, open } = await stand(t);
  const q = 'c++ "a&b=c" repo:octocat/Hello-World label:ü #1 %2B {x}';
  await (await open()).call('search_issues', { q, per_page: 100 });
  t.deepEqual(github.requests[0]?.query, { q, page: '1', per_page: '100' });
  checkGitHub(t, github);
});

test('the catalogue lists without a token and without GitHub', async (t) => {
  const server = await register({ baseUrl: 'http://127.0.0.1:9' });
  t.true((await (await openFor(t, server)).list()).length > 26);
});
