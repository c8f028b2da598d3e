// The same calls to the reference server and to ours, each on its own copy of one tree: the results must be the same,
// and so must the trees.
import test from 'ava';
import fc from 'fast-check';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { JsonObject } from 'plugboard';
import { openByHandle, openByPath } from '../src/anchor.ts';
import type { OpenAnchor } from '../src/anchor.ts';
import { filesystemServer } from '../src/server.ts';
import { composed, decomposed, fill, makeFixture, picture, pictureOutside, removeFixture } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { leaseKey } from '@plugboard/test-kit/stand';
import { connect, openOurs, openReference, textOf } from './harness.ts';
import type { Outcome, Server } from './harness.ts';

interface Call {
  readonly tool: string;
  readonly args: JsonObject;
}

/** A deliberate difference: what the reference says, and what ours says instead. */
interface Difference {
  readonly why: string;
  readonly theirs: RegExp;
  readonly ours: (found: RegExpExecArray) => string | RegExp;
}

const differences: readonly Difference[] = [
  {
    why: 'the core checks arguments for all in-process servers and words it in its own way',
    theirs: /^MCP error -32602: Input validation error: Invalid arguments for tool (\w+): .* at (\w+)/s,
    ours: ([, tool, place]) => new RegExp(`^Invalid arguments for tool ${tool}: ${place}`),
  },
  {
    why: 'a folder is refused before anything is written; the reference writes beside it, for the root even outside',
    theirs: /^EISDIR: illegal operation on a directory, rename '.*\.[0-9a-f]{32}\.tmp' -> '(.*)'$/s,
    ours: ([, path]) => `EISDIR: illegal operation on a directory, open '${path}'`,
  },
];

const limits = { maxFileSize: 10_000_000, maxEntries: 10_000, maxDepth: 32 };

async function openPair(
  theirs: Fixture,
  ours: Fixture,
  openAnchor?: OpenAnchor,
): Promise<{ reference: Server; server: Server }> {
  const settings = { name: 'filesystem', readOnly: false, limits, reserved: [], resolveRoot: () => ours.root };
  const definition = filesystemServer(openAnchor === undefined ? settings : { ...settings, openAnchor });
  return { reference: await openReference(theirs.root), server: await connect(definition) };
}

/** A result without the path of its tree. */
function general(outcome: Outcome, { base }: Fixture): Outcome {
  const withoutMeta = {
    content: outcome.content,
    structuredContent: outcome.structuredContent,
    isError: outcome.isError,
  };
  return JSON.parse(JSON.stringify(withoutMeta).replaceAll(base, '/BASE')) as Outcome;
}

/**
 * Why ours has no sizes here: a link that leads outside tells nothing of what is there. So these lines are not
 * compared.
 */
function withoutSizesOutside(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.includes('link-out') && !line.startsWith('Combined size: '))
    .join('\n');
}

/** Whether ours is as it should be. */
function agree(theirs: Outcome, ours: Outcome): boolean {
  const [theirText, ourText] = [textOf(theirs), textOf(ours)];
  for (const difference of differences) {
    const found = theirs.isError === true ? difference.theirs.exec(theirText) : null;
    if (found === null) continue;
    const expected = difference.ours(found);
    return ours.isError === true && (typeof expected === 'string' ? expected === ourText : expected.test(ourText));
  }
  if (JSON.stringify(theirs) === JSON.stringify(ours)) return true;
  return ourText.includes('\nCombined size: ') && withoutSizesOutside(ourText) === withoutSizesOutside(theirText);
}

/** The arguments of a call with the tree's own paths put in. */
function inTree(args: JsonObject, { base }: Fixture): JsonObject {
  return JSON.parse(JSON.stringify(args).replaceAll('/BASE', base)) as JsonObject;
}

