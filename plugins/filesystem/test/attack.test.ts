// Ways out of the root, and ways to hold the process up: each is tried, and must fail without a trace.
import test from 'ava';
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { applyPatch } from 'diff';
import { makeFixture, picture, pictureOutside, removeFixture, secret } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { openOurs, textOf } from './harness.ts';
import type { Outcome, Server } from './harness.ts';
import { startWorker } from './nuisance.ts';

async function open(
  t: { teardown(work: () => Promise<void>): void },
  options: JsonObject = {},
): Promise<{ fixture: Fixture; server: Server }> {
  const fixture = await makeFixture();
  t.teardown(() => removeFixture(fixture));
  return { fixture, server: await openOurs({ root: fixture.root, ...options }) };
}

/** Every tool that takes a path, with it in each place that takes one. */
function callsWith(path: string): [string, JsonObject][] {
  // Not the whole of it: a refusal may repeat what was asked for.
  const edits = [{ oldText: secret.slice(0, 8), newText: 'changed' }];
  return [
    ...[
      'read_file',
      'read_text_file',
      'read_media_file',
      'list_directory',
      'list_directory_with_sizes',
      'directory_tree',
      'get_file_info',
    ].map((tool): [string, JsonObject] => [tool, { path }]),
    ['read_text_file', { path, head: 3 }],
    ['read_text_file', { path, tail: 3 }],
    ['read_multiple_files', { paths: [path] }],
    ['search_files', { path, pattern: '**' }],
    ['edit_file', { path, edits }],
    ['edit_file', { path, edits, dryRun: true }],
    ['write_file', { path, content: 'overwritten' }],
    ['create_directory', { path }],
    ['move_file', { source: path, destination: 'stolen.txt' }],
    ['move_file', { source: 'a.txt', destination: path }],
  ];
}

test('every known way out is refused by every tool', async (t) => {
  const { fixture, server } = await open(t);
  const { base, root, outside } = fixture;
  await symlink(join(outside, 'secret.txt'), join(root, 'absolute-link'));
  await symlink('../root/../outside', join(root, 'winding-link'));
  await symlink('link-out', join(root, 'link-to-link'));
  await symlink('/proc/self/root', join(root, 'process-root'));
  await symlink('/proc/self/cwd', join(root, 'process-folder'));
  const before = await pictureOutside(fixture);
  const ways = [
    ...[
      '../outside/secret.txt',
      '../outside',
      '..',
      '../',
      './..',
      'dir/../../outside/secret.txt',
      'dir/deep/../../../outside',
      '../root-too/near.txt',
    ],
    ...[
      join(outside, 'secret.txt'),
      outside,
      base,
      '/',
      '//',
      `${root}-too/near.txt`,
      `${root}/../outside/secret.txt`,
      `${root}"`,
      `${root} `,
      `"${outside}"`,
    ],
    ...[
      `${base}/Root/case.txt`,
      `${base}/ROOT/a.txt`,
      root.toUpperCase(),
      '/etc/passwd',
      '/dev/zero',
      '/proc/self/environ',
      '/proc/self/cwd',
      '~',
      '~/x',
    ],
    ...[
      'link-out',
      'link-out/secret.txt',
      'link-out/new.txt',
      'link-out/new/deeper',
      'link-out-file',
      'dangling-out',
      'dangling-out/x',
      'absolute-link',
    ],
    ...[
      'winding-link/secret.txt',
      'link-to-link/secret.txt',
      'link-dir/link-out-deep/deeper.txt',
      `process-root${outside}/secret.txt`,
      'process-folder/x',
    ],
    ...[
      `${outside}\0`,
      `a.txt\0/../../outside/secret.txt`,
      `../outside/secret.txt\0.png`,
      `${'x/'.repeat(50)}${'../'.repeat(51)}outside/secret.txt`,
    ],
    ...[
      `file://${outside}/secret.txt`,
      'C:\\outside',
      '..\\outside\\secret.txt',
      '\\\\host\\share',
      '%2e%2e/outside/secret.txt',
      '\u2025/outside',
      '．．/outside/secret.txt',
    ],
  ];
  for (const path of ways) {
    for (const [tool, args] of callsWith(path)) {
      const outcome = await server.call(tool, args);
      const text = textOf(outcome);
      t.false(text.includes(secret) || text.includes(Buffer.from(secret).toString('base64')), `${tool} ${path}`);
      if (outcome.isError !== true && tool !== 'read_multiple_files') {
        // Harmless names that only look like a way out may be made below the root, and nowhere else.
        const made = ['write_file', 'create_directory', 'move_file'].includes(tool) || !/secret|near|case/.test(path);
        t.true(made && !path.startsWith('/') && !path.startsWith('link-out'), `${tool} ${path}: ${text}`);
      }
    }
    await server.call('move_file', { source: path, destination: `away/${Math.random()}` });
    await server.call('write_file', { path: 'a.txt', content: 'one\n' });
  }
  t.deepEqual(await pictureOutside(fixture), before);
});

