// What agents are told when GitHub refuses, limits, fails, hangs or breaks off: a sentence that says what to do, soon enough, and never the token.
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import { recording } from './github/recordings.ts';
import type { Answer } from './github/local-github.ts';
import { checkGitHub, stand, token } from './stand.ts';

const repo = { owner: 'octocat', repo: 'Hello-World' };
const issue = { ...repo, issue_number: 1347 };

const said = (message: string, more: JsonObject = {}) => ({
  message,
  documentation_url: 'https://docs.github.com/rest',
  ...more,
});

function inSeconds(seconds: number): string {
  return String(Math.floor(Date.now() / 1000) + seconds);
}

interface Case {
  readonly name: string;
  readonly tool: string;
  readonly args: JsonObject;
  readonly operation: string;
  readonly answer: Answer;
  readonly words: RegExp;
}

const refusals: readonly Case[] = [
  {
    name: 'a wrong token',
    tool: 'get_me',
    args: {},
    operation: 'users/get-authenticated',
    answer: { status: 401, json: said('Bad credentials') },
    words: /refused the token \(401: Bad credentials\).*option token or tokens; repeating does not help/,
  },
  {
    name: 'a permission that the token lacks',
    tool: 'create_issue',
    args: { ...repo, title: 'x' },
    operation: 'issues/create',
    answer: {
      status: 403,
      json: said('Resource not accessible by personal access token'),
      headers: { 'x-accepted-github-permissions': 'issues=write', 'x-ratelimit-remaining': '4999' },
    },
    words: /does not allow this.*403: Resource not accessible.*It takes: issues=write.*repeating does not help/,
  },
  {
    name: 'nothing there',
    tool: 'get_issue',
    args: issue,
    operation: 'issues/get',
    answer: { status: 404, json: said('Not Found', { status: '404' }) },
    words: /404: Not Found.*or the token may not see it.*check owner, repo/,
  },
  {
    name: 'switched off',
    tool: 'get_issue',
    args: issue,
    operation: 'issues/get',
    answer: { status: 410, json: said('Issues are disabled for this repo') },
    words: /410: Issues are disabled.*switched off for this repository/,
  },
  {
    name: 'a merge that is not possible',
    tool: 'merge_pull_request',
    args: { ...repo, pull_number: 1 },
    operation: 'pulls/merge',
    answer: { status: 405, json: said('Pull Request is not mergeable') },
    words: /405: Pull Request is not mergeable.*read the pull request first/,
  },
  {
    name: 'a conflict',
    tool: 'merge_pull_request',
    args: { ...repo, pull_number: 1, sha: 'abc' },
    operation: 'pulls/merge',
    answer: { status: 409, json: said('Head branch was modified. Review and try the merge again.') },
    words: /409: Head branch was modified.*read it anew/,
  },
  {
    name: 'arguments that GitHub refuses (recorded)',
    tool: 'create_label',
    args: { ...repo, name: 'foo', color: 'ffffff' },
    operation: 'issues/create-label',
    answer: recording('errors')[0] ?? {},
    words: /422: Validation Failed\)\. color invalid\. .*correct what it names/,
  },
  {
    name: 'a file that is too large for the API',
    tool: 'get_file_contents',
    args: { ...repo, path: 'x' },
    operation: 'repos/get-content',
    answer: { status: 403, json: said('This API returns blobs up to 100 MB in size. The requested blob is too large') },
    words: /too large for the API: clone/,
  },
  {
    name: 'a page of somebody else',
    tool: 'get_issue',
    args: issue,
    operation: 'issues/get',
    answer: { status: 404, text: `<html><body>${'proxy '.repeat(2000)}</body></html>`, undescribed: true },
    words: /^GitHub refused \(404\)\./,
  },
];

for (const { name, tool, args, operation, answer, words } of refusals) {
  test(`refused: ${name}`, async (t) => {
    const { github, open } = await stand(t);
    github.answer(operation, answer);
    const { failed, text } = await (await open()).call(tool, args);
    t.true(failed);
    t.regex(text, words);
    t.true(text.length < 1500 && !text.includes(token));
    t.is(github.requests.length, 1, 'asked once');
    checkGitHub(t, github);
  });
}