const paths = [
  ...[
    'a.txt',
    './a.txt',
    'dir/../a.txt',
    '/BASE/root/a.txt',
    '/BASE/root//dir/./one.ts',
    'dir',
    'dir/',
    '',
    '.',
    '/BASE/root',
    '/BASE/root/',
  ],
  ...[
    'empty.txt',
    'breaks.txt',
    'crlf.txt',
    'bom.txt',
    'bytes.bin',
    'image.png',
    'LOUD.MP3',
    'drawing.svg',
    'with space & %.dat',
    'end ',
    '"quoted',
  ],
  ...[
    'long.txt',
    'wide.txt',
    'link-file',
    'link-dir',
    'link-dir/one.ts',
    'dir/link-up',
    'dangling',
    'dangling-out',
    'loop',
    'loop/x',
    'hollow',
  ],
  ...[
    'missing',
    'missing/deeper',
    'a.txt/x',
    composed,
    decomposed,
    'viet/\u1ec7.txt',
    'viet/e\u0302\u0323.txt',
    'CAFE\u0301.txt',
    './~',
    '~',
    '~/x',
  ],
  ...[
    '..',
    '../outside/secret.txt',
    '/BASE/outside/secret.txt',
    'link-out',
    'link-out/secret.txt',
    'link-out-file',
    'link-out/nothing',
  ],
  ...[
    'dir/link-out-deep/deeper.txt',
    '../root-too/near.txt',
    '/BASE/Root/case.txt',
    '/',
    '/etc/hostname',
    '/dev/null',
    '/proc/self/environ',
  ],
  ...[
    'a\0b',
    '\0',
    'x'.repeat(300),
    'y/'.repeat(3000),
    'C:\\Windows\\x',
    'c:/x',
    'D:',
    '..\\outside',
    'dir\\one.ts',
    '*',
    '-',
    ' a.txt',
    '"a.txt"',
  ],
];

const lines = [undefined, 0, 1, 2, 3, 4, 100, 8999, 9000, 100_000, -1, 1.5];

function readCalls(): Call[] {
  const eachPath = [
    'read_file',
    'read_text_file',
    'read_media_file',
    'list_directory',
    'list_directory_with_sizes',
    'directory_tree',
    'get_file_info',
  ];
  return [
    ...eachPath.flatMap((tool) => paths.map((path) => ({ tool, args: { path } }))),
    ...[
      'a.txt',
      'b.txt',
      'crlf.txt',
      'empty.txt',
      'breaks.txt',
      'long.txt',
      'wide.txt',
      'bom.txt',
      'bytes.bin',
      'missing',
    ].flatMap((path) =>
      lines.flatMap((count) => [
        { tool: 'read_text_file', args: { path, head: count } },
        { tool: 'read_text_file', args: { path, tail: count } },
      ]),
    ),
    { tool: 'read_file', args: { path: 'dir', head: 1 } },
    { tool: 'read_file', args: { path: 'dir', tail: 1 } },
    { tool: 'read_file', args: { path: 'a.txt', head: 1, tail: 1 } },
    { tool: 'read_file', args: { path: '../x', head: 1, tail: 1 } },
    { tool: 'read_multiple_files', args: { paths } },
    { tool: 'read_multiple_files', args: { paths: ['a.txt'] } },
    ...['name', 'size'].flatMap((sortBy) =>
      ['', 'dir'].map((path) => ({ tool: 'list_directory_with_sizes', args: { path, sortBy } })),
    ),
    ...treeCalls(),
    { tool: 'list_allowed_directories', args: {} },
    ...wrongCalls(),
  ];
}

const globs = [
  '*',
  '**',
  '**/*',
  '*.txt',
  '**/*.ts',
  'dir/*',
  'dir',
  'deep',
  '.git',
  '**/.*',
  '!*.txt',
  '#x',
  '{a,b}.txt',
  '+(a|b).txt',
  '[ab].txt',
  '',
  'a.txt',
];

function treeCalls(): Call[] {
  const excludes = [[], ['dir'], ['**/deep/**'], ['*.txt', 'node_modules'], ['er'], ['**/*.ts', '.git']];
  return [
    ...['', 'dir', '/BASE/root/dir', 'link-dir', './dir/'].flatMap((path) =>
      [...globs.map((glob) => [glob]), ...excludes].map((excludePatterns) => ({
        tool: 'directory_tree',
        args: { path, excludePatterns },
      })),
    ),
    ...['', 'dir', 'link-dir', '/BASE/root'].flatMap((path) =>
      globs.map((pattern) => ({ tool: 'search_files', args: { path, pattern } })),
    ),
    ...excludes.map((excludePatterns) => ({
      tool: 'search_files',
      args: { path: '.', pattern: '**', excludePatterns },
    })),
    ...paths.map((path) => ({ tool: 'search_files', args: { path, pattern: '**/*.t*' } })),
  ];
}