test('no path of any shape reaches outside', async (t) => {
  t.timeout(300_000);
  const { fixture, server } = await open(t);
  const before = await pictureOutside(fixture);
  const names = [
    ...[
      '..',
      '.',
      '',
      'dir',
      'deep',
      'a.txt',
      'link-dir',
      'link-out',
      'link-out-file',
      'dangling-out',
      'loop',
      'outside',
      'secret.txt',
      'folder',
      'root',
      'Root',
    ],
    ...[
      'root"',
      'root ',
      'root-too',
      '~',
      'C:',
      '\0',
      '"',
      ' ',
      '..\\',
      '...',
      '.. ',
      '..\0',
      'x'.repeat(256),
      'proc',
      'self',
      'fd',
      '\u202e',
      'e\u0301',
      '*',
    ],
  ];
  const name = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    fc.string({ maxLength: 8, unit: 'binary' }),
  );
  const start = fc.constantFrom(
    '',
    '/',
    './',
    '//',
    '~/',
    `${fixture.base}/`,
    `${fixture.root}/`,
    fixture.root,
    fixture.outside,
  );
  const path = fc.tuple(start, fc.array(name, { maxLength: 8 })).map(([head, parts]) => head + parts.join('/'));
  await fc.assert(
    fc.asyncProperty(path, fc.nat(), async (somewhere, choice) => {
      const calls = callsWith(somewhere);
      const [tool, args] = calls[choice % calls.length] ?? ['', {}];
      const outcome = await server.call(tool, args);
      const text = textOf(outcome);
      t.false(text.includes(secret) || text.includes('near.txt') || text.includes('deeper.txt'));
      t.is(isObject(outcome.structuredContent), outcome.isError !== true);
      if (tool === 'move_file') await server.call('write_file', { path: 'a.txt', content: 'one\n' });
    }),
    {
      numRuns: 1000,
      examples: [
        [join(fixture.outside, 'secret.txt'), 1],
        ['link-out-file', 1],
        [`${fixture.root}"`, 3],
      ],
    },
  );
  t.deepEqual(await pictureOutside(fixture), before);
});

const linuxTest = process.platform === 'linux' ? test : test.skip;

