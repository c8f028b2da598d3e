// Long things: files, folders, diffs and logs, whole and in parts.
import test from 'ava';
import type { JsonObject } from 'plugboard';
import type { Answer } from './github/local-github.ts';
import { recording } from './github/recordings.ts';
import { checkGitHub, fileAnswer, stand } from './stand.ts';
import type { Client } from './stand.ts';

const repo = { owner: 'octocat', repo: 'Hello-World' };
const storage = 'actions/download-job-logs-for-workflow-run';

test('a file is decoded, and comes without the address that holds a credential', async (t) => {
  const { github, open } = await stand(t);
  const client = await open();
  const text = 'Grüße 👋\n'.repeat(3);
  github.answer('repos/get-content', fileAnswer(Buffer.from(text), Buffer.byteLength(text)));
  const {
    structured,
    text: shown,
    note,
  } = await client.call('get_file_contents', { ...repo, path: '/docs/a b?#%2e.md', branch: 'x/y' });
  t.like(structured, { type: 'file', encoding: 'utf-8', content: text, offset: 0, total: text.length });
  t.deepEqual(JSON.parse(shown), structured);
  t.is(note, undefined);
  t.false('next_offset' in structured || shown.includes('download_url'));
  t.deepEqual(github.requests[0]?.parameters, { owner: 'octocat', repo: 'Hello-World', path: 'docs/a b?#%2e.md' });
  t.deepEqual(github.requests[0]?.query, { ref: 'x/y' });
  checkGitHub(t, github);
});

test('folders, also the top one, are lists; many entries come in parts', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 8192 });
  const client = await open();
  github.answer('repos/get-content', recording('get-content')[0] ?? {});
  const top = await client.call('get_file_contents', { owner: 'octokit-fixture-org', repo: 'hello-world', path: '' });
  t.deepEqual(
    (top.structured['entries'] as JsonObject[]).map(({ name }) => name),
    ['README.md'],
  );
  t.deepEqual(JSON.parse(top.text), top.structured['entries']);
  const many: Answer = {
    json: Array.from({ length: 100 }, (_each, index) => ({
      type: 'file',
      name: `f${index}`,
      path: `f${index}`,
      sha: 'a'.repeat(40),
      size: 1,
      url: 'https://x',
      html_url: 'https://x',
      git_url: 'https://x',
      download_url: 'https://x?token=secret',
      _links: { self: 'https://x', git: 'https://x', html: 'https://x' },
    })),
  };
  const seen: unknown[] = [];
  let offset: number | undefined = 0;
  for (let rounds = 0; offset !== undefined && rounds < 30; rounds += 1) {
    github.answer('repos/get-content', many);
    const part = await client.call('get_file_contents', { ...repo, path: 'src', offset });
    t.true(JSON.stringify(part.structured).length <= 8192 && !part.text.includes('secret'));
    seen.push(...(part.structured['entries'] as JsonObject[]).map(({ name }) => name));
    offset = part.structured['next_offset'] as number | undefined;
    t.is(part.note?.includes(`offset ${offset}`) ?? false, offset !== undefined);
  }
  t.deepEqual(
    seen,
    Array.from({ length: 100 }, (_each, index) => `f${index}`),
  );
  checkGitHub(t, github);
});

/** Reads a long thing to its end. */
async function readAll(
  client: Client,
  tool: string,
  args: JsonObject,
  before: () => void,
  most: number,
): Promise<string[]> {
  const parts: string[] = [];
  let offset: number | undefined = 0;
  while (offset !== undefined && parts.length < 200) {
    before();
    const part = await client.call(tool, { ...args, offset });
    if (part.failed || JSON.stringify(part.structured).length > most) throw new Error(part.text.slice(0, 500));
    parts.push(part.structured['content'] as string);
    offset = part.structured['next_offset'] as number | undefined;
  }
  return parts;
}