test('without a token GitHub is asked as nobody, and errors say that one is missing', async (t) => {
  const { github, open } = await stand(t, { token: undefined });
  const client = await open();
  t.false((await client.call('get_issue', issue)).failed);
  t.is(github.requests[0]?.headers.authorization, undefined);
  github.answer('users/get-authenticated', { status: 401, json: said('Requires authentication') });
  t.regex(
    (await client.call('get_me')).text,
    /no token is configured for this task: somebody has to set the option token/,
  );
  checkGitHub(t, github);
});

test('a token that GitHub quotes is not handed on', async (t) => {
  const { github, open } = await stand(t);
  github.answer('issues/get', { status: 404, json: said(`no access for ${token}`) });
  const { text } = await (await open()).call('get_issue', issue);
  t.regex(text, /no access for \*\*\*/);
  t.false(text.includes(token));
});

test('a rate limit that ends soon is waited for', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(1), 'x-ratelimit-resource': 'core' };
  github.answer('issues/get', { status: 403, json: said('API rate limit exceeded'), headers, undescribed: true });
  const result = await client.call('get_issue', issue);
  t.false(result.failed, result.text);
  t.is(github.requests.length, 2);
  const secondary = {
    status: 403,
    json: said('You have exceeded a secondary rate limit'),
    headers: { 'retry-after': '1' },
  };
  github.answer('issues/create', secondary);
  t.false((await client.call('create_issue', { ...repo, title: 'x' })).failed);
  t.is(github.of('issues/create').length, 2);
  checkGitHub(t, github);
});

test('a rate limit that ends late is an answer at once, with the time, and nobody asks again before', async (t) => {
  const { github, open } = await stand(t, { tokens: { 'g:other': 'another-token' } });
  const client = await open();
  const reset = inSeconds(1800);
  const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
  github.answer('issues/get', {
    status: 403,
    json: said('API rate limit exceeded for user ID 1.'),
    headers,
    undescribed: true,
  });
  const first = await client.call('get_issue', issue);
  const until = new Date((Number(reset) + 1) * 1000).toISOString();
  t.true(first.failed);
  t.true(first.text.includes(`rate limit is reached: try again at ${until} (in 1`), first.text);
  const again = await client.call('list_issues', repo);
  t.true(again.failed && again.text.includes(until));
  // Also for another lease with the same token.
  t.true((await (await open('g:second')).call('get_issue', issue)).text.includes(until));
  t.is(github.requests.length, 1);
  // Searches are counted apart, other tokens too.
  t.false((await client.call('search_users', { q: 'tom' })).failed);
  t.false((await (await open('g:other')).call('get_issue', issue)).failed);
  checkGitHub(t, github);
});

test('the secondary limit and 429 hold for everything, whatever headers come with them', async (t) => {
  const cases: Answer[] = [
    {
      status: 403,
      json: said('You have exceeded a secondary rate limit.'),
      headers: { 'retry-after': '600' },
      undescribed: true,
    },
    { status: 403, json: said('You have exceeded a secondary rate limit.'), undescribed: true },
    { status: 429, json: said('Too many requests'), headers: { 'retry-after': '600' }, undescribed: true },
    { status: 429, text: '<html>slow down</html>', undescribed: true },
  ];
  for (const answer of cases) {
    const { github, open } = await stand(t);
    const client = await open();
    github.answer('issues/create', answer);
    const { failed, text } = await client.call('create_issue', { ...repo, title: 'x' });
    t.true(failed);
    t.regex(
      text,
      /secondary rate limit \(too much at once\) is reached: try again at 20\d\d-.*\(in \d+ s\), not before\. Nothing was changed\./,
    );
    t.true((await client.call('search_users', { q: 'tom' })).failed);
    t.is(github.requests.length, 1);
    checkGitHub(t, github);
  }
});

test('failures of GitHub: a reading is repeated, a change is not, and its doubt is told', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const failure: Answer = { status: 502, text: '<html>Unicorn!</html>', undescribed: true };
  github.answer('issues/get', failure);
  t.false((await client.call('get_issue', issue)).failed);
  t.is(github.of('issues/get').length, 2);
  github.answer('issues/get', failure, failure, failure);
  const { failed, text } = await client.call('get_issue', issue);
  t.true(failed && /^GitHub failed \(502\): try again later\.$/.test(text), text);
  github.answer('issues/create', failure);
  const written = await client.call('create_issue', { ...repo, title: 'x' });
  t.regex(written.text, /GitHub failed \(502\).*may have been carried out all the same: look before you repeat it/);
  t.is(github.of('issues/create').length, 1);
  checkGitHub(t, github);
});