linuxTest('a folder or file that is swapped for a link all the time lets nothing in or out', async (t) => {
  t.timeout(300_000);
  const { fixture, server } = await open(t);
  const { root, outside } = fixture;
  for (const folder of [join(root, 'race'), join(root, 'upper/race'), outside]) {
    await mkdir(join(folder, 'deep'), { recursive: true });
    for (const file of ['f.txt', 'deep/f.txt'])
      await writeFile(join(folder, file), folder === outside ? secret : 'inside\n');
  }
  await writeFile(join(outside, 'only-there.txt'), secret);
  await writeFile(join(root, 'swap.txt'), 'inside\n');
  const before = await pictureOutside(fixture);
  const swapper = startWorker({ kind: 'swap', root, outside });
  const seen = { good: 0, refused: 0, leaked: [] as string[] };
  const look = (outcome: Outcome): void => {
    const text = textOf(outcome);
    if (outcome.isError === true) seen.refused += 1;
    else seen.good += 1;
    if (text.includes(secret) || text.includes(Buffer.from(secret).toString('base64')) || text.includes('only-there'))
      seen.leaked.push(text);
  };
  const edits = [{ oldText: secret.slice(0, 8), newText: 'changed' }];
  for (let round = 0; round < 60; round += 1) {
    const calls: [string, JsonObject][] = ['race', 'upper/race'].flatMap((folder): [string, JsonObject][] => [
      ['read_text_file', { path: `${folder}/f.txt` }],
      ['read_text_file', { path: `${folder}/deep/f.txt`, tail: 1 }],
      ['read_text_file', { path: `${folder}/f.txt`, head: 1 }],
      ['read_media_file', { path: `${folder}/f.txt` }],
      ['read_multiple_files', { paths: [`${folder}/f.txt`, `${folder}/deep/f.txt`] }],
      ['list_directory', { path: folder }],
      ['list_directory', { path: `${folder}/deep` }],
      ['list_directory_with_sizes', { path: folder }],
      ['directory_tree', { path: folder === 'race' ? 'upper' : '.', excludePatterns: ['dir'] }],
      ['search_files', { path: folder === 'race' ? 'upper' : '.', pattern: '**', excludePatterns: ['dir'] }],
      ['edit_file', { path: `${folder}/f.txt`, edits }],
      ['write_file', { path: `${folder}/new-${round}.txt`, content: 'x' }],
      ['write_file', { path: `${folder}/f.txt`, content: 'inside\n' }],
      ['create_directory', { path: `${folder}/deep/made-${round}/deeper` }],
      ['write_file', { path: `moving-${round}.txt`, content: 'x' }],
      ['move_file', { source: `moving-${round}.txt`, destination: `${folder}/deep/moved-${round}.txt` }],
      ['move_file', { source: `${folder}/deep/f.txt`, destination: `stolen-${folder.length}-${round}.txt` }],
      ['write_file', { path: `${folder}/deep/f.txt`, content: 'inside\n' }],
    ]);
    calls.push(...Array.from({ length: 10 }, (): [string, JsonObject] => ['read_text_file', { path: 'swap.txt' }]), [
      'write_file',
      { path: 'swap.txt', content: 'inside\n' },
    ]);
    for (const [tool, args] of calls) look(await server.call(tool, args));
  }
  await swapper.stop();
  t.log(`${seen.good} calls went well, ${seen.refused} were refused, ${swapper.counters[1]} rounds of swapping`);
  t.deepEqual(seen.leaked, []);
  t.deepEqual(await pictureOutside(fixture), before);
  // Otherwise nothing was tried.
  t.true(seen.good > 200 && seen.refused > 50 && (swapper.counters[1] ?? 0) > 100);
});

linuxTest('pipes, sockets and devices are refused at once', async (t) => {
  t.timeout(60_000);
  const { fixture, server } = await open(t);
  const { root } = fixture;
  t.is(spawnSync('mkfifo', [join(root, 'pipe')]).status, 0);
  const socket = createServer().listen(join(root, 'socket'));
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  await symlink('pipe', join(root, 'link-pipe'));
  const kinds = ['pipe', 'socket', 'link-pipe'];
  // Only the superuser can make devices; /dev/zero would never end.
  if (spawnSync('mknod', [join(root, 'zero'), 'c', '1', '5']).status === 0) kinds.push('zero');
  for (const path of kinds) {
    for (const args of [{ path }, { path, head: 1 }, { path, tail: 1 }])
      t.regex(textOf(await server.call('read_text_file', args)), /not a regular file/);
    t.regex(textOf(await server.call('read_media_file', { path })), /not a regular file/);
    t.regex(
      textOf(await server.call('read_multiple_files', { paths: [path, 'a.txt'] })),
      /not a regular file[^]*a\.txt:\none\n/,
    );
    t.regex(textOf(await server.call('write_file', { path, content: 'x' })), /not a regular file/);
    t.regex(textOf(await server.call('edit_file', { path, edits: [] })), /not a regular file/);
    t.regex(textOf(await server.call('get_file_info', { path })), /isFile: false/);
  }
  t.regex(textOf(await server.call('list_directory', { path: '' })), /\[FILE\] pipe\n/);
  t.regex(textOf(await server.call('search_files', { path: '', pattern: '{pipe,socket}' })), /pipe\n.*socket$/);
});