function wrongCalls(): Call[] {
  return [
    { tool: 'read_text_file', args: {} },
    { tool: 'read_text_file', args: { path: 3 } },
    { tool: 'read_text_file', args: { path: 'a.txt', head: 'x' } },
    { tool: 'read_text_file', args: { path: 'a.txt', unknown: true } },
    { tool: 'read_multiple_files', args: { paths: [] } },
    { tool: 'list_directory_with_sizes', args: { path: '', sortBy: 'age' } },
    { tool: 'edit_file', args: { path: 'a.txt', edits: [{ oldText: 'x' }] } },
    { tool: 'write_file', args: { path: 'a.txt' } },
    { tool: 'move_file', args: { source: 'a.txt' } },
    { tool: 'list_allowed_directories', args: { path: 'a' } },
  ];
}

const edits = [
  [{ oldText: 'two', newText: '2' }],
  [{ oldText: 'one\ntwo', newText: 'eins\r\nzwei' }],
  [{ oldText: 'one\r\ntwo\r\n', newText: '$& $1' }],
  [
    { oldText: 'beta', newText: 'BETA' },
    { oldText: 'beta', newText: 'second' },
  ],
  [{ oldText: '    beta\n gamma', newText: 'B\n    C\n  D' }],
  [{ oldText: 'alpha\nbeta\ngamma', newText: '  x\n\ty\n\t\tz\nw' }],
  [{ oldText: '', newText: 'at the start\n' }],
  [{ oldText: '   ', newText: 'blank' }],
  [{ oldText: 'not there', newText: 'x' }],
  [{ oldText: 'code', newText: '``````' }],
  [
    { oldText: 'line 4000', newText: 'LINE' },
    { oldText: 'line 8000', newText: 'LINE' },
  ],
  [],
];

function writeCalls(): Call[] {
  const contents = ['', 'new\n', 'é🎉\r\n\0', 'x'.repeat(200_000), '\ud800'];
  return [
    ...edits.flatMap((list) =>
      ['a.txt', 'b.txt', 'crlf.txt', 'fence.md', 'long.txt', 'empty.txt', 'bytes.bin'].flatMap((path) => [
        { tool: 'edit_file', args: { path, edits: list, dryRun: true } },
        { tool: 'edit_file', args: { path, edits: list } },
      ]),
    ),
    ...paths.map((path) => ({ tool: 'edit_file', args: { path, edits: [{ oldText: 'a', newText: 'b' }] } })),
    ...contents.flatMap((content) =>
      ['dir/one.ts', 'new.txt', 'a.txt'].map((path) => ({ tool: 'write_file', args: { path, content } })),
    ),
    ...paths.map((path) => ({ tool: 'write_file', args: { path, content: `written to ${path.slice(0, 40)}` } })),
    ...paths.map((path) => ({ tool: 'create_directory', args: { path } })),
    ...['fresh', 'many/levels/deep', 'link-dir/below', 'hollow/x', 'hollow/x', 'a.txt/x'].map((path) => ({
      tool: 'create_directory',
      args: { path },
    })),
    ...paths.map((source, index) => ({ tool: 'move_file', args: { source, destination: `hollow/${index}` } })),
    ...paths.map((destination) => ({ tool: 'move_file', args: { source: 'fresh', destination } })),
    ...['hollow', 'hollow/in/itself', 'many', 'nowhere/x', '../out', 'link-out/x', 'hollow2'].map((destination) => ({
      tool: 'move_file',
      args: { source: 'hollow', destination },
    })),
  ];
}

async function compareAll(
  pair: { reference: Server; server: Server },
  theirs: Fixture,
  ours: Fixture,
  calls: readonly Call[],
): Promise<string[]> {
  const found: string[] = [];
  for (const { tool, args } of calls) {
    const [expected, actual] = await Promise.all([
      pair.reference.call(tool, inTree(args, theirs)),
      pair.server.call(tool, inTree(args, ours)),
    ]);
    const both = [general(expected, theirs), general(actual, ours)] as const;
    if (!agree(...both))
      found.push([{ tool, args }, ...both].map((part) => JSON.stringify(part).slice(0, 1000)).join('\n'));
  }
  return found;
}

test('the same tools are listed: names, order, words, schemas, annotations', async (t) => {
  const fixture = await makeFixture();
  const [reference, server] = await Promise.all([openReference(fixture.root), openOurs({ root: fixture.root })]);
  t.teardown(async () => {
    await reference.close();
    await removeFixture(fixture);
  });
  const expected = await reference.list();
  // Left out: `execution.taskSupport` is `forbidden` for every tool of the reference, which is what its absence means
  // (2025-11-25, tasks).
  t.deepEqual(
    await server.list(),
    expected.map(({ execution, ...tool }) => {
      t.deepEqual(execution, { taskSupport: 'forbidden' });
      return tool;
    }),
  );
  t.is(expected.length, 14);
});

