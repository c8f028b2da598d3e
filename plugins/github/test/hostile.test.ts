// Arguments and servers that mean harm: no argument leads to another place, and the token goes to GitHub alone.
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { at, slashed } from '../src/api/place.ts';
import { recording } from './github/recordings.ts';
import { samples } from './samples.ts';
import { checkGitHub, stand, token } from './stand.ts';

const repo = { owner: 'octocat', repo: 'Hello-World' };

const hostile = [
  '../../user',
  '..',
  '.',
  'a/../../../user',
  '%2e%2e/%2E%2E/user',
  '..%2f..%2fuser',
  '..\\..\\user',
  'a?per_page=1&x=y',
  'a#fragment',
  'a%2Fb',
  'a//b',
  '{owner}:repo{?x}',
  '\u0000',
  'a\r\nX-Injected: 1',
  '\ud800',
  ' ',
  '@evil.example',
  'https://evil.example/',
  'x'.repeat(300_000),
];

/** Arguments that never become part of a path: a few attacks will do. */
const plain = ['body', 'commit_message', 'commit_title', 'content', 'description', 'message', 'q', 'query', 'title'];

/** Every text argument of a sample, replaced one at a time. */
function* variants(args: JsonObject): Generator<JsonObject> {
  for (const [key, value] of Object.entries(args)) {
    if (typeof value !== 'string') continue;
    for (const each of plain.includes(key) ? hostile.slice(-3) : hostile) yield { ...args, [key]: each };
  }
}

test('no argument leads anywhere else', async (t) => {
  const calls = samples.flatMap((sample) => [...variants(sample.args)].map((args) => ({ ...sample, args })));
  const tokens = Object.fromEntries(calls.map((_call, index) => [`g:${index}`, `token-${index}`]));
  const { github, open } = await stand(t, { tokens });
  const logs = { status: 302, headers: { location: `${github.url}/zen` } };
  // Changes of one identity take turns of a second: each call has one of its own, and some run side by side.
  const queue = calls.entries();
  const worker = async () => {
    for (const [index, { tool, args }] of queue) {
      const client = await open(`g:${index}`);
      if (tool === 'get_job_logs') github.answer('actions/download-job-logs-for-workflow-run', logs);
      await client.call(tool, args);
      await client.connection.close();
    }
  };
  await Promise.all(Array.from({ length: 12 }, worker));
  t.true(github.requests.length > 300, 'harmless ones among them are sent');
  for (const { operation, parameters, headers, path } of github.requests) {
    const index = Number(/^token token-(\d+)$/.exec(headers.authorization ?? '')?.[1]);
    const { tool, args, operations } = calls[index] ?? { tool: 'nobody', args: {}, operations: [] };
    const shown = `${tool} ${JSON.stringify(args).slice(0, 300)} → ${path.slice(0, 300)}`;
    const wrong = [
      ![...operations, 'meta/get-zen'].includes(operation),
      headers['x-injected'] !== undefined,
      parameters['owner'] !== undefined && parameters['owner'] !== args['owner'],
      parameters['repo'] !== undefined && parameters['repo'] !== args['repo'],
      operation === 'repos/get-content' && parameters['path'] !== (args['path'] as string).replace(/^\/+|\/+$/g, ''),
    ];
    if (wrong.includes(true)) t.fail(shown);
  }
  // GitHub would refuse some queries and bodies; what counts is that every request is one that the tool may make.
  t.deepEqual(
    github.violations.filter((each) => /no such operation|dot segment| path/.test(each)),
    [],
  );
});

test('places are made of encoded arguments, or not at all', (t) => {
  t.is(at`/a/${'x/y ?#%'}/b/${slashed('/d e/f?/')}/${7}`.path, '/a/x%2Fy%20%3F%23%25/b/d%20e/f%3F/7');
  t.is(at`/contents/${slashed('/')}`.path, '/contents/');
  for (const wrong of ['', '.', '..', 'a/..', '../a', 'a\\..\\b', 'a\u0000', 'a\nb', '\ud800']) {
    t.throws(() => at`/a/${wrong}`, undefined, JSON.stringify(wrong));
    if (wrong !== '') t.throws(() => at`/a/${slashed(wrong)}`, undefined, JSON.stringify(wrong));
  }
  t.throws(() => at`/a/${slashed('a//b')}`);
});

/** Another host: another origin, as another port is one. */
async function otherHost(
  t: ExecutionContext,
  body = 'the log\n',
): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