/** Answers that never come, or break off. */
const hang: Answer = { handle: () => {} };

function broken(write: (response: ServerResponse) => void): Answer {
  return { handle: (_request, response) => write(response) };
}

test('an agent has its answer in time when GitHub has none', async (t) => {
  const { github, open } = await stand(t, { timeout: 1000, maxWait: 4000 });
  const client = await open();
  github.answer('issues/get', hang, hang, hang, hang);
  const read = await client.call('get_issue', issue);
  t.true(read.failed);
  t.regex(
    read.text,
    /did not answer (?:in time \(option maxWait\)|within 1000 ms \(option timeout\)): try again later/,
  );
  github.answer('issues/create', hang);
  const written = await client.call('create_issue', { ...repo, title: 'x' });
  t.regex(written.text, /did not answer within 1000 ms \(option timeout\).*look before you repeat it/);
  t.is(github.of('issues/create').length, 1);
});

test('a body that does not end is a time-out as well', async (t) => {
  const { github, open } = await stand(t, { timeout: 1000, maxWait: 5000 });
  const slow = broken((response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":'));
  github.answer('issues/get', slow, slow, slow);
  t.regex((await (await open()).call('get_issue', issue)).text, /did not answer/);
});

test('answers that break off or are garbage are no success', async (t) => {
  const { github, open } = await stand(t, { maxWait: 20_000 });
  const client = await open();
  const cutOff = broken((response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' }).write('{"id":1,');
    setTimeout(() => response.destroy(), 50);
  });
  github.answer('issues/get', cutOff);
  const repeated = await client.call('get_issue', issue);
  t.false(repeated.failed, repeated.text);
  github.answer('issues/create', cutOff);
  t.regex((await client.call('create_issue', { ...repo, title: 'x' })).text, /broke off.*look before you repeat it/);
  const garbage: [Answer, RegExp][] = [
    [{ text: '{"id":1,"tit', undescribed: true, headers: { 'content-type': 'application/json' } }, /cannot be read/],
    [{ text: '<html>log in first</html>', undescribed: true }, /cannot be read.*baseUrl/],
    [{ json: {}, undescribed: true }, /not the form it should have/],
    [{ json: { number: 'one' }, undescribed: true }, /not the form it should have \(number: /],
    [{ text: 'null', undescribed: true, headers: { 'content-type': 'application/json' } }, /cannot be read/],
  ];
  for (const [answer, words] of garbage) {
    github.answer('issues/get', answer);
    const { failed, text } = await client.call('get_issue', issue);
    t.true(failed);
    t.regex(text, words);
  }
  github.answer('issues/list-for-repo', { json: { items: 'none' }, undescribed: true });
  t.true((await client.call('list_issues', repo)).failed);
  github.answer('actions/list-repo-workflows', { json: {}, undescribed: true });
  t.true((await client.call('list_workflows', repo)).failed);
  checkGitHub(t, github);
});

test('nobody at home', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const { open } = await stand(t, { baseUrl: `http://127.0.0.1:${port}` });
  const { failed, text } = await (await open()).call('create_issue', { ...repo, title: 'x' });
  t.true(failed && !text.includes(token));
  t.regex(text, /could not be reached.*ECONNREFUSED/);
});

test('calls that take turns are told when theirs does not come, and nothing was sent', async (t) => {
  const { github, open } = await stand(t, { maxWait: 2500 });
  const client = await open();
  const create = (title: string) => client.call('create_issue', { ...repo, title });
  // Octokit sends what notifies people 3 s apart.
  const [, second] = await Promise.all([create('one'), create('two')]);
  t.true(second.failed);
  t.regex(second.text, /had no turn in time \(option maxWait\).*Nothing was sent/);
  t.deepEqual(
    github.of('issues/create').filter(({ body }) => (body as JsonObject)['title'] === 'two'),
    [],
  );
  checkGitHub(t, github);
});

test('a call that is cancelled lets go of GitHub', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const abort = new AbortController();
  const closed = new Promise<void>((resolve) => {
    github.answer('issues/create', {
      handle: (_request, response) => {
        response.on('close', resolve);
        abort.abort();
      },
    });
  });
  const { failed, text } = await client.call('create_issue', { ...repo, title: 'x' }, abort.signal);
  t.true(failed);
  t.regex(text, /^The call was cancelled\. It may have been carried out all the same/);
  await closed;
});
