// What the tools do to real repositories, checked with the real git.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from 'plugboard';
import { folders, git, gitTest as test, mustGit, open, repository, write } from './stand.ts';

test('status: branch, staged, unstaged, untracked, renamed, conflicts', async (t) => {
  const { root } = folders(t);
  const repo = repository(join(root, 'repo'));
  const client = await open(t, root);
  const repo_path = 'repo';
  t.true((await client.call('git_status', { repo_path })).text.includes('working tree clean'));
  write(repo, { 'a.txt': 'changed\n', 'new file\nwith break.txt': 'x', 'ümläut.txt': 'x' });
  mustGit(repo, 'mv', 'folder/b.txt', 'folder/c d.txt');
  const { text, structured } = await client.call('git_status', { repo_path: 'repo/folder' });
  t.deepEqual(structured, {
    branch: 'main',
    commit: mustGit(repo, 'rev-parse', 'HEAD'),
    staged: [{ path: 'folder/c d.txt', change: 'renamed', from: 'folder/b.txt' }],
    unstaged: [{ path: 'a.txt', change: 'modified' }],
    untracked: ['new file\nwith break.txt', 'ümläut.txt'],
    conflicts: [],
    notes: [],
  });
  t.true(text.startsWith('Repository status:\nOn branch main\n'));
  mustGit(repo, 'reset', '--hard', '--quiet');
  mustGit(repo, 'switch', '--quiet', 'feature');
  write(repo, { 'a.txt': 'other\n' });
  mustGit(repo, 'commit', '--quiet', '-a', '-m', 'Other');
  git(repo, 'merge', 'main');
  t.deepEqual((await client.result('git_status', { repo_path }))['conflicts'], ['a.txt']);
  // Nothing but a folder yet.
  mustGit(root, 'init', '--quiet', '--initial-branch=trunk', 'empty');
  const empty = await client.call('git_status', { repo_path: 'empty' });
  t.like(empty.structured, { branch: 'trunk', staged: [] });
  t.true(empty.text.includes('No commits yet'));
  t.regex(await client.refused('git_log', { repo_path: 'empty' }), /names no commit here/);
});

test('diffs: unstaged, staged, between commits and branches, of some paths', async (t) => {
  const { root } = folders(t);
  const repo = repository(root);
  const client = await open(t, root);
  write(repo, { 'a.txt': 'one\ntwo\nthree\n', 'folder/b.txt': 'staged\n' });
  mustGit(repo, 'add', 'folder/b.txt');
  const diff = async (tool: string, args: JsonObject = {}) => String((await client.result(tool, args))['diff']);
  t.is(await diff('git_diff_unstaged'), `${mustGit(repo, 'diff')}\n`);
  t.is(await diff('git_diff_staged'), `${mustGit(repo, 'diff', '--cached')}\n`);
  t.is(await diff('git_diff_staged', { context_lines: 0 }), `${mustGit(repo, 'diff', '--cached', '-U0')}\n`);
  t.is(await diff('git_diff_staged', { paths: ['a.txt'] }), '');
  t.is(await diff('git_diff_unstaged', { paths: [join(repo, 'a.txt')] }), `${mustGit(repo, 'diff')}\n`);
  for (const target of ['HEAD', 'feature', 'HEAD~1', 'feature..main', 'main..feature', 'feature...main', '..feature'])
    t.is((await diff('git_diff', { target })).trim(), mustGit(repo, 'diff', target), target);
  t.regex(await client.refused('git_diff', { target: 'nowhere' }), /"nowhere" names no commit here/);
  t.regex(await client.refused('git_diff_unstaged', { context_lines: -1 }), /^Invalid arguments/);
  // A path is a path, not a pattern.
  t.is(await diff('git_diff_unstaged', { paths: ['*.txt'] }), '');
  t.is(await diff('git_diff_unstaged', { paths: [':(top)a.txt'] }), '');
});