test('a redirect to another host is not followed, and its address is not told', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const other = await otherHost(t);
  for (const status of [301, 302, 303, 307, 308]) {
    github.answer('issues/get', {
      status,
      headers: { location: `${other.url}/steal?signature=abc` },
      undescribed: true,
      json: {},
    });
    const { failed, text } = await client.call('get_issue', { ...repo, issue_number: 1 });
    t.true(failed);
    t.regex(text, /redirected to another host \(127\.0\.0\.1:\d+\), which is not followed/);
    t.false(text.includes('signature') || text.includes(token));
  }
  github.answer('pulls/merge', {
    status: 307,
    headers: { location: `${other.url}/steal` },
    undescribed: true,
    json: {},
  });
  t.true((await client.call('merge_pull_request', { ...repo, pull_number: 1 })).failed);
  github.answer('repos/get-content', {
    status: 302,
    headers: { location: '//127.0.0.1:1/x' },
    undescribed: true,
    json: {},
  });
  t.regex((await client.call('get_file_contents', { ...repo, path: 'a' })).text, /another host/);
  t.is(other.requests.length, 0);
});

test('logs are fetched from where GitHub keeps them, without the token', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const other = await otherHost(t);
  github.answer('actions/download-job-logs-for-workflow-run', {
    status: 302,
    headers: { location: `${other.url}/logs?sig=abc` },
  });
  const { structured } = await client.call('get_job_logs', { ...repo, job_id: 1 });
  t.is(structured['content'], 'the log\n');
  t.is(other.requests[0]?.url, '/logs?sig=abc');
  t.false(JSON.stringify(other.requests[0]?.headers).includes(token));
  t.is(other.requests[0]?.headers['x-github-api-version'], undefined);
  t.true(github.requests[0]?.headers.authorization?.includes(token));
  checkGitHub(t, github);
});

test('redirects within GitHub are followed (recorded), but not for ever', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const moved = recording('rename-repository', github.url)[1] ?? {};
  github.answer('repos/get', moved, { from: (example: JsonObject) => ({ ...example, default_branch: 'trunk' }) });
  await client.call('create_branch', { owner: 'octokit-fixture-org', repo: 'rename-repository', branch: 'b' });
  t.is(github.of('git/get-ref')[0]?.parameters['ref'], 'heads/trunk');
  t.deepEqual(
    github.of('repos/get').map(({ path }) => path),
    ['/repos/octokit-fixture-org/rename-repository', '/repos/octokit-fixture-org/renamed'],
  );
  const again = {
    status: 301,
    headers: { location: `${github.url}/repos/octocat/Hello-World/issues/1` },
    json: { message: 'Moved Permanently' },
  };
  github.answer('issues/get', again, again, again, again, again);
  t.regex((await client.call('get_issue', { ...repo, issue_number: 1 })).text, /more than 3 times/);
  // A change is carried out at the new place only where GitHub says "the same there".
  github.answer('issues/create', {
    status: 301,
    headers: { location: `${github.url}/repositories/1/issues` },
    undescribed: true,
    json: {},
  });
  t.regex(
    (await client.call('create_issue', { ...repo, title: 'x' })).text,
    /has moved, to \/repositories\/1\/issues.*Nothing was changed/,
  );
  github.answer('issues/update', {
    status: 307,
    headers: { location: `${github.url}/repositories/1/issues/5` },
    undescribed: true,
    json: {},
  });
  const updated = await client.call('update_issue', { ...repo, issue_number: 5, title: 'kept' });
  t.false(updated.failed, updated.text);
  t.deepEqual(
    github.of('issues/update').map(({ body }) => body),
    [{ title: 'kept' }, { title: 'kept' }],
  );
  checkGitHub(t, github);
});

test('arguments that are no arguments of the tool change nothing', async (t) => {
  const { github, open } = await stand(t);
  const other = await otherHost(t);
  const client = await open();
  const extra = {
    baseUrl: other.url,
    url: other.url,
    headers: { authorization: 'x' },
    request: {},
    method: 'DELETE',
    data: { a: 1 },
  };
  const { failed } = await client.call('get_issue', { ...repo, issue_number: 1, ...extra });
  t.false(failed);
  t.is(github.requests[0]?.method, 'GET');
  t.is(github.requests[0]?.headers.authorization, `token ${token}`);
  t.is(other.requests.length, 0);
  checkGitHub(t, github);
});