const ways: [string, OpenAnchor][] = [['by path', openByPath]];
if (process.platform === 'linux') ways.unshift(['by handle', openByHandle]);

for (const [way, openAnchor] of ways) {
  test(`reading gives the same results (${way})`, async (t) => {
    t.timeout(300_000);
    // One tree for both: nothing is changed, so that times are the same too.
    const fixture = await makeFixture();
    const pair = await openPair(fixture, fixture, openAnchor);
    t.teardown(async () => {
      await pair.reference.close();
      await removeFixture(fixture);
    });
    const before = await picture(fixture.base);
    // What differs between the two ways is the same for all kinds of calls, so a part of them is enough for the second.
    const calls = readCalls().filter((_, index) => openAnchor === openByHandle || index % 5 === 0);
    t.deepEqual(await compareAll(pair, fixture, fixture, calls), []);
    t.deepEqual(await picture(fixture.base), before);
    t.true(calls.length > 150);
  });

  test(`writing gives the same results and the same trees (${way})`, async (t) => {
    t.timeout(300_000);
    const [theirs, ours] = await Promise.all([makeFixture(), makeFixture()]);
    const pair = await openPair(theirs, ours, openAnchor);
    t.teardown(async () => {
      await pair.reference.close();
      await Promise.all([removeFixture(theirs), removeFixture(ours)]);
    });
    const outside = await pictureOutside(ours);
    t.deepEqual(await compareAll(pair, theirs, ours, writeCalls()), []);
    t.deepEqual(await picture(ours.root), await picture(theirs.root));
    t.deepEqual(await pictureOutside(ours), outside);
  });
}

test('random sequences of calls give the same results and the same trees', async (t) => {
  t.timeout(600_000);
  const [theirs, ours] = await Promise.all([makeFixture(), makeFixture()]);
  const pair = await openPair(theirs, ours);
  t.teardown(async () => {
    await pair.reference.close();
    await Promise.all([removeFixture(theirs), removeFixture(ours)]);
  });
  const few = paths.filter((path) => path.length < 100 && path !== '/' && !path.startsWith('/proc'));
  const path = fc.oneof(
    fc.constantFrom(...few),
    fc
      .array(fc.constantFrom('dir', 'deep', 'a.txt', '..', 'link-dir', 'hollow', 'n', '.'), { maxLength: 5 })
      .map((names) => names.join('/')),
  );
  const glob = fc.oneof(
    fc.constantFrom(...globs),
    fc.string({ maxLength: 6, unit: fc.constantFrom('*', '?', 'a', '.', 't', '/', '[', ']', '!', '{', '}', ',') }),
  );
  const text = fc.oneof(
    fc.constantFrom('one', 'two\n', ' beta', 'x'),
    fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', ' ', '\n', '\t', '\r\n') }),
  );
  const call: fc.Arbitrary<Call> = fc.oneof(
    ...[
      'read_text_file',
      'read_media_file',
      'list_directory',
      'list_directory_with_sizes',
      'directory_tree',
      'create_directory',
    ].map((tool) => fc.record({ tool: fc.constant(tool), args: fc.record({ path }) })),
    fc.record({
      tool: fc.constant('read_text_file'),
      args: fc.oneof(fc.record({ path, head: fc.nat({ max: 5 }) }), fc.record({ path, tail: fc.nat({ max: 5 }) })),
    }),
    fc.record({ tool: fc.constant('write_file'), args: fc.record({ path, content: text }) }),
    fc.record({
      tool: fc.constant('edit_file'),
      args: fc.record({
        path,
        edits: fc.array(fc.record({ oldText: text, newText: text }), { maxLength: 3 }),
        dryRun: fc.boolean(),
      }),
    }),
    fc.record({ tool: fc.constant('move_file'), args: fc.record({ source: path, destination: path }) }),
    fc.record({
      tool: fc.constant('directory_tree'),
      args: fc.record({ path, excludePatterns: fc.array(glob, { maxLength: 2 }) }),
    }),
    fc.record({
      tool: fc.constant('search_files'),
      args: fc.record({ path, pattern: glob, excludePatterns: fc.array(glob, { maxLength: 2 }) }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 25 }), async (calls) => {
      await Promise.all([fill(theirs), fill(ours)]);
      t.deepEqual(await compareAll(pair, theirs, ours, calls), []);
      t.deepEqual(await picture(ours.root), await picture(theirs.root));
    }),
    { numRuns: 40 },
  );
});