test('log, show, blame and branches read history', async (t) => {
  const { root } = folders(t);
  const repo = repository(root);
  const client = await open(t, root);
  const [second = '', first = ''] = mustGit(repo, 'log', '--format=%H').split('\n');
  const log = async (args: JsonObject = {}) => (await client.result('git_log', args))['commits'] as JsonObject[];
  const [newest, oldest] = await log();
  t.like(newest, { hash: second, author: 'Ada', email: 'ada@example.com', message: 'Second commit\n\nWith a body.' });
  t.is(newest?.['date'], mustGit(repo, 'log', '-1', '--format=%aI'));
  t.is(oldest?.['hash'], first);
  const one = await client.call('git_log', { max_count: 1 });
  t.regex(one.text, /^Commit history:\nCommit: [0-9a-f]{40}\nAuthor: Ada <ada@example\.com>\n/);
  t.deepEqual(one.structured['notes'], ['There are more commits: continue with skip 1']);
  t.deepEqual((await log({ skip: 1 })).length, 1);
  t.deepEqual(
    (await log({ path: 'folder' })).map(({ hash }) => hash),
    [first],
  );
  t.deepEqual(
    (await log({ revision: 'feature' })).map(({ hash }) => hash),
    [first],
  );
  t.deepEqual(await log({ end_timestamp: '2001-01-01' }), []);
  t.is((await log({ start_timestamp: '2001-01-01T00:00:00' })).length, 2);

  const shown = await client.result('git_show', { revision: 'HEAD' });
  t.like(shown['commit'], { hash: second });
  t.is(String(shown['content']).trim(), mustGit(repo, 'show', '--format='));
  t.is((await client.result('git_show', { revision: first, path: 'a.txt' }))['content'], 'one\n');
  t.is((await client.result('git_show', { revision: first, path: '.' }))['content'], 'a.txt\nfolder\n');
  t.regex(await client.refused('git_show', { revision: first, path: 'z' }), /z is not in commit/);
  write(repo, { binary: 'a\0b' });
  mustGit(repo, 'add', 'binary');
  mustGit(repo, 'commit', '--quiet', '-m', 'Binary');
  t.regex(await client.refused('git_show', { revision: 'HEAD', path: 'binary' }), /binary file/);

  const lines = String((await client.result('git_blame', { path: 'a.txt' }))['lines']).split('\n');
  t.regex(lines[0] ?? '', new RegExp(`^\\^${first.slice(0, 7)}.*1\\) one$`));
  t.regex(lines[1] ?? '', new RegExp(`^${second.slice(0, 8)}.*2\\) two$`));
  const part = await client.result('git_blame', { path: 'a.txt', start_line: 2, end_line: 2, revision: 'HEAD' });
  t.regex(String(part['lines']), /^\S+ .* 2\) two\n$/);
  t.regex(await client.refused('git_blame', { path: 'nothing' }), /no such path 'nothing'/);

  mustGit(repo, 'update-ref', 'refs/remotes/origin/main', first);
  const names = async (args: JsonObject) =>
    ((await client.result('git_branch', args))['branches'] as { name: string }[]).map(({ name }) => name);
  t.deepEqual(await names({}), ['feature', 'main']);
  t.deepEqual(await names({ branch_type: 'remote' }), ['origin/main']);
  t.deepEqual(await names({ branch_type: 'all' }), ['feature', 'main', 'origin/main']);
  t.deepEqual(await names({ contains: second }), ['main']);
  t.deepEqual(await names({ not_contains: second }), ['feature']);
  t.regex((await client.call('git_branch')).text, /^ {2}feature [0-9a-f]{12} First commit\n\* main /);
});

test('add, reset and commit: exactly what was named, with the author of the options', async (t) => {
  const { root } = folders(t);
  const repo = repository(root);
  const client = await open(t, root);
  t.regex(await client.refused('git_commit', { message: 'x' }), /nothing is staged: stage files with git_add/);
  write(repo, { 'a.txt': 'changed\n', 'x.txt': 'x\n', 'y y.txt': 'y\n', '*.txt': 'star\n', 'ignored.log': 'i\n' });
  write(repo, { '.gitignore': '*.log\n', '-rf': 'dash\n' });
  rmSync(join(repo, 'folder/b.txt'));
  t.deepEqual((await client.result('git_add', { files: ['*.txt'] }))['staged'], ['*.txt']);
  t.deepEqual((await client.result('git_add', { files: ['-rf', 'folder'] }))['staged'], ['-rf', 'folder/b.txt']);
  t.is(mustGit(repo, 'diff', '--cached', '--name-status'), 'A\t*.txt\nA\t-rf\nD\tfolder/b.txt');
  t.is((await client.call('git_reset')).text, 'All staged changes reset');
  t.is(mustGit(repo, 'diff', '--cached', '--name-only'), '');
  t.regex(await client.refused('git_add', { files: ['ignored.log'] }), /nothing to stage there .*\.gitignore/);
  t.regex(await client.refused('git_add', { files: ['a.txt', 'typo.txt'] }), /^typo\.txt is not there/);
  t.regex(await client.refused('git_add', { files: [] }), /^Invalid arguments/);
  const added = await client.call('git_add', { files: ['.'] });
  t.is(added.text, 'Files staged successfully');
  const message = 'Subject: "quotes" $(and) `more`\n\n# not a comment\n-- and options --amend\n';
  const { commit } = await client.result('git_commit', { message });
  t.is(mustGit(repo, 'rev-parse', 'HEAD'), String(commit));
  t.is(
    mustGit(repo, 'log', '-1', '--format=%an <%ae>|%cn <%ce>'),
    Array(2).fill('Task Agent <agent@example.com>').join('|'),
  );
  t.is(mustGit(repo, 'log', '-1', '--format=%B').trim(), message.trim());
  t.is(mustGit(repo, 'status', '--short'), '');
  t.is(mustGit(repo, 'fsck', '--strict'), '');
  t.regex(await client.refused('git_commit', { message: ' \n' }), /needs a message/);
  // Without the option: what the repository says, or a refusal with the way out.
  const plain = await open(t, root, { author: undefined });
  write(repo, { 'a.txt': 'again\n' });
  await plain.result('git_add', { files: ['a.txt'] });
  t.regex(await plain.refused('git_commit', { message: 'x' }), /option author/);
  mustGit(repo, 'config', 'user.name', 'Repo "User" \\ Name');
  mustGit(repo, 'config', 'user.email', 'repo@example.com');
  await plain.result('git_commit', { message: 'x' });
  t.is(mustGit(repo, 'log', '-1', '--format=%an <%ae>'), 'Repo "User" \\ Name <repo@example.com>');
});