test('large files and diffs come in parts that put together are the whole', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 16_384 });
  const client = await open();
  const text = Array.from({ length: 2500 }, (_each, index) => `line ${index} "quoted" \u0001 ü 👋`).join('\n');
  const large = () => {
    github.answer('repos/get-content', fileAnswer(undefined, 2_000_000), { text: Buffer.from(text) });
  };
  const parts = await readAll(client, 'get_file_contents', { ...repo, path: 'large.txt' }, large, 16_384);
  t.true(parts.length > 3);
  t.is(parts.join(''), text);
  t.true(github.requests.some(({ headers }) => headers.accept?.includes('.raw') === true));
  const diffs = await readAll(
    client,
    'get_pull_request_diff',
    { ...repo, pull_number: 1 },
    () => github.answer('pulls/get', { text }),
    16_384,
  );
  t.is(diffs.join(''), text);
  t.true(diffs.every((part) => !/[\ud800-\udbff]$/.test(part)));
  checkGitHub(t, github);
});

test('what is no text is base64 while it fits, and is named when it does not', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 8192 });
  const client = await open();
  const bytes = Buffer.from([0x89, 0x50, 0, 1, 2, 255]);
  github.answer(
    'repos/get-content',
    fileAnswer(bytes, bytes.length),
    fileAnswer(Buffer.alloc(9000, 1).fill(0, 3, 4), 9000),
  );
  const small = await client.call('get_file_contents', { ...repo, path: 'a.png' });
  t.like(small.structured, { encoding: 'base64', content: bytes.toString('base64') });
  const big = await client.call('get_file_contents', { ...repo, path: 'b.png' });
  t.false('content' in big.structured);
  t.regex(big.note ?? '', /no text.*9000 bytes/);
  checkGitHub(t, github);
});

test('what is longer than may be read is cut, and says so', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 1_000_000, maxDownloadBytes: 65_536 });
  const client = await open();
  const text = 'ü'.repeat(50_000);
  github.answer('repos/get-content', fileAnswer(undefined, 100_000), { text });
  const file = await client.call('get_file_contents', { ...repo, path: 'long.txt' });
  t.is((file.structured['content'] as string).replaceAll('ü', ''), '');
  t.regex(file.note ?? '', /first 65536 bytes .*maxDownloadBytes/);
  github.answer('pulls/get', { text });
  t.regex((await client.call('get_pull_request_diff', { ...repo, pull_number: 1 })).note ?? '', /maxDownloadBytes/);
  github.answer('issues/get', { from: (issue: JsonObject) => ({ ...issue, body: text }) });
  const issue = await client.call('get_issue', { ...repo, issue_number: 1 });
  t.true(issue.failed);
  t.regex(issue.text, /longer than 65536 bytes \(option maxDownloadBytes\): ask for less/);
  checkGitHub(t, github);
});

test('logs: the last lines, any part, and what is cut', async (t) => {
  const { github, open } = await stand(t, { maxResultBytes: 8192 });
  const client = await open();
  const lines = Array.from({ length: 3000 }, (_each, index) => `2026-01-01T00:00:00Z step ${index} says "ü"`);
  const log = `${lines.join('\n')}\n`;
  const args = { ...repo, job_id: 7 };
  const answer = (text: string | Buffer = log) => {
    github.answer(storage, { status: 302, headers: { location: `${github.url}/zen` } });
    github.answer('meta/get-zen', { text, undescribed: true });
  };
  answer();
  const tail = await client.call('get_job_logs', { ...args, tail_lines: 3 });
  t.is(tail.structured['content'], `${lines.slice(-3).join('\n')}\n`);
  t.is(tail.structured['content'], tail.text);
  answer();
  const most = await client.call('get_job_logs', { ...args, tail_lines: 2000 });
  const content = most.structured['content'] as string;
  t.true(
    content.endsWith(`${lines.at(-1)}\n`) &&
      content.startsWith('2026') &&
      JSON.stringify(most.structured).length <= 8192,
  );
  t.false('next_offset' in most.structured);
  t.regex(most.note ?? '', new RegExp(`^Characters \\d+ to ${log.length - 1} of ${log.length}`));
  t.is((await readAll(client, 'get_job_logs', args, () => answer(), 8192)).join(''), log);
  answer('x'.repeat(50_000));
  t.true(((await client.call('get_job_logs', args)).structured['content'] as string).length > 100);
  answer('');
  t.is((await client.call('get_job_logs', args)).structured['content'], '');
  answer('one\ntwo');
  t.is((await client.call('get_job_logs', { ...args, tail_lines: 1 })).structured['content'], 'two');
  checkGitHub(t, github);
});