test('a root that is given through a link is known by both of its names', async (t) => {
  const fixture = await makeFixture();
  const link = join(fixture.base, 'link-to-root');
  await symlink('root', link);
  const [reference, server] = await Promise.all([openReference(link), openOurs({ root: link })]);
  t.teardown(async () => {
    await reference.close();
    await removeFixture(fixture);
  });
  const calls = [
    { tool: 'list_allowed_directories', args: {} },
    ...[
      'a.txt',
      link,
      join(link, 'a.txt'),
      join(fixture.root, 'a.txt'),
      '../root/a.txt',
      '../link-to-root/a.txt',
      '../outside',
      fixture.base,
      `${link}-too`,
    ].map((path) => ({
      tool: 'read_text_file',
      args: { path },
    })),
    { tool: 'search_files', args: { path: link, pattern: '*.txt' } },
    { tool: 'read_media_file', args: { path: join(link, 'bytes.bin') } },
    { tool: 'edit_file', args: { path: join(link, 'a.txt'), edits: edits[0], dryRun: true } },
    { tool: 'create_directory', args: { path: join(link, 'made/here') } },
    { tool: 'move_file', args: { source: join(link, 'made'), destination: link } },
  ];
  t.deepEqual(await compareAll({ reference, server }, fixture, fixture, calls), []);
});

test('where ours is stricter or does more than the reference', async (t) => {
  t.timeout(120_000);
  const fixture = await makeFixture();
  const [reference, server] = await Promise.all([openReference(fixture.root), openOurs({ root: fixture.root })]);
  t.teardown(async () => {
    await reference.close();
    await removeFixture(fixture);
  });
  // A name that only looks like the root when quotes and blanks around it are dropped, which the reference does before
  // it checks.
  for (const beside of ['root"', 'root ']) {
    const path = join(fixture.base, beside);
    t.regex(textOf(await reference.call('list_directory', { path })), /^\[FILE\] (quoted|blank)\.txt$/);
    t.regex(textOf(await server.call('list_directory', { path })), /^Access denied - path outside allowed directories/);
  }
  // The size of a file outside, behind a link inside: the reference tells it.
  const row = (text: string) => text.split('\n').find((line) => line.includes('link-out-file'));
  t.regex(row(textOf(await reference.call('list_directory_with_sizes', { path: '' }))) ?? '', / 21 B$/);
  t.regex(row(textOf(await server.call('list_directory_with_sizes', { path: '' }))) ?? '', / 0 B$/);
  // The reference makes its temporary name from the file's own, which is then too long.
  const long = 'n'.repeat(250);
  for (const content of ['first', 'second']) await server.call('write_file', { path: long, content });
  t.is(textOf(await server.call('read_text_file', { path: long })), 'second');
  t.regex(textOf(await reference.call('write_file', { path: long, content: 'third' })), /^ENAMETOOLONG/);
  // A folder called like a drive: the reference takes its name for a path of another system when it walks.
  await mkdir(join(fixture.root, 'C:'));
  t.regex(textOf(await reference.call('directory_tree', { path: '.' })), /^Access denied - Windows-style path/);
  t.regex(textOf(await server.call('directory_tree', { path: '.' })), /"name": "C:",\n {4}"type": "directory"/);
  // Folders that the client names as its roots: the reference works there instead of where it was told to.
  const claimed = [{ uri: `file://${fixture.outside}` }];
  const led = await openReference(fixture.root, claimed);
  const allowed = async () => textOf(await led.call('list_allowed_directories'));
  while ((await allowed()) !== `Allowed directories:\n${fixture.outside}`) await setTimeout(10);
  await led.close();
  const key = { ...leaseKey('default'), capabilities: { roots: {} } };
  const firm = await openOurs({ root: fixture.root }, key, claimed);
  t.is(textOf(await firm.call('list_allowed_directories')), `Allowed directories:\n${fixture.root}`);
  // A negative number of lines of a folder: nothing at all, to the reference.
  t.is(textOf(await reference.call('read_text_file', { path: 'dir', head: -1 })), '');
  t.is(
    textOf(await server.call('read_text_file', { path: 'dir', head: -1 })),
    'EISDIR: illegal operation on a directory, read',
  );
  // An unknown tool is an error of the protocol, as 2025-11-25 says; the reference answers with a failed result.
  t.regex(textOf(await reference.call('nothing', {})), /Tool nothing not found/);
  await t.throwsAsync(server.call('nothing', {}), { message: '-32602: Unknown tool: nothing' });
});