test('branches are created and switched to; nothing that is not committed gets lost', async (t) => {
  const { root } = folders(t);
  const repo = repository(root);
  const client = await open(t, root);
  const [second = '', first = ''] = mustGit(repo, 'log', '--format=%H').split('\n');
  const created = await client.call('git_create_branch', { branch_name: 'task/7', base_branch: 'feature' });
  t.is(created.text, "Created branch 'task/7' from 'feature'");
  t.is(created.structured['commit'], first);
  t.is(mustGit(repo, 'rev-parse', 'task/7'), first);
  t.regex(await client.refused('git_create_branch', { branch_name: 'task/7' }), /there is a branch task\/7 already/);
  t.like(await client.result('git_checkout', { branch_name: 'task/7' }), { branch: 'task/7', commit: first });
  t.is(mustGit(repo, 'symbolic-ref', 'HEAD'), 'refs/heads/task/7');
  t.is(readFileSync(join(repo, 'a.txt'), 'utf8'), 'one\n');
  t.regex(mustGit(repo, 'reflog', '-1'), /moving from main to task\/7/);
  write(repo, { 'a.txt': 'precious\n' });
  t.regex(
    await client.refused('git_checkout', { branch_name: 'main' }),
    /would be overwritten .*\n.*Commit these changes/s,
  );
  t.is(readFileSync(join(repo, 'a.txt'), 'utf8'), 'precious\n');
  mustGit(repo, 'checkout', '--quiet', 'a.txt');
  mustGit(repo, 'tag', 'v1', second);
  const detached = await client.call('git_checkout', { branch_name: 'v1' });
  t.is(detached.structured['commit'], second);
  t.regex(detached.text, /HEAD is now at .*\n\[No branch is checked out/);
  t.regex((await client.call('git_status')).text, /HEAD detached at/);
  for (const name of [
    '',
    '-d',
    '--detach',
    'a b',
    'a..b',
    'x.lock',
    'a~1',
    '@',
    'HEAD',
    'refs/heads/x',
    'a\nb',
    '.x',
    'x/',
  ])
    t.true((await client.call('git_create_branch', { branch_name: name })).isError, name);
  t.is(mustGit(repo, 'for-each-ref', '--format=%(refname:short)', 'refs/heads'), 'feature\nmain\ntask/7');
});

test('worktrees: git itself finds them right, and they are removed only when nothing is lost', async (t) => {
  const { root } = folders(t);
  const repo = repository(join(root, 'repo'));
  const client = await open(t, root);
  const repo_path = 'repo';
  const added = await client.result('git_worktree_add', { repo_path, path: 'wt/../side', branch_name: 'feature' });
  t.like(added, { path: 'side', branch: 'feature', commit: mustGit(repo, 'rev-parse', 'feature') });
  const side = join(root, 'side');
  t.is(mustGit(side, 'status', '--short', '--branch'), '## feature');
  t.is(mustGit(side, 'rev-parse', '--path-format=absolute', '--git-common-dir'), join(repo, '.git'));
  t.is(mustGit(repo, 'fsck'), '');
  t.regex(mustGit(repo, 'worktree', 'list'), /side +[0-9a-f]+ \[feature\]/);
  await client.result('git_worktree_add', { repo_path, path: 'side two', branch_name: 'new', base_branch: 'main' });
  t.is(mustGit(join(root, 'side two'), 'rev-parse', 'new'), mustGit(repo, 'rev-parse', 'main'));
  const list = (await client.result('git_worktree_list', { repo_path: 'side' }))['worktrees'] as JsonObject[];
  t.deepEqual(
    list.map(({ path, branch, main }) => [path, branch, main]),
    [
      ['repo', 'main', true],
      ['side', 'feature', false],
      ['side two', 'new', false],
    ],
  );
  // Work in it, and a branch is checked out once only, seen from either side.
  write(side, { 'a.txt': 'side\n' });
  await client.result('git_add', { repo_path: 'side', files: ['.'] });
  await client.result('git_commit', { repo_path: 'side', message: 'From the side' });
  t.is(mustGit(repo, 'log', '-1', '--format=%s', 'feature'), 'From the side');
  for (const [place, branch_name] of [
    ['repo', 'feature'],
    ['side', 'main'],
    ['side', 'new'],
  ])
    t.regex(
      await client.refused('git_checkout', { repo_path: place ?? '', branch_name: branch_name ?? '' }),
      /already checked out|already used/,
    );
  for (const [args, words] of [
    [{ path: 'other', branch_name: 'feature' }, /branch feature is checked out at side/],
    [{ path: 'other', branch_name: 'nothing' }, /there is no branch nothing: give base_branch/],
    [{ path: 'side', branch_name: 'x', base_branch: 'HEAD' }, /is there already/],
    [{ path: 'other', branch_name: 'main', base_branch: 'HEAD' }, /is checked out at repo/],
    [{ path: 'no/where', branch_name: 'x', base_branch: 'HEAD' }, /is not there/],
  ] as const)
    t.regex(await client.refused('git_worktree_add', { repo_path, ...args }), words);
  t.false(existsSync(join(root, 'other')));
  // Removing.
  write(side, { 'unsaved.txt': 'x' });
  t.regex(await client.refused('git_worktree_remove', { repo_path, path: 'side' }), /changes that are not committed/);
  t.true(existsSync(join(side, 'unsaved.txt')));
  await client.result('git_worktree_remove', { repo_path, path: 'side', force: true });
  t.false(existsSync(side));
  await client.result('git_worktree_remove', { repo_path, path: 'side two' });
  t.is(mustGit(repo, 'worktree', 'list', '--porcelain').match(/^worktree /gm)?.length, 1);
  t.false(existsSync(join(repo, '.git/worktrees')));
  t.regex(await client.refused('git_worktree_remove', { repo_path, path: 'repo' }), /main worktree/);
  t.regex(await client.refused('git_worktree_remove', { repo_path, path: '.' }), /no worktree of this repository/);
  mustGit(repo, 'worktree', 'add', '--quiet', '../locked', 'new');
  mustGit(repo, 'worktree', 'lock', '../locked');
  t.regex(await client.refused('git_worktree_remove', { repo_path, path: 'locked', force: true }), /is locked/);
});

test('repositories of other shapes: packed, sha256, shallow, with a detached git folder; a reset before the first commit', async (t) => {
  const { root } = folders(t);
  const client = await open(t, root);
  const packed = repository(join(root, 'packed'));
  mustGit(packed, 'gc', '--quiet', '--aggressive', '--prune=now');
  mustGit(packed, 'pack-refs', '--all');
  mustGit(root, 'clone', '--quiet', '--depth=1', `file://${packed}`, 'shallow');
  mustGit(root, 'init', '--quiet', '--object-format=sha256', '--initial-branch=main', 'wide');
  mustGit(root, 'init', '--quiet', '--initial-branch=main', '--separate-git-dir', 'parts.git', 'apart');
  for (const repo_path of ['packed', 'shallow', 'wide', 'apart']) {
    write(join(root, repo_path), { 'n.txt': 'new\n' });
    await client.result('git_add', { repo_path, files: ['n.txt'] });
    await client.result('git_reset', { repo_path });
    t.is(git(join(root, repo_path), 'diff', '--cached', '--name-only'), '', repo_path);
    await client.result('git_add', { repo_path, files: ['n.txt'] });
    const { commit } = await client.result('git_commit', { repo_path, message: 'New' });
    t.is(mustGit(join(root, repo_path), 'rev-parse', 'HEAD'), String(commit), repo_path);
    await client.result('git_create_branch', { repo_path, branch_name: 'b' });
    await client.result('git_checkout', { repo_path, branch_name: 'b' });
    t.is(mustGit(join(root, repo_path), 'status', '--short', '--branch'), '## b', repo_path);
    t.false(/error|missing|dangling/.test(git(join(root, repo_path), 'fsck')), repo_path);
  }
  // Upstreams are known although their URL is not read.
  const upstream = await client.result('git_branch', { repo_path: 'shallow', branch_type: 'all' });
  t.true(JSON.stringify(upstream).includes('"upstream":"origin/main"'));
  writeFileSync(join(packed, '.git/config'), '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tfuture = 1\n');
  t.regex(
    await client.refused('git_status', { repo_path: 'packed' }),
    /uses extensions\.future, which is not supported/,
  );
  writeFileSync(join(packed, '.git/config'), '[core\nnonsense');
  t.regex(await client.refused('git_status', { repo_path: 'packed' }), /is not a configuration that git can read/);
});