test('limits are kept, and say what to do', async (t) => {
  t.timeout(120_000);
  const { fixture, server } = await open(t, { maxFileSize: 1000, maxEntries: 40, maxDepth: 3 });
  const { root } = fixture;
  await writeFile(join(root, 'big.txt'), 'line\n'.repeat(300));
  await writeFile(join(root, 'fits.txt'), 'x'.repeat(1000));
  const tooBig = /big\.txt has 1500 bytes, more than the 1000 bytes allowed here \(option maxFileSize\): /;
  t.regex(textOf(await server.call('read_text_file', { path: 'big.txt' })), tooBig);
  t.regex(textOf(await server.call('read_media_file', { path: 'big.txt' })), tooBig);
  t.regex(textOf(await server.call('edit_file', { path: 'big.txt', edits: [] })), tooBig);
  t.is(textOf(await server.call('read_text_file', { path: 'big.txt', head: 2 })), 'line\nline');
  t.is(textOf(await server.call('read_text_file', { path: 'big.txt', tail: 2 })), 'line\n');
  t.is(textOf(await server.call('read_text_file', { path: 'fits.txt' })).length, 1000);
  const both = textOf(await server.call('read_multiple_files', { paths: ['fits.txt', 'a.txt'] }));
  t.regex(both, /a\.txt: Error - .*a\.txt has 14 bytes, more than the 0 bytes allowed here/);
  t.regex(
    textOf(await server.call('write_file', { path: 'w.txt', content: 'é'.repeat(501) })),
    /the content has 1002 bytes, more than the 1000/,
  );
  const grow = { path: 'fits.txt', edits: [{ oldText: 'x', newText: 'yy' }] };
  t.regex(textOf(await server.call('edit_file', grow)), /the content has 1001 bytes/);
  t.is((await stat(join(root, 'fits.txt'))).size, 1000);
  t.regex(
    textOf(await server.call('directory_tree', { path: '' })),
    /holds more than 40 files and folders \(option maxEntries\): .*excludePatterns/,
  );
  await mkdir(join(root, 'hollow/1/2/3/4'), { recursive: true });
  for (const [tool, args] of [
    ['directory_tree', {}],
    ['search_files', { pattern: '**' }],
  ] as const) {
    t.regex(
      textOf(await server.call(tool, { path: 'hollow', ...args })),
      /hollow\/1\/2\/3 is more than 3 levels down \(option maxDepth\)/,
    );
  }
  for (let index = 0; index < 41; index += 1) await writeFile(join(root, `hollow/1/n${index}`), '');
  for (const tool of ['list_directory', 'list_directory_with_sizes']) {
    t.regex(textOf(await server.call(tool, { path: 'hollow/1' })), /hollow\/1 holds more than 40 files/);
  }
  t.regex(textOf(await server.call('search_files', { path: 'hollow/1', pattern: 'x' })), /holds more than 40 files/);
});

