// A repository in the folder of the proxy's configuration: git shows nobody the proxy's own files, and changes none of them.
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { author, connect, folders, gitTest as test, mustGit, register, repository, write } from './stand.ts';
import type { Client } from './stand.ts';

const secret = 'SECRET-OF-THE-PROXY';
const committed = `${secret} as committed\n`;
const current = `${secret} as it is now\n`;

interface Stand {
  readonly root: string;
  readonly reserved: readonly string[];
  readonly client: Client;
}

/** The root is the repository and the folder of the configuration; the configuration is committed, and has changed since. */
async function stand(t: ExecutionContext): Promise<Stand> {
  const { root } = folders(t);
  repository(root);
  mustGit(root, 'checkout', '--quiet', 'feature');
  write(root, { 'plugboard.yaml': 'plugins: { evil: {} }\n', '.plugboard/state/tokens': 'evil\n', 'c.txt': 'c\n' });
  mustGit(root, 'add', '.');
  mustGit(root, 'commit', '--quiet', '-m', 'Takes over');
  mustGit(root, 'checkout', '--quiet', 'main');
  write(root, { 'plugboard.yaml': committed, '.plugboard/admin.json': committed, 'folder/PLUGBOARD.txt': 'free\n' });
  mustGit(root, 'add', '.');
  mustGit(root, 'commit', '--quiet', '-m', 'With a configuration');
  write(root, {
    'plugboard.yaml': current,
    '.plugboard/admin.json': current,
    '.plugboard/new': current,
    'a.txt': 'changed\n',
  });
  const reserved = ['.plugboard', 'plugboard.yaml', 'plugboard.json'].map((name) => join(root, name));
  const client = await connect(await register({ root, author, timeout: 60_000 }, '/', reserved));
  t.teardown(() => client.close());
  return { root, reserved, client };
}

function picture(root: string): string[] {
  return ['plugboard.yaml', '.plugboard/admin.json', '.plugboard/new'].map((name) =>
    readFileSync(join(root, name), 'utf8'),
  );
}

test('no tool shows them, from now or from any commit', async (t) => {
  const { root, client } = await stand(t);
  mustGit(root, 'add', 'plugboard.yaml');
  const open: [string, JsonObject, RegExp][] = [
    ['git_status', {}, /a\.txt/],
    ['git_diff_unstaged', {}, /\+changed/],
    ['git_diff_unstaged', { paths: ['.'] }, /\+changed/],
    ['git_diff_staged', {}, /^Staged changes:/],
    ['git_diff', { target: 'HEAD' }, /\+changed/],
    ['git_diff', { target: 'feature' }, /c\.txt/],
    ['git_diff', { target: 'feature..main' }, /PLUGBOARD\.txt/],
    ['git_diff', { target: 'HEAD~1..HEAD', paths: ['folder', '.'] }, /PLUGBOARD\.txt/],
    ['git_show', { revision: 'HEAD' }, /PLUGBOARD\.txt/],
    ['git_show', { revision: 'HEAD', path: '.' }, /a\.txt/],
    ['git_show', { revision: 'HEAD', path: 'folder' }, /PLUGBOARD\.txt/],
    ['git_log', {}, /With a configuration/],
  ];
  for (const [tool, args, expected] of open) {
    const { text, isError } = await client.call(tool, args);
    t.false(isError, `${tool}: ${text}`);
    t.regex(text, expected, tool);
    t.false(/plugboard\.yaml|\.plugboard|SECRET|evil/.test(text), `${tool} ${JSON.stringify(args)}: ${text}`);
  }
  for (const path of [
    'plugboard.yaml',
    'Plugboard.YAML',
    'folder/../plugboard.yaml',
    join(root, 'plugboard.yaml'),
    '.plugboard',
    '.plugboard/admin.json',
  ]) {
    for (const [tool, args] of [
      ['git_show', { revision: 'HEAD', path }],
      ['git_show', { revision: 'feature', path }],
      ['git_show', { revision: 'HEAD', paths: [path] }],
      ['git_diff', { target: 'HEAD', paths: ['a.txt', path] }],
      ['git_diff_unstaged', { paths: [path] }],
      ['git_diff_staged', { paths: [path] }],
      ['git_blame', { path }],
      ['git_blame', { path, revision: 'HEAD' }],
      ['git_log', { path }],
      ['git_add', { files: [path] }],
    ] as const) {
      t.regex(await client.refused(tool, args), /belongs to the proxy itself/, `${tool} ${path}`);
    }
  }
});

test('nothing is checked out over them, staged or removed with them', async (t) => {
  const { root, client } = await stand(t);
  const before = picture(root);
  mustGit(root, 'checkout', '--quiet', '--', 'a.txt');
  for (const branch_name of ['feature', 'main', 'HEAD~1'])
    t.regex(await client.refused('git_checkout', { branch_name }), /holds files of the proxy itself.*git_worktree_add/);
  t.deepEqual(
    (await client.result('git_add', { files: ['.', 'folder'] }).catch((error: Error) => error.message)) as unknown,
    'git_add failed: nothing to stage there (no changes); what .gitignore names is left out',
  );
  write(root, { 'a.txt': 'more\n' });
  t.deepEqual((await client.result('git_add', { files: ['.'] }))['staged'], ['a.txt']);
  await client.result('git_commit', { message: 'By the tool' });
  t.is(mustGit(root, 'show', '--name-only', '--format=', 'HEAD'), 'a.txt');
  await client.result('git_reset', {});
  t.deepEqual(picture(root), before);
});