test('patterns and edits made to take for ever do not hold up the process', async (t) => {
  t.timeout(120_000);
  const { fixture, server } = await open(t);
  await writeFile(join(fixture.root, 'a'.repeat(200)), '');
  for (const pattern of [`${'*a'.repeat(12)}b`, '+(a|aa)b', `${'{a,b}'.repeat(40)}*`, `${'**/a/'.repeat(9)}b`]) {
    const outcome = await server.call('search_files', { path: '', pattern });
    if (outcome.isError === true) t.regex(textOf(outcome), /^the patterns take longer than \d+ ms: make them simpler$/);
    const tree = await server.call('directory_tree', { path: '', excludePatterns: [pattern] });
    if (tree.isError === true) t.regex(textOf(tree), /^the patterns take longer/);
  }
  t.true((await server.call('search_files', { path: '', pattern: `${'*a'.repeat(12)}b` })).isError);
  t.regex(textOf(await server.call('search_files', { path: '', pattern: 'aaa*' })), /a{200}$/);
  // Text on which the search that is built in compares every character with every other.
  await writeFile(join(fixture.root, 'same.txt'), 'a'.repeat(8_000_000));
  const oldText = `${'a'.repeat(30_000)}b${'a'.repeat(60_000)}`;
  t.regex(
    textOf(await server.call('edit_file', { path: 'same.txt', edits: [{ oldText, newText: '' }] })),
    /^Could not find exact match/,
  );
  await writeFile(join(fixture.root, 'blank.txt'), '\n'.repeat(2_000_000));
  const blank = { path: 'blank.txt', edits: [{ oldText: `${' \n'.repeat(500_000)}x`, newText: '' }] };
  t.regex(textOf(await server.call('edit_file', blank)), /^Could not find exact match/);
  await writeFile(join(fixture.root, 'ticks.txt'), `x\n${'`'.repeat(1_000_000)}`);
  t.regex(
    textOf(await server.call('edit_file', { path: 'ticks.txt', edits: [{ oldText: 'x', newText: 'y' }] })),
    /^`{1000001}diff\n/,
  );
});

test('an edit that changes tens of thousands of lines is still shown as a diff, and the diff is right', async (t) => {
  t.timeout(120_000);
  const { fixture, server } = await open(t);
  const path = join(fixture.root, 'all.txt');
  const numbers = Array.from({ length: 30_000 }, (_, index) => `${index}`);
  const frames = [
    ['', ''],
    ['1\n2\n3\n4\n5\n6\n', '\n7\n8\n9\n10\n11\n12'],
    ['1\n', '\n'],
  ] as const;
  for (const [head, tail] of frames) {
    const oldText = numbers.map((number) => `old ${number}`).join('\n');
    const newText = numbers
      .slice(0, -7)
      .map((number) => `new ${number}`)
      .join('\n');
    await writeFile(path, head + oldText + tail);
    const diff = textOf(await server.call('edit_file', { path: 'all.txt', edits: [{ oldText, newText }] }));
    const patch = /^```diff\n([^]*)```\n\n$/.exec(diff)?.[1] ?? '';
    t.is(patch.split('\n').filter((line) => /^[-+](old|new) \d+$/.test(line)).length, 59_993);
    t.is(await readFile(path, 'utf8'), head + newText + tail);
    t.is(applyPatch(head + oldText + tail, patch), head + newText + tail);
  }
});

test('a reader never sees a part of a file, and nothing is left behind', async (t) => {
  t.timeout(120_000);
  const { fixture, server } = await open(t);
  const path = join(fixture.root, 'whole.txt');
  const size = 400_000;
  await writeFile(path, 'A'.repeat(size));
  await chmod(path, 0o604);
  const reader = startWorker({ kind: 'read', path, size });
  for (let round = 0; round < 60; round += 1) {
    const [now, next] = round % 2 === 0 ? ['A', 'B'] : ['B', 'A'];
    if (round % 6 < 4)
      t.falsy((await server.call('write_file', { path: 'whole.txt', content: next?.repeat(size) })).isError);
    else {
      const edit = { oldText: now?.repeat(size), newText: next?.repeat(size) };
      t.falsy((await server.call('edit_file', { path: 'whole.txt', edits: [edit] })).isError);
    }
    t.is((await stat(path)).mode & 0o777, 0o604);
    t.is(textOf(await server.call('read_text_file', { path: 'whole.txt' })), next?.repeat(size));
  }
  await reader.stop();
  t.true((reader.counters[1] ?? 0) > 20);
  t.is(reader.counters[2], 0);
  for (const bad of ['dir', '', 'link-out/x', 'x'.repeat(300)])
    t.true((await server.call('write_file', { path: bad, content: 'x' })).isError);
  t.deepEqual(
    (await readdir(fixture.root)).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('changes of one file wait for each other: none is lost, and none overwrites a move', async (t) => {
  const { fixture, server } = await open(t);
  const marks = Array.from({ length: 40 }, (_, index) => `<${index}>`);
  await writeFile(join(fixture.root, 'marks.txt'), marks.join('\n'));
  await Promise.all(
    marks.map((mark) =>
      server.call('edit_file', { path: 'marks.txt', edits: [{ oldText: mark, newText: `done ${mark}` }] }),
    ),
  );
  t.is(await readFile(join(fixture.root, 'marks.txt'), 'utf8'), marks.map((mark) => `done ${mark}`).join('\n'));
  for (let index = 0; index < 20; index += 1) await writeFile(join(fixture.root, `source-${index}`), `${index}`);
  const moves = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      server.call('move_file', { source: `source-${index}`, destination: 'target' }),
    ),
  );
  t.is(moves.filter((move) => move.isError !== true).length, 1);
  t.is((await readdir(fixture.root)).filter((name) => name.startsWith('source-')).length, 19);
});

test('a write does not follow a hard link out of the root', async (t) => {
  const { fixture, server } = await open(t);
  const before = await picture(fixture.outside);
  await link(join(fixture.outside, 'secret.txt'), join(fixture.root, 'hard'));
  await server.call('write_file', { path: 'hard', content: 'changed' });
  t.is(await readFile(join(fixture.root, 'hard'), 'utf8'), 'changed');
  t.deepEqual(await picture(fixture.outside), before);
});