test('a worktree is no way around', async (t) => {
  const { root, client } = await stand(t);
  t.regex(
    await client.refused('git_worktree_add', { path: 'wt', branch_name: 'feature' }),
    /\.plugboard.*not checked out/,
  );
  t.regex(
    await client.refused('git_worktree_add', { path: 'wt', branch_name: 'x', base_branch: 'HEAD' }),
    /not checked out/,
  );
  t.regex(
    await client.refused('git_worktree_add', { path: '.plugboard/wt', branch_name: 'x', base_branch: 'HEAD~1' }),
    /belongs to the proxy itself|is not there|outside/,
  );
  t.regex(
    await client.refused('git_worktree_add', { path: 'plugboard.json', branch_name: 'x', base_branch: 'HEAD~1' }),
    /belongs to the proxy itself/,
  );
  await client.result('git_worktree_add', { path: 'wt', branch_name: 'free', base_branch: 'HEAD~1' });
  // What is committed from there would have the path of the configuration in the main worktree.
  write(root, { 'wt/plugboard.yaml': 'plugins: { evil: {} }\n', 'wt/d.txt': 'd\n' });
  t.regex(
    await client.refused('git_add', { repo_path: 'wt', files: ['plugboard.yaml'] }),
    /belongs to the proxy itself/,
  );
  t.deepEqual((await client.result('git_add', { repo_path: 'wt', files: ['.'] }))['staged'], ['d.txt']);
  t.regex(
    await client.refused('git_show', { repo_path: 'wt', revision: 'main', path: 'plugboard.yaml' }),
    /belongs to the proxy itself/,
  );
  const { text } = await client.call('git_diff', { repo_path: 'wt', target: 'HEAD..main' });
  t.false(/SECRET|plugboard\.yaml/.test(text), text);
  await client.result('git_commit', { repo_path: 'wt', message: 'Free' });
  await client.result('git_checkout', { repo_path: 'wt', branch_name: 'HEAD~1' });
  // A folder that holds them is no worktree to remove, whatever git's own files say.
  mkdirSync(join(root, '.git/worktrees/forged'));
  await client.result('git_worktree_remove', { path: 'wt', force: true });
  t.true(existsSync(join(root, 'plugboard.yaml')));
});

test('a worktree that has come to hold them is not removed', async (t) => {
  const { root } = folders(t);
  const main = repository(join(root, 'main'));
  mustGit(main, 'worktree', 'add', '--quiet', '../project', 'feature');
  write(root, { 'project/plugboard.yaml': current });
  const reserved = [join(root, 'project/plugboard.yaml'), join(root, 'project/.plugboard')];
  const client = await connect(await register({ root, author }, '/', reserved));
  t.teardown(() => client.close());
  t.regex(
    await client.refused('git_worktree_remove', { repo_path: 'main', path: 'project', force: true }),
    /holds files of the proxy/,
  );
  t.is(readFileSync(join(root, 'project/plugboard.yaml'), 'utf8'), current);
});

test('git does not keep its own files among them, and a root among them is refused', async (t) => {
  const { root, reserved, client } = await stand(t);
  mkdirSync(join(root, 'sub'));
  repository(join(root, '.plugboard/hidden'));
  writeFileSync(join(root, 'sub/.git'), 'gitdir: ../.plugboard/hidden/.git\n');
  t.regex(await client.refused('git_status', { repo_path: 'sub' }), /leads outside of the root/);
  t.regex(
    await client.refused('git_status', { repo_path: '.plugboard/hidden' }),
    /belongs to the proxy itself|outside of the root/,
  );
  symlinkSync('.plugboard/hidden', join(root, 'link'));
  t.regex(await client.refused('git_status', { repo_path: 'link' }), /outside of the root|belongs to the proxy itself/);
  const messages: string[] = [];
  const within = await register(
    { root: join(root, '.plugboard/hidden') },
    '/',
    reserved,
    (message) => void messages.push(message),
  );
  await t.throwsAsync(connect(within), { message: /holds files of the proxy itself/ });
  await register({ root }, '/', reserved, (message) => void messages.push(message));
  for (let n = 0; n < 100 && messages.length < 2; n += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  t.true(
    messages.some((message) => /^option root: .*plugboard\.yaml.*\.\/workspace/s.test(message)),
    messages.join('\n'),
  );
});

test('a repository that holds none of them works as ever', async (t) => {
  const { root } = folders(t);
  const repo = repository(join(root, 'repo'));
  write(repo, { 'plugboard.yaml': 'of another proxy\n' });
  const client = await connect(
    await register({ root, author }, '/', [join(root, 'plugboard.yaml'), join(root, '.plugboard')]),
  );
  t.teardown(() => client.close());
  t.deepEqual((await client.result('git_add', { repo_path: 'repo', files: ['.'] }))['staged'], ['plugboard.yaml']);
  await client.result('git_commit', { repo_path: 'repo', message: 'One of its own' });
  t.regex((await client.call('git_show', { repo_path: 'repo', revision: 'HEAD' })).text, /of another proxy/);
  await client.result('git_checkout', { repo_path: 'repo', branch_name: 'feature' });
});
